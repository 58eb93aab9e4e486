"""Log-mel audio features: two 80-band spectra for each video frame, on the scale of the recording's own speech.

The mel scale and filters are Slaney's (Auditory Toolbox, 1998), as librosa computes them. Each band is divided by its
mean over the speech in the recording (what cepstral mean normalisation does to a voice and its microphone: Atal, 1974),
and a floor a fixed distance below that mean hides the noise between words. So another voice, room or telephone lands
where the voice that a head was trained on does.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Float32

SAMPLE_RATE = 16000
HOP = 160  # samples, 10 ms
HOPS_PER_FRAME = 4  # 40 ms of video
WINDOW = 512  # samples, 32 ms
BANDS = 80
DIMENSION = 2 * BANDS + 2

_LOWEST, _HIGHEST = 50, SAMPLE_RATE / 2  # Hz, of the bands
_FLOOR = 3e-3  # of a band's mean power in speech: 25 dB below it counts as silence
_SPEECH_PERCENTILE = 95  # of the loudness of 10 ms pieces
_QUIETEST_SPEECH = 1e-4  # root mean square; a clip below that is noise and is not raised further
_SPEECH = 0.05**2  # of the power at speech level; pieces 26 dB below it are none
_PRIOR_HOPS = 50  # weight of the usual spectrum: half a second of speech
_ODDEST = np.exp(12.0)  # bands weaker or stronger than usual by more (52 dB) are not brought back to the usual
_PITCH_LAGS = slice(40, 230)  # samples: 70 to 400 Hz
_PITCH_WINDOW = 640  # samples, 40 ms
_CHUNK_FRAMES = 1500  # a minute: an hour of sound then needs no more memory than its samples and features


def log_mel(
    samples: Float[np.ndarray, "T"], num_frames: int, fit_frames: int | None = None
) -> Float32[np.ndarray, "{num_frames} 162"]:
    """Log mel spectra and voicing aligned to video frames.

    Row i describes the 40 ms of video frame i: four 32 ms windows, 10 ms apart and centred in it, averaged in pairs.
    The first 80 values are the earlier half's bands, the next 80 the later half's, the last two their voicing: the
    largest normalised autocorrelation at the lags of a voice. Everything is relative to the recording's speech, of
    which the first minute weighs as much as the last; under a second of it leans on the usual spectrum of speech.

    Args:
        samples: mono float32 [T] at 16 kHz, -1..1.
        num_frames: N, rows wanted; the sound is cut or continued by silence.
        fit_frames: the scale is that of the speech in the first so many frames; in all unless given.

    Returns:
        [N, 162] float32; silence -1.5, mean speech 1.5, its peaks about 3.
    """
    samples = np.asarray(samples, np.float32)[: num_frames * HOPS_PER_FRAME * HOP]
    fit_frames = num_frames if fit_frames is None else fit_frames
    to_fit = samples[: fit_frames * HOPS_PER_FRAME * HOP]
    gain = 1 / speech_level(to_fit)
    usual = _speech_spectrum(to_fit, fit_frames, gain)
    features = np.empty((num_frames, DIMENSION), np.float32)
    for start, stop in _chunks(num_frames):
        bands = np.log(_mel_power(samples, start, stop, gain) / usual + _FLOOR)
        features[start:stop, : 2 * BANDS] = _halves((bands / -np.log(_FLOOR) + 0.5) * 3)
        features[start:stop, 2 * BANDS :] = _halves(3 * _voicing(samples, start, stop, gain)[:, None] - 1.5)
    return features


def speech_level(samples: Float[np.ndarray, "T"]) -> float:
    """Root mean square of the loud pieces of a recording (95th percentile over 10 ms pieces).

    Args:
        samples: mono [T] at 16 kHz, -1..1; may lie on disk.

    Returns:
        at least 1e-4, the level of a recording without speech.
    """
    whole = len(samples) // HOP * HOP
    if whole == 0:
        return _QUIETEST_SPEECH
    pieces = samples[:whole].reshape(-1, HOP)
    power = np.einsum("ij,ij->i", pieces, pieces) / HOP  # without a copy: samples may be an hour, mapped from disk
    return max(float(np.sqrt(np.percentile(power, _SPEECH_PERCENTILE))), _QUIETEST_SPEECH)


def _speech_spectrum(samples: Float[np.ndarray, "T"], num_frames: int, gain: float) -> Float[np.ndarray, "80"]:
    """Mean power of each band over the pieces of the recording that are loud enough for speech."""
    usual = _usual_spectrum()
    total, count = _PRIOR_HOPS * usual, _PRIOR_HOPS
    for start, stop in _chunks(num_frames):
        windows = _windows(samples, start, stop, WINDOW) * gain
        speech = np.einsum("ij,ij->i", windows, windows) > _SPEECH * WINDOW
        total = total + _mel_power(samples, start, stop, gain)[speech].sum(0, dtype=np.float64)
        count += int(speech.sum())
    return np.clip(total / count, usual / _ODDEST, usual * _ODDEST)


def _mel_power(samples: Float[np.ndarray, "T"], start: int, stop: int, gain: float) -> Float[np.ndarray, "M 80"]:
    """Mel power of the windows of rows start..stop, four a row."""
    windows = _windows(samples, start, stop, WINDOW) * (gain * _hann(WINDOW))
    return np.square(np.abs(np.fft.rfft(windows, axis=-1))) @ _filters().T / WINDOW


def _voicing(samples: Float[np.ndarray, "T"], start: int, stop: int, gain: float) -> Float[np.ndarray, "M"]:
    """How periodic each window is, 0..1: the autocorrelation's peak over its zero lag (Boersma, 1993)."""
    windows = _windows(samples, start, stop, _PITCH_WINDOW) * gain
    windows = (windows - windows.mean(1, keepdims=True)) * _hann(_PITCH_WINDOW)
    correlation = _autocorrelation(windows)
    taper = _autocorrelation(_hann(_PITCH_WINDOW)[None])
    silent = 5e-6 * _PITCH_WINDOW  # power far below speech, in which nothing counts as periodic
    peak = (correlation / (correlation[:, :1] + silent) / (taper / taper[:, :1]))[:, _PITCH_LAGS].max(1)
    return peak.clip(0, 1)


