"""Log-mel audio features: two 80-band spectra for each video frame, on one fixed scale.

The mel scale and filters are Slaney's (Auditory Toolbox, 1998), as librosa computes them.
"""

from __future__ import annotations

import functools

import numpy as np

SAMPLE_RATE = 16000
HOP = 160  # samples, 10 ms
HOPS_PER_FRAME = 4  # 40 ms of video
WINDOW = 512  # samples, 32 ms
BANDS = 80
DIMENSION = 2 * BANDS

_FLOOR = 1e-7  # of the mel power at the reference level; 60 dB below loud speech counts as silence
_CENTRE, _SPREAD = -11.0, 3.5  # of the natural logarithm, over speech at the reference level
_SPEECH_PERCENTILE = 95  # of the loudness of 10 ms pieces
_QUIETEST_SPEECH = 1e-4  # root mean square; a clip below that is noise and is not raised further
_CHUNK_FRAMES = 1500  # a minute: an hour of sound then needs no more memory than its samples and features


def log_mel(samples: np.ndarray, num_frames: int) -> np.ndarray:
    """Log mel spectra aligned to video frames.

    Row i describes the 40 ms of video frame i: four 32 ms windows, 10 ms apart and centred in it, averaged in pairs,
    so the first 80 values are the earlier half and the last 80 the later. The sound is first brought to one speech
    level, then the constants of the scale are fixed, so that any recording lands on the scale of any other.

    Args:
        samples: mono float32 [T] at 16 kHz, -1..1.
        num_frames: N, rows wanted; the sound is cut or continued by silence.

    Returns:
        [N, 160] float32, about -1.5..3, silence at the low end.
    """
    samples = np.asarray(samples, np.float32)
    gain = 1 / speech_level(samples)
    features = np.empty((num_frames, DIMENSION), np.float32)
    for start in range(0, num_frames, _CHUNK_FRAMES):
        stop = min(start + _CHUNK_FRAMES, num_frames)
        features[start:stop] = _rows(_cut(samples, start, stop) * gain)
    return features


def speech_level(samples: np.ndarray) -> float:
    """Root mean square of the loud pieces of a recording (95th percentile over 10 ms pieces)."""
    whole = len(samples) // HOP * HOP
    if whole == 0:
        return _QUIETEST_SPEECH
    pieces = samples[:whole].reshape(-1, HOP)
    power = np.einsum("ij,ij->i", pieces, pieces) / HOP  # without a copy: samples may be an hour, mapped from disk
    return max(float(np.sqrt(np.percentile(power, _SPEECH_PERCENTILE))), _QUIETEST_SPEECH)


def _cut(samples: np.ndarray, start: int, stop: int) -> np.ndarray:
    """The samples under the windows of rows start..stop, with silence beyond the recording's ends."""
    margin = (WINDOW - HOP) // 2
    first = start * HOPS_PER_FRAME * HOP - margin
    last = stop * HOPS_PER_FRAME * HOP + margin
    piece = samples[max(first, 0) : max(last, 0)]
    return np.pad(piece, (max(-first, 0), last - max(first, 0) - len(piece)))


def _rows(samples: np.ndarray) -> np.ndarray:
    windows = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP] * _window()
    power = np.square(np.abs(np.fft.rfft(windows, axis=-1))).astype(np.float32)
    mel = np.log(power @ _filters().T + _FLOOR * WINDOW)
    pairs = mel.reshape(-1, 2, HOPS_PER_FRAME // 2, BANDS).mean(2)
    centre = _CENTRE + np.log(WINDOW)
    return ((pairs - centre) / _SPREAD).reshape(-1, DIMENSION)


@functools.cache
def _window() -> np.ndarray:
    return np.hanning(WINDOW + 1)[:-1].astype(np.float32)


@functools.cache
def _filters() -> np.ndarray:
    from librosa.filters import mel  # of librosa only this: the rest takes seconds to load

    return mel(sr=SAMPLE_RATE, n_fft=WINDOW, n_mels=BANDS, fmin=50, fmax=SAMPLE_RATE / 2)
