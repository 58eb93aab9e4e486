"""The shell commands natively: arguments, exit codes, help, and what they refuse before anything is set up."""

from __future__ import annotations

import json

import pytest

PIPELINE = ("preprocess.sh", "train.sh", "predict.sh")


@pytest.fixture
def video(checkout):
    path = checkout.root / "data/a clip.mp4"
    path.parent.mkdir()
    path.touch()
    return path


@pytest.mark.parametrize("script", [*PIPELINE, "demo.sh"])
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


def test_predict_fills_in_what_is_not_said(checkout, video):
    assert checkout.run("predict.sh", "--audio_path", str(video), "--model_path=mine").returncode == 0
    expected = ["--audio_path", str(video), "--model_path=mine", "--reference_path", "data/input"]
    assert checkout.argv("python")[2:] == [*expected, "--output_dir", "results"]


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
    assert checkout.run(".ci/run").returncode == 0
    names = ["-m ruff format --check .", "-m ruff check .", "-m mypy", "-m pytest --color=no"]
    assert checkout.lines("python.log") == names
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
