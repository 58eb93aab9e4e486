"""Which phones of English every 20 ms of a sound may be, whoever speaks in whatever language.

A Gaussian mixture for each state of each phone scores cepstra, their deltas and the deltas' own deltas. Cepstra are
less their mean over the speech of the recording (cepstral mean normalisation: Atal, 1974), so that a voice and its
microphone do not move them. A hidden Markov model with an equal chance of any phone after any other turns scores into
posteriors by the forward-backward algorithm (Rabiner, "A tutorial on hidden Markov models", Proc. IEEE 1989, III A),
from 0.2 s before a piece to 40 ms after it: what lies farther off does not matter. The phones are those of
CMU's dictionary and silence, which takes the model's two kinds of noise; a language with other sounds is described by
the nearest of these.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from arguments.device import CPU
from data_utils.audio_features.acoustic_model import STREAMS, AcousticModel, installed_model
from data_utils.audio_features.cepstra import CEPSTRA, DELTA_FRAMES, cepstra, with_deltas
from data_utils.audio_features.hops import HOP, HOPS_PER_FRAME, chunks, halves
from data_utils.audio_features.speech_activity import SpeechActivity, speech_activity
from data_utils.audio_features.voice_scale import VoiceScale

PHONE_NAMES = (
    *(
        "AA",
        "AE",
        "AH",
        "AO",
        "AW",
        "AY",
        "B",
        "CH",
        "D",
        "DH",
        "EH",
        "ER",
        "EY",
        "F",
        "G",
        "HH",
        "IH",
        "IY",
        "JH",
        "K",
    ),
    *("L", "M", "N", "NG", "OW", "OY", "P", "R", "S", "SH", "SIL", "T", "TH", "UH", "UW", "V", "W", "Y", "Z", "ZH"),
)
"""Of CMU's dictionary and silence, in the order of the values."""
PHONES = len(PHONE_NAMES)
DIMENSION = 4 * PHONES
UNIT = 4.0  # nats to one unit of the features

_NOISES = ("+NSN+", "+SPN+")  # of the model's phones: what counts as silence
_LEAST_POSTERIOR = 1e-4
_SHARE = 0.3  # of a piece's log-likelihood that counts: neighbouring pieces, and the three streams, are not independent
_STAY = 0.6  # probability that a state lasts another 10 ms: three of them make a phone of 75 ms
SCORED_BEFORE, SCORED_AFTER = 5, 1  # video frames around a piece that say what it is
HEARD_BEFORE = SCORED_BEFORE + DELTA_FRAMES + 1  # and with the windows' own width
HEARD_AFTER = SCORED_AFTER + DELTA_FRAMES
_FLOOR = 1e-4  # power in every band, of speech of unit level: about that of white noise 47 dB below the speech
USUAL_CEPSTRUM = np.array([-16, 9, -2, 12, -4, -4, -8, -7, 0, 2, 2, 3, -4], np.float64)
"""Mean cepstra of speech of unit level, of five voices."""
PRIOR_HOPS = 50  # weight of the usual mean: half a second of speech
_LEAST = 10  # nats by which a stream of one phone can be less likely than that of the best: one stream rules none out
_SCORED_HOPS = 500  # at a time: bounds memory to 50 MB


def phones(
    samples: np.ndarray,
    num_frames: int,
    fit_frames: int | None = None,
    device: str = CPU,
    scale: VoiceScale | None = None,
) -> Float[np.ndarray, "N 160"]:
    """Phone posteriors aligned to video frames.

    Row i describes the 40 ms of video frame i: the first 40 values are the phones of its earlier half, the next 40
    those of the later, in the order of :data:`PHONE_NAMES`. Each is the mean of the logarithm of the phone's posterior,
    given the sound around it. The other 80 say of the same phones how likely the sound is without what is around: the
    mean of a phone's log-likelihoods, less that over the phones. They are surer of nothing, and noise moves them less.
    All are in units of 4 nats.

    Args:
        samples: mono float32 [T] at 16 kHz, -1..1.
        num_frames: N, rows wanted; the sound is cut or continued by silence.
        fit_frames: level and cepstral mean are those of the speech in the first so many frames; in all unless given.
        device: where it is done.
        scale: that of the voice, where it is known; ``fit_frames`` then says nothing.

    Returns:
        [N, 160] float32: posteriors from -2.3 (not this phone) to 0 (surely), likelihoods about -3..5.

    Raises:
        EGSTalkerError: the acoustic model is not installed, or is damaged.
    """
    samples = np.asarray(samples, np.float32)[: num_frames * HOPS_PER_FRAME * HOP]
    if scale is None:
        fit_frames = num_frames if fit_frames is None else fit_frames
        to_fit = samples[: fit_frames * HOPS_PER_FRAME * HOP]
        speech = speech_activity(to_fit)
        level, cepstrum = speech.level, speech_cepstrum(to_fit, speech, device)
    else:
        level, cepstrum = scale.speech.level, scale.cepstrum
    features = np.empty((num_frames, DIMENSION), np.float32)
    for start, stop in chunks(num_frames):
        features[start:stop] = phone_rows(samples, start, stop, level, cepstrum, device)
    return features


