"""Phones that need closed lips."""

from __future__ import annotations

import math

import pytest
import torch

from data_utils.audio_features.phones import PHONE_NAMES, PHONES, UNIT
from motion.lip_closure import LABIODENTAL_SHARE, LEAST, closing

SURE = 30.0 / UNIT  # units by which a likely phone is above the others


def heard(*halves: str) -> torch.Tensor:
    """Values of a frame in whose halves one phone each is sure."""
    values = torch.zeros(1, 2 * PHONES)
    for half, name in enumerate(halves):
        values[0, half * PHONES + PHONE_NAMES.index(name)] = SURE
    return values


@pytest.mark.parametrize("phone", ["P", "B", "M"])
def test_a_bilabial_closes_the_lips(phone):
    assert float(closing(heard(phone, phone))) > 0.99


@pytest.mark.parametrize("phone", ["F", "V"])
def test_lip_and_teeth_all_but_close_them(phone):
    assert float(closing(heard(phone, phone))) == pytest.approx(LABIODENTAL_SHARE, abs=0.01)


@pytest.mark.parametrize("phone", [name for name in PHONE_NAMES if name not in "PBMFV"])
def test_other_phones_leave_them_open(phone):
    assert float(closing(heard(phone, phone))) < 0.01


def test_one_half_of_a_frame_is_enough():
    for halves in (("P", "AA"), ("AA", "P")):
        assert float(closing(heard(*halves))) > 0.99


def test_phones_that_share_what_is_heard_add_up():
    values = heard("P", "P")
    values[0, PHONE_NAMES.index("B")] = values[0, PHONES + PHONE_NAMES.index("B")] = SURE
    assert float(closing(values)) > 0.99
    doubtful = heard("P", "P")
    doubtful[0, PHONE_NAMES.index("T")] = doubtful[0, PHONES + PHONE_NAMES.index("T")] = SURE
    assert float(closing(doubtful)) == pytest.approx(0.0, abs=0.01)


def test_lips_and_teeth_or_both_lips_close_them_by_what_lies_between():
    values = heard("P", "P")
    values[0, PHONE_NAMES.index("F")] = values[0, PHONES + PHONE_NAMES.index("F")] = SURE
    assert float(closing(values)) == pytest.approx((1 + LABIODENTAL_SHARE) / 2, abs=0.01)


@pytest.mark.parametrize(("phone", "most"), [("M", 1.0), ("V", LABIODENTAL_SHARE)])
def test_only_what_is_likelier_than_not_closes_them_and_by_as_much(phone, most):
    values = torch.full((1, 2 * PHONES), -SURE)
    for half in range(2):
        values[0, half * PHONES + PHONE_NAMES.index(phone)] = math.log(0.75) / UNIT
        values[0, half * PHONES + PHONE_NAMES.index("T")] = math.log(0.25) / UNIT
    assert float(closing(values)) == pytest.approx(most * (0.75 - LEAST) / (1 - LEAST), abs=0.01)


def test_columns_beyond_the_phones_do_not_count():
    more = torch.cat([heard("AA", "AA"), torch.full((1, 7), 99.0)], dim=1)
    assert float(closing(more)) < 0.01
