import av
import numpy as np
import pytest
import torch

from arguments.errors import EGSTalkerError
from media.sound import iter_audio, read_audio
from media.video import probe, read_frames, read_stretch, sample_frames
from media.video_writer import VideoWriter, has_nvenc
from synthesis.yuv import yuv420
from tests.data_utils.sounds import tone


def levels(frames):
    """Which source picture each frame is."""
    return [round(float(frame[:, 32:].mean()) / 4) for frame in frames]


def test_a_25_fps_video_comes_back_frame_by_frame(make_video):
    path = make_video("a.mp4", np.arange(50) / 25)
    assert levels(read_frames(path)) == list(range(50))
    assert probe(path).num_frames == 50


def test_a_50_fps_video_gives_every_second_picture(make_video):
    path = make_video("a.mp4", np.arange(60) / 50)
    assert levels(read_frames(path)) == list(range(0, 60, 2))


@pytest.mark.parametrize("fps", [24, 30000 / 1001])
def test_other_rates_show_the_picture_nearest_in_time(make_video, fps):
    path = make_video("a.mp4", np.arange(48) / fps)
    shown = np.array(levels(read_frames(path)))
    assert np.abs(shown / fps - np.arange(len(shown)) / 25).max() <= 0.5 / 25 + 0.5 / fps
    assert len(shown) == probe(path).num_frames


def test_a_variable_rate_holds_a_picture_until_the_next(make_video):
    times = [0, 0.04, 0.08, 0.48, 0.52]
    path = make_video("a.mp4", times)
    assert levels(read_frames(path))[:14] == [0, 1, *[2] * 10, 3, 4]


def test_a_turned_video_is_set_upright(make_video):
    path = make_video("a.mp4", np.arange(50) / 25, rotation=90)
    info, frame = probe(path), next(read_frames(path))
    assert (info.width, info.height) == (48, 64) == frame.shape[1::-1]
    assert frame[-4:].mean() > 250 > 50 > frame[:4].mean() or frame[:4].mean() > 250 > 50 > frame[-4:].mean()


def test_sampled_frames_are_spread_evenly(make_video):
    path = make_video("a.mp4", np.arange(50) / 25)
    assert levels(sample_frames(path, 50, 3)) == [0, 24, 49]


@pytest.fixture
def long_film(tmp_path):
    """Pictures of many levels over 24 s, with key frames 10 s apart and frames that look ahead."""
    path = tmp_path / "film.mp4"
    with VideoWriter(path, 64, 48, crf=10) as film:
        for k in range(600):
            film.write(np.full((48, 64, 3), 20 + 37 * k % 211, np.uint8))
    return path


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_a_stretch_shows_the_frames_of_the_whole(long_film, suffix):
    video = long_film.with_name(f"copy{suffix}")
    with av.open(str(long_film)) as film, av.open(str(video), "w") as copy:
        stream = copy.add_stream_from_template(film.streams.video[0])
        for packet in film.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                copy.mux(packet)
    whole, info = list(read_frames(video)), probe(video)
    for frames in (range(0, 5), range(37, 45), range(495, 505), range(596, 600)):
        stretch = list(read_stretch(video, info, frames))
        assert [number for number, _ in stretch] == [*frames]
        for number, picture in stretch:
            np.testing.assert_array_equal(picture.rgb, whole[number])
            assert np.abs(picture.thumbnail(32).astype(int) - int(whole[number][30, 40, 0])).max() < 3


def test_samples_far_apart_are_those_of_the_whole(long_film):
    whole = list(read_frames(long_film))
    for image, number in zip(sample_frames(long_film, 600, 2), (0, 599), strict=True):
        np.testing.assert_array_equal(image, whole[number])


def test_a_short_tail_is_held_and_a_long_one_refused(make_video):
    path = make_video("a.mp4", np.arange(50) / 25)
    assert levels(read_frames(path, 55))[-6:] == [49] * 6
    with pytest.raises(EGSTalkerError, match="damaged"):
        list(read_frames(path, 80))


def test_the_shorter_of_picture_and_sound_counts(make_video):
    assert probe(make_video("a.mp4", np.arange(60) / 25, audio=tone(2.0))).num_frames in (50, 51)
    assert probe(make_video("b.mp4", np.arange(50) / 25, audio=tone(3.0))).num_frames == 50


def test_sound_that_begins_late_is_preceded_by_silence(make_video):
    path = make_video("a.mov", np.arange(50) / 25, audio=tone(1.5), audio_start=0.5)
    sound = read_audio(path, 16000, origin=probe(path).start)
    assert abs(len(sound) / 16000 - 2.0) < 0.05
    assert np.abs(sound[:7500]).max() < 0.01 < 0.3 < np.abs(sound[8500:9500]).max()


def test_sound_comes_at_any_rate_with_its_pitch(make_video):
    path = make_video("a.mp4", np.arange(50) / 25, audio=tone(2.0))
    for rate in (8000, 16000, 48000):
        spectrum = np.abs(np.fft.rfft(read_audio(path, rate)[:rate]))
        assert abs(int(spectrum.argmax()) - 440) <= 2