def phone_rows(
    samples: np.ndarray,
    start: int,
    stop: int,
    level: float,
    cepstrum: Float[np.ndarray, "13"],
    device: str = CPU,
) -> Float[np.ndarray, "N 160"]:
    """The rows start..stop of :func:`phones`, for speech of a known level and mean cepstra.

    They hear the :data:`HEARD_BEFORE` frames before themselves and the :data:`HEARD_AFTER` after; beyond the ends of
    ``samples`` there is silence.

    Args:
        samples: mono float32 [T] at 16 kHz, -1..1.
        start, stop: video frames.
        level: root mean square of the speech, more than 0.
        cepstrum: mean cepstra of that speech, brought to unit level.
        device: where it is done.

    Returns:
        [N, 160] float32, N = stop - start.

    Raises:
        EGSTalkerError: the acoustic model is not installed, or is damaged.
    """
    first, last = start - SCORED_BEFORE - DELTA_FRAMES, stop + SCORED_AFTER + DELTA_FRAMES
    return rows_of(scores(phone_cepstra(samples, first, last, level, device), cepstrum))


def scores(values: Float[Tensor, "T 13"], cepstrum: Float[np.ndarray, "13"]) -> Float[Tensor, "T-8 P S"]:
    """Log-likelihoods of the model's states (:func:`likelihoods`) in the pieces that have a video frame on either side.

    Args:
        values: cepstra (:func:`phone_cepstra`).
        cepstrum: mean cepstra of the speech.

    Raises:
        EGSTalkerError: the acoustic model is not installed, or is damaged.
    """
    mean = torch.from_numpy(cepstrum).float().to(values.device)
    return likelihoods(installed_model(), with_deltas(values - mean))


def rows_of(scored: Float[Tensor, "T P S"]) -> Float[np.ndarray, "N 160"]:
    """The rows that have :data:`SCORED_BEFORE` frames of scores before themselves and :data:`SCORED_AFTER` after."""
    model = installed_model()
    before, after = SCORED_BEFORE * HOPS_PER_FRAME, SCORED_AFTER * HOPS_PER_FRAME
    posterior = _named(model, posteriors(scored, before, after))
    own = _likelihood(model, scored[before:-after])
    parts = (posterior + _LEAST_POSTERIOR).log(), own - own.mean(1, keepdim=True)
    return np.concatenate([halves(part / UNIT) for part in parts], axis=1)


def phone_cepstra(samples: np.ndarray, start: int, stop: int, level: float, device: str = CPU) -> Float[Tensor, "M 13"]:
    """The cepstra of the pieces of rows start..stop, of speech that is brought to unit level."""
    return cepstra(samples, start, stop, 1 / level, _FLOOR, device)


def likelihoods(model: AcousticModel, streams: Float[Tensor, "M 3 13"]) -> Float[Tensor, "M P S"]:
    """Log-likelihood of every state of every phone, the sum over the streams of a Gaussian mixture's.

    In each stream a state is at most 10 nats less likely than the best of all.

    Args:
        model: P phones of S states.
        streams: normalised cepstra, deltas and second deltas of M pieces.

    Returns:
        [M, P, S] float32, nats.
    """
    mixtures = _mixtures_of(model, streams.device)
    parts = streams.split(_SCORED_HOPS)
    return torch.cat([torch.stack([of(part[:, i]) for i, of in enumerate(mixtures)]).sum(0) for part in parts])


