"""Speech-like sound by formant synthesis, and the syllables that it and the mouth share.

Source and filter after Klatt, "Software for a cascade/parallel formant synthesizer", JASA 67 (1980); vowels after
Peterson and Barney, JASA 24 (1952), a little raised. The words are random: no language, nobody's voice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import butter, lfilter, sosfilt

SAMPLE_RATE = 24000
BLOCK = 96  # samples that share one set of filters: 4 ms


@dataclass(frozen=True)
class Phone:
    """A speech sound: how it is voiced and what the mouth does. Mouth values as in character.Expression."""

    seconds: float
    voice: float  # loudness of the voiced source, 0..1
    formants: tuple[float, float, float]  # Hz
    jaw: float
    wide: float = 0.0
    round: float = 0.0
    press: float = 0.0
    hiss: float = 0.0  # loudness of the noise
    band: tuple[float, float] = (1000.0, 4000.0)  # of the noise, Hz
    burst: bool = False  # silence, then a short noise


VOWELS = {
    "a": Phone(0.170, 1.00, (790, 1300, 2600), 1.00, wide=0.10),
    "e": Phone(0.150, 0.95, (550, 1900, 2650), 0.58, wide=0.55),
    "i": Phone(0.140, 0.85, (310, 2300, 3000), 0.26, wide=1.00),
    "o": Phone(0.160, 0.95, (530, 900, 2450), 0.62, round=0.70),
    "u": Phone(0.150, 0.85, (340, 800, 2350), 0.24, round=1.00),
}
CONSONANTS = {
    "m": Phone(0.090, 0.40, (270, 1050, 2200), -0.55, press=1.0),
    "b": Phone(0.090, 0.10, (240, 900, 2200), -0.55, press=1.0, hiss=0.25, band=(300, 1200), burst=True),
    "f": Phone(0.100, 0.00, (340, 1200, 2200), -0.10, press=0.5, hiss=0.16, band=(2500, 8000)),
    "s": Phone(0.110, 0.00, (320, 1700, 2600), 0.08, wide=0.40, hiss=0.40, band=(4800, 9000)),
    "t": Phone(0.080, 0.00, (320, 1800, 2700), 0.14, wide=0.15, hiss=0.55, band=(3000, 7000), burst=True),
    "n": Phone(0.080, 0.45, (280, 1700, 2600), 0.18, wide=0.10),
    "k": Phone(0.085, 0.00, (320, 1900, 2300), 0.25, hiss=0.50, band=(1400, 2600), burst=True),
    "l": Phone(0.075, 0.60, (360, 1250, 2800), 0.32),
}
PAUSE = Phone(0.3, 0.0, (500, 1500, 2500), -0.15)


@dataclass(frozen=True)
class Utterance:
    """Phones in time. ``spoken[k]`` is the name ("" for a pause) of the phone from ``starts[k]`` on."""

    spoken: tuple[str, ...]
    phones: tuple[Phone, ...]
    starts: NDArray[np.float64]  # [K + 1] seconds

    def track(self, values: list[float], times: NDArray[np.float64]) -> NDArray[np.number]:
        """The value of the phone at each time, in the values' type: formants move in whole hertz."""
        return np.asarray(values)[np.clip(np.searchsorted(self.starts, times, "right") - 1, 0, len(values) - 1)]


def compose(seconds: float, rng: np.random.Generator) -> Utterance:
    """Random phrases of consonant-vowel syllables with short pauses. The end repeats syllables said before."""
    every = [c + v for c in CONSONANTS for v in VOWELS]
    said: list[str] = []
    bag: list[str] = []
    spoken, phones, starts = [""], [PAUSE], [0.0, 0.16]

    def add(name: str, phone: Phone, length: float) -> None:
        spoken.append(name)
        phones.append(phone)
        starts.append(starts[-1] + length)

    while starts[-1] < seconds:
        syllables = int(rng.integers(5, 10))
        for k in range(syllables):
            if starts[-1] > seconds * 0.87 - 0.3 and len(said) > 8:
                syllable = said[int(rng.integers(len(said)))]
            else:
                if not bag:
                    bag = [every[i] for i in rng.permutation(len(every))]
                syllable = bag.pop()
                said.append(syllable)
            pace = 1.25 if k == syllables - 1 else float(rng.uniform(0.92, 1.12))
            add(syllable[0], CONSONANTS[syllable[0]], CONSONANTS[syllable[0]].seconds)
            add(syllable[1], VOWELS[syllable[1]], VOWELS[syllable[1]].seconds * pace)
        add("", PAUSE, float(rng.uniform(0.26, 0.46)))
    return Utterance(tuple(spoken), tuple(phones), np.array(starts))


