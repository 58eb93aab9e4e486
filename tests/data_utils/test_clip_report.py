"""What is said of a clip before the work starts, against what was done to it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.signal import resample_poly

from data_utils import process
from data_utils.clip_report import pictures as looking
from data_utils.clip_report.pictures import measure_pictures, stretches, yaw
from data_utils.clip_report.report import ClipReport, inspect_clip
from data_utils.clip_report.sound import measure_sound, speech_pieces
from data_utils.clip_report.sync import measure_lag
from data_utils.face_mesh_model import FaceMesh
from data_utils.source import Source
from media.sound import read_audio
from media.video import read_frames
from media.video_writer import VideoWriter
from sample.character import Expression, rotation_y
from sample.performance import NECK_PIVOT, STAND, perform
from sample.recording import prepare

SIDE = 400  # pixels of the pictures, enlarged from the sample's 192


@pytest.fixture(scope="module")
def frames(talking_head) -> list[np.ndarray]:
    """2.4 seconds of the sample's figure."""
    return [enlarged(picture) for picture in read_frames(talking_head)]


@pytest.fixture(scope="module")
def sound(talking_head) -> np.ndarray:
    return read_audio(talking_head)


@pytest.fixture(scope="module")
def good(tmp_path_factory, frames, sound) -> ClipReport:
    """Of a clip with which all is well, but for its length."""
    return inspect_clip(Source(written(tmp_path_factory.mktemp("good") / "good.mp4", frames, sound)))


def enlarged(picture: np.ndarray) -> np.ndarray:
    return cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)


def written(path: Path, frames: list[np.ndarray], sound: np.ndarray) -> Path:
    height, width = frames[0].shape[:2]
    with VideoWriter(path, width, height, audio=sound, preset="ultrafast") as film:
        for frame in frames:
            film.write(frame)
    return path


def limits(report: ClipReport, **changes) -> dict[str, str]:
    return dataclasses.replace(report, **changes).to_json()["limits"]


@pytest.fixture
def looked_at(tmp_path, sound):
    """What is measured in pictures."""
    return lambda frames: measure_pictures(Source(written(tmp_path / "clip.mp4", frames, sound)))


def test_a_good_clip_is_told_of_its_length_alone(good, talking_head):
    told = good.to_json()
    assert set(told["limits"]) == {"speech"}
    assert not limits(good, sound=dataclasses.replace(good.sound, speech=130.0))
    assert 1.5 < told["speech_seconds"] <= 2.4
    assert (told["face_share"], told["picture_side"], told["cuts"], told["clipped_share"]) == (1.0, SIDE, [], 0.0)
    assert told["speech_to_noise"] > 30 and told["light_change"] < 4 and told["camera_motion"] < 0.3
    turns = np.load(talking_head.with_name("head_truth.npz"))["rotation"][:: looking.EVERY]
    turned = np.degrees(np.arctan2(turns[:, 0, 2], turns[:, 2, 2]))
    np.testing.assert_allclose(told["yaw_degrees"], np.percentile(turned, (2, 98)), atol=6)


def test_the_page_has_a_line_for_each_quality(good):
    head, *lines, count = good.page().splitlines()
    assert head == "good.mp4, 0:02.4: what will limit the head"
    names = ["speech", "face", "size", "turn", "light", "camera", "cuts", "sync", "noise", "clipping"]
    assert [line.split()[0] for line in lines] == names
    assert [line.split()[0] for line in lines if "  <- " in line] == ["speech"]
    assert count == "  1 of 10 limit it"


def test_the_turn_of_a_head_is_right_to_some_degrees(good):
    sample = prepare(1.0, 160)
    with FaceMesh(tracking=False) as mesh:
        for angle in (-50, -25, 0, 25, 50):
            turn = rotation_y(np.radians(angle)).astype(np.float64)
            place = STAND + NECK_PIVOT - turn @ NECK_PIVOT
            pose = {"rotation": turn[None], "translation": place[None], "stand": STAND[None]}
            performance = dataclasses.replace(sample.performance, expressions=(Expression(jaw=0.3),), **pose)
            picture, _ = dataclasses.replace(sample, performance=performance).draw(0)
            (found,) = yaw(mesh.faces(enlarged(picture)).astype(np.float64))
            assert abs(found - angle) < (12 if abs(angle) > 30 else 6)