class _Mixtures:
    """The mixtures of one stream; a Gaussian's exponent is linear in a value and its square: a matrix product."""

    def __init__(self, model: AcousticModel, stream: int, device: torch.device) -> None:
        means, variances = model.means[:, stream], model.variances[:, stream]
        factors = np.concatenate([-0.5 / variances, means / variances], axis=2).reshape(-1, 2 * CEPSTRA)
        constant = -0.5 * (np.square(means) / variances + np.log(2 * np.pi * variances)).sum(2)
        self._factors = torch.from_numpy(factors.T).to(device)  # [26, P K]
        self._constant = torch.from_numpy(constant).to(device)  # [P, K]
        self._weights = torch.from_numpy(model.weights[:, :, stream].transpose(0, 2, 1)).to(device)  # [P, K, S]

    def __call__(self, values: Float[Tensor, "M 13"]) -> Float[Tensor, "M P S"]:
        """Log-likelihoods of the states."""
        density = torch.cat([values.square(), values], dim=1) @ self._factors
        density = density.view(len(values), *self._constant.shape).add_(self._constant)
        best = density.amax(2, keepdim=True)
        mixed = torch.bmm(density.sub_(best).exp_().transpose(0, 1), self._weights).transpose(0, 1)
        scores = (mixed + torch.finfo(mixed.dtype).tiny).log_() + best
        return torch.maximum(scores, scores.amax((1, 2), keepdim=True) - _LEAST)


@lru_cache(maxsize=2)
def _mixtures_of(model: AcousticModel, device: torch.device) -> list[_Mixtures]:
    return [_Mixtures(model, stream, device) for stream in range(STREAMS)]


def posteriors(scores: Float[Tensor, "T P S"], before: int, after: int) -> Float[Tensor, "M P"]:
    """How probable each phone is in each piece, given the pieces around it.

    Args:
        scores: log-likelihoods of the S states of P phones in T = before + M + after pieces. A phone is its states in
            turn.
        before, after: pieces to either side that count.

    Returns:
        [M, P]; the sum over the phones is 1.
    """
    count, phones, states = len(scores) - before - after, *scores.shape[1:]
    evidence = (_SHARE * (scores - scores.amax((1, 2), keepdim=True))).exp().flatten(1)
    moves = _moves(phones, states, scores.dtype, scores.device)
    belief = scores.new_full((count, phones * states), 1 / (phones * states))
    for first in range(before + 1):
        belief = _normalised(belief @ moves * evidence[first : first + count])
    follows = torch.ones_like(belief)
    for first in range(before + after, before, -1):
        follows = _normalised((follows * evidence[first : first + count]) @ moves.T)
    return _normalised(belief * follows).unflatten(1, (phones, states)).sum(2)


@lru_cache(maxsize=4)
def _moves(phones: int, states: int, dtype: torch.dtype, device: torch.device) -> Float[Tensor, "Q Q"]:
    """How probable it is that a state is followed by another, 10 ms later; by any phone's first after a last."""
    stay, phone = torch.eye(phones * states, dtype=dtype).reshape(phones, states, phones, states), torch.arange(phones)
    moves = _STAY * stay
    for state in range(states - 1):
        moves[phone, state, phone, state + 1] = 1 - _STAY
    moves[:, -1, :, 0] = (1 - _STAY) / phones
    return moves.reshape(phones * states, -1).to(device)


def _normalised(values: Float[Tensor, "M Q"]) -> Float[Tensor, "M Q"]:
    return values / values.sum(1, keepdim=True)


def _named(model: AcousticModel, posterior: Float[Tensor, "M P"]) -> Float[Tensor, "M 40"]:
    """Posteriors of :data:`PHONE_NAMES`; the model's noises are silence."""
    columns = _columns(model, posterior.device)
    return posterior.new_zeros(len(posterior), PHONES).index_add_(1, columns, posterior)


def _likelihood(model: AcousticModel, scores: Float[Tensor, "M P S"]) -> Float[Tensor, "M 40"]:
    """Mean log-likelihoods of the states of :data:`PHONE_NAMES`; silence has the likeliest of it and the noises."""
    means = scores.mean(2)
    columns = _columns(model, means.device).expand(len(means), -1)
    return means.new_full((len(means), PHONES), -torch.inf).scatter_reduce_(1, columns, means, "amax")


@lru_cache(maxsize=4)
def _columns(model: AcousticModel, device: torch.device) -> Int[Tensor, "P"]:
    """Where each of the model's phones is among :data:`PHONE_NAMES`."""
    names = ["SIL" if name in _NOISES else name for name in model.phones]
    return torch.tensor([PHONE_NAMES.index(name) for name in names], device=device)


def speech_cepstrum(samples: np.ndarray, speech: SpeechActivity, device: str = CPU) -> Float[np.ndarray, "13"]:
    """Mean of the cepstra over the pieces of the recording that are speech, brought to unit level."""
    return speech.mean(
        lambda start, stop: phone_cepstra(samples, start, stop, speech.level, device), USUAL_CEPSTRUM, PRIOR_HOPS
    )
