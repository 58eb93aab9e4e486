"""What the MediaPipe parser makes of shapes and colours, on regions made up for it."""

from __future__ import annotations

import numpy as np

from data_utils.face_parsing import mediapipe_parser
from data_utils.face_parsing.head_region import HeadRegion

SIDE = 128


def region() -> HeadRegion:
    """A face 64 pixels high in the middle, its earlobes at row 64."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32) + 0.5
    oval = ((x - 64) / 24) ** 2 + ((y - 56) / 32) ** 2 < 1
    return HeadRegion((x - 64) / 26, (y - 64) / 64, chin=24 / 64, oval=oval, skin=oval, turn=0.0)


def test_hair_beside_the_face_is_hair_even_where_its_way_up_is_narrow():
    hair, everywhere = np.zeros((SIDE, SIDE), bool), np.ones((SIDE, SIDE), np.float32)
    hair[20:108, 90:104] = True  # a strand from the crown to below the chin ...
    hair[20:36, 90:98] = False  # ... of which the crown shows little
    hair[30:46, 98:104] = False
    hair[96:104, 44:80] = True  # a dark collar, linked by nothing
    kept = mediapipe_parser._hangs_from_crown(hair, region(), everywhere)
    assert kept[60:100, 92:102].all()
    assert not kept[96:104, 44:80].any()


def test_collars_beside_the_jaw_are_clothes_by_a_faint_colour_and_skin_stays_neck():
    where = region()
    _, neck, torso = mediapipe_parser._priors(where)
    beside_jaw = (np.abs(where.across) > 0.5) & (np.abs(where.across) < 0.7) & (np.abs(where.down - where.chin) < 0.05)
    assert (neck[beside_jaw] > torso[beside_jaw]).all()
    assert (neck[beside_jaw] < 10 * torso[beside_jaw]).all()


def test_dark_gaps_between_neck_and_strands_are_no_collar():
    where, hair = region(), np.zeros((SIDE, SIDE), bool)
    hair[60:110, 90:100] = True  # a strand to the right of the face
    behind = mediapipe_parser._behind_strands(hair, where)
    assert behind[80, 86] > 0.9  # between jaw and strand
    assert behind[80, 64] == 0  # the neck
    assert behind[80, 40] == 0  # the other side, where nothing hangs
    assert behind[116:].max() == 0  # a collar may be below
