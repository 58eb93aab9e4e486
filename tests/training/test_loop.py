"""Training as a whole: it learns, it can be stopped at any moment, and it goes on as if it had not been."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from arguments.dataset_folder import DatasetFolder
from arguments.errors import EGSTalkerError
from arguments.model_folder import CheckpointFolder
from arguments.settings import TrainingSettings
from arguments.version import VERSION
from scene.head_files import checkpoints, load_head, read_record
from tests.tiny_head import MOTION, SETTINGS, make_dataset
from training.checkpoints import load_training_state
from training.dataset import TalkingHeadDataset
from training.loop import train
from training.options import TrainOptions
from training.reporter import Reporter
from training.trainer import Trainer

MODEL = replace(MOTION, initial_gaussians=120)
AUDIO = replace(SETTINGS, initial_gaussians=120)
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
    poses_lr=5e-4,
)

SHORT = {"coarse_iterations": 2, "iterations": 3}


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


@pytest.fixture(scope="module")
def driven_by_audio(dataset, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("audio") / "m"
    train(options(dataset, path, model=AUDIO, **SHORT))
    return path


def assert_ends_alike(path: Path, other: Path) -> None:
    """The same weights, optimizer, pose corrections, progress and log."""
    names = [p.folder.root.name for p in checkpoints(other)]
    assert checkpoints(path)[-1].folder.root.name == names[-1] and {
        c.folder.root.name for c in checkpoints(path)
    } >= set(names)
    found, expected = (load_head(p)[0].state_dict() for p in (path, other))
    for name, value in expected.items():
        assert torch.allclose(found[name], value, atol=1e-4), name
    states = [load_training_state(CheckpointFolder(p / "checkpoints" / names[-1])) for p in (path, other)]
    assert torch.allclose(states[0]["poses"], states[1]["poses"], atol=1e-4) and states[1]["poses"].any()
    moments = [state["optimizer"]["state"] for state in states]
    assert all(torch.allclose(moments[0][k]["exp_avg"], moments[1][k]["exp_avg"], atol=1e-4) for k in moments[1])
    logs = log_of(path), log_of(other)
    assert [line["iteration"] for line in logs[0]] == [line["iteration"] for line in logs[1]]
    assert [line["loss"] for line in logs[0]] == pytest.approx([line["loss"] for line in logs[1]], abs=1e-4)


def test_frames_without_the_person_are_never_shown(dataset, tmp_path, monkeypatch):
    other = DatasetFolder(shutil.copytree(dataset, tmp_path / "set"))
    other.update_record(lost_frames=[0, 7, 8])
    trainer = Trainer(options(other.root, tmp_path / "m"), TalkingHeadDataset(other.root))
    asked: set[int] = set()
    pictures = trainer.store.pictures
    monkeypatch.setattr(
        trainer.store, "pictures", lambda w, shown, after: asked.update(shown) or pictures(w, shown, after)
    )
    for iteration in range(12):
        trainer.iterate("coarse", iteration, 12)
    for iteration in range(20):
        trainer.iterate("fine", iteration, 20)
    assert asked == set(range(20)) - {0, 7, 8}


def interrupt_at(monkeypatch: pytest.MonkeyPatch, stage: str, iteration: int) -> None:
    iterate = Trainer.iterate

    def interrupted(self, now: str, number: int, *rest):
        if (now, number) == (stage, iteration):
            raise KeyboardInterrupt
        return iterate(self, now, number, *rest)

    monkeypatch.setattr(Trainer, "iterate", interrupted)


def test_a_training_leaves_checkpoints_a_log_and_pictures(uninterrupted):
    assert [c.folder.root.name for c in checkpoints(uninterrupted)] == [
        "coarse-00010",
        "coarse-00012",
        "fine-00010",
        "fine-00018",
    ]
    assert [line["iteration"] for line in log_of(uninterrupted)] == [10, 12, 22, 30]
    assert (uninterrupted / "validation" / "fine-00018.png").stat().st_size > 0
    assert (uninterrupted / "checkpoints" / "fine-00018" / "point_cloud.ply").is_file()


def test_a_training_learns(dataset, tmp_path):
    still = {"densify_from": 1000}  # halves go where chance wants them: too loud for so few Gaussians
    train(options(dataset, tmp_path / "m", coarse_iterations=60, iterations=60, validate_every=10, **still))
    scores = [line["val_psnr"] for line in log_of(tmp_path / "m") if "val_psnr" in line]
    start, at_rest, moving = scores[0], scores[5], scores[-1]
    assert at_rest > start + 0.2
    assert moving > at_rest + 0.1


def test_a_killed_run_ends_where_an_uninterrupted_one_does(dataset, uninterrupted, tmp_path, repository):
    path = tmp_path / "m"
    code = (
        "import os, signal, sys\nfrom pathlib import Path\nimport training.loop as loop\n"
        "from tests.tiny_head import quick_speech_models\nfrom tests.training.test_loop import options\n"
        "save = loop.Trainer.save\n"
        "def dying(self):\n"
        "    if (self.progress.stage, self.progress.iteration) == ('fine', 10):\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    save(self)\n"
        "loop.Trainer.save = dying\n"
        "with quick_speech_models():\n"
        "    loop.train(options(Path(sys.argv[1]), Path(sys.argv[2])))\n"
    )
    command = [sys.executable, "-c", code, str(dataset), str(path)]
    done = subprocess.run(command, cwd=repository, check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert checkpoints(path)[-1].folder.root.name == "coarse-00012"
    assert log_of(path)[-1]["iteration"] == 22  # logged beyond what was saved: done and logged again
    train(options(dataset, path))
    assert_ends_alike(path, uninterrupted)


def test_ctrl_c_in_the_middle_of_both_stages_changes_nothing(dataset, uninterrupted, tmp_path, monkeypatch):
    path = tmp_path / "m"
    for stage, iteration in (("coarse", 7), ("fine", 5)):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            interrupt_at(patch, stage, iteration)
            train(options(dataset, path))
        assert checkpoints(path)[-1].folder.root.name == f"{stage}-{iteration:05d}"
    train(options(dataset, path))
    assert_ends_alike(path, uninterrupted)


def test_a_damaged_latest_checkpoint_can_be_deleted_and_the_one_before_goes_on(dataset, uninterrupted, tmp_path):
    path = tmp_path / "m"
    shutil.copytree(uninterrupted, path)
    latest = path / "checkpoints" / "fine-00018"
    (latest / "training.pth").write_bytes(b"junk")
    with pytest.raises(EGSTalkerError, match=f"delete {latest} to resume"):
        train(options(dataset, path))
    shutil.rmtree(latest)
    train(options(dataset, path))
    assert_ends_alike(path, uninterrupted)


def test_a_finished_training_has_nothing_left_to_do(dataset, uninterrupted):
    before = (uninterrupted / "checkpoints" / "fine-00018" / "head.safetensors").stat().st_mtime_ns
    train(options(dataset, uninterrupted))
    assert (uninterrupted / "checkpoints" / "fine-00018" / "head.safetensors").stat().st_mtime_ns == before


def test_more_iterations_of_the_fine_stage_go_on(dataset, tmp_path):
    train(options(dataset, tmp_path / "m", coarse_iterations=2, iterations=3))
    train(options(dataset, tmp_path / "m", coarse_iterations=2, iterations=5))
    assert [c.folder.root.name for c in checkpoints(tmp_path / "m")] == ["coarse-00002", "fine-00003", "fine-00005"]


def test_another_models_folder_is_refused(dataset, uninterrupted, tmp_path):
    with pytest.raises(EGSTalkerError, match="other settings or another dataset"):
        train(options(dataset, uninterrupted, model=replace(MODEL, decoder="mlp")))
    with pytest.raises(EGSTalkerError, match="other settings or another dataset"):
        train(options(dataset, uninterrupted, batch=3))
    longer = make_dataset(tmp_path / "longer", num_frames=33)
    with pytest.raises(EGSTalkerError, match="other settings or another dataset"):
        train(options(longer.root, uninterrupted))


@pytest.mark.parametrize("change", ["other poses", "other features", "other extractor"])
def test_another_dataset_of_the_same_length_is_refused_and_the_model_left_as_it_was(
    dataset, driven_by_audio, tmp_path, change
):
    other = DatasetFolder(shutil.copytree(dataset, tmp_path / "other"))
    if change == "other poses":
        transforms = json.loads(other.transforms_train.read_text())
        transforms["frames"][3]["transform_matrix"][0][3] += 0.01
        other.transforms_train.write_text(json.dumps(transforms))
    elif change == "other features":
        np.save(other.audio_features, np.zeros((22, 768), np.float32))
    else:
        other.update_record(extractor="hubert")
    before = (driven_by_audio / "settings.json").read_bytes()
    with pytest.raises(EGSTalkerError, match="other settings or another dataset") as refused:
        train(options(other.root, driven_by_audio, model=AUDIO, **SHORT))
    assert "\n" not in str(refused.value)
    assert (driven_by_audio / "settings.json").read_bytes() == before


def test_a_moved_dataset_is_still_the_same(dataset, uninterrupted, tmp_path):
    path = tmp_path / "m"
    shutil.copytree(uninterrupted, path)
    moved = shutil.copytree(dataset, tmp_path / "moved")
    train(options(moved, path))
    assert read_record(path).dataset == str(moved)


def test_a_training_that_diverges_stops_and_keeps_what_was_good(dataset, tmp_path, monkeypatch):
    def spoilt(*_):
        return torch.tensor(torch.nan, requires_grad=True)

    train(options(dataset, tmp_path / "m", coarse_iterations=2, iterations=3))
    monkeypatch.setattr("training.deformed_gaussians.offset_loss", spoilt)
    with pytest.raises(EGSTalkerError, match="diverged at fine iteration 4;") as stopped:
        train(options(dataset, tmp_path / "m", coarse_iterations=2, iterations=6))
    assert "\n" not in str(stopped.value)
    assert load_head(tmp_path / "m")[2] == 3


@pytest.mark.parametrize(
    "change",
    [
        {"drive": "audio"},
        {"drive": "audio", "ppe": False},
        {"attention": "cross"},
        {"decoder": "mlp"},
        {"planes": "dense"},
        {"static_init": False},
    ],
    ids=str,
)
def test_every_ablation_lowers_the_loss(dataset, tmp_path, monkeypatch, change):
    losses: dict[str, list[float]] = {"coarse": [], "fine": []}
    monkeypatch.setattr(Reporter, "step", lambda self, stage, i, n, values: losses[stage].append(values["loss"]))
    asked = options(
        dataset, tmp_path / "m", model=replace(MODEL, **change), coarse_iterations=20, iterations=30, coarse_batch=2
    )
    head = train(replace(asked, training=replace(asked.training, checkpoint_every=100, validate_every=100)))
    assert all(torch.isfinite(p).all() for p in head.parameters())
    for stage in losses.values():
        assert not stage or np.mean(stage[-5:]) < np.mean(stage[:5]) - 0.002
    stages = {c.progress.stage for c in checkpoints(tmp_path / "m")}
    assert stages == ({"fine"} if change == {"static_init": False} else {"coarse", "fine"})


def test_asked_for_iterations_are_saved_and_validated(dataset, tmp_path):
    asked = options(dataset, tmp_path / "m", coarse_iterations=1, iterations=6)
    train(replace(asked, test_iterations=(3,), save_iterations=(2, 4)))
    names = [c.folder.root.name for c in checkpoints(tmp_path / "m") if c.progress.stage == "fine"]
    assert names == ["fine-00002", "fine-00004", "fine-00006"]
    assert (tmp_path / "m" / "validation" / "fine-00003.png").is_file()


def test_without_guide_or_pose_corrections_it_trains_too(dataset, tmp_path):
    train(options(dataset, tmp_path / "m", coarse_iterations=1, iterations=2, motion_weight=0.0, poses_lr=0.0))
    state = torch.load(tmp_path / "m" / "checkpoints" / "fine-00002" / "training.pth", weights_only=True)
    assert not state["poses"].any()


@pytest.mark.parametrize("name", ["au.csv", "aud.npy"])
def test_what_drives_the_head_must_not_change_on_the_way(dataset, driven_by_audio, tmp_path, name):
    other = DatasetFolder(shutil.copytree(dataset, tmp_path / "other"))
    if name == "au.csv":
        other.action_units.write_text(other.action_units.read_text().replace("4.00", "3.50"))
    else:
        np.save(other.audio_features, np.load(other.audio_features) * 2)
    with pytest.raises(EGSTalkerError) as refused:
        train(options(other.root, driven_by_audio, model=AUDIO, **SHORT))
    assert str(refused.value) == (
        f"{driven_by_audio} learnt with another {name} than {other.root} has now; "
        "bring that back, or give another --model_path"
    )


def test_another_perceptual_loss_is_refused_and_one_without_its_weights_too(
    dataset, uninterrupted, tmp_path, monkeypatch
):
    monkeypatch.setattr("training.perceptual.load_lpips", lambda net: None)
    with pytest.raises(EGSTalkerError, match=r"needs weights that are not here; \./download_models\.sh fetches them"):
        train(options(dataset, tmp_path / "m", perceptual="vgg"))
    assert not (tmp_path / "m").exists()
    monkeypatch.setattr("training.perceptual.load_lpips", lambda net: torch.nn.Identity())
    with pytest.raises(EGSTalkerError, match='learns with perceptual = "gradients", not "vgg"; set that'):
        train(options(dataset, uninterrupted, perceptual="vgg"))


def test_a_model_says_what_it_was_made_from(dataset, driven_by_audio):
    record = read_record(driven_by_audio)
    files = {"poses": "transforms_train.json", "action_units": "au.csv", "features": "aud.npy"}
    for entry, name in files.items():
        assert getattr(record, entry) == hashlib.sha256((dataset / name).read_bytes()).hexdigest()
    assert (record.version, record.device, record.extractor) == (VERSION, "cpu", "log_mel")
    assert record.training.perceptual == "gradients"
    state = json.loads((driven_by_audio / "checkpoints" / "fine-00003" / "state.json").read_text())
    assert (state["version"], state["device"]) == (VERSION, "cpu")


def test_a_model_of_an_older_version_goes_on(dataset, tmp_path):
    path = tmp_path / "m"
    train(options(dataset, path, coarse_iterations=2, iterations=3))
    record = json.loads((path / "settings.json").read_text())
    for entry in ("action_units", "features", "version", "device"):
        del record[entry]
    for entry in ("perceptual", "checkpoint_minutes", "split_scale", "split_shrink", "prune_scale"):
        del record["training"][entry]
    (path / "settings.json").write_text(json.dumps(record))
    latest = checkpoints(path)[-1].folder
    latest.state.write_text(json.dumps({"stage": "fine", "iteration": 3, "best_psnr": 20.5, "gaussians": 120}))
    state = load_training_state(latest)
    torch.save({name: state[name] for name in ("optimizer", "poses", "total", "seen")}, latest.training_state)
    shutil.copytree(latest.root, path / "best")
    assert load_head(path)[2] == 3
    train(options(dataset, path, coarse_iterations=2, iterations=5))
    assert load_head(path)[2] == 5 and read_record(path).version == VERSION


def test_how_often_a_training_saves_and_validates_may_change_on_the_way(dataset, tmp_path):
    train(options(dataset, tmp_path / "m", coarse_iterations=1, iterations=2))
    often = {"checkpoint_every": 1, "checkpoint_minutes": 1.0, "validate_every": 1, "validation_frames": 1}
    train(options(dataset, tmp_path / "m", coarse_iterations=1, iterations=4, **often))
    assert [c.progress.iteration for c in checkpoints(tmp_path / "m")] == [1, 2, 3, 4]
