"""The shell commands natively: arguments, exit codes, help, and what they refuse before anything is set up."""

from __future__ import annotations

import json

import pytest

# A Python whose environment's Python says which training log it is given.
PROBE = """#!/usr/bin/env bash
case "$*" in
  "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
  -) cat >/dev/null; echo fits ;;
  *train.py*) echo "log=${TRAINING_LOG:-}" ;;
esac
"""
PIPELINE = ("preprocess.sh", "train.sh", "predict.sh")


@pytest.fixture
def video(checkout):
    path = checkout.root / "data/a clip.mp4"
    path.parent.mkdir()
    path.touch()
    return path


@pytest.mark.parametrize(
    "script",
    [*PIPELINE, "demo.sh", "app.sh", "live.sh", "fleet.sh", "build.sh", "download_models.sh", "download_bfm.sh"],
)
def test_help_needs_nothing_set_up(checkout, script):
    (checkout.bin / "python3").unlink()
    for asked in (["--help"], ["-h"]):
        result = checkout.run(script, *asked)
        assert result.returncode == 0
        assert result.stdout.startswith(f"Usage: ./{script}") and not result.stderr
    assert not (checkout.root / ".venv").exists()


@pytest.mark.parametrize("script", PIPELINE)
def test_no_arguments_show_the_usage(checkout, script):
    result = checkout.run(script)
    assert result.returncode == 2
    assert result.stderr.startswith(f"Usage: ./{script}") and not result.stdout


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("preprocess.sh", "nowhere.mp4"), "nowhere.mp4 does not exist"),
        (("preprocess.sh", "--task", "3"), "the video comes first"),
        (("predict.sh", "--audio_path", "nowhere.wav"), "nowhere.wav does not exist"),
        (("predict.sh", "--audio_path=data"), "data is a folder"),
        (("predict.sh", "--text_file", "nowhere.txt"), "nowhere.txt does not exist"),
    ],
)
def test_a_wrong_path_is_one_line_before_any_set_up(checkout, video, command, said):
    result = checkout.run(*command)
    assert result.returncode == 1
    assert result.stderr.startswith("error: ") and said in result.stderr and len(result.stderr.splitlines()) == 1
    assert not (checkout.root / ".venv").exists()


def test_arguments_arrive_as_they_are_in_the_callers_folder(checkout, video, tmp_path):
    assert checkout.run("preprocess.sh", "data/a clip.mp4", "--task", "7").returncode == 0
    script = str(checkout.root / "data_utils/process.py")
    assert checkout.argv("python") == [str(checkout.root), script, "data/a clip.mp4", "--task", "7"]
    assert checkout.run("train.sh", "-s", "*", "", "a\nb", cwd=tmp_path).returncode == 0
    assert checkout.argv("python") == [str(tmp_path), str(checkout.root / "train.py"), "-s", "*", "", "a\nb"]


def test_a_name_that_begins_with_a_dash_is_a_file_all_the_same(checkout, video):
    dashed = checkout.root / "-x.mp4"
    dashed.touch()
    for given in ("-x.mp4", "./-x.mp4"):
        assert checkout.run("preprocess.sh", given, "--task", "7").returncode == 0
        assert checkout.argv("python")[2:] == ["./-x.mp4", "--task", "7"]
    for given in (["--audio_path", "-x.mp4"], ["--audio_path=-x.mp4"]):
        assert checkout.run("predict.sh", *given, "--reference_path", "-x").returncode == 0
        assert checkout.argv("python")[2:-4] == [*given, "--reference_path", "-x"]


def test_predict_fills_in_what_is_not_said(checkout, video):
    assert checkout.run("predict.sh", "--audio_path", str(video), "--model_path=mine").returncode == 0
    expected = ["--audio_path", str(video), "--model_path=mine", "--reference_path", "data/input"]
    assert checkout.argv("python")[2:] == [*expected, "--output_dir", "results"]


def test_predict_asks_for_no_dataset_where_the_model_needs_none(checkout, video):
    (checkout.root / "my model").mkdir()
    (checkout.root / "my model" / "clip.safetensors").touch()
    for model in ("my model", "some one.head"):
        usual = ["--audio_path", str(video), "--model_path", model]
        assert checkout.run("predict.sh", *usual).returncode == 0
        assert checkout.argv("python")[2:] == [*usual, "--output_dir", "results"]
    frames = ["--audio_path", str(video), "--model_path", "my model", "--torso", "frames"]
    assert checkout.run("predict.sh", *frames).returncode == 0
    assert checkout.argv("python")[2:] == [*frames, "--reference_path", "data/input", "--output_dir", "results"]


