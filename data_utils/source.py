"""The video that a dataset is made from: where it is, whether it will do, and how it is cropped.

Where the original is gone, the dataset's own video.mp4 stands in for it: cropped already, and a little worse.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from arguments.clock import FPS
from arguments.dataset_folder import DatasetFolder, num_train_frames
from arguments.digest import sha256
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
    stands_in: bool = False  # the dataset's own film, for an original that is gone

    @functools.cached_property
    def identity(self) -> dict[str, Any]:
        """Name, size and SHA-256 of the file: what dataset.json remembers it by."""
        return {"name": self.path.name, "size": self.path.stat().st_size, "sha256": sha256(self.path)}

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
        """The square around the head, as it moves in the training part; a stand-in is cropped already.

        Raises EGSTalkerError where no face, or too little of one, is seen.
        """
        if self.stands_in:
            return Crop(0, 0, self.info.width, self.info.width)
        fit_frames = num_train_frames(self.info.num_frames)
        return choose_crop(sample_frames(self.path, fit_frames, SAMPLES), fit_frames / FPS)


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
    folder = DatasetFolder(root)
    originals = [*(root.parent / (root.name + suffix) for suffix in SUFFIXES), root / "source.mp4"]
    original = next((Source(path) for path in originals if path.is_file()), None)
    if original or not folder.video.is_file():
        return original
    return Source(folder.video, stands_in="source" in folder.read_record())


def _is_dataset(root: Path) -> bool:
    return any((root / name).exists() for name in ("dataset.json", "ori_imgs", "aud.wav", "transforms_train.json"))
