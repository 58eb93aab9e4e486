"""train.py: what its options do, and how it refuses."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import train as door
from arguments.locks import exclusive
from scene.head_files import checkpoints, read_record
from tests.tiny_head import make_dataset

CONFIG = (
    "ModelSettings = dict(initial_gaussians=120, sh_degree=0, plane_levels=2, plane_finest_resolution=32, "
    "feature_dim=8, heads=2, agents=4, lower_codes=2, upper_codes=1, drive='{drive}')\n"
    "TrainingSettings = dict(coarse_iterations={coarse}, iterations=5000, batch=8, motion_frames=4, "
    "validation_frames=2, min_gaussians=50, max_gaussians=150)\n"
)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("data") / "set").root


@pytest.fixture
def run(tmp_path, dataset, monkeypatch) -> Callable[..., int]:
    def call(*arguments: object) -> int:
        config = tmp_path / "config.py"
        config.write_text(CONFIG.format(coarse=3, drive="motion"))
        usual = ["-s", dataset, "--model_path", tmp_path / "m", "--configs", config]  # the last of two counts
        monkeypatch.setattr(sys, "argv", ["train.py", *map(str, (*usual, *arguments))])
        return door.main()

    return call


def test_iterations_count_the_fine_stage_and_batch_its_frames(run, tmp_path):
    assert run("--iterations", 4, "--batch", 2, "--device", "cpu") == 0
    assert [c.folder.root.name for c in checkpoints(tmp_path / "m")] == ["coarse-00003", "fine-00004"]
    settings = read_record(tmp_path / "m").training
    assert (settings.coarse_iterations, settings.iterations, settings.batch) == (3, 4, 2)


def test_asked_for_iterations_are_saved_and_validated(run, tmp_path):
    run("--iterations", 4, "--batch", 1, "--test_iterations", 1, 2, "--save_iterations", 3)
    assert [c.folder.root.name for c in checkpoints(tmp_path / "m")] == ["coarse-00003", "fine-00003", "fine-00004"]
    pictures = sorted(p.name for p in (tmp_path / "m" / "validation").iterdir())
    assert pictures == ["coarse-00003.png", "fine-00001.png", "fine-00002.png", "fine-00004.png", "torso.png"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--iterations", "0"), "--iterations must be at least 1, not 0"),
        (("--batch", "-2"), "--batch must be at least 1, not -2"),
        (("--gpus", "0"), "--gpus must be at least 1, not 0"),
        (("--gpus", "2", "--device", "cpu"), "--gpus 2 is for GPUs, and this would be a training on the CPU"),
        (("--configs", "nowhere.py"), "cannot read the configuration nowhere.py"),
        (("-s", "nowhere"), "there is no dataset folder nowhere; make it with ./preprocess.sh VIDEO.mp4"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_what_cannot_be_done_is_refused_in_one_line(run, tmp_path, capsys, arguments, said):
    assert run(*arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: {said}") and error.count("\n") == 1
    assert not (tmp_path / "m").exists()


def test_another_models_folder_is_refused_in_one_line(run, tmp_path, dataset, capsys):
    run("--iterations", 1, "--batch", 1)
    capsys.readouterr()
    assert run("--iterations", 1, "--batch", 2) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: {tmp_path / 'm'} holds a model of other settings") and error.count("\n") == 1


def test_wandb_is_asked_for_by_an_option(run, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "wandb", None)
    assert run("--iterations", 1, "--batch", 1, "--use_wandb") == 1
    assert capsys.readouterr().err == "error: --use_wandb needs the wandb package: pip install wandb\n"
    assert run("--iterations", 1, "--batch", 1) == 0


def test_ctrl_c_saves_what_was_learnt(repository, dataset, tmp_path):
    config = tmp_path / "config.py"
    config.write_text(CONFIG.format(coarse=100_000, drive="audio"))
    command = [sys.executable, "train.py", "-s", dataset, "--model_path", tmp_path / "m", "--configs", config]
    process = subprocess.Popen(command, cwd=repository, stderr=subprocess.PIPE, text=True)
    for _ in range(600):
        if (tmp_path / "m" / "metrics.jsonl").is_file() and (tmp_path / "m" / "metrics.jsonl").read_text():
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.splitlines()[-1] == "interrupted; run the same command again to go on"
    assert checkpoints(tmp_path / "m")[-1].progress.iteration >= 50


def test_a_folder_that_another_run_writes_is_refused_in_one_line(run, tmp_path, capsys):
    with exclusive(tmp_path / "m"):
        assert run("--iterations", 1) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: {tmp_path / 'm'} is being written by another run (process ")
    assert error.count("\n") == 1


def test_what_a_killed_run_left_half_made_is_swept(run, tmp_path):
    (tmp_path / "m" / "checkpoints" / ".fine-00004.99999999.part").mkdir(parents=True)
    assert run("--iterations", 1, "--batch", 1) == 0
    names = sorted(p.name for p in (tmp_path / "m" / "checkpoints").iterdir())
    assert names == ["coarse-00003", "fine-00001"]


def test_the_model_folder_keeps_the_trainings_log_and_a_link_leads_there(run, tmp_path, monkeypatch):
    monkeypatch.setenv("TRAINING_LOG", str(tmp_path / "followed"))
    assert run("--iterations", 1, "--batch", 1) == 0
    assert (tmp_path / "followed").resolve() == tmp_path / "m" / "training.log"
    assert (tmp_path / "followed").read_text().endswith("the training is done\n")
