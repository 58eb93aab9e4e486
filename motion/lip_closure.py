"""Which moments of speech need closed lips, by the posteriors of their phones.

P, B and M are made with both lips (International Phonetic Alphabet: bilabial), F and V with the lower lip and the
teeth: the gap is all but closed.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from data_utils.audio_features.phones import PHONE_NAMES, PHONES, UNIT

BILABIAL = ("P", "B", "M")
LABIODENTAL = ("F", "V")
LABIODENTAL_SHARE = 0.7  # how far they close the lips: a bilabial closes them wholly
LEAST = 0.5  # posterior up to which lips stay open: where noise makes phones doubtful, networks know better


def closing(heard: Float[Tensor, "N D"]) -> Float[Tensor, "N"]:
    """How far a frame's sound needs the lips to close, 0..1: the larger of its two halves.

    What is beyond LEAST of the posterior that the sound is any of these phones counts, times how far they close the
    lips, each by its share of that posterior.

    Args:
        heard: of the extractor ``phones``, whose first 80 values count: an earlier half's 40, then a later half's.
    """
    posterior = phone_posteriors(heard)
    wholly, nearly = (posterior[..., _columns(phones)].sum(dim=-1) for phones in (BILABIAL, LABIODENTAL))
    either = wholly + nearly
    sure = (either - LEAST).clamp(min=0) / (1 - LEAST)
    return (sure * (wholly + LABIODENTAL_SHARE * nearly) / either.clamp(min=LEAST)).amax(dim=1)


def phone_posteriors(heard: Float[Tensor, "N D"]) -> Float[Tensor, "N 2 P"]:
    """How probable each phone is in either half of a frame; the sum over the P phones is 1.

    Args:
        heard: as of :func:`closing`.
    """
    return (heard[:, : 2 * PHONES].unflatten(1, (2, PHONES)) * UNIT).softmax(dim=-1)


def _columns(phones: tuple[str, ...]) -> list[int]:
    return [PHONE_NAMES.index(name) for name in phones]
