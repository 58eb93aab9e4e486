"""How the head is held in a film: as in the clip, with motion of its own, still, or as a table says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from arguments.errors import EGSTalkerError
from motion.body_motion import middle_frame
from motion.csv_table import CsvTable
from motion.frame_path import FramePath, unbroken
from motion.head_motion import HeadMotion
from motion.table_driver import rows_on_the_clock
from scene.clip import Clip
from synthesis.script import Script

TURNS, SHIFTS = ("yaw", "pitch", "roll"), ("x", "y", "z")
FARTHEST = 90.0  # degrees of a turn in a table
FARTHEST_SHIFT = 30.0  # centimetres
LEAST = 8  # frames of a stretch whose motion can go on in another


@dataclass(frozen=True)
class Posing:
    """How the head is held."""

    kind: str = "reference"
    """``reference``, ``own``, ``still`` or ``table``."""
    path: Path | None = None
    """Of the table."""

    @classmethod
    def of(cls, words: str) -> Posing:
        """What a user asks for: a kind, or the file of a table.

        Raises:
            EGSTalkerError: it is neither.

        Example:
            >>> Posing.of("own").kind
            'own'
        """
        if words in ("reference", "own", "still"):
            return cls(words)
        path = Path(words)
        if not path.is_file():
            raise EGSTalkerError(f"there is no table {words!r}; --pose takes reference, own, still or a csv file")
        return cls("table", path)


REFERENCE = Posing()


def posed(
    script: Script,
    clip: Clip,
    posing: Posing,
    seed: int = 0,
    body: Float[np.ndarray, "N 12"] | None = None,
) -> Script:
    """A script with the head held as ``posing`` says; one that has poses of a driving video keeps these.

    Args:
        script: over the clip's poses as they follow each other.
        clip: of the script.
        posing: how the head is held.
        seed: of motion of its own.
        body: how it moves in the clip's frames, where that is known.

    Raises:
        EGSTalkerError: the table cannot be used.
    """
    if posing.kind == "reference" or script.poses is not None:
        return script
    viewmats, count = clip.camera.viewmats.double().numpy(), len(script)
    if posing.kind == "own":
        poses, path = _own(script, clip, seed, body)
    else:
        rest = middle_frame(viewmats, clip.usable_mask(clip.train))
        path = FramePath.of(np.full(count, rest))
        poses = np.repeat(viewmats[rest : rest + 1], count, axis=0)
        if posing.path is not None:
            poses = _of_table(CsvTable.read(posing.path), poses)
    return replace(script, reference=path, poses=torch.from_numpy(poses).float())


def head_motion_of(clip: Clip) -> HeadMotion | None:
    """How the person of a clip moves the head; None where no stretch of it is long enough to tell."""
    stretches = unbroken(clip.usable(range(clip.num_frames)), clip.cuts)
    pieces = [(begin, end) for begin, end in stretches if end - begin >= LEAST]
    if not pieces:
        return None
    return HeadMotion.of_clip(clip.camera.viewmats.double().numpy(), pieces, *clip.voice())


def _own(
    script: Script, clip: Clip, seed: int, body: Float[np.ndarray, "N 12"] | None
) -> tuple[Float[np.ndarray, "F 4 4"], FramePath]:
    motion = head_motion_of(clip)
    if motion is None:
        return script.reference.poses(clip.camera.viewmats.double().numpy()), script.reference
    voice = script.voice
    return motion.generate(
        len(script),
        seed,
        body=body,
        speaks=None if voice is None else voice.speaks,
        loud=None if voice is None else voice.loudness,
    )


def _of_table(table: CsvTable, poses: Float[np.ndarray, "F 4 4"]) -> Float[np.ndarray, "F 4 4"]:
    """Poses that are turned and shifted as a table says; its last row holds on where it is too short.

    Columns ``yaw`` (to the picture's right), ``pitch`` (down) and ``roll`` (to the picture's left) are degrees, ``x``
    (right), ``y`` (up) and ``z`` (to the camera) centimetres; what a table does not name is zero.
    """
    named = [name for name in (*TURNS, *SHIFTS) if name in table.header]
    if not named:
        raise EGSTalkerError(f"{table.path} has none of the columns {', '.join((*TURNS, *SHIFTS))}")
    values = dict(zip(named, rows_on_the_clock(table, named)[: len(poses)].T, strict=True))
    length = len(next(iter(values.values())))
    _check(table, values)
    rows = np.minimum(np.arange(len(poses)), length - 1)
    turns, shifts = (_columns(values, names, length)[rows] for names in (TURNS, SHIFTS))
    turned = poses.copy()
    turned[:, :3, :3] = poses[:, :3, :3] @ Rotation.from_euler("YXZ", turns, degrees=True).as_matrix()
    turned[:, :3, 3] += shifts / 10 * (1, -1, -1)  # the camera's axes; decimetres
    return turned


def _columns(values: dict[str, np.ndarray], names: Iterable[str], length: int) -> Float[np.ndarray, "M 3"]:
    return np.stack([values.get(name, np.zeros(length)) for name in names], axis=1)


def _check(table: CsvTable, values: dict[str, np.ndarray]) -> None:
    for name, column in values.items():
        limit, unit = (FARTHEST, "degrees") if name in TURNS else (FARTHEST_SHIFT, "cm")
        if np.abs(column).max() > limit:
            raise EGSTalkerError(f"{table.path}: {name} goes to {np.abs(column).max():g}; at most {limit:g} {unit}")
