"""transforms_train.json and transforms_val.json as they are read: ours, or of the programs of AD-NeRF's family.

Theirs have a focal length ``focal_len``, or ``fl_x`` and ``fl_y``, or ``camera_angle_x`` as Blender's data; the
principal point may be missing; frames are numbered by ``img_id`` from anywhere and with holes, and ``aud_id`` is the
place of a frame's sound (ER-NeRF, nerf_triplane/provider.py).
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from arguments.dataset_folder import DatasetFolder, num_train_frames
from arguments.errors import EGSTalkerError
from data_utils.cures import cure
from data_utils.wholeness import picture_numbers


@dataclass(frozen=True)
class Transforms:
    """Camera poses and intrinsics of a dataset's N frames.

    Attributes:
        folder: with the numbers of the frames' files and sound, where these are not 0 to N - 1.
        matrices: camera to world, NeRF's axes.
        num_train: how many of the frames, from the first, heads learn from.
        focal: in pixels, of columns and rows.
        centre: column and row of the principal point, pixels; None where the files do not say: the picture's.
        remarks: what a user should know of them, a line each.
    """

    folder: DatasetFolder
    matrices: Float64[np.ndarray, "N 4 4"]
    num_train: int
    focal: tuple[float, float]
    centre: tuple[float | None, float | None]
    remarks: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.matrices)


@dataclass(frozen=True)
class _Entry:
    picture: int
    heard: int
    matrix: Float64[np.ndarray, "..."]  # checked where it is read


def read_transforms(folder: DatasetFolder) -> Transforms:
    """Both files of a dataset.

    Of another program's dataset frames whose ground truth is missing are left out, as ER-NeRF does, and where its two
    files share frames or take turns the last eleventh of all is held out; a line says so.

    Raises:
        EGSTalkerError: one is missing or damaged; says what to do.
    """
    content, train = _read(folder, folder.transforms_train)
    _, val = _read(folder, folder.transforms_val)
    entries = sorted({entry.picture: entry for entry in [*val, *train]}.values(), key=lambda entry: entry.picture)
    num_train, remarks = len(train), []
    if len(entries) < len(train) + len(val) or max(e.picture for e in train) > min(e.picture for e in val):
        num_train = num_train_frames(len(entries))
        remarks.append(
            f"{folder.transforms_train} and {folder.transforms_val.name} share frames or take turns: the last "
            f"{len(entries) - num_train} of {len(entries)} frames are held out"
        )
    there = picture_numbers(folder.ground_truth)
    lacking = {entry.picture for entry in entries} - there
    if lacking and there and "num_frames" not in folder.read_record():
        remarks.append(f"{folder.ground_truth} lacks {len(lacking)} of {len(entries)} frames: these are left out")
        num_train -= sum(entry.picture in lacking for entry in entries[:num_train])
        entries = [entry for entry in entries if entry.picture in there]
    if not 0 < num_train < len(entries):
        num_train = num_train_frames(len(entries))
    if num_train == 0:
        raise EGSTalkerError(f"{folder.ground_truth} has pictures of too few of the frames; {cure(folder, 6)}")
    pictures, heard = ([getattr(entry, name) for entry in entries] for name in ("picture", "heard"))
    if pictures != list(range(len(entries))) or heard != pictures:
        folder = replace(folder, numbers=tuple(pictures), heard=tuple(heard))
    matrices = np.stack([entry.matrix for entry in entries])
    focal, centre = _focal(content), (_number(content.get("cx")), _number(content.get("cy")))
    if focal is None or any(
        name in content and value is None for name, value in zip(("cx", "cy"), centre, strict=True)
    ):
        raise _problem(folder, folder.transforms_train)
    return Transforms(folder, matrices, num_train, focal, centre, tuple(remarks))


def _read(folder: DatasetFolder, path: Path) -> tuple[dict[str, Any], list[_Entry]]:
    try:
        content = json.loads(path.read_text())
        entries = [
            _Entry(
                int(entry["img_id"]),
                int(entry.get("aud_id", entry["img_id"])),
                np.asarray(entry["transform_matrix"], np.float64),
            )
            for entry in content["frames"]
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _problem(folder, path) from error
    whole = all(e.matrix.shape == (4, 4) and np.isfinite(e.matrix).all() and e.heard >= 0 for e in entries)
    if not entries or not whole or min(entry.picture for entry in entries) < 0:
        raise _problem(folder, path)
    return content, entries


def _focal(content: dict[str, Any]) -> tuple[float, float] | None:
    """Focal lengths of columns and rows, pixels; None where there are none."""
    both = [content.get("focal_len", content.get(name)) for name in ("fl_x", "fl_y")]
    if both == [None, None] and "camera_angle_x" in content and (_number(content.get("w")) or 0) > 0:
        both[0] = content["w"] / (2 * math.tan((_number(content["camera_angle_x"]) or math.nan) / 2))
    x, y = (_number(value) for value in both)
    pair = (x if x is not None else y, y if y is not None else x)
    return None if pair[0] is None or pair[1] is None or min(pair[0], pair[1]) <= 0 else (pair[0], pair[1])


def _number(value: object) -> float | None:
    """A finite number, or None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return float(value)


def _problem(folder: DatasetFolder, path: Path) -> EGSTalkerError:
    return EGSTalkerError(f"{path} is {'damaged' if path.exists() else 'missing'}; {cure(folder, 9)}")