@pytest.mark.parametrize("text", ["Hello / there", "-5 degrees", "", "a\nb", "see --full_frame"])
def test_a_text_arrives_as_it_is_and_brings_what_speaks_it(checkout, text):
    (checkout.root / "requirements/live.txt").write_text("sanotts==0.5.0\n")
    usual = ["--text", text, "--model_path", "one.head"]
    assert checkout.run("predict.sh", *usual, "--voice", "espeak-ng --stdout").returncode == 0
    assert not any("live.txt" in call for call in checkout.lines("pip.log"))
    for voice in ([], ["--voice", "joe"]):
        assert checkout.run("predict.sh", *usual, *voice).returncode == 0
        assert checkout.argv("python")[2:] == [*usual, *voice, "--output_dir", "results"]
    installed = [call for call in checkout.lines("pip.log") if "live.txt" in call]
    assert len(installed) == 1 and "native.txt" in installed[0]
    (checkout.root / "a model").mkdir()
    (checkout.root / "a model" / "clip.safetensors").touch()
    assert checkout.run("predict.sh", "--text", text, "--model_path", "a model").returncode == 0
    assert "--reference_path" not in checkout.argv("python")


def test_in_the_container_a_text_is_no_path_and_the_key_is_not_an_argument(checkout, tmp_path):
    checkout.docker()
    (tmp_path / "voice.sh").touch()
    text, voice = "/etc/passwd and /usr are paths", f"bash {tmp_path}/voice.sh /usr/bin/env {{text}} {{wav}}"
    for given in (["--text", text, "--voice", voice], [f"--text={text}", f"--voice={voice}"]):
        result = checkout.run("predict.sh", *given, EGSTALKER_VOICE_KEY="sk-secret")
        assert result.returncode == 0, result.stderr
        argv = checkout.argv("docker")
        assert argv[argv.index(given[0]) :][: len(given)] == given
        mounted = [word for word in argv if word.startswith("type=bind")]
        assert f"type=bind,source={tmp_path}/voice.sh,target={tmp_path}/voice.sh" in mounted
        assert not any("/etc" in word or "/usr" in word for word in mounted)
        assert "EGSTALKER_VOICE_KEY" in argv and not any("sk-secret" in word for word in argv)


@pytest.mark.parametrize("script", ["train.sh", "test.sh"])
def test_exit_codes_pass(checkout, script):
    checkout.run(script, "x")
    (checkout.bin / "failing").write_text("wrong")
    (checkout.bin / "exit").write_text("5")
    assert checkout.run(script, "wrong").returncode == 5


def test_the_tests_run_in_the_checkout_from_anywhere(checkout, tmp_path):
    assert checkout.run("test.sh", "tests/wrappers", "-k", "a or b", cwd=tmp_path).returncode == 0
    expected = [str(checkout.root), "-m", "pytest", "--color=no", "tests/wrappers", "-k", "a or b"]
    assert checkout.argv("python") == expected


def test_ci_checks_style_and_types_before_the_tests(checkout):
    browser = checkout.bin / "chromium"  # or one would be installed
    browser.write_text("#!/bin/sh\n")
    browser.chmod(0o755)
    assert checkout.run(".ci/run").returncode == 0
    shellcheck, *names = checkout.lines("python.log")
    assert shellcheck.startswith("shellcheck ") and " ./build.sh " in shellcheck and " .ci/run" in shellcheck
    checks = ["hadolint Dockerfile tests/container/cuda118.Dockerfile"]
    checks += ["-m ruff format --check .", "-m ruff check .", "-m mypy"]
    checks += [
        "lint-imports --no-cache",
        "-m pytest --color=no --numprocesses=auto --maxprocesses=4 --dist=loadfile --no-loadscope-reorder",
    ]
    assert names == checks
    (checkout.bin / "failing").write_text("mypy")
    (checkout.bin / "exit").write_text("1")
    assert checkout.run(".ci/run").returncode == 1
    assert checkout.lines("python.log")[-1] == "-m mypy"


