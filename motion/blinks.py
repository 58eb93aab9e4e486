"""A person's blinks: found in a clip, and made anew for speech that has none of its own.

Blinks come irregularly. The time that the eyes stay open between two of them is drawn from a log-normal distribution
(a renewal process) whose rate leans on what people do in conversation as long as a clip says little: 17 a minute at
rest and 26 while talking (Bentivoglio et al., "Analysis of blink rate patterns in normal subjects", Movement Disorders
1997). Lids close faster than they open, in 0.1 to 0.4 s together (Stern, Walrath and Goldstein, "The endogenous
eyeblink", Psychophysiology 1984). They close somewhat more often where a phrase has ended (Nakano and Kitazawa,
"Eyeblink entrainment at breakpoints of speech", Neuropsychologia 2010).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float, Float32
from scipy.ndimage import grey_opening
from scipy.signal import find_peaks, lfilter

from arguments.clock import FPS
from data_utils.timeline import runs

LONGEST = 15  # frames: lids that are down for longer, 0.6 s, squint or look down
LEAST_DEPTH = 0.25  # of the intensity's range: clips whose strongest rises are lower show jitter
LEAST_RISE = 0.12  # of the same: what may be a blink at all
OF_DEPTH = 0.4  # of the person's usual blink: what is one
EDGE = 0.1  # of a blink's height: where it begins and ends
TREMBLING = 3.0  # times the middle one of all frames' rises: not the beginning of a blink yet
BROKEN = 0.25  # of a blink's height: one that begins or ends above it runs into another
USUAL_RATE, USUAL_SECONDS = (
    17.0,
    7.0,
)  # blinks a minute, and for how long the usual person counts as having been watched
RATES = (4.0, 60.0)  # blinks a minute, between
USUAL_SPREAD, USUAL_GAPS = 0.8, 4  # standard deviation of the open time's logarithm, and the gaps that it counts as
USUAL_PROFILE = (0.45, 1.0, 0.95, 0.45, 0.15)  # of a person who was not seen to blink
PHRASE_END = 15  # frames after the last sound of a phrase
PHRASE_PULL = 0.5  # by how much more likely blinks are then; small, for people differ
LEAST_PAUSE = 4  # frames without speech that end a phrase
_RESIDUALS = 64  # open times of which the first, in whose midst a film begins, is one


@dataclass(frozen=True)
class Blink:
    """One blink: it is seen in the frames ``onset`` to ``offset - 1`` and is deepest at ``peak``."""

    onset: int
    peak: int
    offset: int
    height: float
    """Of the peak above the lids' level around it."""


def find_blinks(eyes: Float[np.ndarray, "N"], usable: Bool[np.ndarray, "N"] | None = None) -> list[Blink]:
    """The blinks in a blink intensity.

    What lasts for longer than 0.6 s, squints, glances down and drift, is taken off first (a top-hat transform: Serra,
    "Image Analysis and Mathematical Morphology", 1982). The rest calibrates itself: a blink is what rises by two fifths
    of the person's usual one.

    Args:
        eyes: intensity of each frame, 0 (open) to 1.
        usable: frames that show the person; all unless given. A blink lies in them as a whole.

    Returns:
        Blinks in their order; they do not overlap.
    """
    usable = np.ones(len(eyes), bool) if usable is None else usable
    rise = _rise(eyes, usable)
    peaks, about = find_peaks(np.pad(rise, 1), height=LEAST_RISE, prominence=LEAST_RISE)
    peaks, heights = peaks - 1, about["peak_heights"]
    if len(peaks) == 0:
        return []
    depth = float(np.median(heights[heights >= np.median(heights)]))
    if depth < LEAST_DEPTH:
        return []
    sure = (heights >= OF_DEPTH * depth) & (about["prominences"] >= OF_DEPTH * depth)
    peaks = peaks[sure]
    valleys = [int(a + np.argmin(rise[a : b + 1])) for a, b in pairwise(peaks)]
    found, trembling = [], TREMBLING * float(np.median(rise[usable]))
    for peak, first, last in zip(peaks.tolist(), [0, *valleys], [*valleys, len(rise)], strict=True):
        low = max(EDGE * rise[peak], trembling)
        before, after = np.flatnonzero(rise[first:peak] <= low), np.flatnonzero(rise[peak:last] <= low)
        onset = first + int(before[-1]) + 1 if len(before) else first
        offset = peak + int(after[0]) if len(after) else last
        if usable[onset:offset].all():
            found.append(Blink(onset, peak, offset, float(rise[peak])))
    return found


