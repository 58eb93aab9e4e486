"""Idle motion: what a face does for no reason that can be heard, slowly and without end.

Brows and cheeks hardly follow the sound: in parts of clips that a speech model has not learnt from, the correlation of
their codes with what it says of them is about 0. Such codes wander instead, as noise does that has the person's own
spectrum (Shinozuka and Jan, "Digital simulation of random processes", Journal of Sound and Vibration 1972), without
its fast part, which is mostly noise of tracking.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32
from scipy.signal import welch

from arguments.clock import FPS

BINS = 129  # frequencies of a spectrum, from 0 to half of the frame rate
STRETCH = 256  # frames of which a spectrum is taken, and averaged over the clip
LEAST_FRAMES = 2 * FPS  # of a clip that has a spectrum of its own
USUAL_CORNER = 0.3  # Hz: a spectrum without a clip is level below it and falls by 6 dB an octave above
SLOW = (1.0, 2.0)  # Hz: below the first all is kept, above the second nothing
SPREAD = 0.6  # of the person's: a face that speaks elsewhere should not startle
WIDEST = 2.5  # standard deviations of the person


@dataclass(frozen=True)
class IdleMotion:
    """How each of K expression codes wanders.

    Example:
        >>> codes = np.cumsum(np.random.default_rng(0).normal(0, 0.1, (1500, 2)), axis=0)
        >>> idle = IdleMotion.fit(codes)
        >>> idle.generate(1000, seed=3).shape
        (1000, 2)
    """

    spectrum: Float[np.ndarray, "K F"]
    """Power at F frequencies, evenly from 0 to 12.5 Hz, in any unit."""
    middle: Float[np.ndarray, "K"]
    """The codes' mean."""
    spread: Float[np.ndarray, "K"]
    """The codes' standard deviations."""

    @classmethod
    def fit(cls, codes: Float[np.ndarray, "N K"], usable: Bool[np.ndarray, "N"] | None = None) -> IdleMotion:
        """Learn how a person's codes wander.

        Args:
            codes: of a clip's frames.
            usable: frames to learn from, at least one; all unless given. Others are bridged.
        """
        seen = np.arange(len(codes)) if usable is None else np.flatnonzero(usable)
        known = np.stack([np.interp(np.arange(seen[0], seen[-1] + 1), seen, code[seen]) for code in codes.T])
        grid = np.linspace(0, FPS / 2, BINS)
        usual = 1 / (1 + np.square(grid / USUAL_CORNER))
        power = np.tile(usual, (len(known), 1))
        if known.shape[1] >= LEAST_FRAMES:
            frequencies, found = welch(known, FPS, nperseg=min(STRETCH, known.shape[1]))
            found[:, 0] = found[:, 1]  # the mean that was taken off each stretch
            moving = found.sum(1) > 1e-12
            power[moving] = [np.interp(grid, frequencies, one / one.max()) for one in found[moving]]
        return cls(power, known.mean(1), known.std(1))

    def generate(self, num_frames: int, seed: int) -> Float32[np.ndarray, "{num_frames} K"]:
        """Codes that wander for ``num_frames`` frames; the same ``seed`` gives the same.

        They are the person's in mean and spectrum below 1 to 2 Hz, with three fifths of the spread, and do not repeat.
        """
        around = num_frames + 2 * STRETCH  # its end would go on in its beginning
        frequencies = np.fft.rfftfreq(around, 1 / FPS)
        low, high = SLOW
        kept = 0.5 + 0.5 * np.cos(np.pi * np.clip((frequencies - low) / (high - low), 0, 1))
        grid = np.linspace(0, FPS / 2, self.spectrum.shape[1])
        size = np.stack([np.sqrt(np.interp(frequencies, grid, power)) for power in self.spectrum]) * kept
        size[:, 0] = 0
        rng = np.random.default_rng(seed)
        waves = rng.normal(size=(*size.shape, 2)) @ np.array([1, 1j])
        wandering = np.fft.irfft(size * waves, around, axis=1)
        expected = np.sqrt(4 * np.square(size).sum(1, keepdims=True)) / around  # its standard deviation
        unit = wandering[:, :num_frames] / np.maximum(expected, 1e-12)
        codes = self.middle[:, None] + self.spread[:, None] * np.clip(SPREAD * unit, -WIDEST, WIDEST)
        return codes.T.astype(np.float32)

    def arrays(self) -> dict[str, np.ndarray]:
        """What :meth:`from_arrays` takes, to be written to a file."""
        return {"spectrum": self.spectrum, "middle": self.middle, "spread": self.spread}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> IdleMotion:
        """Of what :meth:`arrays` made. Raises KeyError or ValueError where it is something else."""
        spectrum, middle, spread = (np.asarray(arrays[name]) for name in ("spectrum", "middle", "spread"))
        if spectrum.ndim != 2 or spectrum.shape[1] < 2 or not middle.shape == spread.shape == spectrum.shape[:1]:
            raise ValueError(f"idle motion of the shapes {spectrum.shape}, {middle.shape} and {spread.shape}")
        if not all(np.isfinite(value).all() for value in (spectrum, middle, spread)):
            raise ValueError("idle motion that is not finite")
        if (spectrum < 0).any() or (spread < 0).any():
            raise ValueError("power and spread of idle motion are at least 0")
        return cls(spectrum, middle, spread)
