"""The video that a dataset is made from: where it is, whether it will do, and how it is cropped."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from arguments.clock import FPS
from arguments.dataset_folder import DatasetFolder
from arguments.errors import EGSTalkerError
from data_utils.crop import SAMPLES, Crop, choose_crop
from media.sound import iter_audio
from media.video import MIN_SECONDS, VideoInfo, probe, sample_frames

SILENCE = 1e-4  # a sound track that never exceeds it (of full scale, -80 dB) holds no speech
SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".MP4", ".MOV")


@dataclass(frozen=True)
class Source:
    """A video file, measured when first asked and then remembered."""

    path: Path

    @functools.cached_property
    def identity(self) -> dict[str, Any]:
        """Name, size and SHA-256 of the file: what dataset.json remembers it by."""
        digest = hashlib.sha256()
        with self.path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
        return {"name": self.path.name, "size": self.path.stat().st_size, "sha256": digest.hexdigest()}

    @functools.cached_property
    def info(self) -> VideoInfo:
        """The file's measures.

        Raises:
            EGSTalkerError: unreadable, truncated, without picture or sound, silent, or shorter than two seconds.
        """
        info = probe(self.path)
        if not info.has_audio:
            raise EGSTalkerError(f"{self.path} has no audio track; use a video in which the person is heard to speak")
        if info.num_frames < MIN_SECONDS * FPS:
            raise EGSTalkerError(
                f"{self.path} has {info.num_frames / FPS:.1f} s with picture and sound; use at least "
                f"{MIN_SECONDS:.0f} s (some minutes make a good head)"
            )
        if all(np.abs(block).max(initial=0) < SILENCE for block in iter_audio(self.path, origin=info.start)):
            raise EGSTalkerError(f"{self.path} is silent; use a video in which the person is heard to speak")
        return info

    @functools.cached_property
    def crop(self) -> Crop:
        """The square around the head. Raises EGSTalkerError where no face, or too little of one, is seen."""
        num_frames = self.info.num_frames
        return choose_crop(sample_frames(self.path, num_frames, SAMPLES), num_frames / FPS)


def locate(path: Path | str) -> tuple[DatasetFolder, Source | None]:
    """The dataset folder of a command's argument, and its video if that is still there.

    Args:
        path: a video (its folder is the path without suffix), a dataset folder, or a dataset folder's own video.mp4.

    Raises:
        EGSTalkerError: nothing is there.
    """
    path = Path(path)
    if path.is_dir():
        source = _source_of(path)
        if source is None and not _is_dataset(path):
            raise EGSTalkerError(f"{path} is no dataset folder; give the path of a video, such as data/input.mp4")
        return DatasetFolder(path), source
    if path.name in ("video.mp4", "source.mp4") and _is_dataset(path.parent):
        return DatasetFolder(path.parent), _source_of(path.parent)
    root = path.with_suffix("")
    if root == path:
        raise EGSTalkerError(f"{path} is not a dataset folder and has no suffix; give a video such as data/input.mp4")
    if path.is_file():
        return DatasetFolder(root), Source(path)
    if _is_dataset(root):
        return DatasetFolder(root), _source_of(root)
    raise EGSTalkerError(f"{path} does not exist; give the path of a video, such as data/input.mp4")


def _source_of(root: Path) -> Source | None:
    beside = [root.parent / (root.name + suffix) for suffix in SUFFIXES]
    return next((Source(path) for path in (*beside, root / "source.mp4", root / "video.mp4") if path.is_file()), None)


def _is_dataset(root: Path) -> bool:
    return any((root / name).exists() for name in ("dataset.json", "ori_imgs", "aud.wav", "transforms_train.json"))