def _autocorrelation(windows: Float[np.ndarray, "M T"]) -> Float[np.ndarray, "M L"]:
    spectrum = np.fft.rfft(windows, 1024, axis=-1)  # 640 samples and 230 lags: nothing wraps around
    return np.fft.irfft(np.square(np.abs(spectrum)), axis=-1)[:, : _PITCH_LAGS.stop]


def _windows(samples: Float[np.ndarray, "T"], start: int, stop: int, width: int) -> Float[np.ndarray, "M {width}"]:
    """A window around every 10 ms of rows start..stop, with silence beyond the recording's ends."""
    margin = (width - HOP) // 2
    first = start * HOPS_PER_FRAME * HOP - margin
    last = stop * HOPS_PER_FRAME * HOP + margin
    piece = samples[max(first, 0) : max(last, 0)]
    padded = np.pad(piece, (max(-first, 0), last - max(first, 0) - len(piece)))
    return np.lib.stride_tricks.sliding_window_view(padded, width)[::HOP]


def _halves(values: Float[np.ndarray, "M C"]) -> Float[np.ndarray, "N 2*C"]:
    pairs = values.reshape(-1, 2, HOPS_PER_FRAME // 2, values.shape[1]).mean(2)
    return pairs.reshape(len(pairs), -1)


def _chunks(num_frames: int) -> Iterator[tuple[int, int]]:
    return ((start, min(start + _CHUNK_FRAMES, num_frames)) for start in range(0, num_frames, _CHUNK_FRAMES))


@functools.cache
def _hann(width: int) -> Float32[np.ndarray, "{width}"]:
    return np.hanning(width + 1)[:-1].astype(np.float32)


@functools.cache
def _filters() -> Float[np.ndarray, "80 257"]:
    from librosa.filters import mel  # of librosa only this: the rest takes seconds to load

    return mel(sr=SAMPLE_RATE, n_fft=WINDOW, n_mels=BANDS, fmin=_LOWEST, fmax=_HIGHEST)


@functools.cache
def _usual_spectrum() -> Float[np.ndarray, "80"]:
    """Mel power of speech in the long run: level to 600 Hz, then 8 dB less an octave (about Byrne et al., 1994)."""
    filters = _filters()
    centres = filters @ np.arange(filters.shape[1]) / filters.sum(1) * SAMPLE_RATE / WINDOW
    return 0.02 / (1 + (centres / 600) ** 2.7)
