"""tracking_report.png: one page that shows how well a head was followed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float64

from arguments.atomic import atomic_path
from arguments.clock import FPS
from data_utils.face_tracking import rotations
from data_utils.face_tracking.perspective import Poses, project
from data_utils.face_tracking.smoothing import measured_noise

_CORNERS = np.array([(x, y, z) for x in (-0.7, 0.7) for y in (-0.7, 0.9) for z in (0.0, 0.7)])  # of a head, decimetres


def jitter(poses: Poses, focal: float, centre: tuple[float, float]) -> float:
    """Standard deviation in pixels of the white noise on where N poses put a head's corners, both directions."""
    pixels = project(poses.transform(_CORNERS), focal, centre).reshape(len(poses), -1)
    return float(np.sqrt((measured_noise(pixels) ** 2).mean()))


def write_tracking_report(
    target: Path,
    poses: Poses,
    focal: float,
    centre: tuple[float, float],
    reprojection: Float64[np.ndarray, "N"],
    trust: Float64[np.ndarray, "N"],
) -> None:
    """Write the page as a PNG picture, atomically.

    Args:
        target: ``tracking_report.png`` of a dataset folder.
        poses: N, head frame to OpenGL camera.
        focal: pixels.
        centre: principal point, pixels.
        reprojection: [N] pixels.
        trust: [N] 0..1, correlation of each frame with the head's texture; 0 where what was measured is not used.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # takes a second to load; nothing else here needs it
    from matplotlib.figure import Figure

    time = np.arange(len(poses)) / FPS
    turn = np.degrees(rotations.log(rotations.mean(poses.rotation).T @ poses.rotation))
    shift = 100 * (poses.translation - poses.translation.mean(axis=0))
    figure = Figure(figsize=(11, 12), dpi=90, layout="constrained")
    axes = figure.subplots(4, 1, sharex=True)
    figure.suptitle(
        f"{len(poses)} frames, {(trust == 0).sum()} not trusted (grey); focal length {focal:.0f} px; "
        f"jitter {jitter(poses, focal, centre):.3f} px; reprojection {np.median(reprojection):.2f} px (median)"
    )
    curves = (
        (turn, ("pitch", "yaw", "roll"), "turn from the mean, degrees"),
        (shift, ("right", "up", "nearer"), "way from the mean, mm"),
        (reprojection[:, None], ("rigid points",), "reprojection, pixels"),
        (trust[:, None], ("whole head",), "trust: correlation with the texture"),
    )
    for axis, (values, names, label) in zip(axes, curves, strict=True):
        for curve, name in zip(values.T, names, strict=True):
            axis.plot(time, curve, linewidth=0.8, label=name)
        axis.fill_between(time, 0, 1, where=trust == 0, transform=axis.get_xaxis_transform(), color="0.8", linewidth=0)
        axis.set_ylabel(label)
        axis.legend(loc="upper right")
        axis.grid(alpha=0.3)
    axes[-1].set_ylim(0, 1.05)
    axes[-1].set_xlabel("seconds")
    with atomic_path(target) as path, path.open("wb") as file:
        FigureCanvasAgg(figure).print_png(file)
