"""How often the eyes of a film blink: of one whose blinks the system has made itself there is no other truth."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from jaxtyping import UInt8

from arguments.clock import FPS
from data_utils.action_units import STRONGEST, action_unit_45
from evaluation.landmarks import watch
from motion.blinks import blink_rate
from scene.reference_clip import ReferenceClip

LEAST_SECONDS = 10  # of a film that says how often somebody blinks
LEAST_SEEN = 0.5  # of its frames, that show a face


def rate_of_film(frames: Iterable[UInt8[np.ndarray, "H W 3"]]) -> float | None:
    """Blinks a minute that FaceMesh sees in a film.

    Eyes are measured as those of a dataset are.

    Returns:
        None for less than ten seconds, or where fewer than half of the frames show a face.
    """
    opening = np.asarray(watch(frames).eye_opening)
    seen = np.isfinite(opening)
    if len(opening) < LEAST_SECONDS * FPS or seen.mean() < LEAST_SEEN:
        return None
    both = np.repeat(np.where(seen, opening, 0.0)[:, None], 2, axis=1)
    return blink_rate(action_unit_45(both, seen).astype(np.float64) / STRONGEST, seen)


def rate_of_clip(clip: ReferenceClip) -> float:
    """Blinks a minute of the person in the whole clip."""
    return blink_rate(clip.eyes.double().numpy(), clip.usable_mask(range(clip.num_frames)))
