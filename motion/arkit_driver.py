"""ARKit's blendshapes drive a head: recordings of Live Link Face, and what models make of sound.

Apple's names (ARFaceAnchor.BlendShapeLocation) say what a face does, not how far this person's face goes: weight 1 is
taken for the end of the range that the head's clip shows (:mod:`motion.expression_measures`). Gaze, tongue and cheeks
have no code and are passed over. Names count whatever their capitals: Live Link Face writes EyeBlinkLeft for
eyeBlinkLeft.

Two files are read. Live Link Face's csv: ``Timecode`` (hours:minutes:seconds:frames, with fractions of a frame; 60
frames a second unless the second's highest number says less), ``BlendShapeCount``, then a column a shape and the
angles of head and eyes. And JSON: ``{"names": [...], "frames": [{"weights": [...], "time": seconds}, ...]}``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from arguments.clock import FPS
from arguments.errors import EGSTalkerError
from motion.csv_table import MOST_ROWS, CsvTable
from motion.driver import DrivenMotion
from motion.expression_measures import PersonMeasures
from motion.model_motion import ModelMotion
from motion.resampling import resampled

RATES = (24, 25, 30, 50, 60)  # frames a second that timecodes count
DAY = 24 * 3600.0
BEYOND = 1.5  # that a weight of 0..1 may be and is cut; what is larger counts something else
LARGEST_FILE = 1 << 29  # bytes
_JAW_OPEN = "jawopen"

# How much each shape does to the lips' opening and to each measure; of left and right the mean counts.
OPENING = {"jawOpen": 1.0, "mouthClose": -1.0, "mouthLowerDown": 0.25, "mouthUpperUp": 0.15, "mouthFunnel": 0.2}
MEASURES: Mapping[str, Mapping[str, float]] = {
    "width": {"mouthSmile": 0.8, "mouthStretch": 0.7, "mouthDimple": 0.4, "mouthPucker": -1.0, "mouthFunnel": -0.6},
    "corners": {"mouthSmile": 1.0, "mouthFrown": -1.0, "mouthDimple": 0.2},
    "upper": {"mouthUpperUp": 1.0, "noseSneer": 0.5, "mouthShrugUpper": 0.3, "mouthRollUpper": -0.5},
    "lower": {"mouthLowerDown": 1.0, "mouthShrugLower": -0.7, "mouthRollLower": -0.5},
    "fullness": {
        "mouthFunnel": 0.5,
        "mouthPucker": 0.4,
        "mouthPress": -1.0,
        "mouthRollUpper": -0.5,
        "mouthRollLower": -0.5,
    },
    "forward": {"mouthPucker": 1.0, "mouthFunnel": 0.8, "mouthRollUpper": -0.3, "mouthRollLower": -0.3},
    "inner_brows": {"browInnerUp": 1.0, "browDown": -1.0},
    "outer_brows": {"browOuterUp": 1.0, "browInnerUp": 0.3, "browDown": -0.7},
}


def is_arkit(table: CsvTable) -> bool:
    """Whether a table has ARKit's columns."""
    return _JAW_OPEN in {name.lower() for name in table.header}


def read_live_link(table: CsvTable, motion: ModelMotion) -> DrivenMotion:
    """The motion in a csv of Live Link Face.

    Args:
        table: the file's.
        motion: of the head.

    Raises:
        EGSTalkerError: there are no times, they do not rise, or values are no weights.
    """
    clock = next((name for name in table.header if name.lower() == "timecode"), None)
    if clock is None:
        raise EGSTalkerError(f"{table.path} has no column Timecode; export it from Live Link Face again")
    ignored = {"timecode", "blendshapecount"}
    names = [name for name in table.header if name.lower() not in ignored and not _is_angle(name)]
    place = table.header.index(clock)
    times = _seconds([row[place] for row in table.rows], table.path)
    new = np.diff(times, prepend=-1.0) != 0  # a phone that is late writes a time twice
    return _driven(names, times[new], table.numbers(names)[new], motion, table.path)


