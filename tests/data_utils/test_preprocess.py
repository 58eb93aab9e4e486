import csv
import hashlib
import json
import logging
import os
import shutil
import subprocess
import sys
import wave

import numpy as np
import pytest

from arguments.atomic import staged_folder
from arguments.dataset_folder import DatasetFolder
from arguments.errors import EGSTalkerError
from arguments.locks import exclusive
from data_utils.preprocess import Outcome, preprocess
from data_utils.soundtrack import clipped_share
from data_utils.source import Source, locate
from data_utils.staging import sweep
from data_utils.summary import summary
from data_utils.tasks import TASKS
from media.images import numbered, read_rgb
from media.video import probe, read_frames
from media.video_writer import VideoWriter
from tests.data_utils.runs import ran
from tests.data_utils.sounds import tone


def digest(folder):
    files = sorted(path for path in folder.root.rglob("*") if path.is_file())
    return {str(path.relative_to(folder.root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def process(*arguments, cwd=None, repository):
    command = [sys.executable, str(repository / "data_utils" / "process.py"), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120)


def test_every_file_of_the_layout_is_there_and_fits(dataset):
    record = dataset.read_record()
    n = record["num_frames"]
    assert n == 60
    assert len(numbered(dataset.frames, ".jpg")) == len(numbered(dataset.frames, ".lms")) == n
    assert len(numbered(dataset.parsing, ".png")) == len(numbered(dataset.torso, ".png")) == n
    assert len(numbered(dataset.ground_truth, ".jpg")) == n
    with wave.open(str(dataset.audio)) as audio:
        assert (audio.getframerate(), audio.getnchannels(), audio.getnframes()) == (16000, 1, n * 640)
    with wave.open(str(dataset.audio_train)) as train, wave.open(str(dataset.audio_novel)) as novel:
        assert (train.getnframes(), novel.getnframes()) == (54 * 640, 6 * 640)
    features = np.load(dataset.audio_features)
    np.testing.assert_array_equal(features, np.load(dataset.audio_features_ds))
    assert features.shape == (n, 322)
    assert features.dtype == np.float32
    assert (record["extractor"], record["parser"], record["tracker"]) == ("log_mel_phones", "mediapipe", "mediapipe")
    assert np.loadtxt(dataset.landmarks(n - 1)).shape == (68, 2)
    rows = list(csv.DictReader(dataset.action_units.open(), skipinitialspace=True))
    assert [int(row["frame"]) for row in rows] == list(range(1, n + 1))
    assert all(0 <= float(row["AU45_r"]) <= 5 for row in rows)
    assert len(json.loads(dataset.transforms_val.read_text())["frames"]) == 6


def test_the_datasets_video_shows_its_frames(dataset):
    info = probe(dataset.video)
    assert info.num_frames == 60
    for i, frame in enumerate(read_frames(dataset.video)):
        if i % 20 == 0:
            assert np.abs(frame.astype(int) - read_rgb(dataset.frame(i))).mean() < 4


def test_a_second_run_does_nothing(copy):
    before = {path: path.stat().st_mtime_ns for path in copy.root.rglob("*")}
    assert ran(copy) == []
    assert {path: path.stat().st_mtime_ns for path in copy.root.rglob("*")} == before


def test_what_is_missing_and_what_follows_from_it_is_made_anew(copy):
    copy.parsing_map(17).unlink()
    copy.audio_features.unlink()
    copy.transforms_val.write_text("")
    assert ran(copy) == [2, 4, 5, 6, 8, 9]
    assert ran(copy) == []


def test_a_task_says_what_it_lacks(copy):
    shutil.rmtree(copy.parsing)
    copy.torso_image(5).unlink()
    with pytest.raises(EGSTalkerError, match=r"task 6 needs parsing/: run --task 4"):
        ran(copy, only=6)
    copy.track_params.unlink()
    copy.transforms_val.unlink()
    with pytest.raises(EGSTalkerError, match=r"task 9 needs track_params\.pt: run --task 8"):
        ran(copy, only=9)
    copy.frame(40).unlink()
    lacks = r"task 9 needs ori_imgs/ \(40 of 60 are there\) and track_params\.pt: run --task 3 and --task 8"
    with pytest.raises(EGSTalkerError, match=lacks):
        ran(copy, only=9)


def test_openfaces_action_units_are_kept(copy):
    openface = "frame, face_id, AU45_r\n" + "".join(f"{i + 1}, 0, 0.5\n" for i in range(60))
    copy.action_units.write_text(openface)
    copy.landmarks(3).unlink()
    assert ran(copy, only=7) == [7]
    assert copy.action_units.read_text() == openface


def test_action_units_of_another_clip_are_refused_and_left_alone(copy):
    other = "frame, face_id, AU45_r\n" + "".join(f"{i + 1}, 0, 0.5\n" for i in range(200))
    copy.action_units.write_text(other)
    copy.landmarks(3).unlink()
    with pytest.raises(EGSTalkerError, match=r"au\.csv has 200 rows for 60 frames"):
        ran(copy, only=7)
    assert copy.action_units.read_text() == other


def test_another_video_of_the_same_name_is_noticed(copy, tmp_path, make_video):
    whole = digest(copy)
    for name, audio, message in (
        ("mute", None, "no audio track"),
        ("silent", np.zeros(48000, np.float32), "silent"),
        ("faceless", tone(3), "no face"),
    ):
        other = make_video(f"{name}.mp4", np.arange(75) / 25, audio=audio, size=(320, 240))
        shutil.copy(other, tmp_path / "head.mp4")
        with pytest.raises(EGSTalkerError, match=message):
            ran(copy)
        assert digest(copy) == whole


def test_another_good_video_in_its_place_is_told_and_the_dataset_made_anew(copy, tmp_path, talking_head, caplog):
    with VideoWriter(tmp_path / "head.mp4", 192, 192, audio=tone(2.2)) as film:
        for i, picture in zip(range(55), read_frames(talking_head), strict=False):
            film.write(picture if i else picture[:, ::-1])
    with caplog.at_level(logging.WARNING):
        assert ran(copy) == list(range(1, 10))
    assert sum("is another video than the one" in text for text in caplog.messages) == 1
    assert copy.read_record()["num_frames"] == len(numbered(copy.frames, ".jpg")) == 55
    assert ran(copy) == []


@pytest.mark.parametrize("as_copied", [True, False])
def test_a_whole_dataset_is_kept_where_its_video_is_gone(copy, tmp_path, as_copied, caplog):
    (tmp_path / "head.mp4").unlink()
    root = copy.root
    if as_copied:  # times in no order, as cp -r and unpackers leave them
        root = tmp_path / "elsewhere" / "another_name"
        shutil.copytree(copy.root, root)
        files = sorted(path for path in root.rglob("*") if path.is_file())
        for path, time in zip(files, np.random.default_rng(0).permutation(len(files)), strict=True):
            os.utime(path, (time, time))
    folder = DatasetFolder(root)
    before = digest(folder)
    with caplog.at_level(logging.WARNING):
        assert ran(folder) == []
        assert ran(folder, only=3) == []
    assert digest(folder) == before and caplog.messages == []


def test_a_copy_in_which_something_is_changed_is_made_anew_from_there_on(copy, tmp_path):
    (tmp_path / "head.mp4").unlink()
    for path in copy.root.rglob("*"):
        if path.is_file():
            os.utime(path, (2e9 - len(path.name), 2e9 - len(path.name)))
    assert ran(copy) == []
    copy.audio.write_bytes(copy.audio.read_bytes()[:-2000] + bytes(2000))
    os.utime(copy.audio, (2e9, 2e9))
    assert ran(copy) == [2]


def test_what_is_missing_and_needs_the_video_is_made_from_the_datasets_own_film(copy, tmp_path, caplog):
    (tmp_path / "head.mp4").unlink()
    film, sound, record = copy.video.read_bytes(), copy.audio.read_bytes(), copy.read_record()
    was = read_rgb(copy.frame(20)).astype(int)
    copy.frame(20).unlink()
    with caplog.at_level(logging.WARNING):
        assert ran(copy)[0] == 3
    (line,) = (text for text in caplog.messages if "is gone" in text)
    assert "head.mp4 is gone" in line and "video.mp4" in line
    assert np.abs(read_rgb(copy.frame(20)) - was).mean() < 4
    assert (copy.video.read_bytes(), copy.audio.read_bytes()) == (film, sound)
    assert copy.read_record()["source"] == record["source"] and copy.read_record()["crop"] == record["crop"]
    assert not (copy.root / "source.mp4").exists()
    assert ran(copy) == []


def test_half_made_and_the_video_gone_is_one_line_with_the_cure(tmp_path, talking_head):
    video = tmp_path / "head.mp4"
    shutil.copy2(talking_head, video)
    folder = DatasetFolder(tmp_path / "head")
    assert [outcome.task.number for outcome in preprocess(folder, Source(video), only=1)] == [1]
    video.rename(tmp_path / "away.mp4")
    with pytest.raises(EGSTalkerError, match=r"head\.mp4, which .* is gone; put it beside the folder as head\.mp4"):
        ran(folder)
    (tmp_path / "away.mp4").rename(video)
    assert ran(folder, only=3) == [3]


def test_the_film_of_one_video_does_not_serve_for_another(copy, tmp_path, talking_head):
    """Another video, given and taken away again after task 1: the old film is of the first."""
    with VideoWriter(tmp_path / "head.mp4", 192, 192, audio=tone(2.4)) as film:
        for picture in read_frames(talking_head):
            film.write(picture)
    assert ran(copy, only=1) == [1]
    (tmp_path / "head.mp4").unlink()
    with pytest.raises(EGSTalkerError, match="is gone; put it beside the folder"):
        ran(copy)


def test_too_short_a_video_is_refused_and_leaves_no_folder(make_video, tmp_path):
    video = make_video("short.mp4", np.arange(40) / 25, audio=tone(1.6))
    with pytest.raises(EGSTalkerError, match="at least 2 s"):
        list(preprocess(DatasetFolder(tmp_path / "short"), Source(video)))
    assert not (tmp_path / "short").exists()


def test_unknown_names_are_answered_with_the_known_ones(copy):
    for option in ("extractor", "parser", "tracker"):
        with pytest.raises(EGSTalkerError, match="choose from"):
            ran(copy, **{option: "magic"})


def test_a_killed_run_leaves_the_old_folder_and_no_litter(tmp_path):
    target = tmp_path / "parsing"
    target.mkdir()
    (target / "0.png").write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), staged_folder(target) as staged:
        (staged / "0.png").write_bytes(b"new")
        raise KeyboardInterrupt
    assert (target / "0.png").read_bytes() == b"old"
    (tmp_path / ".torso_imgs.part").mkdir()
    (tmp_path / ".aud.99999999.part.wav").write_bytes(b"half")
    target.rename(tmp_path / ".parsing.old.part")  # killed between the two renames
    sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["parsing"]


def test_two_runs_do_not_share_a_folder(tmp_path):
    with exclusive(tmp_path), pytest.raises(EGSTalkerError, match="another run"), exclusive(tmp_path):
        pass


def test_a_dataset_is_found_by_video_folder_or_its_own_video(copy, tmp_path):
    for path in (tmp_path / "head.mp4", copy.root, copy.video):
        folder, source = locate(path)
        assert folder.root == copy.root
        assert source.path == tmp_path / "head.mp4"
    (tmp_path / "head.mp4").unlink()
    assert locate(copy.root)[1] == Source(copy.video, stands_in=True)
    with pytest.raises(EGSTalkerError, match="does not exist"):
        locate(tmp_path / "nothing.mp4")


def test_the_door_works_from_anywhere_and_reports_tasks(copy, repository):
    done = process("head", "--task", "9", cwd=copy.root.parent, repository=repository)
    assert (done.returncode, done.stdout) == (0, "[9/9] transforms: whole already\n")


def test_a_run_ends_with_a_table_of_tasks_times_and_warnings(tmp_path, talking_head, repository):
    loud = tmp_path / "loud.mp4"
    pictures = list(read_frames(talking_head))
    sound = np.clip(3 * np.sin(np.arange(len(pictures) * 640) / 20), -1, 1).astype(np.float32)
    with VideoWriter(loud, 192, 192, audio=sound, crf=14) as film:
        for picture in pictures:
            film.write(picture)
    done = process(loud, repository=repository)
    assert done.returncode == 0
    *_, head = (i for i, line in enumerate(done.stdout.splitlines()) if line.startswith("task "))
    table = done.stdout.splitlines()[head + 1 :]
    assert [line.split()[0] for line in table] == [*map(str, range(1, 10)), "all"]
    assert "the sound is clipped in" in table[0] and "clipped" in done.stderr
    assert done.stdout.splitlines()[1] == "loud.mp4, 0:02.4: what will limit the head"
    assert "clipping" in json.loads((tmp_path / "loud" / "clip_report.json").read_text())["limits"]
    again = process(loud, repository=repository).stdout
    assert again.count("(whole already)") == 9 and "limit" not in again


def test_the_table_adds_up():
    made = Outcome(TASKS[0], 2.0, 100, skipped=False, warnings=("loud", "late"))
    kept, slow = Outcome(TASKS[1], 0.0, 100, skipped=True), Outcome(TASKS[2], 8.0, 100, skipped=False)
    rows = [line.split() for line in summary([made, kept, slow]).splitlines()]
    assert rows[1:] == [
        ["1", "audio", "2.0", "s", "50", "loud;", "late"],
        ["2", "audio", "features", "-", "-", "(whole", "already)"],
        ["3", "frames", "8.0", "s", "12"],
        ["all", "10.0", "s", "10"],
    ]


def test_clipping_is_a_run_at_full_scale_and_a_peak_is_not():
    wave = np.sin(np.arange(16000) / 7).astype(np.float32)
    assert clipped_share(wave) < 1e-3
    assert clipped_share(np.clip(2 * wave, -1, 1)) > 0.5
    assert clipped_share(np.zeros(2)) == 0


def test_the_door_fails_in_one_line(tmp_path, repository):
    for arguments in (["nothing.mp4"], [tmp_path / "nothing"]):
        done = process(*arguments, cwd=tmp_path, repository=repository)
        assert done.returncode == 1
        assert done.stderr.startswith("error: ")
        assert done.stderr.count("\n") == 1


def test_a_video_given_inside_its_folder_is_kept_under_another_name(talking_head, tmp_path):
    folder = DatasetFolder(tmp_path / "mine")
    folder.root.mkdir()
    shutil.copy(talking_head, folder.video)
    folder.transforms_train.write_text("{}")
    original = folder.video.read_bytes()
    with pytest.raises(
        EGSTalkerError, match=r"task 6 needs ori_imgs/, parsing/ and bc\.jpg: run --task 3, --task 4 and --task 5"
    ):
        ran(folder, only=6)
    assert ran(folder, only=3) == [3]
    assert (folder.root / "source.mp4").read_bytes() == original
    assert len(numbered(folder.frames, ".jpg")) == 60
    assert ran(folder, only=3) == []
