"""Training as a whole: it learns, it can be stopped at any moment, and it goes on as if it had not been."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from arguments.errors import EGSTalkerError
from arguments.settings import TrainingSettings
from tests.tiny_head import SETTINGS, make_dataset
from training.checkpoints import checkpoints, load_head
from training.loop import TrainOptions, train

MODEL = replace(SETTINGS, initial_gaussians=120)
TRAINING = TrainingSettings(
    coarse_iterations=12,
    iterations=18,
    batch=2,
    min_gaussians=50,
    max_gaussians=150,
    densify_from=8,
    densify_every=10,
    checkpoint_every=10,
    validate_every=10,
    validation_frames=2,
    motion_frames=4,
)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("data") / "set").root


def options(dataset: Path, model_path: Path, **changes) -> TrainOptions:
    return TrainOptions(dataset, model_path, changes.pop("model", MODEL), replace(TRAINING, **changes))


def log_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def uninterrupted(dataset, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("model") / "m"
    train(options(dataset, path))
    return path


def test_a_training_leaves_checkpoints_a_log_and_pictures(uninterrupted):
    assert [c.path.name for c in checkpoints(uninterrupted)] == [
        "coarse-00010",
        "coarse-00012",
        "fine-00010",
        "fine-00018",
    ]
    assert [line["iteration"] for line in log_of(uninterrupted)] == [10, 12, 22, 30]
    assert (uninterrupted / "validation" / "fine-00018.png").stat().st_size > 0
    assert (uninterrupted / "best" / "head.safetensors").is_file()
    assert (uninterrupted / "checkpoints" / "fine-00018" / "point_cloud.ply").is_file()


def test_a_training_learns(dataset, tmp_path):
    train(options(dataset, tmp_path / "m", coarse_iterations=60, iterations=60, validate_every=30))
    start, at_rest, _, moving = (line["val_psnr"] for line in log_of(tmp_path / "m") if "val_psnr" in line)
    assert at_rest > start + 0.5
    assert moving > at_rest + 0.2


def test_a_killed_run_ends_where_an_uninterrupted_one_does(dataset, uninterrupted, tmp_path, repository):
    path = tmp_path / "m"
    code = (
        "import os, signal, sys\nfrom pathlib import Path\nimport training.loop as loop\n"
        "from tests.training.test_loop import options\n"
        "iterate = loop.Trainer.iterate\n"
        "def dying(self, stage, iteration, total):\n"
        "    if stage == 'fine' and iteration == 14:\n        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return iterate(self, stage, iteration, total)\n"
        "loop.Trainer.iterate = dying\n"
        "loop.train(options(Path(sys.argv[1]), Path(sys.argv[2])))\n"
    )
    command = [sys.executable, "-c", code, str(dataset), str(path)]
    done = subprocess.run(command, cwd=repository, check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert checkpoints(path)[-1].path.name == "fine-00010"
    train(options(dataset, path))
    resumed, whole = (load_head(p)[0].state_dict() for p in (path, uninterrupted))
    for name, value in whole.items():
        assert torch.allclose(resumed[name], value, atol=2e-3), name
    assert [line["iteration"] for line in log_of(path)] == [line["iteration"] for line in log_of(uninterrupted)]


def test_a_finished_training_has_nothing_left_to_do(dataset, uninterrupted):
    before = (uninterrupted / "checkpoints" / "fine-00018" / "head.safetensors").stat().st_mtime_ns
    train(options(dataset, uninterrupted))
    assert (uninterrupted / "checkpoints" / "fine-00018" / "head.safetensors").stat().st_mtime_ns == before


def test_more_iterations_of_the_fine_stage_go_on(dataset, tmp_path):
    train(options(dataset, tmp_path / "m", coarse_iterations=2, iterations=3))
    train(options(dataset, tmp_path / "m", coarse_iterations=2, iterations=5))
    assert [c.path.name for c in checkpoints(tmp_path / "m")] == ["coarse-00002", "fine-00003", "fine-00005"]


def test_another_models_folder_is_refused(dataset, uninterrupted, tmp_path):
    with pytest.raises(EGSTalkerError, match="other settings or another dataset"):
        train(options(dataset, uninterrupted, model=replace(MODEL, decoder="mlp")))
    longer = make_dataset(tmp_path / "longer", num_frames=33)
    with pytest.raises(EGSTalkerError, match="other settings or another dataset"):
        train(options(longer.root, uninterrupted))


@pytest.mark.parametrize(
    "change",
    [{"attention": "cross"}, {"decoder": "mlp"}, {"planes": "dense"}, {"ppe": False}, {"static_init": False}],
    ids=str,
)
def test_every_ablation_trains(dataset, tmp_path, change):
    head = train(options(dataset, tmp_path / "m", model=replace(MODEL, **change), coarse_iterations=4, iterations=8))
    assert all(torch.isfinite(p).all() for p in head.parameters())
    stages = {c.progress.stage for c in checkpoints(tmp_path / "m")}
    assert stages == ({"fine"} if change == {"static_init": False} else {"coarse", "fine"})


def test_asked_for_iterations_are_saved_and_validated(dataset, tmp_path):
    asked = options(dataset, tmp_path / "m", coarse_iterations=1, iterations=6)
    train(replace(asked, test_iterations=(3,), save_iterations=(2, 4)))
    names = [c.path.name for c in checkpoints(tmp_path / "m") if c.progress.stage == "fine"]
    assert names == ["fine-00002", "fine-00004", "fine-00006"]
    assert (tmp_path / "m" / "validation" / "fine-00003.png").is_file()


def test_without_guide_or_pose_corrections_it_trains_too(dataset, tmp_path):
    train(options(dataset, tmp_path / "m", coarse_iterations=1, iterations=2, motion_weight=0.0, poses_lr=0.0))
    state = torch.load(tmp_path / "m" / "checkpoints" / "fine-00002" / "training.pth", weights_only=True)
    assert not state["poses"].any()


def door(repository: Path, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "train.py", *map(str, arguments)],
        cwd=repository,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_refuses_a_wrong_folder_in_one_line(repository, tmp_path):
    done = door(repository, "-s", tmp_path / "none", "--model_path", tmp_path / "m")
    assert done.returncode == 1
    assert (
        done.stderr
        == f"error: there is no dataset folder {tmp_path / 'none'}; make it with ./preprocess.sh VIDEO.mp4\n"
    )


def test_ctrl_c_saves_what_was_learnt(repository, dataset, tmp_path):
    config = tmp_path / "config.py"
    config.write_text(
        "ModelSettings = dict(initial_gaussians=120, sh_degree=0, plane_levels=2, plane_finest_resolution=32, "
        "feature_dim=8, heads=2, agents=4)\n"
        "TrainingSettings = dict(coarse_iterations=100000, min_gaussians=50, max_gaussians=150)\n"
    )
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