def test_files_that_will_not_do_are_named_in_one_line(make_video, tmp_path):
    garbage = tmp_path / "garbage.mp4"
    garbage.write_bytes(bytes(range(256)) * 40)
    with pytest.raises(EGSTalkerError, match="cannot be read"):
        probe(garbage)
    with pytest.raises(EGSTalkerError, match="is not a file"):
        probe(tmp_path / "nowhere.mp4")
    with pytest.raises(EGSTalkerError, match="no audio track"):
        read_audio(make_video("mute.mp4", np.arange(50) / 25))


def test_a_truncated_file_is_refused(make_video, tmp_path):
    whole = make_video("whole.mkv", np.arange(50) / 25).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(make_video("whole.mp4", np.arange(50) / 25).read_bytes()[:-400])
    with pytest.raises(EGSTalkerError):
        probe(tmp_path / "cut.mp4")
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole[: len(whole) // 2])
    assert 0 < len(list(read_frames(cut))) < 50  # a format without a table at its end is read as far as it goes


@pytest.mark.parametrize("seconds", [0.5, 5.0])
def test_written_picture_and_sound_are_equally_long(tmp_path, seconds):
    frames = np.random.default_rng(0).integers(0, 255, (50, 64, 64, 3), np.uint8)
    with VideoWriter(tmp_path / "o.mp4", 64, 64, audio=tone(seconds), audio_rate=16000) as writer:
        for frame in frames:
            writer.write(frame)
    info = probe(tmp_path / "o.mp4")
    assert info.num_frames == 50
    assert abs(info.seconds - info.audio_end) < 0.04
    sound = read_audio(tmp_path / "o.mp4", origin=info.start)
    assert np.abs(sound[:7000]).max() > 0.3
    assert (np.abs(sound[16000:30000]).max() < 0.01) == (seconds < 1)


def test_a_written_video_shows_the_same_pictures_in_sync(tmp_path):
    y, x = np.mgrid[:64, :80]
    frames = [np.stack([(x + 3 * k) % 256, y * 2, np.full_like(x, 100)], -1).astype(np.uint8) for k in range(30)]
    clicks = np.zeros(30 * 640, np.float32)
    clicks[20 * 640 : 20 * 640 + 200] = 0.9
    blocks = iter(np.array_split(clicks, 7))
    with VideoWriter(tmp_path / "o.mp4", 80, 64, audio=blocks, crf=10) as writer:
        for frame in frames:
            writer.write(frame)
    back = list(read_frames(tmp_path / "o.mp4"))
    assert len(back) == 30
    assert max(np.abs(a.astype(int) - b).mean() for a, b in zip(frames, back, strict=True)) < 3
    sound = np.concatenate(list(iter_audio(tmp_path / "o.mp4", 16000)))
    assert abs(int(np.abs(sound).argmax()) - 20 * 640) < 320


def test_planes_of_the_encoders_colours_are_taken_as_they_are(tmp_path):
    y, x = np.mgrid[:64, :80]
    pictures = [np.stack([(x + 3 * k) % 256, y * 2, np.full_like(x, 100)], -1).astype(np.uint8) for k in range(10)]
    with VideoWriter(tmp_path / "o.mp4", 80, 64, crf=4) as writer:
        for planes in yuv420(torch.from_numpy(np.stack(pictures)).float() / 255).numpy():
            writer.write(planes)
    back = list(read_frames(tmp_path / "o.mp4"))
    assert max(np.abs(a.astype(int) - b).mean() for a, b in zip(pictures, back, strict=True)) < 4


def test_a_card_without_a_video_engine_leaves_it_to_x264(tmp_path):
    if has_nvenc():
        pytest.skip("there is a video engine here")
    with VideoWriter(tmp_path / "o.mp4", 32, 32, hardware=True) as writer:
        writer.write(np.zeros((32, 32, 3), np.uint8))
    assert len(list(read_frames(tmp_path / "o.mp4"))) == 1


def test_odd_sizes_are_made_even(tmp_path):
    with VideoWriter(tmp_path / "o.mp4", 33, 17) as writer:
        writer.write(np.zeros((17, 33, 3), np.uint8))
    assert next(read_frames(tmp_path / "o.mp4")).shape == (18, 34, 3)


def test_an_interrupted_write_leaves_the_old_file(tmp_path):
    target = tmp_path / "o.mp4"
    target.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), VideoWriter(target, 32, 32) as writer:
        writer.write(np.zeros((32, 32, 3), np.uint8))
        raise KeyboardInterrupt
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_codecs_that_nobody_knows_are_said_to_be(make_video, tmp_path):
    whole = make_video("whole.mp4", np.arange(50) / 25, audio=tone(2.0)).read_bytes()
    (tmp_path / "mute.mp4").write_bytes(whole.replace(b"mp4a", b"????").replace(b"\x40\x15", b"\x99\x15"))
    assert not probe(tmp_path / "mute.mp4").has_audio
    with pytest.raises(EGSTalkerError, match="can be decoded"):
        read_audio(tmp_path / "mute.mp4")
    (tmp_path / "blind.mp4").write_bytes(whole.replace(b"avc1", b"????"))
    with pytest.raises(EGSTalkerError, match="no picture"):
        probe(tmp_path / "blind.mp4")
