"""Seams at the neck."""

from __future__ import annotations

import numpy as np

from evaluation.neck import neck_band, steps_across

SIDE = 100
HEAD, BODY = np.zeros((SIDE, SIDE), bool), np.zeros((SIDE, SIDE), bool)
HEAD[10:50, 30:70] = True
BODY[50:, 20:80] = True


def test_the_band_lies_on_both_sides_of_the_line():
    band = neck_band(HEAD, BODY)
    assert band[47:53, 31:69].all() and not band[:44].any() and not band[56:].any() and not band[48, :28].any()
    assert not neck_band(HEAD, np.zeros_like(BODY)).any()


def test_a_seam_is_a_step_and_a_slope_is_none():
    slope = np.repeat(np.linspace(100, 120, SIDE)[:, None], SIDE, 1)[..., None].repeat(3, 2).astype(np.uint8)
    seam = slope.copy()
    seam[50:] += 30
    true, made = (steps_across(picture, HEAD, BODY) for picture in (slope, seam))
    assert 0 < true < 40 * 2 * 3 and made > true + 40 * 29
    assert steps_across(seam, HEAD, np.zeros_like(BODY)) == 0
