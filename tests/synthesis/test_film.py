"""Frames and sound on their way into a video."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from arguments.errors import EGSTalkerError
from data_utils.audio_features import extract
from gaussian_renderer.render import render
from media.images import read_rgb
from media.sound import read_audio
from media.video import read_frames
from motion.frame_path import FramePath
from scene.backdrop import Backdrops
from scene.reference_clip import ReferenceClip
from synthesis.film import speak, write_video
from synthesis.rendering import Frame, synthesise
from synthesis.script import Script, borrowed_frames, script_of_features, script_of_sound, script_of_split
from synthesis.speech import extractor_of, speech_features
from synthesis.videos import custom_video, split_videos
from tests.tiny_head import make_dataset, make_head, speech_like, write_wav
from training.dataset import TalkingHeadDataset


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> TalkingHeadDataset:
    return TalkingHeadDataset(make_dataset(tmp_path_factory.mktemp("data") / "set").root)


def _lengths(video: Path) -> tuple[int, Fraction, Fraction]:
    """Number of pictures, and the seconds of picture and of sound, by decoding."""
    with av.open(str(video)) as container:
        pictures = sum(1 for _ in container.decode(video=0))
    with av.open(str(video)) as container:
        last = [
            (frame.pts * frame.time_base, Fraction(frame.samples, frame.rate)) for frame in container.decode(audio=0)
        ]
    return pictures, Fraction(pictures, 25), sum(last[-1])


@torch.no_grad()
def test_a_splits_frames_are_the_head_in_its_own_pose_over_its_own_torso(dataset: TalkingHeadDataset) -> None:
    head = make_head()
    frames = list(synthesise(head, dataset, script_of_split(dataset, dataset.val, dataset.audio), batch=4))
    assert len(frames) == len(dataset.val)
    for i, frame in zip(dataset.val, frames, strict=True):
        drive = dataset.drive(dataset.audio, torch.tensor([i]), head.settings.signal_window)
        background = torch.from_numpy(Backdrops(dataset.folder)[i]).float() / 255
        expected = render(head.deform(drive), drive.camera, background).image[0].clamp(0, 1)
        np.testing.assert_allclose(frame, expected.numpy() * 255, atol=0.51)


def test_the_number_of_frames_at_once_changes_nothing(dataset: TalkingHeadDataset) -> None:
    head, script = make_head(), script_of_features(dataset, dataset.audio[:7], None)
    one, five = (np.stack(list(synthesise(head, dataset, script, batch=batch))) for batch in (1, 5))
    assert np.abs(one.astype(int) - five).max() <= 1


@pytest.mark.parametrize("samples", [640, 641, 16_000 + 123, 33_333])
def test_picture_and_sound_of_odd_lengths_are_equal_to_within_a_frame(
    dataset: TalkingHeadDataset, tmp_path: Path, samples: int
) -> None:
    sound = write_wav(tmp_path / "odd.wav", speech_like(samples / 16_000))
    frames = speak(make_head(20), dataset, sound, tmp_path / "out" / "odd.mp4")
    pictures, picture, heard = _lengths(tmp_path / "out" / "odd.mp4")
    assert pictures == frames == -(-samples // 640)
    assert abs(picture - heard) < Fraction(1, 25)
    assert abs(heard - Fraction(samples, 16_000)) < Fraction(2, 25)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["odd.mp4"]


def test_a_split_is_heard_with_its_own_stretch_of_sound(dataset: TalkingHeadDataset, tmp_path: Path) -> None:
    frames = range(10, 20)
    assert split_videos(make_head(20), dataset, frames, tmp_path) == 10
    truth = read_audio(dataset.folder.audio)[10 * 640 : 20 * 640]
    for name in ("renders.mp4", "gt.mp4"):
        heard = read_audio(tmp_path / name)[: len(truth)]
        assert np.corrcoef(heard, truth[: len(heard)])[0, 1] > 0.9
    shown = next(iter(read_frames(tmp_path / "gt.mp4")))
    truth_image = read_rgb(dataset.folder.ground_truth_image(10))
    assert np.abs(shown.astype(int) - truth_image).mean() < 8


def test_frames_are_made_when_they_are_written_and_then_let_go_of(
    dataset: TalkingHeadDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = make_head(20)
    alive: weakref.WeakSet[_Counted] = weakref.WeakSet()
    batches: list[int] = []
    ahead: list[int] = []
    deform = head.deform
    monkeypatch.setattr(head, "deform", lambda drive, at_rest: batches.append(len(drive)) or deform(drive, at_rest))

    def count(frames: Iterable[Frame], total: int) -> Iterable[Frame]:
        for passed, frame in enumerate(frames):
            counted = frame.view(_Counted)
            alive.add(counted)
            ahead.append(max(sum(batches) - passed, len(alive)))
            yield counted
            del counted, frame
            gc.collect(0)

    sound = write_wav(tmp_path / "long.wav", speech_like(4.0))
    assert speak(head, dataset, sound, tmp_path / "long.mp4", batch=4, watch=count) == 100
    assert max(ahead) <= 17  # one shown, eight waiting, two batches on their way


class _Counted(np.ndarray):
    __hash__ = object.__hash__  # type: ignore[assignment]
    __eq__ = object.__eq__  # type: ignore[assignment]


def test_the_first_frames_of_an_hour_come_at_once(dataset: TalkingHeadDataset) -> None:
    hour = torch.zeros(1, 162).expand(90_000, 162)
    frames = synthesise(make_head(20), dataset, script_of_features(dataset, hour, None), batch=2)
    assert next(iter(frames)).shape == (64, 64, 3)


def test_features_of_a_file_are_those_of_its_samples(tmp_path: Path) -> None:
    samples = speech_like(2.5)
    features = speech_features(write_wav(tmp_path / "a.wav", samples), "log_mel", tmp_path)
    np.testing.assert_allclose(features.numpy(), extract("log_mel", samples, 63), atol=0.02)
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]


def test_other_rates_channels_and_codecs_are_heard_the_same(dataset: TalkingHeadDataset, tmp_path: Path) -> None:
    samples = np.sin(np.arange(48_000) * 2 * np.pi * 300 / 48_000).astype(np.float32) * 0.5
    plain = speech_features(write_wav(tmp_path / "a.wav", samples, 48_000), "log_mel", tmp_path)
    for name, codec, rate in (("a.flac", "flac", 44_100), ("a.m4a", "aac", 44_100), ("a.ogg", "libopus", 48_000)):
        with av.open(str(tmp_path / name), "w") as container:
            stream = container.add_stream(codec, rate=rate, layout="stereo")
            frame = av.AudioFrame.from_ndarray(np.stack([samples, samples]), format="fltp", layout="stereo")
            frame.sample_rate = 48_000
            for resampled in av.AudioResampler(stream.format, stream.layout, rate, stream.frame_size).resample(frame):
                container.mux(stream.encode(resampled))
            container.mux(stream.encode(None))
        features = speech_features(tmp_path / name, "log_mel", tmp_path)
        common = slice(5, min(len(features), len(plain)) - 5)
        assert (features[common] - plain[common]).abs().mean() < 0.15, name


@pytest.mark.parametrize(
    ("samples", "message"),
    [(speech_like(0.03), "30 ms of sound"), (np.zeros(0), "sound")],
)
def test_sound_shorter_than_a_frame_is_refused(tmp_path: Path, samples: np.ndarray, message: str) -> None:
    with pytest.raises(EGSTalkerError, match=message):
        speech_features(write_wav(tmp_path / "a.wav", samples), "log_mel", tmp_path)


def test_a_file_that_is_no_sound_is_refused_and_leaves_nothing(dataset: TalkingHeadDataset, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("no sound at all")
    with pytest.raises(EGSTalkerError, match=r"a\.wav"):
        speak(make_head(20), dataset, tmp_path / "a.wav", tmp_path / "out" / "a.mp4")
    assert list((tmp_path / "out").iterdir()) == []


def test_custom_features_of_another_kind_are_refused(dataset: TalkingHeadDataset, tmp_path: Path) -> None:
    with pytest.raises(EGSTalkerError, match=r"takes audio features of shape \(162,\) a frame and these.* are \(29,\)"):
        script_of_features(dataset, torch.zeros(5, 29), None)
    np.save(tmp_path / "x.npy", np.zeros((5, 16, 29), np.float32))
    with pytest.raises(EGSTalkerError, match=r"\(16, 29\)"):
        custom_video(make_head(20), dataset, tmp_path / "c.mp4", sound=None, features=tmp_path / "x.npy")


def test_custom_features_set_the_length_and_say_so(
    dataset: TalkingHeadDataset, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    np.save(tmp_path / "x.npy", dataset.audio[:12].numpy())
    sound = write_wav(tmp_path / "x.wav", speech_like(3.0))
    target = tmp_path / "c.mp4"
    assert custom_video(make_head(20), dataset, target, sound=sound, features=tmp_path / "x.npy") == 12
    assert _lengths(target)[0] == 12
    assert abs(_lengths(target)[2] - Fraction(12, 25)) < Fraction(1, 25)
    assert "as long as the features" in caplog.text
    assert custom_video(make_head(20), dataset, target, sound=None, features=tmp_path / "x.npy") == 12
    with av.open(str(target)) as container:
        assert not container.streams.audio


def test_a_model_of_another_data_set_is_refused(dataset: TalkingHeadDataset, tmp_path: Path) -> None:
    with pytest.raises(EGSTalkerError, match=r"\(768,\)"):
        speak(make_head(20, (768,)), dataset, tmp_path / "a.wav", tmp_path / "a.mp4")


def test_the_extractor_is_the_recorded_one_or_told_by_the_shape(tmp_path: Path) -> None:
    folder = make_dataset(tmp_path / "set", num_frames=4)
    assert extractor_of(ReferenceClip(folder.root), None) == "log_mel"
    folder.record.unlink()
    assert extractor_of(ReferenceClip(folder.root), None) == "log_mel"
    np.save(folder.audio_features, np.zeros((4, 29), np.float32))
    with pytest.raises(EGSTalkerError, match=r"no known extractor \(shape \(29,\)\)"):
        extractor_of(ReferenceClip(folder.root), None)
    folder.update_record(extractor="from_the_future")
    with pytest.raises(EGSTalkerError, match="from_the_future"):
        extractor_of(ReferenceClip(folder.root), None)


def test_an_interrupted_video_leaves_the_one_before(dataset: TalkingHeadDataset, tmp_path: Path) -> None:
    target = tmp_path / "a.mp4"
    target.write_text("before")

    def breaks() -> Iterable[Frame]:
        yield np.zeros((64, 64, 3), np.uint8)
        raise KeyboardInterrupt

    script = Script(dataset.audio, torch.arange(2), FramePath.of(range(2)))
    with pytest.raises(KeyboardInterrupt):
        write_video(breaks(), script, target)
    assert target.read_text() == "before" and len(list(tmp_path.iterdir())) == 1


def test_results_cannot_be_written_below_a_file(dataset: TalkingHeadDataset, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    sound = write_wav(tmp_path / "a.wav", speech_like(1.0))
    with pytest.raises(EGSTalkerError, match="cannot write to"):
        speak(make_head(20), dataset, sound, tmp_path / "file" / "a.mp4")


def test_poses_of_the_clip_return_for_long_speech(dataset: TalkingHeadDataset, tmp_path: Path) -> None:
    sound = write_wav(tmp_path / "a.wav", speech_like(2.0))
    script = script_of_sound(dataset, sound, tmp_path)
    assert len(script) == 50
    path = script.reference
    assert path.first[:10].tolist() == list(range(10)) and not path.mix[:10].any()
    assert 0 < path.mix.max() < 1 and path.first.max() <= 21 and path.second.max() <= 21


@pytest.mark.parametrize(
    ("lost", "cuts", "lent"),
    [
        ([], [], range(160)),
        ([40, 41, 120], [], range(42, 120)),  # the longest stretch in which she is there
        (range(60), [], range(60, 160)),
        ([], [45, 110], range(45, 110)),  # the longest shot
        ([100], [70], range(70)),
        (range(51, 160, 52), [20, 80, 130], range(51)),  # no shot is long enough: a stretch across a cut
        (range(0, 160, 10), [], [i for i in range(160) if i % 10]),  # no stretch is: all that show her
        (range(160), [], range(160)),  # nowhere: there is nothing better
    ],
)
def test_poses_are_lent_by_the_longest_stretch_that_shows_the_person(tmp_path, lost, cuts, lent) -> None:
    folder = make_dataset(tmp_path / "set", num_frames=160)
    folder.update_record(lost_frames=list(lost), scene_cuts=list(cuts))
    clip = ReferenceClip(folder.root)
    assert borrowed_frames(clip) == list(lent)
    script = script_of_features(clip, torch.zeros(2 * len(lent), 162), None)
    path = script.reference
    assert {*path.first.tolist(), *path.second.tolist()} <= set(lent) and path.first[0] == lent[0]
    whole = path.mix == 0
    if list(lent) == list(range(lent[0], lent[-1] + 1)):
        assert (np.diff(path.first)[whole[1:] & whole[:-1]] == 1).all()  # the head never jumps, and never goes back
