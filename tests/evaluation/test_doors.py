"""predict.py, render.py, metrics.py and the report on a tiny model: what they write and how they refuse."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

import metrics
import predict
import render
from arguments.dataset_folder import DatasetFolder
from arguments.model_folder import ModelFolder
from arguments.version import VERSION
from evaluation import report
from media.images import write_image
from media.video import probe
from scene.head_files import Progress, load_head
from scene.reference_clip import ReferenceClip
from tests.evaluation.test_scores import FIGURES
from tests.tiny_head import make_dataset, make_head, make_model, speech_like, write_wav
from training.checkpoints import save_checkpoint

Run = Callable[..., int]


@pytest.fixture
def dataset(tmp_path: Path) -> DatasetFolder:
    return make_dataset(tmp_path / "set")


@pytest.fixture
def model(tmp_path: Path, dataset: DatasetFolder) -> Path:
    return make_model(tmp_path / "model", dataset)


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    return write_wav(tmp_path / "my speech.wav", speech_like(0.5))


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    def call(door: Callable[[], int], *arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", ["door", *map(str, arguments)])
        return door()

    return call


def _one_line(capsys: pytest.CaptureFixture[str]) -> str:
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1 and said[0].startswith("error: "), said
    return said[0]


def test_predict_names_the_video_after_the_sound(
    run: Run, tmp_path: Path, dataset: DatasetFolder, model: Path, sound: Path
) -> None:
    arguments = ["--audio_path", sound, "--reference_path", dataset.root, "--model_path", model]
    assert run(predict.main, *arguments, "--output_dir", tmp_path / "re sults") == 0
    info = probe(tmp_path / "re sults" / "my speech.mp4")
    assert info.num_frames == 13 and info.has_audio and abs(info.audio_end - info.seconds) < 0.04


@pytest.mark.parametrize("joined", [True, False])
def test_predict_takes_names_that_begin_with_a_dash(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, dataset: DatasetFolder, model: Path, joined: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    write_wav(Path("-a.wav"), speech_like(0.5))
    dataset.root.rename("-set")
    model.rename("-m")
    named = {"--audio_path": "-a.wav", "--reference_path": "-set", "--model_path": "-m", "--output_dir": "-out"}
    if joined:
        assert run(predict.main, *(f"{option}={path}" for option, path in named.items())) == 0
    else:
        assert run(predict.main, *(word for pair in named.items() for word in pair)) == 0
    assert probe(tmp_path / "-out" / "-a.mp4").num_frames == 13


def test_predict_still_misses_a_path_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        predict.parse(["--audio_path", "--reference_path", "d", "--model_path", "m"])
    assert "--audio_path: expected one argument" in capsys.readouterr().err


def test_predict_says_in_one_line_what_is_wrong(
    run: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path, dataset: DatasetFolder, model: Path, sound: Path
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    good = {"audio_path": sound, "reference_path": dataset.root, "model_path": model, "output_dir": tmp_path / "out"}
    for wrong, message in [
        ({"audio_path": tmp_path / "none.wav"}, "there is no audio file"),
        ({"audio_path": dataset.background}, "audio"),
        ({"audio_path": dataset.action_units}, "au.csv"),
        ({"model_path": tmp_path / "empty"}, "there is no model in"),
        ({"model_path": tmp_path / "nowhere"}, "there is no model in"),
        ({"iteration": 7}, "there are: 500"),
        ({"reference_path": tmp_path / "empty"}, "is not a whole dataset"),
        ({"reference_path": tmp_path / "nowhere"}, "there is no dataset folder"),
        ({"output_dir": tmp_path / "file"}, "cannot write to"),
    ]:
        options = [part for name, value in {**good, **wrong}.items() for part in (f"--{name}", value)]
        assert run(predict.main, *options) == 1
        assert message in _one_line(capsys)
    assert not list((tmp_path / "out").iterdir())


def test_a_video_is_never_written_over_its_own_sound(
    run: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path, dataset: DatasetFolder, model: Path, sound: Path
) -> None:
    video = sound.rename(tmp_path / "a.mp4")
    before = video.read_bytes()
    arguments = ["--audio_path", video, "--reference_path", dataset.root, "--model_path", model]
    assert run(predict.main, *arguments, "--output_dir", tmp_path) == 1
    assert "would overwrite" in _one_line(capsys)
    assert video.read_bytes() == before


def test_render_writes_each_split_with_its_truth_and_the_custom_speech(
    run: Run, tmp_path: Path, dataset: DatasetFolder, model: Path, sound: Path
) -> None:
    arguments = ["-s", dataset.root, "--model_path", model, "--iteration", 500, "--batch", 3, "--custom_wav", sound]
    assert run(render.main, *arguments) == 0
    for name, frames in {"train/ours_500/renders": 20, "train/ours_500/gt": 20, "test/ours_500/renders": 2}.items():
        assert probe(model / f"{name}.mp4").num_frames == frames
    assert probe(model / "custom/ours_500/renders.mp4").num_frames == 13


def test_render_leaves_out_what_is_skipped_and_refuses_other_features(
    run: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path, dataset: DatasetFolder, model: Path
) -> None:
    np.save(tmp_path / "x.npy", np.zeros((4, 768), np.float32))
    arguments = ["-s", dataset.root, "--model_path", model, "--skip_train", "--skip_test"]
    assert run(render.main, *arguments, "--custom_aud", tmp_path / "x.npy") == 1
    assert "takes audio features of shape (162,) a frame and these" in _one_line(capsys)
    assert run(render.main, *arguments, "--custom_aud", tmp_path / "none.npy") == 1
    assert "there is no file" in _one_line(capsys)
    assert not (model / "train").exists() and not (model / "test").exists()


def test_metrics_and_report_write_what_scripts_read(
    run: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path, dataset: DatasetFolder, model: Path
) -> None:
    assert run(metrics.main, "-s", dataset.root, "--model_path", model, "--splits", "train", "val") == 0
    written = json.loads((model / "metrics.json").read_text())
    assert list(written) == ["val", "train"] and list(written["val"]) == [*FIGURES, "made_from"]
    assert written["train"]["frames"] == 20 and written["val"]["render_fps"] > 0
    assert written["val"]["end_to_end_fps"] > 0 and written["val"]["lpips"] is None
    assert "val: no lpips" in capsys.readouterr().out.replace("\n", " ")

    (tmp_path / "stages.json").write_text('{"train": 12.5}')
    options = ["--dataset", dataset.root, "--model_path", model, "--stages", tmp_path / "stages.json"]
    assert run(report.main, *options, "--output", tmp_path / "demo") == 0
    reported = json.loads((tmp_path / "demo" / "report.json").read_text())
    assert reported == {"stages": {"train": 12.5}, "gaussians": 150, "metrics": written["val"]}
    assert cv2.imread(str(tmp_path / "demo" / "report.png")).shape[1] == 3 * 320 + 2 * 8


def test_figures_that_need_a_missing_sound_are_null_and_the_others_stay(
    run: Run, capsys: pytest.CaptureFixture[str], dataset: DatasetFolder, model: Path
) -> None:
    dataset.audio.unlink()
    assert run(metrics.main, "-s", dataset.root, "--model_path", model) == 0
    written = json.loads((model / "metrics.json").read_text())["val"]
    assert written["end_to_end_fps"] is None and written["render_fps"] > 0 and written["composite_psnr"] > 0
    assert "aud.wav" in capsys.readouterr().out


def test_figures_say_what_they_were_made_from_and_stay_beside_others_of_it(
    run: Run, capsys: pytest.CaptureFixture[str], dataset: DatasetFolder, model: Path
) -> None:
    asked = ["-s", dataset.root, "--model_path", model]
    assert run(metrics.main, *asked) == 0
    val = json.loads((model / "metrics.json").read_text())["val"]
    poses = hashlib.sha256(dataset.transforms_train.read_bytes()).hexdigest()
    made_from = {"iteration": 500, "dataset": str(dataset.root), "poses": poses, "device": "cpu", "version": VERSION}
    made_from["torso"] = ""
    assert {name: value for name, value in val["made_from"].items() if name != "weights"} == made_from
    assert run(metrics.main, *asked, "--splits", "train", "--device", "cpu") == 0
    both = json.loads((model / "metrics.json").read_text())
    assert list(both) == ["val", "train"] and both["val"] == val

    capsys.readouterr()
    make_model(model, dataset, make_head(140))  # the same iteration, trained again
    assert run(metrics.main, *asked, "--splits", "train") == 0
    assert list(json.loads((model / "metrics.json").read_text())) == ["train"]
    assert "figures of val, of iteration 500" in capsys.readouterr().out.replace("\n", " ")


def test_frames_without_the_person_are_not_scored_and_not_shown_as_proof(
    run: Run, tmp_path: Path, dataset: DatasetFolder, model: Path
) -> None:
    asked = ["-s", dataset.root, "--model_path", model, "--splits", "train"]
    assert run(metrics.main, *asked) == 0
    whole = json.loads((model / "metrics.json").read_text())["train"]
    assert (whole["frames"], whole["lost_frames"]) == (20, 0)
    dataset.update_record(lost_frames=[5, 6, 11, 20])
    for i in (5, 6, 11):
        write_image(dataset.ground_truth_image(i), np.zeros((64, 64, 3), np.uint8))
    assert run(metrics.main, *asked) == 0
    seen = json.loads((model / "metrics.json").read_text())["train"]
    assert (seen["frames"], seen["lost_frames"]) == (17, 3)
    assert abs(seen["composite_psnr"] - whole["composite_psnr"]) < 0.5  # a black frame would cost much more
    head, clip = load_head(model)[0], ReferenceClip(dataset.root)
    assert [row.frame for row in report.compare_frames(head, clip, clip.val)] == [21]


def _stranger(dataset: DatasetFolder, frames: int) -> DatasetFolder:
    """Another person's dataset."""
    other = make_dataset(dataset.root.with_name("other"), frames)
    transforms = other.transforms_train.read_text()
    other.transforms_train.write_text(transforms.replace("6.0", "6.5"))
    return other


