"""Whose pixels a fooled segmentation marks: flags, pictures and people behind are not the head's."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from data_utils.face_parsing import mediapipe_parser
from data_utils.face_parsing.class_map import class_map
from data_utils.face_parsing.classes import BACKGROUND, HEAD
from data_utils.face_parsing.head_region import OVAL, HeadRegion
from data_utils.face_parsing.person_outline import of_the_face

SIDE = 256
FLAGS = {  # left, top, right, bottom
    "apart from the hair": (185, 30, 250, 110),
    "touching the hair": (150, 30, 256, 100),
    "linked by its pole": (196, 30, 256, 90),
    "over the head": (100, 0, 160, 14),
    "on the left, to the edge": (0, 20, 100, 100),
}


def region(x: float, turn: float = 0.0) -> HeadRegion:
    """A face 90 pixels high about column ``x``, its earlobes at row 110."""
    down, across = np.mgrid[:SIDE, :SIDE].astype(np.float32) + 0.5
    oval = ((across - x) / 32) ** 2 + ((down - 96) / 45) ** 2 < 1
    return HeadRegion((across - x) / 34, (down - 110) / 90, chin=0.35, oval=oval, skin=oval, turn=turn)


def person_at(x: int) -> np.ndarray:
    """Head with hair, and shoulders, of a person about column ``x``."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    cv2.ellipse(mask, (x, 86), (46, 66), 0, 0, 360, (1,), -1)
    cv2.ellipse(mask, (x, 256), (100, 100), 0, 0, 360, (1,), -1)
    return mask > 0


def flag_of(name: str) -> np.ndarray:
    left, top, right, bottom = FLAGS[name]
    mask = np.zeros((SIDE, SIDE), bool)
    mask[top:bottom, left:right] = True
    if name == "linked by its pole":
        mask[80:86, 150:200] = True
    return mask


@pytest.mark.parametrize("name", FLAGS)
def test_a_flag_behind_is_no_head_in_any_frame(name):
    flag = flag_of(name)
    for x in range(118, 139, 2):
        person = person_at(x)
        beyond = flag & ~cv2.dilate(person.astype(np.uint8), np.ones((13, 13), np.uint8)).astype(bool)
        assert beyond.sum() > 300
        kept, head = of_the_face(np.where(flag | person, np.float32(0.95), np.float32(0.02)), region(x))
        assert not head[beyond].any()
        assert kept[beyond].max() < 0.5
        assert (kept[person] > 0.9).mean() > 0.98
        assert head[person & region(x).above].mean() > 0.98


def test_big_hair_stays():
    mask = person_at(128).astype(np.uint8)
    cv2.ellipse(mask, (128, 70), (84, 70), 0, 0, 360, (1,), -1)
    kept, head = of_the_face(np.where(mask > 0, np.float32(0.95), np.float32(0)), region(128))
    assert (kept[mask > 0] > 0.9).mean() > 0.99
    assert head[(mask > 0) & region(128).above].mean() > 0.99


def test_a_raised_arm_stays_a_person_and_is_no_head():
    arm = np.zeros((SIDE, SIDE), bool)
    arm[40:, 10:26] = True
    person = person_at(150)
    kept, head = of_the_face(np.where(arm | person, np.float32(0.95), np.float32(0)), region(150))
    assert (kept[arm] > 0.9).mean() > 0.99
    assert not head[arm & ~person].any()


def profile_at(x: int) -> np.ndarray:
    """Somebody whose face is turned to the left, about column ``x``, by so much that the back of the head is seen."""
    mask = person_at(x).astype(np.uint8)
    cv2.ellipse(mask, (x + 24, 80), (58, 60), 0, 0, 360, (1,), -1)
    return mask > 0


def test_the_back_of_a_turned_head_is_no_flag():
    person = profile_at(128)
    is_person = np.where(person, np.float32(0.95), np.float32(0))
    kept, head = of_the_face(is_person, region(128, turn=0.7))
    np.testing.assert_array_equal(kept[person & ~region(128).oval], np.float32(0.95))
    assert head[person & region(128).above].all()
    cut, _ = of_the_face(is_person, region(128))  # seen from the front, a head is not like that
    assert (cut[person] < 0.5).mean() > 0.01


