"""Where the head of a rendered film stands, and how far its eyes close, against the film's truth."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt8
from scipy.ndimage import label

from benchmarks.track_accuracy import OFF
from data_utils.face_mesh import eye_opening
from data_utils.face_mesh_model import FaceMesh
from evaluation.landmarks import NOBODY
from evaluation.truth import read_true_frame
from motion.model_motion import ModelMotion
from scene.head import GaussianHead
from scene.reference_clip import ReferenceClip
from synthesis.rendering import synthesise
from synthesis.script import script_of_frames
from synthesis.signal import own_signal

STEADY_POINTS = (33, 133, 263, 362, 168, 6, 1)  # of FaceMesh: corners of the eyes, bridge and tip of the nose
OPEN, SHUT = 0.95, 0.5  # of the true lids' opening: an eye at rest, and one in a blink
NEAR = 2  # frames about a blink, in which the rendered one may be lowest


@dataclass(frozen=True)
class FilmAccuracy:
    """Of the frames that are held out of training, driven by their sound."""

    head_off: float | None  # share of the frames whose eyes and nose are off by more than 3 px
    blink_depth: float | None  # how far the eyes close in blinks, over how far the true ones do; 1 is right


def film_accuracy(
    head: GaussianHead, clip: ReferenceClip, motion: ModelMotion | None, eye_open: Float[np.ndarray, "N"]
) -> FilmAccuracy:
    """Render a clip's held-out frames and look at them as FaceMesh does.

    Args:
        eye_open: the true opening of the lids in all N frames of the clip, 0..1.
    """
    shown = clip.usable(clip.val)
    made = _faces(synthesise(head, clip, script_of_frames(clip, shown, own_signal(motion, clip))))
    true = _faces(read_true_frame(clip.folder, i).composite for i in shown)
    both = np.isfinite(made[:, 0, 0] + true[:, 0, 0])
    away = np.linalg.norm((made - true)[:, list(STEADY_POINTS), :2], axis=-1).mean(1)
    depth = blink_depth(eye_opening(made), eye_opening(true), eye_open[list(shown)], both)
    return FilmAccuracy(float((away[both] > OFF).mean()) if both.any() else None, depth)


def _faces(frames: Iterable[UInt8[np.ndarray, "H W 3"]]) -> Float[np.ndarray, "F 478 3"]:
    """FaceMesh's landmarks in pixels; NaN where it finds no face."""
    with FaceMesh() as mesh:
        found = [mesh.faces(frame)[:1] for frame in frames]
    return np.concatenate([face if len(face) else NOBODY for face in found]).astype(np.float64)


def blink_depth(
    made: Float[np.ndarray, "F"],
    true: Float[np.ndarray, "F"],
    lids: Float[np.ndarray, "F"],
    seen: Bool[np.ndarray, "F"],
) -> float | None:
    """How far rendered eyes close in blinks, over how far the true ones do: 1 is as far, 0 not at all.

    Args:
        made, true: opening of the eyes in F frames as FaceMesh sees it, of any unit.
        lids: the true opening, 0..1, which says where the blinks are.
        seen: frames in which both show a face.

    Returns:
        The mean over the blinks; None where there is none, or no eye at rest.
    """
    rest = seen & (lids > OPEN)
    pieces, count = label(lids < SHUT)
    shares = []
    for number in range(1, count + 1):
        where: Sequence[int] = np.flatnonzero(pieces == number).tolist()
        near = np.arange(max(0, where[0] - NEAR), min(len(lids), where[-1] + NEAR + 1))
        near = near[seen[near]]
        if len(near) and rest.any():
            closed = [1 - opening[near].min() / np.median(opening[rest]) for opening in (made, true)]
            shares.append(closed[0] / max(closed[1], 1e-6))
    return float(np.mean(shares)) if shares else None
