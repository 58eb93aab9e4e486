"""What belongs to the person is fitted on the training part: held-out frames and sound change nothing of it."""

from __future__ import annotations

import logging
import shutil

import numpy as np
import pytest

from arguments.dataset_folder import DatasetFolder, num_train_frames
from data_utils.action_units import action_unit_45
from data_utils.audio_features.deepspeech import network_inputs
from data_utils.audio_features.log_mel import log_mel
from data_utils.audio_features.speech_encoder import Waveform
from data_utils.background import clean_background
from data_utils.face_mesh import FaceMeshTrack, load_or_detect
from data_utils.face_parsing.classes import HEAD, to_colours
from data_utils.face_parsing.mediapipe_parser import parse
from data_utils.face_tracking.mediapipe_tracker import head_mask_of, track_head
from data_utils.frame_extraction import leaves_picture, write_frames
from data_utils.lost_frames import interpolate_lost
from data_utils.one_face import Sightings
from data_utils.person import of_one_person
from data_utils.source import Source
from media.images import numbered, read_rgb, write_image
from media.video import read_frames
from media.video_writer import VideoWriter
from tests.data_utils.sounds import tone

FRAMES = 60
TRAIN = num_train_frames(FRAMES)
LOST = (20, 21, 22)


def film(path, heads, speed):
    """Heads on a wide canvas; in the held-out frames they move to the right by ``speed`` pixels a frame."""
    with VideoWriter(path, 480, 240, audio=tone(FRAMES / 25), crf=0) as writer:  # lossless: frames share no errors
        for i, head in enumerate(heads):
            canvas = np.full((240, 480, 3), 110, np.uint8)
            left = 20 + speed * max(i + 1 - TRAIN, 0)
            canvas[24 : 24 + head.shape[0], left : left + head.shape[1]] = head
            writer.write(canvas)
    return path


def test_the_crop_is_chosen_on_the_training_part_and_a_head_that_leaves_it_is_told(talking_head, tmp_path, caplog):
    heads = list(read_frames(talking_head))
    stays, leaves = (Source(film(tmp_path / f"{speed}.mp4", heads, speed)) for speed in (0, 18))
    assert stays.crop == leaves.crop
    with caplog.at_level(logging.WARNING):
        assert write_frames(leaves, DatasetFolder(tmp_path / "leaves")) == FRAMES
    assert len(numbered(tmp_path / "leaves" / "ori_imgs", ".jpg")) == FRAMES
    assert any(
        text.startswith(("face lost", "the face is partly outside")) and "0:02.4" in text for text in caplog.messages
    )
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        write_frames(stays, DatasetFolder(tmp_path / "stays"))
    assert caplog.messages == []


def test_a_face_at_the_edge_is_told_from_one_inside_and_from_a_lost_one():
    points = np.full((4, 478, 3), 50, np.float32)
    points[1:, 7, 0] = 101, 99, 130
    track = FaceMeshTrack(points, np.array([True, True, True, False]))
    assert leaves_picture(track, 100).tolist() == [False, True, False, False]


def sightings(*pieces):
    """Of (frames, place) pieces of a track, each at a place of its own, one after the other."""
    count = sum(frames for frames, _ in pieces)
    square = np.zeros((count, 478, 3), np.float32)
    square[:, 1, :2] = 50
    square += np.repeat([place for _, place in pieces], [frames for frames, _ in pieces])[:, None, None]
    begins = np.isin(np.arange(count), np.cumsum([0, *(frames for frames, _ in pieces)]))
    nothing = np.zeros(count, bool)
    return Sightings(square, np.ones(count, bool), begins, nothing, nothing, {})


def test_who_the_person_is_the_training_part_says():
    seen = sightings((30, 0), (20, 500), (40, 500))
    assert of_one_person(seen, 50).tolist() == [True] * 30 + [False] * 60
    assert of_one_person(seen).tolist() == [False] * 30 + [True] * 60
    back = sightings((30, 0), (20, 500), (10, 0))
    assert of_one_person(back, 50).tolist() == [True] * 30 + [False] * 20 + [True] * 10


def test_eyes_are_calibrated_on_training_frames_with_a_face():
    rng = np.random.default_rng(0)
    openings = 0.3 + 0.005 * rng.standard_normal((200, 2))
    openings[40], openings[41] = 0.05, 0.17
    usable = (np.arange(200) < 180) & ~np.isin(np.arange(200), range(100, 120))
    changed = openings.copy()
    changed[[102, 106, 110]], changed[182:198:2] = 0.01, 0.12
    before, after = action_unit_45(openings, usable), action_unit_45(changed, usable)
    np.testing.assert_array_equal(after[usable], before[usable])
    assert np.abs(action_unit_45(changed) - before)[usable].max() > 0.1  # else the change would prove nothing
    assert after[184] > 3  # the held-out eyes are measured on that scale


@pytest.fixture
def two_sounds():
    """Four seconds of noise, the last of which is loud and dull in the second sound."""
    rng = np.random.default_rng(1)
    sound = (0.05 * rng.standard_normal(64000)).astype(np.float32)
    other = sound.copy()
    other[48000:] = np.cumsum(other[48000:]) * 0.3
    return sound, other


