"""A model folder, whole or damaged."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from arguments.atomic import sweep_leftovers
from arguments.errors import EGSTalkerError
from arguments.model_folder import CheckpointFolder, ModelFolder
from scene.head_files import Progress, checkpoints, load_head, read_record, write_record
from tests.tiny_head import make_dataset, make_head, make_model
from training.checkpoints import forget_training_state, load_training_state, save_checkpoint


@pytest.fixture
def model(tmp_path):
    return make_model(tmp_path / "m", make_dataset(tmp_path / "set"))


def test_a_saved_head_comes_back(model):
    head, record, iteration = load_head(model)
    assert iteration == 500
    assert record == read_record(model)
    expected = make_head().state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in head.state_dict().items())
    assert not head.training


def test_the_latest_iteration_is_taken_unless_another_is_asked_for(model):
    later = make_head()
    with torch.no_grad():
        later.model.means += 1
    save_checkpoint(ModelFolder(model).checkpoint("fine", 1000), later, None, Progress("fine", 1000))
    save_checkpoint(ModelFolder(model).checkpoint("coarse", 200), make_head(), None, Progress("coarse", 200))
    assert [c.folder.root.name for c in checkpoints(model)] == ["coarse-00200", "fine-00500", "fine-01000"]
    assert torch.equal(load_head(model)[0].model.means, later.model.means)
    assert not torch.equal(load_head(model, 500)[0].model.means, later.model.means)
    with pytest.raises(EGSTalkerError, match="there are: 500, 1000"):
        load_head(model, 200)


def test_only_the_latest_and_its_stand_in_keep_the_optimizers_state(model):
    for iteration in (1000, 1500, 2000):
        save_checkpoint(
            ModelFolder(model).checkpoint("fine", iteration),
            make_head(),
            {"optimizer": {}, "poses": torch.zeros(2, 6)},
            Progress("fine", iteration),
        )
    forget_training_state(model)
    there = [c.folder.root.name for c in checkpoints(model) if c.folder.training_state.exists()]
    assert there == ["fine-01500", "fine-02000"]
    assert load_head(model, 1000)[2] == 1000


def test_a_killed_save_leaves_the_older_checkpoint_and_none_half_made(model, repository):
    code = (
        "import os, signal, sys\nfrom pathlib import Path\nimport training.checkpoints as c\n"
        "from arguments.model_folder import CheckpointFolder\nfrom scene.head_files import Progress\n"
        "from tests.tiny_head import make_head\n"
        "c.write_ply = lambda *a: os.kill(os.getpid(), signal.SIGKILL)\n"
        "c.save_checkpoint(CheckpointFolder(Path(sys.argv[1])), make_head(), None, Progress('fine', 1000))\n"
    )
    target = model / "checkpoints" / "fine-01000"
    done = subprocess.run([sys.executable, "-c", code, str(target)], cwd=repository, check=False)
    assert done.returncode == -signal.SIGKILL
    assert [c.folder.root.name for c in checkpoints(model)] == ["fine-00500"]
    assert load_head(model)[2] == 500
    sweep_leftovers(target.parent)
    save_checkpoint(CheckpointFolder(target), make_head(), None, Progress("fine", 1000))
    assert load_head(model)[2] == 1000
    assert sorted(p.name for p in (model / "checkpoints").iterdir()) == ["fine-00500", "fine-01000"]


def test_a_half_made_folder_is_no_checkpoint(model):
    folder = model / "checkpoints"
    shutil.copytree(folder / "fine-00500", folder / ".fine-01000.4711.part")
    shutil.copytree(folder / "fine-00500", folder / "fine-01000")
    (folder / "fine-01000" / "state.json").unlink()
    (folder / "notes.txt").write_text("mine")
    assert [c.folder.root.name for c in checkpoints(model)] == ["fine-00500"]


@pytest.mark.parametrize("step", ["save_file", "write_ply", "torch.save", "write_json"])
def test_a_failing_disk_leaves_the_old_checkpoint_in_place(model, monkeypatch, step):
    def full(*_):
        raise OSError(28, "No space left on device")

    path = model / "checkpoints" / "fine-00500"
    before = (path / "head.safetensors").read_bytes()
    monkeypatch.setattr(f"training.checkpoints.{step}", full)
    with pytest.raises(OSError, match="No space"):
        save_checkpoint(CheckpointFolder(path), make_head(), {"optimizer": {}}, Progress("fine", 500))
    assert (path / "head.safetensors").read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["fine-00500"]


@pytest.mark.parametrize("damage", ["cut", "empty", "gone", "nan", "smaller"])
def test_damaged_weights_are_refused_in_one_line(model, damage):
    path = model / "checkpoints" / "fine-00500"
    file = path / "head.safetensors"
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:-100])
    elif damage == "empty":
        file.write_bytes(b"")
    elif damage == "gone":
        file.unlink()
    elif damage == "nan":
        head = make_head()
        with torch.no_grad():
            head.model.means[0, 0] = torch.nan
        save_checkpoint(CheckpointFolder(path), head, None, Progress("fine", 500))
    else:
        record = read_record(model)
        write_record(model, replace(record, model=replace(record.model, feature_dim=16)))
    with pytest.raises(EGSTalkerError, match=r"head\.safetensors") as refused:
        load_head(model)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", json.dumps({"model": {"drive": "motion", "attention": "x"}})])
def test_damaged_settings_are_refused(model, text):
    (model / "settings.json").write_text(text)
    with pytest.raises(EGSTalkerError, match=r"settings\.json"):
        load_head(model)


def test_a_model_of_an_earlier_version_is_refused_in_one_line(model):
    record = json.loads((model / "settings.json").read_text())
    del record["model"]["drive"]
    (model / "settings.json").write_text(json.dumps(record))
    with pytest.raises(EGSTalkerError, match=r"was made by an earlier version.*train again") as refused:
        load_head(model)
    assert "\n" not in str(refused.value)


def test_a_damaged_progress_is_refused(model):
    (model / "checkpoints" / "fine-00500" / "state.json").write_text("{}")
    with pytest.raises(EGSTalkerError, match=r"state\.json"):
        load_head(model)


def test_no_model_and_no_checkpoint_are_said(tmp_path, model):
    with pytest.raises(EGSTalkerError, match="there is no model"):
        load_head(tmp_path / "none")
    for file in (model / "checkpoints" / "fine-00500").iterdir():
        file.unlink()
    with pytest.raises(EGSTalkerError, match="no checkpoint yet"):
        load_head(model)


@pytest.mark.parametrize("content", [b"", b"junk", None])
def test_a_damaged_training_state_names_itself(tmp_path, content):
    if content is None:
        torch.save({"optimizer": {}}, tmp_path / "training.pth")
    else:
        (tmp_path / "training.pth").write_bytes(content)
    with pytest.raises(EGSTalkerError, match=r"training\.pth is damaged"):
        load_training_state(CheckpointFolder(tmp_path))


class Sabotage:
    """What a pickle would run while it is loaded."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return Path.touch, (self.target,)


def test_a_training_state_that_would_run_code_is_refused_unrun(tmp_path):
    ran = tmp_path / "ran"
    torch.save({"optimizer": Sabotage(ran), "poses": torch.zeros(2, 6)}, tmp_path / "training.pth")
    with pytest.raises(EGSTalkerError, match=r"training\.pth is damaged"):
        load_training_state(CheckpointFolder(tmp_path))
    assert not ran.exists()
    torch.load(tmp_path / "training.pth", weights_only=False)
    assert ran.exists()  # it does run where pickles are trusted