@pytest.mark.parametrize("frames", [22, 33])
def test_another_persons_dataset_is_refused_unless_it_is_meant(
    run: Run,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    dataset: DatasetFolder,
    model: Path,
    sound: Path,
    frames: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    other, figures = _stranger(dataset, frames), model / "metrics.json"
    assert run(metrics.main, "-s", dataset.root, "--model_path", model) == 0
    before = figures.read_bytes()
    capsys.readouterr()
    doors = {
        metrics.main: ["-s", other.root, "--model_path", model],
        render.main: ["-s", other.root, "--model_path", model, "--skip_train"],
        predict.main: [
            *("--audio_path", sound, "--reference_path", other.root, "--model_path", model),
            *("--output_dir", tmp_path / "out"),
        ],
    }
    for main, arguments in doors.items():
        assert run(main, *arguments) == 1
        said = _one_line(capsys)
        assert f"learnt from {dataset.root}, and {other.root} is another dataset" in said and "--force" in said
    (tmp_path / "stages.json").write_text("{}")
    options = ["--dataset", other.root, "--model_path", model, "--stages", tmp_path / "stages.json"]
    assert run(report.main, *options, "--output", tmp_path / "demo") == 1
    assert "is another dataset; give the model's own" in _one_line(capsys)
    assert figures.read_bytes() == before and not (model / "test").exists() and not (tmp_path / "out").exists()

    for main, arguments in doors.items():
        caplog.clear()
        assert run(main, *arguments, "--force") == 0
        assert "another dataset, as you meant" in caplog.text
    assert json.loads(figures.read_text())["val"]["made_from"]["dataset"] == str(other.root)
    assert run(metrics.main, "-s", dataset.root, "--model_path", model) == 0
    assert f"val, of iteration 500 on {other.root}, are dropped" in capsys.readouterr().out


def test_a_dataset_that_was_moved_is_the_models_own_and_one_tracked_again_is_said(
    run: Run, dataset: DatasetFolder, model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    home = dataset.root
    moved = home.rename(home.with_name("moved"))
    asked = ["--model_path", model, "--skip_train", "--torso", "frames"]
    assert run(render.main, "-s", moved, *asked) == 0 and not caplog.text
    moved.rename(home)
    dataset.transforms_train.write_text(dataset.transforms_train.read_text().replace("6.0", "6.01"))
    assert run(render.main, "-s", home, *asked) == 0
    assert len(caplog.records) == 1 and "tracked again" in caplog.text


def test_predict_says_that_a_head_at_rest_does_not_move_its_lips(
    run: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path, dataset: DatasetFolder, model: Path, sound: Path
) -> None:
    asked = ["--audio_path", sound, "--reference_path", dataset.root, "--model_path", model, "--output_dir", tmp_path]
    assert run(predict.main, *asked) == 0
    assert "lips do not move" not in capsys.readouterr().out
    shutil.rmtree(model / "checkpoints")
    save_checkpoint(ModelFolder(model).checkpoint("coarse", 200), make_head(), None, Progress("coarse", 200))
    assert run(predict.main, *asked) == 0
    assert "its lips do not move yet" in capsys.readouterr().out


def test_the_report_does_not_trust_figures_of_another_head(
    run: Run, tmp_path: Path, dataset: DatasetFolder, model: Path
) -> None:
    figures = model / "metrics.json"
    figures.write_text(json.dumps({"val": {"ssim": 0.123}}))
    (tmp_path / "stages.json").write_text("{}")
    options = ["--dataset", dataset.root, "--model_path", model, "--stages", tmp_path / "stages.json"]
    assert run(report.main, *options, "--output", tmp_path / "demo") == 0
    assert json.loads(figures.read_text())["val"]["ssim"] != 0.123


@pytest.mark.parametrize("content", [None, "{", "[1]", '{"train": "long"}', '{"train": NaN}', '{"train": true}'])
def test_the_report_refuses_stages_that_are_no_seconds(
    run: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path, content: str | None
) -> None:
    if content is not None:
        (tmp_path / "stages.json").write_text(content)
    options = ["--dataset", tmp_path, "--model_path", tmp_path, "--stages", tmp_path / "stages.json"]
    assert run(report.main, *options, "--output", tmp_path) == 1
    assert "stages.json" in _one_line(capsys)


@pytest.mark.parametrize("door", ["predict.py", "render.py", "metrics.py"])
def test_help_comes_before_anything_heavy_is_loaded(door: str, repository: Path) -> None:
    watch = "import runpy, sys; sys.argv = [sys.argv[1], '--help']; runpy.run_path(sys.argv[0], run_name='__main__')"
    code = f"import atexit, sys; atexit.register(lambda: print('torch' in sys.modules)); {watch}"
    done = subprocess.run(
        [sys.executable, "-c", code, door], cwd=repository, capture_output=True, text=True, check=True
    )
    assert "--model_path" in done.stdout and done.stdout.strip().endswith("False")


def test_a_missing_model_ends_the_command_with_one_line(
    dataset: DatasetFolder, repository: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "metrics.py", "-s", str(dataset.root), "--model_path", str(tmp_path / "m")]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.splitlines() == [f"error: there is no model in {tmp_path / 'm'}; make one with ./train.sh"]
