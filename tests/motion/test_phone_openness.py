"""How far phones part the lips."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from data_utils.audio_features.phones import PHONE_NAMES, PHONES
from motion.lip_closure import BILABIAL, LABIODENTAL
from motion.phone_openness import OPENNESS, USUAL_GAPS, USUAL_OPENNESS, phone_openness


def _said(*names: str) -> torch.Tensor:
    """Likelihoods of frames in which these phones are all but certain, a frame each."""
    likelihoods = torch.zeros(len(names), 2 * PHONES)
    for i, name in enumerate(names):
        likelihoods[i, [PHONE_NAMES.index(name), PHONES + PHONE_NAMES.index(name)]] = 20.0
    return likelihoods


def test_every_phone_has_its_openness() -> None:
    assert set(OPENNESS) == set(PHONE_NAMES)
    assert all(0 <= value <= 1 for value in OPENNESS.values())
    assert {OPENNESS[name] for name in BILABIAL} == {0}
    vowels = {name for name in OPENNESS if name[0] in "AEIOU"}
    assert max(OPENNESS[name] for name in (*LABIODENTAL, "SIL", "S")) <= min(OPENNESS[name] for name in vowels)
    assert OPENNESS["AA"] > OPENNESS["EH"] > OPENNESS["IY"] > OPENNESS["UW"]


@pytest.mark.parametrize("name", PHONE_NAMES)
def test_a_phone_that_lasts_parts_the_lips_as_the_table_says(name: str) -> None:
    assert phone_openness(_said(*[name] * 4)).tolist() == pytest.approx([OPENNESS[name]] * 4, abs=1e-4)


def test_lips_get_ready_for_what_comes() -> None:
    opening = phone_openness(_said("M", "M", "AA", "AA", "M", "M"))
    assert opening[1] > opening[4] > 0.05
    assert opening[0] == pytest.approx(0, abs=1e-4)


def test_frames_with_any_phone_are_in_the_middle_of_what_is_usual() -> None:
    unsure = float(phone_openness(torch.zeros(3, 2 * PHONES))[1])
    assert USUAL_OPENNESS[1] < unsure < USUAL_OPENNESS[-2]
    assert (np.diff(USUAL_OPENNESS) > 0).all()
    assert (np.diff(USUAL_GAPS) > 0).all()
