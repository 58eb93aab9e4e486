"""Which audio track is taken of several, said, chosen and remembered; and how a dataset's video is found again."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

from arguments.dataset_folder import DatasetFolder
from arguments.errors import EGSTalkerError
from data_utils.soundtrack import write_audio
from data_utils.source import Source, locate, with_track
from data_utils.track_choice import choose_track, speech_seconds
from media.sound import read_audio
from media.tracks import audio_tracks
from tests.data_utils.sounds import tone
from tests.media.several_tracks import RATE, SECONDS, chord, pitch_of, syllables, write_tracks
from tests.tiny_head import speech_like


def test_speech_is_told_from_music_and_noise():
    noise = 0.1 * np.random.default_rng(0).standard_normal(8 * RATE).astype(np.float32)
    speech = speech_seconds(speech_like(8.0))
    assert speech > 3 * max(speech_seconds(chord(8)), speech_seconds(noise), speech_seconds(np.zeros(8 * RATE)))


def test_the_default_track_is_taken(tmp_path):
    film = write_tracks(tmp_path / "a.mkv", [syllables(SECONDS), chord(SECONDS)], defaults=(2,))
    choice = choose_track(film)
    assert choice.number == 2 and "has 2 audio tracks: 1 (aac), 2 (aac, default); track 2 is taken" in choice.line


@pytest.mark.parametrize("defaults", [(), (1, 2)])
def test_without_one_default_it_is_the_track_with_most_speech(defaults, tmp_path):
    film = write_tracks(tmp_path / "a.mkv", [chord(SECONDS), syllables(SECONDS)], defaults)
    assert choose_track(film).number == 2


def test_a_silent_default_track_is_passed_over(tmp_path):
    film = write_tracks(tmp_path / "a.mkv", [np.zeros(SECONDS * RATE, np.float32), syllables(SECONDS)], defaults=(1,))
    assert choose_track(film).number == 2


def test_without_a_choice_nothing_is_said(make_video):
    film = make_video("a.mp4", np.arange(50) / 25, audio=tone(2.0))
    assert choose_track(film).number is None and choose_track(film).line == ""
    assert choose_track(film, 1).number is None


@pytest.mark.parametrize("wanted", [0, 3, -1])
def test_a_wrong_number_is_answered_with_the_tracks(wanted, tmp_path):
    film = write_tracks(tmp_path / "a.mkv", [syllables(SECONDS)] * 2)
    with pytest.raises(EGSTalkerError, match=rf"no audio track {wanted}; it has 2 audio tracks: 1 \(aac\), 2 \(aac\)"):
        choose_track(film, wanted)


def test_the_wanted_track_is_heard_and_remembered(tmp_path, caplog):
    film = write_tracks(tmp_path / "a.mkv", [syllables(SECONDS, 440), syllables(SECONDS, 880)], defaults=(1,))
    assert [track.is_default for track in audio_tracks(film)] == [True, False]
    folder = DatasetFolder(tmp_path / "a")
    folder.root.mkdir()
    for wanted, pitch in ((None, 440), (2, 880), (None, 880)):
        source = with_track(Source(film), wanted, folder)
        write_audio(source, folder)
        folder.update_record(source=source.identity)
        assert abs(pitch_of(read_audio(folder.audio)) - pitch) < 4
    assert sum("track 1 is taken" in text for text in caplog.messages) == 1
    film.write_bytes(film.read_bytes() + b"\0")  # another file: what was chosen for the first does not count
    assert with_track(Source(film), None, folder).track.number == 1


def test_the_door_knows_the_option(tmp_path, repository):
    film = write_tracks(tmp_path / "a.mkv", [syllables(SECONDS)] * 2)
    command = [sys.executable, str(repository / "data_utils" / "process.py"), str(film), "--audio_track", "7"]
    done = subprocess.run([*command, "--task", "1"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1 and done.stderr.startswith("error: ") and "no audio track 7" in done.stderr


@pytest.mark.parametrize("suffix", [".ts", ".TS", ".webm", ".mpg", ".m2ts", ".3gp", ".Mkv"])
def test_a_video_of_any_suffix_is_found_again(suffix, make_video, tmp_path):
    made = make_video("made.ts" if suffix.lower() == ".ts" else "made.mkv", np.arange(50) / 25, audio=tone(2.0))
    video = made.rename(tmp_path / f"clip{suffix}")
    (tmp_path / "clip").mkdir()
    (tmp_path / "clip" / "dataset.json").write_text("{}")
    assert locate(tmp_path / "clip")[1] == Source(video)


def test_what_lies_beside_a_dataset_and_is_no_video_is_not_taken_for_one(make_video, tmp_path):
    video = make_video("clip.mp4", np.arange(50) / 25, audio=tone(2.0))
    folder = DatasetFolder(tmp_path / "clip")
    folder.root.mkdir()
    (tmp_path / "clip.jpg").write_bytes(b"")
    for name in ("clip.txt", "clip.srt", "clip.json"):
        (tmp_path / name).write_text("1\n00:00:00,000 --> 00:00:01,000\nwords\n" * 40)
    shutil.copy2(video, tmp_path / "clip.avi")
    folder.record.write_text(json.dumps({"source": {"name": "clip.mp4"}}))
    assert locate(folder.root)[1] == Source(video)
    video.unlink()
    assert locate(folder.root)[1] == Source(tmp_path / "clip.avi")
    (tmp_path / "clip.avi").unlink()
    assert locate(folder.root)[1] is None
