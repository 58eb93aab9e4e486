"""Which moments of speech need closed lips, by the posteriors of their phones.

P, B and M are made with both lips (International Phonetic Alphabet: bilabial), F and V with the lower lip and the
teeth: the gap is all but closed.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from data_utils.audio_features.phones import PHONE_NAMES, PHONES, UNIT

BILABIAL = ("P", "B", "M")
LABIODENTAL = ("F", "V")
LABIODENTAL_SHARE = 0.7  # how much of its posterior counts: a bilabial's counts whole
LEAST = 0.5  # posterior up to which lips stay open: where noise makes phones doubtful, networks know better


def closing(heard: Float[Tensor, "N D"]) -> Float[Tensor, "N"]:
    """How surely a frame's sound needs closed lips, 0..1: the larger posterior of its two halves, beyond LEAST.

    Args:
        heard: of the extractor ``phones``, whose first 80 values count: an earlier half's 40, then a later half's.
    """
    posterior = phone_posteriors(heard)
    weights = torch.tensor([_weight(name) for name in PHONE_NAMES], dtype=posterior.dtype, device=posterior.device)
    return ((posterior @ weights).amax(dim=1) - LEAST).clamp(min=0) / (1 - LEAST)


def phone_posteriors(heard: Float[Tensor, "N D"]) -> Float[Tensor, "N 2 P"]:
    """How probable each phone is in either half of a frame; the sum over the P phones is 1.

    Args:
        heard: as of :func:`closing`.
    """
    return (heard[:, : 2 * PHONES].unflatten(1, (2, PHONES)) * UNIT).softmax(dim=-1)


def _weight(phone: str) -> float:
    if phone in BILABIAL:
        return 1.0
    return LABIODENTAL_SHARE if phone in LABIODENTAL else 0.0
