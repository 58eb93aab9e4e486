"""What a model keeps of its clip."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from arguments.errors import EGSTalkerError
from arguments.model_folder import ModelFolder
from scene.kept_clip import KeptClip, keep_clip
from scene.reference_clip import ReferenceClip
from tests.tiny_head import make_dataset


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> ReferenceClip:
    folder = make_dataset(tmp_path_factory.mktemp("data") / "set", num_frames=44)
    folder.update_record(lost_frames=[3, 4], scene_cuts=[20])
    return ReferenceClip(folder.root)


@pytest.fixture
def model(clip: ReferenceClip, tmp_path: Path) -> ModelFolder:
    folder = ModelFolder(tmp_path / "m")
    folder.root.mkdir()
    keep_clip(folder, clip)
    return folder


def test_everything_that_speaking_takes_is_as_it_was(clip: ReferenceClip, model: ModelFolder) -> None:
    kept = KeptClip(model.root)
    for name in ("num_frames", "train", "val", "lost", "cuts", "width", "height", "extractor", "feature_shape"):
        assert getattr(kept, name) == getattr(clip, name), name
    assert torch.equal(kept.eyes, clip.eyes) and torch.equal(kept.camera.viewmats, clip.camera.viewmats)
    assert torch.equal(kept.camera.intrinsics, clip.camera.intrinsics)
    assert (kept.backdrops.background == clip.backdrops.background).all()
    for ours, theirs in zip(kept.voice(), clip.voice(), strict=True):
        assert (ours == theirs).all() and ours.max() > 0
    assert (
        kept.usable(range(6)) == [0, 1, 2, 5] and (kept.usable_mask(clip.train) == clip.usable_mask(clip.train)).all()
    )


def test_frames_are_not_kept(model: ModelFolder) -> None:
    behind = KeptClip(model.root).backdrops
    for ask in (lambda: behind[0], lambda: behind.compose(0), lambda: behind.cut_out(0), lambda: behind.torso(0)):
        with pytest.raises(EGSTalkerError, match="give --reference_path, or show the learnt torso"):
            ask()
    assert model.kept_clip.stat().st_size < 60_000


def test_a_model_that_kept_nothing_says_so(tmp_path: Path) -> None:
    with pytest.raises(EGSTalkerError, match="keeps nothing of its clip: give --reference_path"):
        KeptClip(tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("viewmats", torch.zeros(44, 3, 4)),
        ("viewmats", torch.full((44, 4, 4), torch.nan)),
        ("eyes", torch.zeros(43)),
        ("background", torch.zeros(64, 64, 4, dtype=torch.uint8)),
        ("background", torch.zeros(64, 64, 3)),
        ("lost", torch.tensor([44])),
        ("cuts", torch.tensor([-1])),
        ("loudness", torch.zeros(44, 2)),
    ],
)
def test_a_damaged_one_is_told_in_one_line(model: ModelFolder, name: str, value: torch.Tensor) -> None:
    with safe_open(model.kept_clip, framework="pt") as file:
        values, about = {key: file.get_tensor(key) for key in file.keys()}, file.metadata()  # noqa: SIM118
    save_file(values | {name: value}, model.kept_clip, metadata=about)
    with pytest.raises(EGSTalkerError, match=r"is damaged; ./train\.sh with --only torso") as told:
        KeptClip(model.root)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("about", [{}, {"train": "0", "extractor": "", "feature_shape": "3"}, {"train": "many"}])
def test_what_it_says_of_itself_is_checked_too(model: ModelFolder, about: dict[str, str]) -> None:
    with safe_open(model.kept_clip, framework="pt") as file:
        values = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    save_file(values, model.kept_clip, metadata=about)
    with pytest.raises(EGSTalkerError, match="is damaged"):
        KeptClip(model.root)


def test_bytes_at_random_end_in_one_line(model: ModelFolder) -> None:
    whole, random = model.kept_clip.read_bytes(), np.random.default_rng(0)
    for _ in range(60):
        broken = bytearray(whole)
        for place in random.integers(0, 400, 3):
            broken[place] = random.integers(256)
        model.kept_clip.write_bytes(bytes(broken))
        try:
            KeptClip(model.root)
        except EGSTalkerError as error:
            assert "\n" not in str(error)