def blink_rate(eyes: Float[np.ndarray, "N"], usable: Bool[np.ndarray, "N"] | None = None) -> float:
    """Blinks a minute that an intensity (as in :func:`find_blinks`) has in its usable frames; N is at least 1."""
    seen = len(eyes) if usable is None else int(usable.sum())
    return len(find_blinks(eyes, usable)) * 60 * FPS / max(seen, 1)


@dataclass(frozen=True)
class BlinkModel:
    """How a person blinks.

    Example:
        >>> eyes = np.zeros(1500)
        >>> for onset in range(40, 1500, 75):
        ...     eyes[onset : onset + 4] = 0.5, 1, 0.8, 0.3
        >>> blinks = BlinkModel.fit(eyes)
        >>> own = blinks.generate(15_000, seed=1)
        >>> own.shape, bool(16 < blink_rate(own) < 24), bool(own.max() == 1)
        ((15000,), True, True)
    """

    profiles: Float[np.ndarray, "B L"]
    """The person's own blinks, how far each of their frames rises above the level of rest; 0 beyond the ends."""
    rate: float
    """Blinks a minute."""
    spread: float
    """Standard deviation of the logarithm of the time for which the eyes are open."""
    rest: float
    """Intensity of open eyes, 0..1."""
    noise: float
    """Standard deviation about it."""
    steadiness: float
    """Correlation of that noise from frame to frame."""

    @classmethod
    def fit(cls, eyes: Float[np.ndarray, "N"], usable: Bool[np.ndarray, "N"] | None = None) -> BlinkModel:
        """Learn a person's blinks from a clip, however short, and whether it shows any.

        Args:
            eyes: intensity of each frame, 0 (open) to 1.
            usable: frames to learn from; all unless given.
        """
        usable = np.ones(len(eyes), bool) if usable is None else usable
        blinks, rise = find_blinks(eyes, usable), _rise(eyes, usable)
        minutes = (int(usable.sum()) / FPS + USUAL_SECONDS) / 60
        rate = (len(blinks) + USUAL_RATE * USUAL_SECONDS / 60) / minutes
        gaps = [
            float(np.log(max(b.onset - a.offset, 1))) for a, b in pairwise(blinks) if usable[a.offset : b.onset].all()
        ]
        apart = float(np.square(np.array(gaps) - np.mean(gaps)).sum()) if gaps else 0.0
        variance = (USUAL_GAPS * USUAL_SPREAD**2 + apart) / (USUAL_GAPS + max(len(gaps) - 1, 0))
        whole = [rise[b.onset : b.offset] for b in blinks if _whole(rise, b)]
        profiles = whole or [np.array(USUAL_PROFILE)]
        bank = np.zeros((len(profiles), max(map(len, profiles))))
        for row, profile in zip(bank, profiles, strict=True):
            row[: len(profile)] = profile
        rest, noise, steadiness = _level_of_rest(eyes, usable, blinks)
        return cls(bank, float(np.clip(rate, *RATES)), variance**0.5, rest, noise, steadiness)

    def generate(
        self, num_frames: int, seed: int, activity: Float[np.ndarray, "{num_frames}"] | None = None
    ) -> Float32[np.ndarray, "{num_frames}"]:
        """A blink intensity for other speech.

        No two blinks overlap and none is under way in frame 0. What phrases change is where blinks lie: their number
        stays.

        Args:
            num_frames: N.
            seed: of everything random: the same gives the same blinks.
            activity: share of speech in each frame, 0..1; not known if None.

        Returns:
            Intensity of each frame, 0 (open) to 1.
        """
        rng = np.random.default_rng(seed)
        eyes = self.rest + self._noise(num_frames, rng)
        clock = np.cumsum(_likeliness(activity)) if activity is not None else np.arange(1.0, num_frames + 1)
        clock *= num_frames / max(clock[-1], 1e-9) if num_frames else 1.0
        lengths = [int(np.flatnonzero(profile)[-1]) + 1 for profile in self.profiles]
        mean = max(60 * FPS / self.rate - float(np.mean(lengths)), 1.0)
        middle = np.log(mean) - self.spread**2 / 2
        candidates = rng.lognormal(middle, self.spread, _RESIDUALS)
        waiting = rng.uniform() * rng.choice(candidates, p=candidates / candidates.sum())
        end = 0
        while True:
            onset = max(int(np.searchsorted(clock, waiting)), end + 1)
            if onset >= num_frames:
                return eyes.clip(0, 1).astype(np.float32)
            which = rng.integers(len(lengths))
            end = min(onset + lengths[which], num_frames)
            eyes[onset:end] += self.profiles[which, : end - onset]
            waiting = clock[end - 1] + rng.lognormal(middle, self.spread)

    def still(self, num_frames: int) -> Float32[np.ndarray, "{num_frames}"]:
        """The intensity of eyes that stay open."""
        return np.full(num_frames, self.rest, np.float32)

    def arrays(self) -> dict[str, np.ndarray]:
        """What :meth:`from_arrays` takes, to be written to a file."""
        return {field.name: np.array(getattr(self, field.name), np.float64, order="C") for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> BlinkModel:
        """Of what :meth:`arrays` made. Raises KeyError, TypeError or ValueError where it is something else."""
        values = {field.name: arrays[field.name] for field in fields(cls)}
        profiles = values.pop("profiles")
        if profiles.ndim != 2 or not 1 <= profiles.shape[1] <= LONGEST or len(profiles) == 0:
            raise ValueError(f"profiles of blinks have the shape {profiles.shape}")
        if not ((profiles >= 0) & (profiles <= 1)).all() or not (profiles > 0).any(1).all():
            raise ValueError("profiles of blinks are 0..1 and rise")
        limits = {"rate": RATES, "spread": (0, 3), "rest": (0, 1), "noise": (0, 1), "steadiness": (-0.999, 0.999)}
        for name, (least, most) in limits.items():
            if values[name].shape != () or not least <= values[name] <= most:
                raise ValueError(f"{name} of blinks is a number from {least} to {most}")
        return cls(profiles, **{name: float(value) for name, value in values.items()})

    def _noise(self, num_frames: int, rng: np.random.Generator) -> Float[np.ndarray, "{num_frames}"]:
        """An autoregressive process of the first order."""
        if num_frames == 0 or self.noise == 0:
            return np.zeros(num_frames)
        steps = rng.normal(0, self.noise * (1 - self.steadiness**2) ** 0.5, num_frames)
        steps[0] = rng.normal(0, self.noise)
        return np.asarray(lfilter([1.0], [1.0, -self.steadiness], steps))


def _rise(eyes: Float[np.ndarray, "N"], usable: Bool[np.ndarray, "N"]) -> Float[np.ndarray, "N"]:
    """How far each frame stands out from what lasts; where the person was not seen, 0."""
    if not usable.any():
        return np.zeros(len(eyes))
    seen = np.flatnonzero(usable)
    known = np.interp(np.arange(len(eyes)), seen, eyes[seen]).astype(np.float64)
    around = np.pad(known, LONGEST, constant_values=known.min())
    rise = around - grey_opening(around, size=LONGEST + 1)
    return rise[LONGEST:-LONGEST] * usable


def _whole(rise: Float[np.ndarray, "N"], blink: Blink) -> bool:
    """Whether a blink begins and ends with open eyes, within the clip, and is no longer than blinks are."""
    inside = blink.onset > 0 and blink.offset < len(rise) and blink.offset - blink.onset <= LONGEST
    return inside and bool(max(rise[blink.onset - 1], rise[blink.offset]) <= BROKEN * blink.height)


def _level_of_rest(
    eyes: Float[np.ndarray, "N"], usable: Bool[np.ndarray, "N"], blinks: list[Blink]
) -> tuple[float, float, float]:
    """Intensity of open eyes, its deviation and the correlation of that from frame to frame, without outliers."""
    still = usable.copy()
    for blink in blinks:
        still[max(blink.onset - 1, 0) : blink.offset + 2] = False
    if not still.any():
        return 0.0, 0.0, 0.0
    rest = float(np.median(eyes[still]))
    noise = 1.4826 * float(np.median(np.abs(eyes[still] - rest)))
    off = (eyes - rest).clip(-3 * noise, 3 * noise)
    pairs = still[:-1] & still[1:]
    power = float(np.square(off[still]).mean())
    steadiness = float((off[:-1] * off[1:])[pairs].mean()) / power if pairs.any() and power > 0 else 0.0
    return rest, noise, float(np.clip(steadiness, -0.95, 0.95))


def _likeliness(activity: Float[np.ndarray, "N"]) -> Float[np.ndarray, "N"]:
    """How much more likely than while somebody speaks a blink is in each frame: where a phrase has ended."""
    likely = np.ones(len(activity))
    for begin, end in runs(activity <= 0):
        if begin > 0 and end - begin >= LEAST_PAUSE:
            likely[begin : min(end, begin + PHRASE_END)] += PHRASE_PULL
    return likely
