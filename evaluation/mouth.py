"""Do the lips follow: the rendered mouth's opening over time against the true one, and what chance would give.

Every figure takes two series of N frames, 25 a second, in the person's eye-widths: a rendered and a true
:func:`~data_utils.face_mesh.mouth_opening`, for closures :func:`~data_utils.face_mesh.lip_gap`, NaN in frames where no
face is seen. It is None where it is undefined.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float

from arguments.clock import FPS
from evaluation.correlation import MIN_SAMPLES, correlation
from evaluation.landmarks import FaceMotion
from motion.face_measures import closed_gap

Series = Float[np.ndarray, "N"]
Figure = Callable[[Series, Series], float | None]

SHIFTS = 100  # in time, over which chance is averaged
LEAST_SHIFT = FPS  # frames: after a second, speech has forgotten what was said


def mouth_correlation(render: Series, truth: Series) -> float | None:
    """Pearson's correlation of the two openings, -1..1."""
    return correlation(render, truth)


def mouth_velocity_correlation(render: Series, truth: Series) -> float | None:
    """Pearson's correlation of the two openings' differences from frame to frame, -1..1: lips that move in time."""
    return correlation(np.diff(render), np.diff(truth))


def mouth_amplitude(render: Series, truth: Series) -> float | None:
    """Standard deviation of the rendered opening over that of the true one: below 1 the lips mumble, above they gape.

    Frames in which one of them is unknown count in neither.

    Args:
        render, truth: openings [N], eye-widths.

    Returns:
        The ratio, 0 or more; None where fewer than three frames are known in both or the true mouth does not move.
    """
    known = np.isfinite(render) & np.isfinite(truth)
    if known.sum() < MIN_SAMPLES or truth[known].std() <= 1e-9:
        return None
    return float(render[known].std() / truth[known].std())


def closed(gap: Series, truth: Series) -> Bool[np.ndarray, "N"]:
    """Frames in which lips are closed: their ``gap`` is below a tenth of the person's widest (true) one.

    The widest is the 95th percentile of ``truth``, so that both series are judged by one threshold, the person's own.

    Args:
        gap: of the lips that are judged [N], eye-widths.
        truth: the true gap over the same clip, eye-widths.

    Returns:
        One truth value a frame [N]; False where the gap is not known.
    """
    known = truth[np.isfinite(truth)]
    return gap < (closed_gap(known) if len(known) else -np.inf)


def lip_closures_kept(render: Series, truth: Series) -> float | None:
    """Of the frames in which the true lips are closed, the share in which the rendered ones are too.

    Args:
        render, truth: gaps [N], eye-widths.

    Returns:
        0..1, 1 is best; None where the true lips are never closed.
    """
    return _share(closed(render, truth), of=closed(truth, truth) & np.isfinite(render))


def lip_closures_false(render: Series, truth: Series) -> float | None:
    """Of the frames in which the rendered lips are closed, the share in which the true ones are not.

    Args:
        render, truth: gaps [N], eye-widths.

    Returns:
        0..1, 0 is best; None where the rendered lips are never closed.
    """
    return _share(~closed(truth, truth), of=closed(render, truth) & np.isfinite(truth))


def by_chance(figure: Figure, render: Series, truth: Series) -> float | None:
    """What ``figure`` gives where the render has the same motion at the wrong times: as if the sound were shuffled.

    The rendered series is shifted in time, its end coming round to its beginning, by at least a second either way.

    Args:
        figure: one of this file's, of a rendered and a true series.
        render, truth: what it takes [N].

    Returns:
        The figure's mean over every such shift, or over 100 of them drawn with a fixed seed; None for less than two
        seconds, or where no shift has the figure.
    """
    shifts = np.arange(LEAST_SHIFT, len(truth) - LEAST_SHIFT + 1)
    if len(shifts) > SHIFTS:
        shifts = np.random.default_rng(0).choice(shifts, SHIFTS, replace=False)
    values = [figure(np.roll(render, shift), truth) for shift in shifts]
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def mouth_figures(render: FaceMotion, truth: FaceMotion) -> dict[str, float | None]:
    """Every figure of this file by its name, each with its value by chance beside it.

    The amplitude has none: motion at the wrong times has the same spread.

    Args:
        render, truth: of two videos of the same N frames.
    """
    openings = np.asarray(render.mouth_opening), np.asarray(truth.mouth_opening)
    gaps = np.asarray(render.lip_gap), np.asarray(truth.lip_gap)
    return {
        "mouth_correlation": mouth_correlation(*openings),
        "mouth_correlation_by_chance": by_chance(mouth_correlation, *openings),
        "mouth_velocity_correlation": mouth_velocity_correlation(*openings),
        "mouth_velocity_correlation_by_chance": by_chance(mouth_velocity_correlation, *openings),
        "mouth_amplitude": mouth_amplitude(*openings),
        "lip_closures_kept": lip_closures_kept(*gaps),
        "lip_closures_kept_by_chance": by_chance(lip_closures_kept, *gaps),
        "lip_closures_false": lip_closures_false(*gaps),
        "lip_closures_false_by_chance": by_chance(lip_closures_false, *gaps),
    }


def why_undefined(name: str, render: FaceMotion, truth: FaceMotion) -> str:
    """Why the mouth figure ``name`` of two videos is None."""
    seen = len(truth.mouth_opening) - truth.skipped
    faces = np.isfinite(render.lip_gap) & np.isfinite(truth.lip_gap)
    if name.endswith("_by_chance") and len(truth.mouth_opening) < 2 * LEAST_SHIFT:
        return f"fewer than {2 * LEAST_SHIFT} frames"
    if name == "blink_depth" and faces.any():
        return "nobody blinks in the true frames"
    if name.startswith("lip_closures") and faces.any():
        return "lips never close in the " + ("true frames" if "kept" in name else "rendered frames")
    missing = f"no face in {render.frames_without_face} of {seen} rendered frames and in "
    return missing + f"{truth.frames_without_face} of the true ones, or too little motion in the others"


def _share(these: Bool[np.ndarray, "N"], *, of: Bool[np.ndarray, "N"]) -> float | None:
    return float(these[of].mean()) if of.any() else None
