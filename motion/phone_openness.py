"""How far lips are apart in each phone: what can be said of a mouth before its person has been heard to speak.

Vowels by their height in the chart of the International Phonetic Association, the rounded ones less, whose lips come
together; consonants by the lips where they make them, else by how high the jaw stands: high in sibilants, lower in
velars, lowest in H (Keating et al., "Variability in jaw height in segments of English and Swedish VCVs", Journal of
Phonetics 1994).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from data_utils.audio_features.phones import PHONE_NAMES
from motion.lip_closure import phone_posteriors

OPENNESS = {
    "AA": 1.0,
    "AE": 0.95,
    "AY": 0.9,
    "AW": 0.85,
    "AH": 0.75,
    "EH": 0.75,
    "AO": 0.7,
    "EY": 0.6,
    "HH": 0.55,
    "IH": 0.5,
    "OY": 0.5,
    "ER": 0.45,
    "OW": 0.45,
    "IY": 0.4,
    "UH": 0.4,
    "K": 0.4,
    "G": 0.4,
    "NG": 0.4,
    "L": 0.4,
    "D": 0.35,
    "DH": 0.35,
    "N": 0.35,
    "TH": 0.35,
    "Y": 0.35,
    "T": 0.3,
    "R": 0.3,
    "S": 0.25,
    "Z": 0.25,
    "UW": 0.25,
    "CH": 0.25,
    "JH": 0.25,
    "SH": 0.25,
    "ZH": 0.25,
    "W": 0.15,
    "F": 0.1,
    "V": 0.1,
    "SIL": 0.05,
    "B": 0.0,
    "M": 0.0,
    "P": 0.0,
}
"""0, lips closed, to 1, as far apart as in speech; of CMU's phones and silence."""
USUAL_OPENNESS = (0.05, 0.09, 0.24, 0.305, 0.377, 0.485, 0.88)
USUAL_GAPS = (0.0, 0.001, 0.0075, 0.032, 0.057, 0.088, 0.155)
"""What this says of two newsreaders' speech, ascending, and their lips' gap at the same ranks, in distances of the
outer eye corners."""
AROUND = (0.1, 0.5, 0.4)  # of the frame before, its own, and the one after: lips get ready for what comes


def phone_openness(heard: Float[Tensor, "N D"]) -> Float[Tensor, "N"]:
    """How far lips are apart, 0..1: the mean over what phones a frame may be, and over the frames around: see AROUND.

    Args:
        heard: of the extractor ``phones``, whose first 80 values count: an earlier half's 40, then a later half's.
    """
    posterior = phone_posteriors(heard).mean(1)
    table = torch.tensor([OPENNESS[name] for name in PHONE_NAMES], dtype=posterior.dtype, device=posterior.device)
    expected = posterior @ table
    around = torch.cat([expected[:1], expected, expected[-1:]]).unfold(0, len(AROUND), 1)
    return around @ torch.tensor(AROUND, dtype=expected.dtype, device=expected.device)