def test_the_mesh_of_a_turned_face_does_not_make_wall_a_person():
    person = person_at(128)
    person[:, :104] = False  # the mesh's far side is beyond the profile
    is_person = np.where(person, np.float32(0.95), np.float32(0.01))
    beyond = region(128).oval & ~person
    assert of_the_face(is_person, region(128, turn=0.7))[0][beyond].max() < 0.5
    assert of_the_face(is_person, region(128))[0][beyond].min() == 1  # a face that segmentation has missed


@pytest.mark.parametrize("doubt, is_hole", [(0.45, False), (0.02, True)])
def test_stripes_of_clothes_are_no_holes_and_the_gap_beside_an_arm_is_one(doubt, is_hole):
    person = np.where(person_at(128), np.float32(0.95), np.float32(0))
    person[220:, 120:150] = doubt
    kept, _ = of_the_face(person, region(128))
    assert (kept[226:, 126:144] < 0.5).all() == is_hole == (kept[226:, 126:144] < 0.5).any()
    person[:, 120:256][220:] = doubt  # no hole: it reaches the picture's side
    assert (of_the_face(person, region(128))[0][226:, 126:] < 0.5).all()


def test_what_hangs_together_with_nobody_is_nobodys():
    person, other = person_at(128), np.zeros((SIDE, SIDE), bool)
    other[60:110, 5:50] = True  # a picture of somebody on the wall
    kept, _ = of_the_face(np.where(other | person, np.float32(0.95), np.float32(0)), region(128))
    assert kept[other].max() == 0


def test_a_pattern_behind_is_doubted_and_the_person_is_not():
    person = np.where(person_at(128), np.float32(0.95), np.float32(0))
    person[60:64, 172:] = 0.7  # a stripe that the network takes for the person
    kept, _ = of_the_face(person, region(128))
    assert kept[60:64, 180:].max() < 0.5
    inner = cv2.erode(person_at(128).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    np.testing.assert_array_equal(kept[inner], np.where(region(128).oval, np.float32(1), person)[inner])


def test_a_flag_of_the_hairs_colour_is_background_in_the_map_of_a_fooled_network():
    """Seen through the whole weighing of one picture: the network says person, the colour says hair."""
    x, person, flag = 128, person_at(128), flag_of("touching the hair")
    where = region(x)
    points = np.zeros((478, 3), np.float32)
    angles = np.linspace(0, 2 * np.pi, 37)[:-1] - np.pi / 2
    outline = np.stack([x + 32 * np.cos(angles), 96 + 45 * np.sin(angles)], axis=1)
    points[:, :2] = outline.mean(0)
    points[list(OVAL), :2] = outline
    for features, centre in (((70, 63, 105, 66, 107, 133, 153, 144, 33), (112, 86)), ((61, 39, 0, 269), (128, 120))):
        points[list(features), :2] = centre
    image = np.full((SIDE, SIDE, 3), (150, 180, 200), np.uint8)
    image[person] = (70, 80, 160)
    image[person & (where.down < 0.35)] = (60, 40, 30)
    image[where.oval] = (220, 170, 140)
    image[flag & ~person] = (60, 40, 30)
    colours = np.full((32**3, 3), 1e-3, np.float32)
    for kind, colour in enumerate(((60, 40, 30), (220, 170, 140), (70, 80, 160))):
        colours[mediapipe_parser._colour_index(np.array([[colour]], np.uint8))[0, 0], kind] = 1
    fooled = np.where(person | flag, np.float32(0.97), np.float32(0.01))
    classes, _ = class_map(image, mediapipe_parser._probabilities(image, points, lambda picture: fooled, colours))
    beyond = flag & ~cv2.dilate(person.astype(np.uint8), np.ones((15, 15), np.uint8)).astype(bool)
    assert (classes[beyond] == BACKGROUND).mean() > 0.99
    assert not (classes[beyond] == HEAD).any()
    assert (classes[where.oval] == HEAD).all()
    assert (classes[person & (where.down < -0.1)] == HEAD).mean() > 0.95