def read_blendshape_json(path: Path, motion: ModelMotion) -> DrivenMotion:
    """The motion in a JSON file of names and of frames with weights and times.

    Args:
        path: of the file.
        motion: of the head.

    Raises:
        EGSTalkerError: it is missing, damaged, of another form, its times do not rise, or values are no weights.
    """
    wanted = 'it has "names" and "frames", each with "weights" and "time"'
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise EGSTalkerError(f"{path} has more than {LARGEST_FILE >> 20} MiB; cut it into parts")
        content: Any = json.loads(path.read_text(encoding="utf-8-sig"))
        names = [str(name) for name in content["names"]]
        weights = np.array([frame["weights"] for frame in content["frames"]], np.float64)
        times = np.array([frame["time"] for frame in content["frames"]], np.float64)
    except FileNotFoundError:
        raise EGSTalkerError(f"there is no {path}") from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
        raise EGSTalkerError(f"{path} holds no blendshapes; {wanted}") from error
    if weights.ndim != 2 or len(weights) == 0 or times.ndim != 1:
        raise EGSTalkerError(f"{path} holds no frames of blendshapes; {wanted}")
    if weights.shape[1] != len(names):
        raise EGSTalkerError(f"{path} has {len(names)} names and {weights.shape[1]} weights a frame; write it again")
    if len(weights) > MOST_ROWS or not (np.isfinite(weights).all() and np.isfinite(times).all()):
        raise EGSTalkerError(f"{path} has values that are not finite, or more than {MOST_ROWS} frames; write it again")
    return _driven(names, times - times[0], weights, motion, path)


def arkit_codes(shapes: Mapping[str, Float[np.ndarray, "N"]], person: PersonMeasures) -> Float[np.ndarray, "N K"]:
    """Expression codes of blendshapes.

    Args:
        shapes: weights 0..1 by ARKit's names, in small letters; those that are not there count as 0.
        person: the head's range.
    """
    length = len(next(iter(shapes.values())))
    jaw, close = (_weight(shapes, name, length) for name in ("jawOpen", "mouthClose"))
    raises = {name: _sum(shapes, effects, length) for name, effects in MEASURES.items()}
    raises["jaw"] = np.minimum(jaw, close)  # lips that meet over an open jaw
    return person.raised(_sum(shapes, OPENING, length), raises)


def _driven(
    names: list[str],
    times: Float[np.ndarray, "M"],
    weights: Float[np.ndarray, "M S"],
    motion: ModelMotion,
    path: Path,
) -> DrivenMotion:
    small = [name.lower() for name in names]
    if _JAW_OPEN not in small or len(set(small)) < len(small):
        raise EGSTalkerError(
            f"{path} has not ARKit's blendshapes, each once: there is no jawOpen, or a name comes twice"
        )
    if np.abs(weights).max() > BEYOND:
        worst = names[int(np.abs(weights).max(0).argmax())]
        raise EGSTalkerError(f"{path}: {worst} reaches {np.abs(weights).max():g}; weights are 0 to 1")
    values = resampled(times * FPS, weights.clip(0, 1), path)
    shapes = dict(zip(small, values.T, strict=True))
    person = PersonMeasures.of(motion.code, motion.measured[: motion.train].double().numpy())
    codes = arkit_codes(shapes, person)
    eyes = _weight(shapes, "eyeBlink", len(codes))
    return DrivenMotion(torch.from_numpy(codes.astype(np.float32)), torch.from_numpy(eyes.astype(np.float32)))


def _weight(shapes: Mapping[str, Float[np.ndarray, "N"]], name: str, length: int) -> Float[np.ndarray, "N"]:
    """A shape's weight; of one that has a left and a right the mean."""
    small = name.lower()
    there = [shapes[key] for key in (small, f"{small}left", f"{small}right") if key in shapes]
    return np.mean(there, axis=0) if there else np.zeros(length)


def _sum(
    shapes: Mapping[str, Float[np.ndarray, "N"]], effects: Mapping[str, float], length: int
) -> Float[np.ndarray, "N"]:
    return np.sum([share * _weight(shapes, name, length) for name, share in effects.items()], axis=0)


def _is_angle(name: str) -> bool:
    return name.lower().endswith(("yaw", "pitch", "roll"))


def _seconds(codes: list[str], path: Path) -> Float[np.ndarray, "M"]:
    """Seconds since the first of some timecodes; midnight may pass."""
    parts = np.full((len(codes), 4), np.nan)
    for i, code in enumerate(codes):
        try:
            parts[i] = np.array([float(part) for part in code.split(":")]).reshape(4)
        except ValueError:
            break
    if not np.isfinite(parts).all() or (parts < 0).any():
        wrong = codes[int(np.argmin(np.isfinite(parts).all(1) & (parts >= 0).all(1)))]
        raise EGSTalkerError(f"{path}: Timecode {wrong[:30]!r} is not hours:minutes:seconds:frames")
    highest = parts[:, 3].max()
    several = bool((np.diff(parts[:, 2]) != 0).sum() > 1)  # a whole second was counted through
    rate = next((rate for rate in RATES if highest < rate), RATES[-1]) if several else RATES[-1]
    seconds = parts[:, :3] @ (3600.0, 60.0, 1.0) + parts[:, 3] / rate
    return np.mod(seconds - seconds[0], DAY)
