"""What moves a face, in a model folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from arguments.errors import EGSTalkerError
from arguments.model_folder import ModelFolder
from motion.blinks import blink_rate
from motion.face_measures import FaceMeasures
from motion.model_motion import ModelMotion


def _motion() -> ModelMotion:
    rng = np.random.default_rng(0)
    blink = np.zeros(300)
    for onset in range(30, 300, 45):
        blink[onset : onset + 4] = 0.5, 1, 0.8, 0.3
    blink[275:] = np.arange(25) % 5 / 5  # of the held-out part: nothing is learnt from it
    face = FaceMeasures(rng.normal(0, 0.1, (300, 6, 3)), rng.random(300), blink)
    return ModelMotion.of_clip(face, np.arange(270), 270, lower=2, upper=1)


def test_a_folder_keeps_the_persons_blinks_and_idle_motion(tmp_path: Path) -> None:
    motion = _motion()
    motion.save_code(ModelFolder(tmp_path))
    again = ModelMotion.load(ModelFolder(tmp_path), needs_speech=False)
    assert again.blinks is not None
    assert motion.blinks is not None
    own = again.blinks.generate(9000, 2)
    np.testing.assert_array_equal(own, motion.blinks.generate(9000, 2))
    assert blink_rate(own) == pytest.approx(60 * 25 / 45, rel=0.2)
    np.testing.assert_array_equal(again.measured, motion.measured)
    assert again.idle is not None
    assert motion.idle is not None
    np.testing.assert_array_equal(again.idle.generate(90, 2), motion.idle.generate(90, 2))


def test_a_folder_of_an_older_version_has_none(tmp_path: Path) -> None:
    folder = ModelFolder(tmp_path)
    _motion().save_code(folder)
    arrays = {name: value for name, value in load_file(folder.expression_code).items() if "." not in name}
    save_file(arrays, folder.expression_code)
    motion = ModelMotion.load(folder, needs_speech=False)
    assert motion.blinks is None
    assert motion.idle is None


@pytest.mark.parametrize("damage", ["nan", "missing", "shape", "codes"])
def test_damaged_motion_is_named(tmp_path: Path, damage: str) -> None:
    folder = ModelFolder(tmp_path)
    _motion().save_code(folder)
    arrays = load_file(folder.expression_code)
    if damage == "nan":
        arrays["blinks.rest"] = np.array(np.nan)
    elif damage == "shape":
        arrays["blinks.rate"] = np.ones(3)
    elif damage == "codes":
        for name in ("idle.spectrum", "idle.middle", "idle.spread"):
            arrays[name] = arrays[name][:2].copy()
    else:
        del arrays["blinks.profiles"]
    save_file(arrays, folder.expression_code)
    with pytest.raises(EGSTalkerError, match=r"code\.safetensors is damaged"):
        ModelMotion.load(folder, needs_speech=False)