def test_the_demo_runs_every_stage_in_order_and_times_it(checkout, tmp_path):
    result = checkout.run("demo.sh", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    calls = checkout.lines("python.log")
    starts = ["-m sample", "data_utils/process.py", "train.py", "predict.py", "metrics.py", "-m evaluation.report"]
    assert all(call.startswith(start) for call, start in zip(calls, starts, strict=True))
    stages = json.loads((checkout.root / "demo/stages.json").read_text())
    assert list(stages) == ["set_up", "sample", "preprocess", "train", "predict", "metrics"]
    assert all(0 <= seconds < 30 for seconds in stages.values())


def test_a_demo_that_stops_says_where_and_goes_on_without_a_new_sample(checkout):
    checkout.run("demo.sh")
    for name in ("sample.mp4", "sample_truth.npz"):
        (checkout.root / "demo" / name).touch()
    (checkout.bin / "python.log").unlink()
    (checkout.bin / "failing").write_text("train.py")
    (checkout.bin / "exit").write_text("130")
    result = checkout.run("demo.sh")
    assert result.returncode == 130
    assert "The demo stopped in train" in result.stderr
    assert [call.split()[0] for call in checkout.lines("python.log")] == ["data_utils/process.py", "train.py"]


def test_a_clean_demo_starts_afresh(checkout):
    checkout.run("demo.sh")
    (checkout.root / "demo/sample.mp4").touch()
    (checkout.bin / "python.log").unlink()
    assert checkout.run("demo.sh", "--clean").returncode == 0
    assert checkout.lines("python.log")[0].startswith("-m sample")


def test_any_program_of_the_checkout_runs_where_the_pipeline_does(checkout, tmp_path):
    (checkout.root / "render.py").touch()
    assert checkout.run("scripts/run.sh", "render.py", "-s", "a b", cwd=tmp_path).returncode == 0
    assert checkout.argv("python") == [str(tmp_path), str(checkout.root / "render.py"), "-s", "a b"]
    checkout.docker()
    assert checkout.run("scripts/run.sh", "render.py", "-s", "a b").returncode == 0
    assert checkout.argv("docker")[-4:] == ["python", str(checkout.root / "render.py"), "-s", "a b"]
    wrong = checkout.run("scripts/run.sh", "nothing.py")
    assert wrong.returncode == 1 and "there is no program nothing.py" in wrong.stderr
    assert checkout.run("scripts/run.sh").returncode == 2
    assert checkout.run("scripts/run.sh", "--help").stdout.startswith("Usage: scripts/run.sh")


def test_the_training_logs_path_is_handed_to_the_training_and_an_older_log_kept(checkout, tmp_path):
    checkout.program("python3", PROBE)
    log = tmp_path / "a log"
    log.write_text("an older training")
    assert checkout.run("train.sh", "-s", "x", TRAINING_LOG=str(log)).stdout == f"log={log}\n"
    assert log.read_text() == "an older training"
    (tmp_path / "elsewhere").mkdir()
    run = checkout.run("train.sh", "-s", "x", cwd=tmp_path / "elsewhere", TRAINING_LOG="mine")
    assert run.stdout == f"log={tmp_path}/elsewhere/mine\n"
    assert checkout.run("train.sh", "-s", "x", TRAINING_LOG="").stdout == "log=\n"


def test_a_log_that_cannot_be_written_does_not_stop_a_training_in_the_container(checkout, tmp_path):
    checkout.docker()
    result = checkout.run("train.sh", "-s", "x", TRAINING_LOG=str(tmp_path))
    assert result.returncode == 0 and "TRAINING_LOG" not in checkout.argv("docker")
    assert [
        line for line in result.stderr.splitlines() if line.startswith("warning: the log") and "TRAINING_LOG" in line
    ]


def test_in_the_container_the_training_log_is_the_same_file(checkout, tmp_path):
    checkout.docker()
    log = tmp_path / "a log"
    assert checkout.run("train.sh", "-s", "x", TRAINING_LOG=str(log)).returncode == 0
    argv = checkout.argv("docker")
    assert "TRAINING_LOG" in argv and f"type=bind,source={log},target={log}" in argv


def test_a_link_that_a_native_training_left_becomes_a_file_of_its_own_for_the_container(checkout, tmp_path):
    checkout.docker()
    older, log = tmp_path / "training.log", tmp_path / "followed"
    older.write_text("an older training")
    log.symlink_to(older)
    assert checkout.run("train.sh", "-s", "x", TRAINING_LOG=str(log)).returncode == 0
    assert not log.is_symlink() and log.read_text() == "" and older.read_text() == "an older training"


def test_the_page_is_served_by_the_environment_that_has_what_it_needs(checkout):
    (checkout.root / "requirements/live.txt").write_text("gradio==6.17.3\n")
    result = checkout.run("app.sh", "--port", "7", "--token=two words")
    assert result.returncode == 0, result.stderr
    home = str(checkout.root / "output/page")
    assert checkout.argv("python")[1:] == ["-m", "live.page", "--home", home, "--port", "7", "--token=two words"]
    assert any("requirements/live.txt" in line for line in checkout.lines("pip.log"))
    checkout.run("app.sh", "--home", "a home")
    assert checkout.argv("python")[1:] == ["-m", "live.page", "--home", "a home"]


def test_a_head_is_live_in_the_environment_that_has_what_it_needs(checkout):
    (checkout.root / "requirements/live.txt").write_text("aiortc==1.16.0\n")
    assert checkout.run("live.sh", "--port", "7").returncode == 0
    serve = str(checkout.root / "serve.py")
    assert checkout.argv("python")[1:] == [serve, "--model_path", "output/m", "--port", "7"]
    assert any("requirements/live.txt" in line for line in checkout.lines("pip.log"))
    checkout.run("live.sh", "--model_path=a model")
    assert checkout.argv("python")[1:] == [serve, "--model_path=a model"]


def test_a_farm_is_driven_by_the_environment_that_has_what_it_needs(checkout):
    assert checkout.run("fleet.sh").returncode == 2
    assert checkout.run("fleet.sh", "heads", "the videos", "--out", "a farm").returncode == 0
    assert checkout.argv("python")[1:] == [str(checkout.root / "fleet.py"), "heads", "the videos", "--out", "a farm"]
    assert any("requirements/fleet.txt" in line for line in checkout.lines("pip.log"))