def synthesize(utterance: Utterance, seconds: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """The sound [round(seconds * SAMPLE_RATE)] of an utterance, mono, within -1..1."""
    count = round(seconds * SAMPLE_RATE)
    times = np.arange(count) / SAMPLE_RATE
    control = np.arange(0, count, BLOCK) / SAMPLE_RATE
    phones = utterance.phones
    smooth = 0.016 / (BLOCK / SAMPLE_RATE)
    voice = gaussian_filter1d(utterance.track([p.voice for p in phones], control), smooth * 0.7)
    formants = [
        gaussian_filter1d(utterance.track([p.formants[k] for p in phones], control), smooth * 1.3) for k in range(3)
    ]
    pitch = _pitch(utterance, control, rng)
    cycle = np.cumsum(np.interp(times, control, pitch)) / SAMPLE_RATE
    pulse = _glottal_flow(cycle % 1)
    breath = rng.standard_normal(count) * 0.02
    source = (np.diff(pulse, prepend=0) * SAMPLE_RATE / 900 + breath) * np.interp(times, control, voice)
    tracks = [*formants, np.full(len(control), 3500.0), np.full(len(control), 4600.0)]
    voiced = _resonate(source, tracks, (80, 95, 130, 200, 280))
    sound = voiced / (np.abs(voiced).max() + 1e-9) + _noises(utterance, times, rng)
    sound = sosfilt(butter(2, 60, "highpass", fs=SAMPLE_RATE, output="sos"), sound)
    return (0.8 * sound / (np.abs(sound).max() + 1e-9)).astype(np.float32)


def _pitch(utterance: Utterance, control: NDArray, rng: np.random.Generator) -> NDArray:
    """Fundamental frequency (Hz): falls over each phrase, wanders, trembles a little."""
    pauses = [k for k, name in enumerate(utterance.spoken) if not name]
    starts, ends = utterance.starts[[p + 1 for p in pauses]], np.append(utterance.starts[pauses[1:]], control[-1] + 1)
    phrase = np.clip(np.searchsorted(starts, control, "right") - 1, 0, len(starts) - 1)
    gone = np.clip((control - starts[phrase]) / np.maximum(ends[phrase] - starts[phrase], 0.1), 0, 1)
    wander = gaussian_filter1d(rng.standard_normal(len(control)), 30) * 60
    jitter = rng.standard_normal(len(control)) * 0.6
    vibrato = 1.6 * np.sin(2 * np.pi * 5.1 * control)
    return np.maximum(176 - 42 * gone + wander + jitter + vibrato, 90)


def _glottal_flow(phase: NDArray) -> NDArray:
    """Rosenberg's pulse: opens over 40 % of the cycle, closes over 16 %."""
    opening = 0.5 * (1 - np.cos(np.pi * np.clip(phase / 0.40, 0, 1)))
    closing = np.cos(0.5 * np.pi * np.clip((phase - 0.40) / 0.16, 0, 1))
    return np.where(phase < 0.40, opening, closing)


def _resonate(source: NDArray, tracks: list[NDArray], bandwidths: tuple[float, ...]) -> NDArray:
    """A cascade of second-order resonators whose frequencies (Hz per block) move."""
    out = source
    for track, bandwidth in zip(tracks, bandwidths, strict=True):
        radius = np.exp(-np.pi * bandwidth / SAMPLE_RATE)
        state, filtered = np.zeros(2), np.empty_like(out)
        for block, frequency in enumerate(track):
            b, c = 2 * radius * np.cos(2 * np.pi * frequency / SAMPLE_RATE), -radius * radius
            span = slice(block * BLOCK, (block + 1) * BLOCK)
            filtered[span], state = lfilter([1 - b - c], [1, -b, -c], out[span], zi=state)
        out = filtered
    return out


def _noises(utterance: Utterance, times: NDArray, rng: np.random.Generator) -> NDArray:
    """Fricatives for their whole length and bursts at the end of plosives."""
    total = np.zeros(len(times))
    white = rng.standard_normal(len(times))
    for name in sorted({n for n in utterance.spoken if n in CONSONANTS and CONSONANTS[n].hiss > 0}):
        phone = CONSONANTS[name]
        envelope = np.zeros(len(times))
        for k, spoken in enumerate(utterance.spoken):
            if spoken == name:
                start = utterance.starts[k + 1] - 0.022 if phone.burst else utterance.starts[k]
                first, last = np.searchsorted(times, [start, utterance.starts[k + 1]])
                envelope[first:last] = 1
        envelope = gaussian_filter1d(envelope, 0.004 * SAMPLE_RATE)
        band = sosfilt(butter(2, phone.band, "bandpass", fs=SAMPLE_RATE, output="sos"), white)
        total += phone.hiss * 0.45 * envelope * band / (band.std() + 1e-9) * 0.5
    return total
