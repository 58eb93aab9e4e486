"""Which arrays make a face model."""

from __future__ import annotations

import numpy as np
import pytest

from arguments.errors import EGSTalkerError
from data_utils.face_tracking.morphable_model import MorphableModel


def arrays() -> dict[str, np.ndarray]:
    """Those of a model of 80 vertices."""
    rng = np.random.default_rng(0)
    shapes = {
        "mean": (80, 3),
        "identity": (4, 80, 3),
        "expression": (5, 80, 3),
        "texture_mean": (80, 3),
        "texture": (2, 80, 3),
    }
    return {
        **{name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()},
        "faces": rng.integers(80, size=(30, 3), dtype=np.int32),
        "landmarks": np.arange(68, dtype=np.int32),
        "skin": np.ones(80, bool),
    }


def test_arrays_that_fit_make_a_model():
    given = arrays()
    model = MorphableModel.of({**given, "another": np.zeros(3)})
    assert all(getattr(model, name) is array for name, array in given.items())


def test_an_array_that_is_not_there_is_named():
    given = arrays()
    del given["texture"], given["skin"]
    with pytest.raises(EGSTalkerError, match="texture, skin"):
        MorphableModel.of(given)


@pytest.mark.parametrize(
    ("name", "spoilt", "said"),
    [
        ("expression", lambda array: array[:, :79], r"expression is \[5, 79, 3\] where \[5, 80, 3\] belongs"),
        ("landmarks", lambda array: array[:67], r"landmarks is \[67\] where \[68\] belongs"),
        ("faces", lambda array: array[:0], r"faces is \[0, 3\]"),
        ("identity", lambda array: array.astype(float), "identity holds float64 where float32 belongs"),
        ("texture_mean", lambda array: np.where(array == array.max(), np.inf, array), "texture_mean .* not finite"),
        ("faces", lambda array: array + np.int32(1000), "faces points beyond the 80 vertices"),
    ],
)
def test_an_array_that_does_not_fit_is_said(name, spoilt, said):
    given = arrays()
    with pytest.raises(EGSTalkerError, match=said):
        MorphableModel.of({**given, name: spoilt(given[name])})