def test_log_mels_scale_is_that_of_the_training_part(two_sounds):
    rows, others = (log_mel(sound, 100, fit_frames=75) for sound in two_sounds)
    np.testing.assert_array_equal(others[:74], rows[:74])  # a window of frame 74 reaches beyond the seam
    assert np.abs(others[76:] - rows[76:]).max() > 0.5
    own, anothers = (log_mel(sound, 100) for sound in two_sounds)
    assert np.abs(anothers[:74] - own[:74]).max() > 0.1


def test_log_mel_of_the_training_part_alone_is_the_same(two_sounds):
    sound, _ = two_sounds
    alone = log_mel(sound[:48000], 75)
    np.testing.assert_allclose(log_mel(sound, 100, fit_frames=75)[:74], alone[:74], atol=1e-5)


def test_deepspeechs_inputs_are_standardised_by_the_training_part(two_sounds):
    rows, others = (network_inputs(sound, 100, 75) for sound in two_sounds)
    np.testing.assert_array_equal(others[:140], rows[:140])  # nine steps of context on either side
    assert np.abs(network_inputs(two_sounds[1], 100)[:140] - rows[:140]).max() > 0.01


def test_speech_encoders_hear_a_sound_normalised_by_the_training_part(two_sounds):
    waves = [Waveform(sound, 100, normalise=True, fit_frames=75) for sound in two_sounds]
    assert waves[0].mean == waves[1].mean and waves[0].gain == waves[1].gain
    assert waves[0].gain != Waveform(two_sounds[1], 100, normalise=True).gain


@pytest.fixture(scope="module")
def two_clips(dataset, tmp_path_factory):
    """A dataset in which some training frames are lost; and the same with other pictures in these and held out."""
    first, other = (
        DatasetFolder(shutil.copytree(dataset.root, tmp_path_factory.mktemp(name) / "head")) for name in ("one", "two")
    )
    mesh = load_or_detect(dataset)
    found = ~np.isin(np.arange(FRAMES), LOST)
    points = interpolate_lost(mesh.points, found)
    np.savez(first.face_mesh, points=points, found=found)
    for i in (*LOST, *range(TRAIN, FRAMES)):
        write_image(other.frame(i), read_rgb(dataset.frame(FRAMES - 1 - i))[::-1, :, ::-1] // 2)
        shutil.copy(dataset.parsing_map(3), other.parsing_map(i))
    points, found = points.copy(), found.copy()
    points[TRAIN:] = points[:TRAIN][::-9][: FRAMES - TRAIN] * 0.8 + 15
    found[TRAIN + 2] = False
    np.savez(other.face_mesh, points=points, found=found)
    return first, other


def test_a_head_and_its_poses_in_the_training_part_depend_on_no_held_out_or_lost_frame(two_clips):
    tracks = []
    for folder in two_clips:
        mesh, frames = load_or_detect(folder), numbered(folder.frames, ".jpg")
        points = mesh.points.astype(np.float64)
        tracks.append(track_head(points, mesh.found, (192, 192), frames, head_mask_of(folder), (), TRAIN))
    track, other = tracks
    assert other.focal == track.focal
    np.testing.assert_array_equal(other.shape, track.shape)
    np.testing.assert_array_equal(other.poses.rotation[:TRAIN], track.poses.rotation[:TRAIN])
    np.testing.assert_array_equal(other.poses.translation[:TRAIN], track.poses.translation[:TRAIN])
    np.testing.assert_array_equal(other.vertices[:TRAIN], track.vertices[:TRAIN])
    np.testing.assert_array_equal(other.trust[:TRAIN], track.trust[:TRAIN])
    # Not by how much: poses of frames that show nothing are held where the last one was.
    assert np.abs(other.poses.translation[TRAIN:] - track.poses.translation[TRAIN:]).max() > 0.01


def test_parsings_colours_are_those_of_training_frames_with_a_face(two_clips, tmp_path):
    for name, folder in zip(("as_it_was", "changed"), two_clips, strict=True):
        (tmp_path / name).mkdir()
        parse(folder, tmp_path / name)
    for i in {*range(TRAIN)} - {19, *LOST, 23}:  # beside the lost ones, whose neighbours' masks they steady
        assert (tmp_path / "changed" / f"{i}.png").read_bytes() == (tmp_path / "as_it_was" / f"{i}.png").read_bytes()


def test_the_background_is_not_taken_from_frames_in_which_the_face_is_lost(tmp_path):
    folder = DatasetFolder(tmp_path)
    person = np.zeros((64, 64), np.uint8)
    person[16:, 8:56] = HEAD
    for i in range(20):
        lost = i >= 16
        write_image(folder.frame(i), np.full((64, 64, 3), 250 if lost else 60, np.uint8))  # another scene
        write_image(folder.parsing_map(i), to_colours(np.zeros_like(person) if lost else person))
    folder.update_record(lost_frames=[16, 17, 18, 19])
    assert np.abs(clean_background(folder, 20).astype(int) - 60).max() <= 4
    folder.update_record(lost_frames=[])
    assert clean_background(folder, 20)[40, 32].min() > 200  # else the other scene would prove nothing
