from __future__ import annotations

import subprocess
import sys

import av
import numpy as np
import pytest

from arguments.errors import EGSTalkerError
from media.sound import read_audio
from sample import make_sample
from sample.performance import FPS, HELD_OUT, perform
from sample.recording import prepare
from sample.shape import EYE_CENTRE
from sample.voice import CONSONANTS, SAMPLE_RATE, VOWELS

SECONDS, SIZE = 3.0, 320


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("sample") / "with space" / "sample.mp4"
    truth = make_sample(path, SECONDS, SIZE)
    with np.load(truth) as arrays:
        return path, dict(arrays)


@pytest.fixture(scope="module")
def frames(clip):
    with av.open(str(clip[0])) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


@pytest.fixture(scope="module")
def landmarks(frames):
    face_mesh = pytest.importorskip("mediapipe").solutions.face_mesh
    points = np.full((len(frames), 478, 2), np.nan)
    with face_mesh.FaceMesh(refine_landmarks=True) as tracker:
        for i, frame in enumerate(frames):
            faces = tracker.process(frame).multi_face_landmarks
            if faces:
                points[i] = [(p.x * SIZE, p.y * SIZE) for p in faces[0].landmark]
    return points


@pytest.fixture(scope="module")
def act():
    """The demo's whole performance."""
    return perform(600)


def project(truth, point):
    camera = truth["rotation"] @ point + truth["translation"]
    u = SIZE / 2 + truth["focal"] * camera[:, 0] / -camera[:, 2]
    v = SIZE / 2 - truth["focal"] * camera[:, 1] / -camera[:, 2]
    return np.stack([u, v], 1)


def correlation(a, b):
    return np.corrcoef(a, b)[0, 1]


def test_the_same_arguments_make_the_same_frames_and_sound():
    first, second = (prepare(1.0, 128, 3) for _ in range(2))
    assert np.array_equal(first.performance.sound, second.performance.sound)
    assert not np.array_equal(first.performance.sound, perform(25, 4).sound)
    for (picture, labels), (again, labels_again) in zip(first.frames(1), second.frames(3), strict=True):
        assert np.array_equal(picture, again)
        assert np.array_equal(labels, labels_again)


def test_truth_has_a_row_for_each_frame(clip, frames):
    truth, count = clip[1], round(SECONDS * FPS)
    assert len(frames) == count
    assert truth["mask"].shape == (count, SIZE, SIZE)
    assert truth["mask"].dtype == np.uint8
    assert set(np.unique(truth["mask"])) == {0, 1, 2, 3}
    assert truth["rotation"].shape == (count, 3, 3)
    assert np.allclose(truth["rotation"] @ truth["rotation"].transpose(0, 2, 1), np.eye(3), atol=1e-5)
    assert np.allclose(np.linalg.det(truth["rotation"]), 1, atol=1e-5)
    for name in ("mouth_open", "eye_open"):
        assert truth[name].shape == (count,)
        assert truth[name].min() < 0.1
        assert truth[name].max() <= 1.0 + 1e-6


def test_sound_and_picture_are_equally_long(clip):
    with av.open(str(clip[0])) as container:
        sound = sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))
    assert abs(sound - SECONDS) < 1 / FPS


def test_sound_in_the_file_is_where_it_was_synthesized(clip):
    decoded = read_audio(clip[0], SAMPLE_RATE)
    original = perform(round(SECONDS * FPS)).sound
    n = min(len(decoded), len(original))
    spectrum = np.fft.rfft(original[:n], 2 * n) * np.conj(np.fft.rfft(decoded[:n], 2 * n))
    lag = int(np.argmax(np.fft.irfft(spectrum)))
    assert min(lag, 2 * n - lag) < 0.005 * SAMPLE_RATE


def test_pupils_are_where_the_pose_puts_them(clip, frames):
    """The darkest spot near each projected pupil of an open eye is the pupil."""
    truth = clip[1]
    for side in (-1, 1):
        pupil = project(truth, EYE_CENTRE * [side, 1, 1] + [0, 0, 0.12])
        for i in np.flatnonzero(truth["eye_open"] > 0.99)[::9]:
            u, v = np.round(pupil[i]).astype(int)
            patch = frames[i][v - 5 : v + 6, u - 5 : u + 6].astype(float).mean(-1)
            dark = np.clip(70 - patch, 0, None)
            rows, columns = np.mgrid[-5:6, -5:6]
            found = np.array([(dark * columns).sum(), (dark * rows).sum()]) / dark.sum() + (u + 0.5, v + 0.5)
            assert np.linalg.norm(found - pupil[i]) < 3.0


