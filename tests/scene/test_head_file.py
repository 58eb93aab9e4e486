"""Heads that travel in one file: whole, checked, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

import export
import predict
from arguments.errors import EGSTalkerError
from arguments.model_folder import ModelFolder
from scene.head_file import opened, pack, unpack
from scene.head_files import load_head
from tests.tiny_head import make_dataset, make_moving_model, make_whole_model, speech_like, write_wav
from training.dataset import WholePerson


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> WholePerson:
    return WholePerson(make_dataset(tmp_path_factory.mktemp("data") / "set", num_frames=66).root)


@pytest.fixture(scope="module")
def model(clip: WholePerson, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_whole_model(tmp_path_factory.mktemp("models") / "m", clip, 200)


@pytest.fixture(scope="module")
def packed(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("heads") / "some one.head"
    assert pack(model, target) == target.stat().st_size
    return target


def _run(door, *words: object) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["door", *map(str, words)])
        return door()


def test_what_comes_out_is_what_went_in(model: Path, packed: Path) -> None:
    with opened(packed) as folder:
        for name in ("torso", "kept_clip", "expression_code", "speech_model", "body_motion"):
            ours, theirs = (getattr(ModelFolder(root), name) for root in (folder, model))
            with safe_open(ours, framework="pt") as one, safe_open(theirs, framework="pt") as other:
                assert sorted(one.keys()) == sorted(other.keys()) and (one.metadata() or {}) == (other.metadata() or {})
                assert all(torch.equal(one.get_tensor(key), other.get_tensor(key)) for key in one.keys())  # noqa: SIM118
        heads = [load_head(root)[0].state_dict() for root in (folder, model)]
        assert all(torch.equal(heads[0][key], heads[1][key]) for key in heads[0])
    assert not folder.exists()


def test_a_film_without_the_dataset_is_the_same_bit_for_bit(clip, model, packed, tmp_path) -> None:
    sound = write_wav(tmp_path / "a.wav", speech_like(1.2))
    films = {}
    for name, given in {
        "dataset": ("--model_path", model, "--reference_path", clip.folder.root),
        "folder": ("--model_path", model),
        "file": ("--model_path", packed),
    }.items():
        words = ("--audio_path", sound, *given, "--pose", "own", "--seed", 3, "--output_dir", tmp_path / name)
        assert _run(predict.main, *words, "--format", "png") == 0  # x264 is not exact in pictures as small as these
        films[name] = [path.read_bytes() for path in sorted((tmp_path / name / "a_frames").glob("*.png"))]
    assert len(films["dataset"]) == 30
    assert films["dataset"] == films["folder"] == films["file"]


@pytest.mark.parametrize("ending", ["head", "ply", "splat", "glb"])
def test_export_writes_what_its_ending_says(model, packed, tmp_path, capsys, ending) -> None:
    for source in (model, packed):
        target = tmp_path / "new folder" / f"a.{ending}"
        assert _run(export.main, "--model_path", source, "--to", target) == 0
        assert target.stat().st_size > 1000 and str(target) in capsys.readouterr().out
        target.unlink()


def test_a_head_packed_from_a_head_is_the_same(packed, tmp_path) -> None:
    again = tmp_path / "again.head"
    assert _run(export.main, "--model_path", packed, "--to", again) == 0
    one, other = _contents(again), _contents(packed)
    assert one[1] == other[1] and all(torch.equal(value, other[0][name]) for name, value in one[0].items())


def test_a_model_that_lacks_something_is_told(clip, tmp_path) -> None:
    old = make_moving_model(tmp_path / "m", clip.folder)
    with pytest.raises(EGSTalkerError, match="--only torso makes it"):
        pack(old, tmp_path / "a.head")
    with pytest.raises(EGSTalkerError, match="learnt no head that moves"):
        pack(tmp_path, tmp_path / "a.head")
    assert not (tmp_path / "a.head").exists()


def test_wrong_words_are_refused(model, tmp_path, capsys) -> None:
    with pytest.raises(SystemExit):
        _run(export.main, "--model_path", model, "--to", tmp_path / "a.obj")
    (tmp_path / "b.ply").mkdir()
    assert _run(export.main, "--model_path", model, "--to", tmp_path / "b.ply") == 1
    assert _run(predict.main, "--audio_path", tmp_path, "--model_path", tmp_path / "no.head") == 1
    assert "Traceback" not in capsys.readouterr().err


def _contents(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    with safe_open(path, framework="pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}, file.metadata()  # noqa: SIM118


@pytest.mark.parametrize("change", ["value", "missing", "extra", "outside", "state", "version", "sum"])
def test_hostile_files_end_in_one_line(packed, tmp_path, change) -> None:
    tensors, about = _contents(packed)
    if change == "value":
        tensors["torso/means"] = tensors["torso/means"] + 1
    if change == "missing":
        del tensors["torso/means"]
    if change in ("extra", "outside"):
        tensors["evil/x" if change == "extra" else "../../evil/x"] = torch.zeros(1)
    if change == "state":
        about["state"] = json.dumps({"stage": "fine", "iteration": "../../../x"})
    if change == "version":
        about["format"] = "egstalker.head/9"
    if change == "sum":
        del about["sha256"]
    if change in ("extra", "outside", "state"):  # whoever changes it can make the sum right, too
        from scene.head_file import _digest

        about["sha256"] = _digest(tensors, about)
    target = tmp_path / "a.head"
    save_file(tensors, target, metadata=about)
    with pytest.raises(EGSTalkerError) as told:
        unpack(target, tmp_path / "out")
    assert "\n" not in str(told.value) and not (tmp_path / "out").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.head"]


def test_bytes_at_random_end_in_one_line(packed, tmp_path) -> None:
    whole, random, target = packed.read_bytes(), np.random.default_rng(0), tmp_path / "a.head"
    for trial in range(150):
        broken = bytearray(whole)
        if trial % 5 == 0:
            broken = broken[: random.integers(len(broken))]
        for place in random.integers(0, len(broken) if trial % 2 else min(len(broken), 3000), 4):
            broken[place] = (broken[place] + random.integers(1, 256)) % 256
        target.write_bytes(bytes(broken))
        with pytest.raises(EGSTalkerError) as told:
            unpack(target, tmp_path / "out")
        assert "\n" not in str(told.value) and not (tmp_path / "out").exists()
    target.write_bytes(b"")
    with pytest.raises(EGSTalkerError):
        unpack(target, tmp_path / "out")
