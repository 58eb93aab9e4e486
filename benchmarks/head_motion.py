"""Head motion of its own beside the clip's: python -m benchmarks.head_motion -s data/input [--minutes N] [--output F].

The film's speech is the clip's own, said again and again: what is generated differs from the clip all the same.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from jaxtyping import Float
from scipy.signal import welch
from scipy.spatial.transform import Rotation

from arguments.atomic import atomic_path, write_json
from arguments.clock import FPS
from arguments.errors import EGSTalkerError, door
from motion.head_motion import HeadMotion, speeds
from scene.reference_clip import ReferenceClip
from synthesis.poses import head_motion_of

NAMES = ("pitch", "yaw", "roll", "x", "y", "z")
STRETCH = 256  # frames of which a spectrum is taken


def figures_of(motion: HeadMotion, poses: Float[np.ndarray, "F 4 4"]) -> dict[str, float]:
    """How generated poses compare with the clip's.

    ``..._fastest``: the fastest step over the clip's 99.9th percentile, which is the limit; ``..._spread``: standard
    deviation over the clip's; ``spectrum_ratio``: power between 0.2 and 3 Hz over the clip's, mean of the six.
    """
    known = np.concatenate([np.arange(begin, end) for begin, end in motion.pieces])
    turn, shift = speeds(poses)
    theirs, ours = numbers_of(motion.viewmats, motion.viewmats[known]), numbers_of(poses, motion.viewmats[known])
    frequencies, clip = spectra(motion, theirs)
    _, film = welch(ours, FPS, nperseg=STRETCH, axis=0)
    band = (frequencies > 0.2) & (frequencies < 3)
    spread = ours.std(0) / np.maximum(theirs[known].std(0), 1e-9)
    return {
        "turn_fastest": float(turn.max() / max(motion.limits[0], 1e-9)),
        "shift_fastest": float(shift.max() / max(motion.limits[1], 1e-9)),
        "turn_spread": float(spread[:3].mean()),
        "shift_spread": float(spread[3:].mean()),
        "spectrum_ratio": float((film[band].sum(0) / np.maximum(clip[band].sum(0), 1e-20)).mean()),
    }


def numbers_of(poses: Float[np.ndarray, "F 4 4"], middle: Float[np.ndarray, "N 4 4"]) -> Float[np.ndarray, "F 6"]:
    """Turns (degrees) and shifts (centimetres) from the mean of ``middle``."""
    mean = Rotation.from_matrix(middle[:, :3, :3]).mean().as_matrix()
    turns = np.degrees(Rotation.from_matrix(poses[:, :3, :3] @ mean.T).as_rotvec())
    return np.concatenate([turns, 10 * (poses[:, :3, 3] - middle[:, :3, 3].mean(0))], axis=1)


def spectra(motion: HeadMotion, numbers: Float[np.ndarray, "N 6"]) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies (Hz) and the clip's power at each, over its longest unbroken stretch."""
    begin, end = max(motion.pieces, key=lambda piece: piece[1] - piece[0])
    if end - begin < STRETCH:
        raise EGSTalkerError(f"the clip has no unbroken stretch of {STRETCH / FPS:.0f} s to take a spectrum of")
    return welch(numbers[begin:end], FPS, nperseg=STRETCH, axis=0)


def draw(target: Path, motion: HeadMotion, poses: Float[np.ndarray, "F 4 4"]) -> None:
    """A picture of both spectra, and of a minute of each."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    theirs, ours = numbers_of(motion.viewmats, motion.viewmats), numbers_of(poses, motion.viewmats)
    frequencies, clip = spectra(motion, theirs)
    _, film = welch(ours, FPS, nperseg=STRETCH, axis=0)
    figure = Figure(figsize=(14, 6), dpi=90, layout="constrained")
    axes = figure.subplots(2, 6)
    minute = slice(0, 60 * FPS)
    for k, name in enumerate(NAMES):
        axes[0, k].loglog(frequencies[1:], clip[1:, k], color="0.2", label="clip")
        axes[0, k].loglog(frequencies[1:], film[1:, k], color="C1", label="made")
        axes[0, k].set_title(f"{name}: power, Hz", fontsize=9)
        for row, values, colour in ((0, theirs, "0.2"), (1, ours, "C1")):
            part = values[minute, k]
            axes[1, k].plot(
                np.arange(len(part)) / FPS, part - 8 * row * theirs[:, k].std(), color=colour, linewidth=0.7
            )
        axes[1, k].set_title("degrees, s" if k < 3 else "cm, s", fontsize=9)
    axes[0, 0].legend(fontsize=8)
    with atomic_path(target) as path, path.open("wb") as file:
        FigureCanvasAgg(figure).print_png(file)


@door
def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.head_motion", description="Head motion beside the clip's."
    )
    parser.add_argument("-s", "--source_path", type=Path, required=True, help="data set folder")
    parser.add_argument("--minutes", type=float, default=10.0, help="of motion that is made (10)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, metavar="F", help="a picture (.png) of the spectra and of a minute")
    parser.add_argument("--json", type=Path, metavar="F", help="keep the figures in this file")
    options = parser.parse_args()
    motion = head_motion_of(ReferenceClip(options.source_path))
    if motion is None:
        raise EGSTalkerError(f"no stretch of {options.source_path} is long enough to tell how the head moves")
    count = max(2 * STRETCH, round(options.minutes * 60 * FPS))
    speaks, loud = (np.resize(part, count) for part in (motion.speaks, motion.loudness))
    poses, _ = motion.generate(count, options.seed, speaks=speaks, loud=loud)
    figures = figures_of(motion, poses)
    print("| figure | |\n|---|---|")
    for name, value in figures.items():
        print(f"| {name} | {value:.3f} |")
    if options.output:
        draw(options.output, motion, poses)
    if options.json:
        write_json(options.json, figures)


if __name__ == "__main__":
    sys.exit(main())