def test_landmarks_follow_the_pose(clip, landmarks):
    nose = project(clip[1], np.array([0.0, -0.10, 1.08]))
    offset = landmarks[:, 5] - nose
    assert np.all(np.std(offset, axis=0) < 2.0)
    assert np.all(np.abs(np.mean(offset, axis=0)) < 8.0)


def test_face_mesh_finds_and_reads_the_face(clip, landmarks):
    truth = clip[1]
    assert np.isfinite(landmarks[:, 0, 0]).mean() >= 0.99

    def gap(a, b):
        return np.linalg.norm(landmarks[:, a] - landmarks[:, b], axis=1)

    eyes = gap(159, 145) / gap(33, 133) + gap(386, 374) / gap(263, 362)
    assert correlation(eyes, truth["eye_open"]) >= 0.9
    assert correlation(gap(13, 14), truth["mouth_open"]) >= 0.9


def test_selfie_segmentation_finds_the_person(clip, frames):
    solutions = pytest.importorskip("mediapipe").solutions
    with solutions.selfie_segmentation.SelfieSegmentation(model_selection=0) as segmenter:
        for i in (0, 40):
            person = segmenter.process(frames[i]).segmentation_mask > 0.5
            truth = clip[1]["mask"][i] > 0
            assert (person & truth).sum() / (person | truth).sum() > 0.95


def test_the_mouth_opens_with_the_sound(act):
    energy = np.sqrt((act.sound.reshape(600, -1) ** 2).mean(1))
    jaw = np.array([e.jaw for e in act.expressions])
    assert correlation(energy, jaw) > 0.5
    shift = [correlation(energy[5:-5], np.roll(jaw, s)[5:-5]) for s in range(-3, 4)]
    assert abs(int(np.argmax(shift)) - 3) <= 1


def test_the_held_out_end_blinks_and_speaks_what_was_said_before(act):
    start = 600 * 10 // 11
    eyes = np.array([e.eye_open for e in act.expressions])
    closings = np.flatnonzero((eyes[1:] < 0.5) & (eyes[:-1] >= 0.5))
    assert (closings > start).sum() >= 2
    assert 12 <= len(closings) / 24 * 60 <= 20.5
    jaw = np.array([e.jaw for e in act.expressions])[start:]
    assert jaw.min() < 0.05
    assert jaw.max() > 0.6
    spoken, starts = act.utterance.spoken, act.utterance.starts
    pairs = [(c + v, t) for c, v, t in zip(spoken[:-1], spoken[1:], starts[:-2], strict=True) if c in CONSONANTS]
    end = 24 * (1 - HELD_OUT)
    before = {syllable for syllable, t in pairs if t < end - 0.3}
    after = {syllable for syllable, t in pairs if end <= t < 24}
    assert len(after) >= 4
    assert after <= before
    assert {syllable[1] for syllable in before} == set(VOWELS)


def test_the_head_turns_but_not_fast(act):
    rotation = act.rotation
    yaw = np.degrees(np.arctan2(rotation[:, 0, 2], rotation[:, 2, 2]))
    step = np.einsum("nij,nij->n", rotation[1:], rotation[:-1])
    speed = np.degrees(np.arccos(np.clip((step - 1) / 2, -1, 1))) * FPS
    assert np.ptp(yaw) > 20
    assert np.abs(yaw).max() < 18
    assert speed.max() < 40


def test_unusable_numbers_are_one_clear_error(tmp_path):
    for arguments in ({"seconds": 0.1}, {"size": 131}, {"size": 20}):
        with pytest.raises(EGSTalkerError, match="choose"):
            make_sample(tmp_path / "a.mp4", **arguments)
    with pytest.raises(EGSTalkerError, match=r"\.mp4"):
        make_sample(tmp_path / "a.avi")
    assert not list(tmp_path.iterdir())


def test_the_command_fails_in_one_line(tmp_path, repository):
    command = [sys.executable, "-m", "sample", str(tmp_path / "a.mp4"), "--seconds", "0"]
    result = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
