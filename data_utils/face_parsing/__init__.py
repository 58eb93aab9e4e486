"""Parsers that cut a frame into head, neck, torso and background, one file each, by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from arguments.dataset_folder import DatasetFolder

Parser = Callable[[DatasetFolder, Path, Callable[[int], None]], None]
"""Writes parsing maps 0.png, 1.png, ... of a dataset's frames into a folder; calls back with numbers of frames done."""


def _mediapipe(folder: DatasetFolder, target: Path, done: Callable[[int], None]) -> None:
    from data_utils.face_parsing import mediapipe_parser

    mediapipe_parser.parse(folder, target, done)


def _bisenet(folder: DatasetFolder, target: Path, done: Callable[[int], None]) -> None:
    from data_utils.face_parsing import bisenet  # loads torch, which takes seconds

    bisenet.parse(folder, target, done)


PARSERS: dict[str, Parser] = {"mediapipe": _mediapipe, "bisenet": _bisenet}
DEFAULT_PARSER = "mediapipe"
