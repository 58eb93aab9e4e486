"""motion_report.png: what a speech model makes of parts of the clip that it has not heard, and what codes mean."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from arguments.atomic import atomic_path
from arguments.clock import FPS
from motion.expression_code import ExpressionCode
from motion.speech_training import Expectation

SHOWN_SECONDS = 20.0
SHOWN_CODES = 5
EXTREME = 2.0  # standard deviations


def write_motion_report(
    target: Path,
    code: ExpressionCode,
    measured: Float[np.ndarray, "N K"],
    features: Float[np.ndarray, "N D"],
    usable: Bool[np.ndarray, "N"],
    expected: Expectation,
) -> None:
    """Write the page as a PNG picture, atomically.

    Args:
        target: ``motion_report.png`` of a model folder.
        code: what the numbers mean.
        measured: codes of the training part.
        features: its sound, as the speech model hears it.
        usable: frames in which the person was seen.
        expected: what the speech model says of the same frames, each by networks that have not learnt from it.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # takes a second to load; nothing else here needs it
    from matplotlib.figure import Figure

    count = min(len(measured), round(SHOWN_SECONDS * FPS))
    start = (len(measured) - count) // 2
    rows = slice(start, start + count)
    time = np.arange(start, start + count) / FPS
    figure = Figure(figsize=(12, 9), dpi=90, layout="constrained")
    (top,), (bottom,) = figure.subfigures(2, 1, height_ratios=(3, 2), squeeze=False)
    top.suptitle(
        f"lips' gap, parts of the clip left out in turn: correlation {expected.correlation[0]:.2f}, spread "
        f"{expected.spread:.2f}, {expected.closed_lips()}, "
        f"lag {1000 * expected.lag / FPS:.0f} ms"
    )
    spectrum, gap, other = top.subplots(3, 1, sharex=True)
    spectrum.imshow(features[rows].T, aspect="auto", origin="lower", cmap="magma", extent=(time[0], time[-1], 0, 1))
    spectrum.set(ylabel="features", yticks=())
    for axis, k, label in ((gap, 0, "gap, eye distances"), (other, 1, "lips and jaw 1, deviations")):
        scale, shift = (code.deviation[0], code.mean[0]) if k == 0 else (1.0, 0.0)
        axis.plot(time, measured[rows, k] * scale + shift, color="0.2", linewidth=1.0, label="measured")
        axis.plot(time, expected.codes[rows, k] * scale + shift, color="C1", linewidth=1.0, label="from the sound")
        axis.fill_between(
            time, 0, 1, where=~usable[rows], transform=axis.get_xaxis_transform(), color="0.85", linewidth=0
        )
        axis.set_ylabel(label)
        axis.legend(loc="upper right")
        axis.grid(alpha=0.3)
    other.set_xlabel("seconds")
    for k, axis in enumerate(np.atleast_1d(bottom.subplots(1, min(SHOWN_CODES, len(code)))).ravel()):
        name = "gap" if k == 0 else f"{k}"
        axis.set_title(f"{name}: r = {expected.correlation[k]:.2f}", fontsize=9)
        for sign, colour in ((-EXTREME, "C0"), (EXTREME, "C3")):
            at = np.zeros((1, len(code)))
            at[0, k] = sign
            points = code.points(at)[0]
            axis.scatter(points[:, 0], points[:, 1], s=1.5, color=colour, label=f"{sign:+.0f}")
        axis.set_aspect("equal")
        axis.axis("off")
    with atomic_path(target) as path, path.open("wb") as file:
        FigureCanvasAgg(figure).print_png(file)