def test_a_head_that_is_turned_far_is_told(good):
    def turned(*degrees: float) -> dict[str, str]:
        return limits(good, pictures=dataclasses.replace(good.pictures, yaw=degrees))

    assert "camera" in turned(-10.0, 50.0)["turn"] and "camera" in turned(-50.0, 10.0)["turn"]
    assert "turn" not in turned(-40.0, 40.0)


def test_a_small_face_is_told_in_pixels(looked_at, frames, good):
    """The same pictures at a third of their size, in a wide one."""
    wide = []
    for frame in frames:
        wide.append(np.full((240, 400, 3), 90, np.uint8))
        wide[-1][50:183, 100:233] = cv2.resize(frame, (133, 133), interpolation=cv2.INTER_AREA)
    seen = looked_at(wide)
    assert seen.face_height == pytest.approx(good.pictures.face_height / 3, rel=0.1)
    assert seen.picture_side < 200
    assert "more pixels" in limits(good, pictures=seen)["size"]


def test_where_the_face_is_away_is_told(looked_at, frames, good):
    seen = looked_at([np.full_like(frames[0], 90) if 24 <= i < 36 else frame for i, frame in enumerate(frames)])
    assert seen.face_share == pytest.approx(4 / 5)
    told = dataclasses.replace(good, pictures=seen).to_json()
    assert told["limits"]["face"] == "it is away at about 0:01.0: nothing is learnt there; cut that out"
    assert told["cuts"] == [0.96, 1.44]
    assert told["limits"]["cuts"] == "at 0:01.0, 0:01.4; one unbroken shot makes the best head"
    fewer = dataclasses.replace(seen, found=np.array([True, False, False, True, True]))
    assert "refused" in limits(good, pictures=fewer)["face"]


def test_a_light_that_changes_is_told(looked_at, frames, good):
    dimmed = [cv2.convertScaleAbs(frame, alpha=1 - 0.4 * i / len(frames)) for i, frame in enumerate(frames)]
    seen = looked_at(dimmed)
    factor = 1 - 0.4 * np.arange(0, len(frames), looking.EVERY) / len(frames)
    level = np.mean([frame[160:260, 150:250].mean() for frame in frames[:1]])
    assert seen.light == pytest.approx(factor.std() * level, rel=0.3)
    assert "exposure" in limits(good, pictures=seen)["light"] and not seen.cuts


