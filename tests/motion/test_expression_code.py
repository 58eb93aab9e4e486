"""The expression code finds what moves a face, and says it again."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from motion.expression_code import ExpressionCode
from motion.face_measures import FaceMeasures
from tests.motion.faces import made_up_face

TRAIN = np.arange(300)


@pytest.fixture(scope="module")
def face() -> tuple[FaceMeasures, np.ndarray]:
    return made_up_face()


@pytest.fixture(scope="module")
def code(face) -> ExpressionCode:
    return ExpressionCode.fit(face[0], TRAIN, lower=2, upper=1)


def explained(cause: np.ndarray, effect: np.ndarray) -> float:
    """Share of an effect's variance that is linear in its causes."""
    cause = np.concatenate([cause, np.ones((len(cause), 1))], axis=1)
    left = effect - cause @ np.linalg.lstsq(cause, effect, rcond=None)[0]
    return 1 - left.var(0).sum() / effect.var(0).sum()


@pytest.mark.parametrize("dimensions", [2, 3])
def test_what_was_planted_is_found_again_in_frames_that_were_held_out(dimensions):
    face, drives = made_up_face(1, dimensions=dimensions)
    code = ExpressionCode.fit(face, TRAIN, lower=2, upper=1)
    found, held = code.measure(face)[300:], drives[300:]
    assert len(code) == 4 and found.shape == (100, 4)
    assert np.corrcoef(found[:, 0], held[:, 0])[0, 1] > 0.999  # the gap
    assert explained(found[:, 1:3], held[:, 1:3]) > 0.98  # the mouth, in two directions of its plane
    assert abs(np.corrcoef(found[:, 3], held[:, 3])[0, 1]) > 0.98  # the brows
    assert explained(found, held[:, 4:]) < 0.2  # blinks are not part of it


def test_a_code_is_in_deviations_about_the_mean_of_the_frames_that_it_learnt(face, code):
    measured = code.measure(face[0])[TRAIN]
    assert measured.mean(0) == pytest.approx(np.zeros(4), abs=1e-5)
    assert measured.std(0) == pytest.approx(np.ones(4), abs=1e-5)


def test_the_gap_of_a_code_is_the_gap_that_was_measured(face, code):
    assert code.gap(code.measure(face[0]).astype(float)) == pytest.approx(face[0].gap, abs=1e-6)


def test_the_face_that_a_code_describes_is_the_one_that_was_measured(face, code):
    still = face[0].blink == 0
    said, true = code.points(code.measure(face[0]).astype(float))[still], face[0].points[still]
    assert np.abs(said - true).max() < 0.01  # decimetres: a millimetre, of six
    assert np.square(said - true).mean() < 0.02 * np.square(true - true.mean(0)).mean()


def test_codes_matter_by_how_far_they_move_the_lips(code):
    importance = code.importance()
    assert (importance > 0).all()
    assert importance[:3].min() > 20 * importance[3]


def test_frames_that_it_does_not_learn_from_change_nothing(face, code):
    other = FaceMeasures(face[0].points.copy(), face[0].gap.copy(), face[0].blink)
    other.points[350:] += 5.0
    other.gap[350:] = 9.0
    again = ExpressionCode.fit(other, TRAIN, lower=2, upper=1)
    assert np.array_equal(again.measure(face[0]), code.measure(face[0]))


def test_a_face_with_fewer_directions_than_codes_leaves_the_rest_at_zero():
    points = np.zeros((50, 4, 2))
    points[:] = [[0, 0], [0.2, 0], [0, 0.9], [0.2, 0.9]]
    points[:, 0, 1] -= np.linspace(0, 0.3, 50)
    face = FaceMeasures(points, np.linspace(0, 0.3, 50), np.zeros(50))
    code = ExpressionCode.fit(face, np.arange(50), lower=9, upper=3)
    measured = code.measure(face)
    assert len(code) == 13 and np.isfinite(measured).all()
    assert measured[:, 0].std() == pytest.approx(1, abs=1e-5)
    assert np.abs(code.points(measured.astype(float)) - points).max() < 1e-6


def test_a_face_that_never_moves_has_a_code_of_zeros():
    still = FaceMeasures(np.ones((20, 5, 3)), np.full(20, 0.1), np.zeros(20))
    code = ExpressionCode.fit(still, np.arange(20), lower=2, upper=1)
    assert np.abs(code.measure(still)).max() < 1e-3


def test_a_code_is_written_and_read_bit_for_bit(face, code, tmp_path):
    save_file(code.arrays(), tmp_path / "code.safetensors")
    again = ExpressionCode.from_arrays(load_file(tmp_path / "code.safetensors"))
    assert np.array_equal(again.measure(face[0]), code.measure(face[0]))
    codes = np.random.default_rng(0).normal(size=(3, 4))
    assert np.array_equal(again.points(codes), code.points(codes))


@pytest.mark.parametrize("damage", ["missing", "shape", "nan", "deviation"])
def test_damaged_arrays_are_refused(code, damage):
    arrays = code.arrays()
    if damage == "missing":
        del arrays["decoder"]
    elif damage == "shape":
        arrays["lower"] = arrays["lower"][:, :-1]
    elif damage == "nan":
        arrays["centre"][0, 0] = np.nan
    else:
        arrays["deviation"][1] = 0.0
    with pytest.raises((KeyError, ValueError)):
        ExpressionCode.from_arrays(arrays)
