from __future__ import annotations

import numpy as np
import pytest

from arguments.errors import EGSTalkerError
from sample.character import Character, Expression
from sample.long_hair import braid, loose_hair
from sample.looks import Looks
from sample.parts import HEAD, NECK, wire
from sample.people import PEOPLE
from sample.performance import STAND
from sample.recording import prepare


@pytest.fixture(scope="module")
def drawn():
    """A frame and its labels of each person who looks special, and of the usual one."""
    named = {name: one.looks for name, one in PEOPLE.items() if name == "usual" or one.looks != Looks()}
    return {name: prepare(1.0, 192, looks=looks).draw(3) for name, looks in named.items()}


def test_everybody_has_a_face_that_face_mesh_finds(drawn):
    from data_utils.face_mesh_model import FaceMesh

    with FaceMesh(tracking=False) as mesh:
        assert [name for name, (picture, _) in drawn.items() if not len(mesh.faces(picture))] == []


def test_long_hair_is_labelled_as_head_beside_the_neck_and_on_the_torso(drawn):
    beside = drawn["usual"][1] == 3  # the torso, of which hair hides a part
    for name in ("long_hair", "braids"):
        assert (drawn[name][1][beside] == HEAD).mean() > 0.05
    assert (drawn["bald"][1] == HEAD).sum() < (drawn["usual"][1] == HEAD).sum()


def test_a_scarf_hides_the_neck_and_is_clothing(drawn):
    neck = drawn["usual"][1] == NECK
    assert (drawn["hat"][1][neck] == 3).mean() > 0.4


def test_skin_is_as_dark_as_asked(drawn):
    cheek = np.s_[95:100, 78:84]
    light, dark = (drawn[name][0][cheek].mean() for name in ("usual", "beard"))
    assert dark < 0.65 * light


def test_long_hair_moves_with_head_and_shoulders():
    character = Character(Looks(hair="braids"))
    turn = np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])
    straight, _ = character.pose(Expression(), np.eye(3), STAND, STAND)
    turned, _ = character.pose(Expression(), turn, STAND, STAND)
    moved = np.linalg.norm(turned - straight, axis=1)[-len(braid(1, np.ones(3, np.float32)).vertices) :]
    height = straight[-len(moved) :, 1] - STAND[1]
    assert moved[height > -0.4].mean() > 3 * moved[height < -2.0].mean() > 0


def test_a_tube_along_a_curve_faces_outward():
    curve = np.stack([np.linspace(0, 1, 30), np.linspace(0, 1, 30) ** 2, np.zeros(30)], 1)
    points, faces, _ = wire(curve, np.full(30, 0.1), 16)
    a, b, c = (points[faces[:, k]] for k in range(3))
    centre = np.repeat(curve, 16, 0)[faces].mean(1)
    outward = np.einsum("fk,fk->f", np.cross(b - a, c - a), (a + b + c) / 3 - centre)
    assert (outward > 0).all()
    assert np.allclose(np.linalg.norm(points - np.repeat(curve, 16, 0), axis=1), 0.1, atol=1e-5)


def test_hair_colours_differ():
    grey, red = (loose_hair(Looks(hair_colour=name).hair_tint).albedo.mean(0) for name in ("grey", "red"))
    assert np.ptp(grey) < 0.2 * grey.max() and red[0] > 2 * red[2]


@pytest.mark.parametrize("wrong", [{"skin": "green"}, {"hair": "bun"}, {"hair_colour": "blue"}])
def test_what_is_not_in_the_wardrobe_is_one_clear_error(wrong):
    with pytest.raises(EGSTalkerError, match="choose"):
        Looks(**wrong)
