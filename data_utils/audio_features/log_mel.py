"""Log-mel audio features: two 80-band spectra for each video frame, on the scale of the recording's own speech.

The mel scale and filters are Slaney's (Auditory Toolbox, 1998), as librosa computes them. Each band is divided by its
mean over the speech in the recording (what cepstral mean normalisation does to a voice and its microphone: Atal, 1974),
and a floor a fixed distance below that mean hides the noise between words. So another voice, room or telephone lands
where the voice that a head was trained on does.
"""

from __future__ import annotations

import functools

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from arguments.clock import SAMPLE_RATE
from arguments.device import CPU
from data_utils.audio_features.hops import HOP, HOPS_PER_FRAME, chunks, halves, windows
from data_utils.audio_features.speech_activity import SpeechActivity, speech_activity
from data_utils.audio_features.voice_scale import VoiceScale

WINDOW = 512  # samples, 32 ms
BANDS = 80
DIMENSION = 2 * BANDS + 2

_LOWEST, _HIGHEST = 50, SAMPLE_RATE / 2  # Hz, of the bands
_FLOOR = 3e-3  # of a band's mean power in speech: 25 dB below it counts as silence
_LOUD = 1.7  # root mean square of the loud pieces of speech, which count as 1, to its active level
PRIOR_HOPS = 50  # weight of the usual spectrum: half a second of speech
_ODDEST = np.exp(12.0)  # bands weaker or stronger than usual by more (52 dB) are not brought back to the usual
_PITCH_LAGS = slice(40, 230)  # samples: 70 to 400 Hz
_PITCH_WINDOW = 640  # samples, 40 ms


def log_mel(
    samples: Float[np.ndarray, "T"],
    num_frames: int,
    fit_frames: int | None = None,
    device: str = CPU,
    scale: VoiceScale | None = None,
) -> Float32[np.ndarray, "{num_frames} 162"]:
    """Log mel spectra and voicing aligned to video frames.

    Row i describes the 40 ms of video frame i: four 32 ms windows, 10 ms apart and centred in it, averaged in pairs.
    The first 80 values are the earlier half's bands, the next 80 the later half's, the last two their voicing: the
    largest normalised autocorrelation at the lags of a voice. Everything is relative to the recording's speech
    (:func:`speech_activity`), of which the first minute weighs as much as the last, and to nothing around it; under a
    second of it leans on the usual spectrum of speech, and a recording without any counts as a faint one.

    Args:
        samples: mono float32 [T] at 16 kHz, -1..1.
        num_frames: N, rows wanted; the sound is cut or continued by silence.
        fit_frames: the scale is that of the speech in the first so many frames; in all unless given.
        device: where it is done.
        scale: that of the voice, where it is known; ``fit_frames`` then says nothing.

    Returns:
        [N, 162] float32; silence -1.5, mean speech 1.5, its peaks about 3.
    """
    samples = np.asarray(samples, np.float32)[: num_frames * HOPS_PER_FRAME * HOP]
    if scale is None:
        fit_frames = num_frames if fit_frames is None else fit_frames
        to_fit = samples[: fit_frames * HOPS_PER_FRAME * HOP]
        speech = speech_activity(to_fit)
        level, spectrum = speech.level, speech_spectrum(to_fit, speech, device)
    else:
        level, spectrum = scale.speech.level, scale.spectrum
    features = np.empty((num_frames, DIMENSION), np.float32)
    for start, stop in chunks(num_frames):
        features[start:stop] = log_mel_rows(samples, start, stop, level, spectrum, device)
    return features