def test_a_camera_that_strays_is_told(looked_at, frames, good):
    way = [round(6 * np.sin(i / 12)) for i in range(len(frames))]
    seen = looked_at([np.roll(frame, (x // 2, x), (0, 1)) for frame, x in zip(frames, way, strict=True)])
    places = np.array([(x, x // 2) for x in way[:: looking.EVERY]], float)
    strays = np.percentile(np.hypot(*(places - np.median(places, axis=0)).T), 95)
    assert seen.camera == pytest.approx(strays, rel=0.15)
    assert "stand" in limits(good, pictures=seen)["camera"]


def test_behind_a_plain_wall_no_camera_is_judged(looked_at, frames, good, talking_head):
    masks = np.load(talking_head.with_name("head_truth.npz"))["mask"]
    behind = [cv2.resize(mask, (SIDE, SIDE), interpolation=cv2.INTER_NEAREST) == 0 for mask in masks]
    seen = looked_at(
        [np.where(wall[..., None], np.uint8(150), frame) for wall, frame in zip(behind, frames, strict=True)]
    )
    assert seen.camera is None
    assert "not sure" in dataclasses.replace(good, pictures=seen).page()
    assert "camera" not in limits(good, pictures=seen)


def spoken_lips(monkeypatch, gap: np.ndarray) -> None:
    """Let FaceMesh see lips that open so far, in eye distances, in every frame of a clip."""

    def faces(pictures, source):
        for number, _ in pictures:
            face = np.zeros((478, 3))
            face[263, 0] = 1.0
            face[[87, 14, 317], 1] = gap[number]
            yield number, face

    monkeypatch.setattr("data_utils.clip_report.sync.faces_of", faces)


@pytest.mark.parametrize(("late", "said"), [(0, 0), (6, 6), (-8, -8), (None, None)])
def test_how_far_lips_and_sound_are_apart_is_found_where_the_sound_moves_them(tmp_path, monkeypatch, late, said):
    played = perform(300)
    gap = np.array([0.3 * expression.jaw for expression in played.expressions])
    spoken_lips(monkeypatch, np.random.default_rng(0).permutation(gap) if late is None else np.roll(gap, late))
    samples = resample_poly(played.sound, 2, 3).astype(np.float32)
    source = Source(written(tmp_path / "clip.mp4", [np.zeros((64, 64, 3), np.uint8)] * 300, samples))
    found = measure_lag(source, samples, speech_pieces(samples), 300)
    assert found is None if said is None else abs(found - said) <= 1


def test_what_is_out_of_step_is_said_in_milliseconds_and_what_is_unknown_is_not(good):
    late = dataclasses.replace(good, lag=5)
    assert "lips move 200 ms after their sound" in late.page() and "shift" in late.to_json()["limits"]["sync"]
    assert "lips move 120 ms before" in dataclasses.replace(good, lag=-3).page()
    unknown = dataclasses.replace(good, lag=None)
    assert "sync      not sure" in unknown.page() and "sync" not in unknown.to_json()["limits"]


@pytest.mark.parametrize("decibels", [40, 25, 10, 0])
def test_noise_is_told_in_decibels(spoken, good, decibels):
    level = 0.06 * 1.1
    noise = np.random.default_rng(0).normal(0, level * 10 ** (-decibels / 20), len(spoken)).astype(np.float32)
    heard = measure_sound(spoken + noise)
    assert heard.speech_to_noise == pytest.approx(decibels, abs=3)
    assert ("noise" in limits(good, sound=heard)) == (decibels < 16)


def test_speech_is_told_from_silence_noise_and_tones(spoken):
    rng = np.random.default_rng(1)
    whole = measure_sound(spoken).speech
    assert 4 < whole <= 6
    assert measure_sound(np.pad(spoken, (0, 5 * 16000))).speech == pytest.approx(whole, abs=0.5)
    steady = 0.06 * rng.normal(size=5 * 16000).astype(np.float32)
    assert measure_sound(np.concatenate([spoken, steady])).speech == pytest.approx(whole, abs=1)
    assert measure_sound(steady).speech == 0
    assert measure_sound(0.3 * np.sin(np.arange(80000) / 6).astype(np.float32)).speech == 0


def test_little_speech_and_clipping_are_told(good, spoken):
    clipped = measure_sound(np.clip(20 * spoken, -1, 1))
    assert clipped.clipped > 0.05 and "lower level" in limits(good, sound=clipped)["clipping"]
    assert "--speech_prior" in limits(good, sound=dataclasses.replace(good.sound, speech=19.0))["speech"]
    assert "two minutes" in limits(good, sound=dataclasses.replace(good.sound, speech=60.0))["speech"]


def test_of_a_long_clip_stretches_are_looked_at():
    assert stretches(2000) == [range(2000)]
    parts = stretches(30000)
    assert [len(part) for part in parts] == [250] * 8
    assert parts[0].start == 0 and parts[-1].stop == 30000


def test_the_door_can_look_and_make_nothing_but_the_figures(tmp_path, frames, sound, monkeypatch, capsys):
    video, figures = written(tmp_path / "head.mp4", frames, sound), tmp_path / "figures.json"

    def ran(*arguments: str | Path) -> int:
        monkeypatch.setattr("sys.argv", ["process.py", *map(str, arguments)])
        return process.main()

    assert ran(video, "--inspect", "--json", figures) == 0
    assert capsys.readouterr().out.startswith("head.mp4, 0:02.4: what will limit the head\n  speech ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["figures.json", "head.mp4"]
    assert json.loads(figures.read_text())["seconds"] == 2.4
    with pytest.raises(SystemExit, match="2"):
        ran(video, "--json", figures)
    assert "--json goes with --inspect" in capsys.readouterr().err
