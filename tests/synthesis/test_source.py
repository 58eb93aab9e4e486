"""What drives a head, from the command line to the film: tables of codes, with and without sound."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import torch

import predict
from arguments.dataset_folder import DatasetFolder
from arguments.model_folder import ModelFolder
from arguments.settings import TrainingSettings
from media.sound import read_audio
from motion.csv_table import CsvTable
from motion.driver import DrivenMotion
from motion.model_motion import ModelMotion, measure_clip
from motion.table_driver import read_codes, write_codes
from scene.head import GaussianHead
from scene.head_files import ModelRecord, Progress, write_record
from scene.reference_clip import ReferenceClip
from synthesis.rendering import drive_of
from synthesis.script import script_of_motion
from tests.media.several_tracks import SECONDS, pitch_of, syllables, write_tracks
from tests.tiny_head import MOTION, make_dataset, speech_like, write_wav
from training.checkpoints import save_checkpoint

SETTINGS = replace(MOTION, lower_codes=8, upper_codes=4)
ALIKE = 0.3  # of 255: what x264 makes of the same tiny pictures is not always the same
Predict = Callable[..., int]


def motion_model(root: Path, dataset: DatasetFolder) -> Path:
    """A model folder whose head is driven by codes, and which has no speech model."""
    clip = ReferenceClip(dataset.root)
    face = measure_clip(dataset, clip.eyes)
    motion = ModelMotion.of_clip(face, np.arange(len(clip.train)), len(clip.train), lower=8, upper=4)
    torch.manual_seed(0)
    head = GaussianHead(60, (len(motion.code),), MOTION)
    points = torch.nn.functional.normalize(torch.randn(60, 3), dim=-1) * 0.8
    head.model.start_from(points, torch.full((60, 3), 0.6), torch.full((60,), 0.2))
    of_clip = str(dataset.root.resolve()), len(clip.train), clip.poses_digest()
    write_record(root, ModelRecord(MOTION, TrainingSettings(), head.feature_shape, None, *of_clip))
    save_checkpoint(ModelFolder(root).checkpoint("fine", 500), head.eval(), None, Progress("fine", 500))
    motion.save_code(ModelFolder(root))
    return root


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> DatasetFolder:
    return make_dataset(tmp_path_factory.mktemp("data") / "set")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, dataset: DatasetFolder) -> Path:
    return motion_model(tmp_path_factory.mktemp("models") / "m", dataset)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, dataset: DatasetFolder, model: Path, tmp_path: Path) -> Predict:
    def call(*arguments: object) -> int:
        where = ["--reference_path", dataset.root, "--model_path", model, "--output_dir", tmp_path / "out"]
        monkeypatch.setattr(sys, "argv", ["predict.py", *map(str, [*where, *arguments])])
        return predict.main()

    return call


def _pictures(film: Path) -> np.ndarray:
    with av.open(str(film)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]).astype(np.int16)


def _write_motion(path: Path, frames: int = 12) -> Path:
    codes = 2 * torch.sin(torch.arange(frames)[:, None] * torch.arange(1, 14) / 7)
    write_codes(path, codes, torch.linspace(0, 1, frames))
    return path


def test_a_table_drives_the_head_silently_or_to_given_sound(run: Predict, tmp_path: Path) -> None:
    table = _write_motion(tmp_path / "my motion.csv")
    film = tmp_path / "out" / "my motion.mp4"
    assert run("--motion", table) == 0
    with av.open(str(film)) as container:
        assert not container.streams.audio
    silent = _pictures(film)
    assert len(silent) == 12
    assert run("--motion", table, "--audio_path", write_wav(tmp_path / "a.wav", speech_like(0.5))) == 0
    with av.open(str(film)) as container:
        assert container.streams.audio
    assert np.abs(_pictures(film) - silent).mean() < ALIKE
    assert np.abs(silent[6] - silent[0]).mean() > 3 * ALIKE


def test_saved_motion_drives_the_same_film_again(run: Predict, tmp_path: Path) -> None:
    table = _write_motion(tmp_path / "m.csv")
    assert run("--motion", table, "--save_motion", tmp_path / "saved" / "again.csv") == 0
    first, second = (read_codes(CsvTable.read(p), 13) for p in (table, tmp_path / "saved" / "again.csv"))
    assert torch.equal(first.codes, second.codes) and torch.equal(first.eyes, second.eyes)
    assert run("--motion", tmp_path / "saved" / "again.csv") == 0
    film, again = (_pictures(tmp_path / "out" / name) for name in ("m.mp4", "again.mp4"))
    assert np.abs(film - again).mean() < ALIKE


def test_a_driver_that_says_nothing_of_eyes_and_poses_borrows_them(dataset: DatasetFolder) -> None:
    clip, head = ReferenceClip(dataset.root), GaussianHead(20, (13,), MOTION)
    codes, few = torch.randn(6, 13), slice(2, 5)
    lent = drive_of(head, clip, script_of_motion(clip, DrivenMotion(codes), None), few)
    torch.testing.assert_close(lent.eye[:, 0], clip.eyes[few])
    torch.testing.assert_close(lent.camera.viewmats, clip.camera.viewmats[few])
    eyes, poses = torch.rand(6), torch.eye(4).repeat(6, 1, 1) + torch.arange(6)[:, None, None]
    own = drive_of(head, clip, script_of_motion(clip, DrivenMotion(codes, eyes, poses), None), few)
    torch.testing.assert_close(own.eye[:, 0], eyes[few])
    torch.testing.assert_close(own.camera.viewmats, poses[few])
    torch.testing.assert_close(own.camera.intrinsics, lent.camera.intrinsics)


def test_the_film_lasts_as_long_as_the_motion_and_says_so(
    run: Predict, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    table, sound = _write_motion(tmp_path / "m.csv"), write_wav(tmp_path / "long.wav", speech_like(3.0))
    assert run("--motion", table, "--audio_path", sound) == 0
    assert len(_pictures(tmp_path / "out" / "m.mp4")) == 12 and "as long as the motion" in caplog.text


def test_wrong_sources_are_one_line(run: Predict, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m.txt").write_text("code_0\n1\n")
    (tmp_path / "few.csv").write_text("code_0\n1\n")
    table = _write_motion(tmp_path / "m.csv")
    for arguments, said in [
        (("--motion", tmp_path / "none.csv"), "there is no motion"),
        (("--motion", tmp_path / "m.txt"), "give a .csv, .npy or .json"),
        (("--motion", tmp_path / "few.csv"), "1 columns of codes"),
        (("--motion", table, "--audio_path", tmp_path / "none.wav"), "there is no audio file"),
        (("--motion", table, "--save_motion", table), "would overwrite"),
        (("--motion", table, "--save_motion", tmp_path / "m.txt" / "n.csv"), "cannot write"),
        (("--audio_path", write_wav(tmp_path / "a.wav", speech_like(0.5))), "speech.safetensors"),
    ]:
        assert run(*arguments) == 1, arguments
        error = capsys.readouterr().err.strip().splitlines()
        assert len(error) == 1 and error[0].startswith("error: ") and said in error[0], error
    for arguments in ((), ("--save_motion", "x.csv")):
        with pytest.raises(SystemExit):
            run(*arguments)
        assert "--audio_path, --motion or --driving_video" in capsys.readouterr().err


@pytest.mark.parametrize(("options", "pitch"), [((), 440), (("--audio_track", 2), 880)])
def test_of_several_tracks_the_chosen_one_is_heard(run: Predict, tmp_path: Path, options: tuple, pitch: int) -> None:
    film = write_tracks(tmp_path / "two.mkv", [syllables(SECONDS, 440), syllables(SECONDS, 880)], defaults=(1,))
    assert run("--motion", _write_motion(tmp_path / "wave.csv", 50), "--audio_path", film, *options) == 0
    assert abs(pitch_of(read_audio(tmp_path / "out" / "wave.mp4")) - pitch) < 8


def test_a_track_that_is_not_there_is_said(run: Predict, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film = write_tracks(tmp_path / "two.mkv", [syllables(SECONDS)] * 2)
    assert run("--motion", _write_motion(tmp_path / "wave.csv"), "--audio_path", film, "--audio_track", 3) == 1
    assert "no audio track 3; it has 2 audio tracks" in capsys.readouterr().err


def test_a_video_drives_the_head_and_is_heard(run: Predict, tmp_path: Path, talking_head: Path) -> None:
    saved = tmp_path / "codes.csv"
    film = tmp_path / "out" / "head.mp4"
    assert run("--driving_video", talking_head, "--save_motion", saved) == 0
    borrowed = _pictures(film)
    assert len(borrowed) == 60
    driven = read_codes(CsvTable.read(saved), 13)
    with np.load(talking_head.with_name("head_truth.npz")) as truth:
        assert np.corrcoef(driven.codes[:, 0], truth["mouth_open"])[0, 1] > 0.85
    heard, said = read_audio(film), read_audio(talking_head)
    length = min(len(heard), len(said))
    assert np.corrcoef(heard[:length], said[:length])[0, 1] > 0.9
    sound = write_wav(tmp_path / "a.wav", speech_like(2.4))
    assert run("--driving_video", talking_head, "--with_pose", "--audio_path", sound) == 0
    heard, said = read_audio(film), read_audio(sound)
    length = min(len(heard), len(said))
    assert np.corrcoef(heard[:length], said[:length])[0, 1] > 0.9
    assert np.abs(_pictures(film).astype(int) - borrowed).max() > 5  # the head turned


def test_a_video_without_sound_gives_a_silent_film(run: Predict, tmp_path: Path, talking_head: Path) -> None:
    silent = tmp_path / "silent.mp4"
    with av.open(str(talking_head)) as source, av.open(str(silent), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    assert run("--driving_video", silent) == 0
    with av.open(str(tmp_path / "out" / "silent.mp4")) as film:
        assert not film.streams.audio and sum(1 for _ in film.decode(video=0)) == 60


def test_one_driver_at_a_time(run: Predict, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, said in [
        (("--motion", "m.csv", "--driving_video", "v.mp4"), "give one of them"),
        (("--motion", "m.csv", "--with_pose"), "--with_pose is of a --driving_video"),
    ]:
        with pytest.raises(SystemExit):
            run(*arguments)
        assert said in capsys.readouterr().err
    assert run("--driving_video", tmp_path / "none.mp4") == 1
    assert "there is no video" in capsys.readouterr().err