def log_mel_rows(
    samples: Float32[np.ndarray, "T"],
    start: int,
    stop: int,
    level: float,
    spectrum: Float[np.ndarray, "80"],
    device: str = CPU,
) -> Float32[np.ndarray, "N 162"]:
    """The rows start..stop of :func:`log_mel`, for speech of a known level and spectrum.

    They hear 15 ms of sound before and after themselves; beyond the ends of ``samples`` there is silence.

    Args:
        samples: mono float32 [T] at 16 kHz, -1..1.
        start, stop: video frames.
        level: root mean square of the speech, more than 0.
        spectrum: mean power of the bands of that speech, brought to level (:func:`level_gain`); more than 0.
        device: where it is done.

    Returns:
        [N, 162] float32, N = stop - start.
    """
    gain = level_gain(level)
    usual = torch.from_numpy(spectrum).float().to(device)
    bands = (mel_power(samples, start, stop, gain, device) / usual + _FLOOR).log()
    voicing = 3 * _voicing(samples, start, stop, gain, device)[:, None] - 1.5
    return np.concatenate([halves((bands / -np.log(_FLOOR) + 0.5) * 3), halves(voicing)], axis=1)


def level_gain(level: float) -> float:
    """What speech of a level is multiplied by, so that its loud pieces have a root mean square of 1."""
    return 1 / (_LOUD * level)


def speech_spectrum(
    samples: Float[np.ndarray, "T"], speech: SpeechActivity, device: str = CPU
) -> Float[np.ndarray, "80"]:
    """Mean power of each band over the pieces of the recording that are speech, brought to level."""
    usual, gain = usual_spectrum(), level_gain(speech.level)
    return within_reason(
        speech.mean(lambda start, stop: mel_power(samples, start, stop, gain, device), usual, PRIOR_HOPS)
    )


def within_reason(spectrum: Float[np.ndarray, "80"]) -> Float[np.ndarray, "80"]:
    """A spectrum whose bands are not odder than a voice and a microphone can make them."""
    usual = usual_spectrum()
    return np.clip(spectrum, usual / _ODDEST, usual * _ODDEST)


def mel_power(
    samples: Float[np.ndarray, "T"], start: int, stop: int, gain: float, device: str = CPU
) -> Float[Tensor, "M 80"]:
    """Mel power of the windows of rows start..stop, four a row, of samples multiplied by ``gain``."""
    pieces = windows(samples, start, stop, WINDOW, device) * torch.from_numpy(gain * _hann(WINDOW)).to(device)
    return torch.fft.rfft(pieces).abs().square() @ torch.from_numpy(_filters().T).to(device) / WINDOW


def _voicing(samples: Float[np.ndarray, "T"], start: int, stop: int, gain: float, device: str) -> Float[Tensor, "M"]:
    """How periodic each window is, 0..1: the autocorrelation's peak over its zero lag (Boersma, 1993)."""
    hann = torch.from_numpy(_hann(_PITCH_WINDOW)).to(device)
    pieces = windows(samples, start, stop, _PITCH_WINDOW, device) * gain
    correlation = _autocorrelation((pieces - pieces.mean(1, keepdim=True)) * hann)
    taper = _autocorrelation(hann[None])
    silent = 5e-6 * _PITCH_WINDOW  # power far below speech, in which nothing counts as periodic
    peak = (correlation / (correlation[:, :1] + silent) / (taper / taper[:, :1]))[:, _PITCH_LAGS].amax(1)
    return peak.clamp(0, 1)


def _autocorrelation(pieces: Float[Tensor, "M T"]) -> Float[Tensor, "M L"]:
    spectrum = torch.fft.rfft(pieces, 1024)  # 640 samples and 230 lags: nothing wraps around
    return torch.fft.irfft(spectrum.abs().square())[:, : _PITCH_LAGS.stop]


@functools.cache
def _hann(width: int) -> Float32[np.ndarray, "{width}"]:
    return np.hanning(width + 1)[:-1].astype(np.float32)


@functools.cache
def _filters() -> Float[np.ndarray, "80 257"]:
    from librosa.filters import mel  # of librosa only this: the rest takes seconds to load

    return mel(sr=SAMPLE_RATE, n_fft=WINDOW, n_mels=BANDS, fmin=_LOWEST, fmax=_HIGHEST)


@functools.cache
def usual_spectrum() -> Float[np.ndarray, "80"]:
    """Mel power of speech in the long run: level to 600 Hz, then 8 dB less an octave (about Byrne et al., 1994)."""
    filters = _filters()
    centres = filters @ np.arange(filters.shape[1]) / filters.sum(1) * SAMPLE_RATE / WINDOW
    return 0.02 / (1 + (centres / 600) ** 2.7)
