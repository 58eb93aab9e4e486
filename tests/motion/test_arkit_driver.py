"""ARKit's blendshapes, in both of their files, and what a head makes of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from arguments.errors import EGSTalkerError
from motion.arkit_driver import MEASURES, OPENING, arkit_codes, is_arkit, read_blendshape_json, read_live_link
from motion.csv_table import CsvTable
from motion.expression_measures import PersonMeasures
from motion.face_measures import FaceMeasures
from motion.model_motion import ModelMotion
from motion.motion_file import read_motion
from tests.motion.made_face import dense_points, lively, motion_of_face, moving_face, of_code

SHAPES = """
eyeBlinkLeft eyeLookDownLeft eyeLookInLeft eyeLookOutLeft eyeLookUpLeft eyeSquintLeft eyeWideLeft
eyeBlinkRight eyeLookDownRight eyeLookInRight eyeLookOutRight eyeLookUpRight eyeSquintRight
eyeWideRight jawForward jawRight jawLeft jawOpen mouthClose mouthFunnel mouthPucker mouthRight
mouthLeft mouthSmileLeft mouthSmileRight mouthFrownLeft mouthFrownRight mouthDimpleLeft
mouthDimpleRight mouthStretchLeft mouthStretchRight mouthRollLower mouthRollUpper
mouthShrugLower mouthShrugUpper mouthPressLeft mouthPressRight mouthLowerDownLeft
mouthLowerDownRight mouthUpperUpLeft mouthUpperUpRight browDownLeft browDownRight browInnerUp
browOuterUpLeft browOuterUpRight cheekPuff cheekSquintLeft cheekSquintRight noseSneerLeft
noseSneerRight tongueOut
"""
NAMES = tuple(SHAPES.split())
ANGLES = [f"{what}{angle}" for what in ("Head", "LeftEye", "RightEye") for angle in ("Yaw", "Pitch", "Roll")]


@pytest.fixture(scope="module")
def motion() -> ModelMotion:
    return motion_of_face(moving_face(lively()))


def _shapes(**weights: float | np.ndarray) -> np.ndarray:
    length = max((len(w) for w in weights.values() if isinstance(w, np.ndarray)), default=1)
    values = np.zeros((length, len(NAMES)))
    for name, weight in weights.items():
        sides = [name] if name in NAMES else [f"{name}Left", f"{name}Right"]
        for side in sides:
            values[:, NAMES.index(side)] = weight
    return values


def _live_link(path: Path, values: np.ndarray, rate: int = 60, start: float = 3600.0) -> Path:
    header = ["Timecode", "BlendShapeCount", *(name[0].upper() + name[1:] for name in NAMES), *ANGLES]
    lines = [",".join(header)]
    for i, row in enumerate(values):
        whole, frame = divmod(i, rate)
        second = int(start + whole) % 86_400
        code = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}:{frame:02}.207"
        lines.append(",".join([code, "61", *(f"{v:.5f}" for v in row), *["-12.5"] * 9]))
    path.write_text("\n".join(lines) + "\n")
    return path


def _json(path: Path, values: np.ndarray, rate: float = 30.0) -> Path:
    frames = [{"weights": row.tolist(), "time": i / rate, "rotation": []} for i, row in enumerate(values)]
    path.write_text(json.dumps({"names": list(NAMES), "metadata": {"fps": rate}, "frames": frames}))
    return path


def test_every_shape_that_is_used_is_one_of_apples() -> None:
    used = {*OPENING, *(name for effects in MEASURES.values() for name in effects)}
    assert len(NAMES) == 52
    assert all(name in NAMES or {f"{name}Left", f"{name}Right"} <= set(NAMES) for name in used)


def test_shapes_move_what_they_are_called_after(motion: ModelMotion) -> None:
    measured = motion.measured.double().numpy()
    person = PersonMeasures.of(motion.code, measured)

    def face(**weights: float) -> dict[str, float]:
        row = dict(zip((name.lower() for name in NAMES), _shapes(**weights).T, strict=True))
        return {name: float(v[0]) for name, v in of_code(motion.code, arkit_codes(row, person)).items()}

    own, rest = of_code(motion.code, measured), face()
    ends = {name: np.percentile(values, (5, 95)) for name, values in own.items()}
    span = {name: high - low for name, (low, high) in ends.items()}
    assert rest["gap"] == pytest.approx(ends["gap"][0], abs=0.02 * span["gap"])
    assert face(jawOpen=1)["gap"] == pytest.approx(ends["gap"][1], abs=0.02 * span["gap"])
    assert face(jawOpen=0.5)["gap"] == pytest.approx(ends["gap"].mean(), abs=0.02 * span["gap"])
    assert face(jawOpen=1, mouthClose=1)["gap"] == pytest.approx(rest["gap"], abs=1e-6)
    for weights, measure, way in [
        ({"mouthSmile": 1.0}, "width", 0.25),
        ({"mouthSmile": 1.0}, "corners", 0.3),
        ({"mouthFrown": 1.0}, "corners", -0.3),
        ({"mouthPucker": 1.0}, "width", -0.3),
        ({"mouthPucker": 1.0}, "forward", 0.3),
        ({"browInnerUp": 1.0}, "inner_brows", 0.3),
        ({"browOuterUp": 1.0}, "outer_brows", 0.3),
        ({"browDown": 1.0}, "inner_brows", -0.3),
    ]:
        moved = (face(**weights)[measure] - rest[measure]) / span[measure]
        assert moved * np.sign(way) > abs(way), (weights, measure, moved)
        assert abs(face(**weights)["gap"] - rest["gap"]) < 0.1 * span["gap"]


def test_shapes_without_meaning_for_a_code_do_nothing(motion: ModelMotion, tmp_path: Path) -> None:
    still = read_blendshape_json(_json(tmp_path / "a.json", _shapes(jawOpen=0.4)), motion)
    more = read_blendshape_json(
        _json(tmp_path / "b.json", _shapes(jawOpen=0.4, tongueOut=1, cheekPuff=1, eyeLookUp=1)), motion
    )
    np.testing.assert_array_equal(still.codes.numpy(), more.codes.numpy())


def test_a_phones_recording_and_a_models_json_are_the_same_motion(motion: ModelMotion, tmp_path: Path) -> None:
    def shown(times: np.ndarray) -> np.ndarray:
        return _shapes(jawOpen=0.5 - 0.5 * np.cos(5 * times), eyeBlink=0.5 + 0.5 * np.sin(3 * times))

    phone = read_motion(_live_link(tmp_path / "a.csv", shown(np.arange(180) / 60)), motion)
    slow = read_motion(_live_link(tmp_path / "b.csv", shown(np.arange(90) / 30), rate=30), motion)
    model = read_motion(_json(tmp_path / "c.json", shown(np.arange(90) / 30)), motion)
    assert len(phone) == 75 and len(slow) == len(model) == 75
    times = np.arange(75) / 25
    for driven in (phone, slow, model):
        inner = slice(1, 73)
        np.testing.assert_allclose(driven.eyes[inner], (0.5 + 0.5 * np.sin(3 * times))[inner], atol=0.02)
        assert np.corrcoef(driven.codes[inner, 0], (-np.cos(5 * times))[inner])[0, 1] > 0.995
    assert not np.allclose(phone.codes[0], phone.codes[40])


def test_a_recording_may_pass_midnight_and_repeat_a_row(motion: ModelMotion, tmp_path: Path) -> None:
    values = _shapes(jawOpen=np.linspace(0, 1, 120))
    noon = read_motion(_live_link(tmp_path / "a.csv", values, start=43_200), motion)
    night = _live_link(tmp_path / "b.csv", values, start=86_399)
    lines = night.read_text().splitlines()
    night.write_text("\n".join([*lines[:50], lines[49], *lines[50:]]))
    np.testing.assert_allclose(read_motion(night, motion).codes, noon.codes, atol=1e-5)


@pytest.mark.parametrize(
    ("find", "put", "said"),
    [
        ("01:00:00:05.207", "1.5", "'1.5' is not hours:minutes:seconds:frames"),
        ("01:00:00:05.207", "01:00:00:03.207", "not after the one before"),
        ("01:00:00:05.207", "03:00:00:05.207", "not after the one before"),
        ("Timecode", "Time", "no column Timecode"),
        ("MouthClose", "JAWOPEN", "a name comes twice"),
        ("0.25000", "25.0", "JawOpen reaches 25; weights are 0 to 1"),
        ("0.25000", "high", "JawOpen of row 1 is 'high'"),
    ],
)
def test_a_damaged_recording_is_refused(motion: ModelMotion, tmp_path: Path, find: str, put: str, said: str) -> None:
    path = _live_link(tmp_path / "a.csv", _shapes(jawOpen=np.full(9, 0.25)))
    path.write_text(path.read_text().replace(find, put))
    table = CsvTable.read(path)
    assert is_arkit(table)
    with pytest.raises(EGSTalkerError, match=said) as refused:
        read_live_link(table, motion)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "content",
    [
        "", "{", "[]", "7", "[" * 100_000, '{"names": ["jawOpen"]}', '{"names": ["jawOpen"], "frames": []}',
        '{"names": ["jawOpen"], "frames": [{"weights": [0.1]}]}',
        '{"names": ["jawOpen"], "frames": [{"weights": [0.1, 0.2], "time": 0}]}',
        '{"names": ["smile"], "frames": [{"weights": [0.1], "time": 0}]}',
        '{"names": ["jawOpen"], "frames": [{"weights": [NaN], "time": 0}]}',
        '{"names": ["jawOpen"], "frames": [{"weights": [40], "time": 0}]}',
        '{"names": ["jawOpen"], "frames": [{"weights": [0], "time": 1}, {"weights": [0], "time": 0}]}',
        '{"names": ["jawOpen"], "frames": [{"weights": [0], "time": 0}, {"weights": [0], "time": 1e9}]}',
        '{"names": ["jawOpen"], "frames": [{"weights": [0], "time": 0}, {"weights": [0, 1], "time": 1}]}',
        '{"names": 3, "frames": 4}',
    ],
)  # fmt: skip
def test_json_that_is_no_motion_is_refused(motion: ModelMotion, tmp_path: Path, content: str) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(EGSTalkerError, match=r"a\.json") as refused:
        read_blendshape_json(tmp_path / "a.json", motion)
    assert "\n" not in str(refused.value)


def test_heads_of_other_points_take_what_they_can(tmp_path: Path) -> None:
    """A dense mesh of no known order opens its mouth and takes its width; 68 landmarks take all but depth."""
    face = moving_face(lively())
    other = motion_of_face(FaceMeasures(dense_points(face), face.gap, face.blink))
    person = PersonMeasures.of(other.code, other.measured.double().numpy())
    assert person.names == ("width",)
    codes = person.raised(np.array([0.0, 1.0]), {})
    assert other.code.gap(codes)[1] > other.code.gap(codes)[0] + 0.02
    driven = read_blendshape_json(_json(tmp_path / "a.json", _shapes(jawOpen=np.linspace(0, 1, 30))), other)
    assert np.corrcoef(driven.codes[:, 0], np.arange(len(driven)))[0, 1] > 0.999

    from data_utils.face_mesh import IBUG_68

    rows = [round(k * 467 / 477) for k in IBUG_68]
    flat = motion_of_face(FaceMeasures(face.points[:, rows, :2], face.gap, face.blink))
    names = PersonMeasures.of(flat.code, flat.measured.double().numpy()).names
    assert "outer_brows" in names and "forward" not in names
