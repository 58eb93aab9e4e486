"""Films with transparency, and films as folders of pictures."""

from __future__ import annotations

import wave
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from arguments.errors import EGSTalkerError
from media.alpha_layer import decoded_with_alpha, has_alpha_layer
from media.images import read_rgba
from media.picture_sequence import PictureSequence
from media.sound import read_audio
from media.video import probe, read_frames
from media.video_writer import ENDINGS, VideoWriter
from tests.data_utils.sounds import tone

WIDTH, HEIGHT, COUNT = 80, 64, 12


def pictures() -> list[np.ndarray]:
    """A disc that moves over a ramp of colours, its rim soft."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    made = []
    for k in range(COUNT):
        opacity = np.clip((22 - np.hypot(x - 25 - 2 * k, y - 32)) / 6, 0, 1) * 255
        made.append(np.stack([2 * x + 60, 3 * y + 40, np.full_like(x, 120), opacity], -1).round().astype(np.uint8))
    return made


def written(target: Path) -> list[np.ndarray]:
    frames = pictures()
    with VideoWriter(target, WIDTH, HEIGHT, audio=tone(COUNT / 25), audio_rate=16000) as writer:
        for frame in frames:
            writer.write(frame)
    return frames


def over(picture: np.ndarray, colour: int) -> np.ndarray:
    opacity = picture[..., 3:] / 255
    return picture[..., :3] * opacity + colour * (1 - opacity)


def test_prores_keeps_colours_and_opacity(tmp_path):
    frames = written(tmp_path / "a.mov")
    with av.open(str(tmp_path / "a.mov")) as film:
        assert film.streams.video[0].codec_context.name == "prores"
        back = [frame.to_ndarray(format="rgba") for frame in film.decode(video=0)]
    assert len(back) == COUNT
    for frame, shown in zip(frames, back, strict=True):
        assert np.abs(frame[..., 3].astype(int) - shown[..., 3]).max() <= 2
        for colour in (0, 255):
            assert np.abs(over(frame, colour) - over(shown, colour)).mean() < 1


def test_players_are_told_of_vp9s_opacity(tmp_path):
    written(tmp_path / "a.webm")
    assert b"\x53\xc0\x81\x01" in (tmp_path / "a.webm").read_bytes()[:2000]  # Matroska's element AlphaMode


def test_vp9_keeps_colours_and_opacity(tmp_path):
    frames = written(tmp_path / "a.webm")
    with av.open(str(tmp_path / "a.webm")) as film:
        stream = film.streams.video[0]
        assert has_alpha_layer(stream) and stream.codec_context.name == "vp9"
        back = [(frame.to_ndarray(format="rgb24"), frame.opaque) for frame in decoded_with_alpha(film, stream)]
    assert len(back) == COUNT
    for frame, (colours, opacity) in zip(frames, back, strict=True):
        assert np.abs(frame[..., 3].astype(int) - opacity).mean() < 2
        assert np.abs(over(frame, 0) - over(np.dstack([colours, opacity]), 0)).mean() < 4


@pytest.mark.parametrize("ending", [".mov", ".webm"])
def test_what_is_transparent_has_its_sound_and_length_and_is_read_over_black(tmp_path, ending):
    frames = written(tmp_path / f"a{ending}")
    info = probe(tmp_path / f"a{ending}")
    assert info.num_frames == COUNT and abs(info.seconds - info.audio_end) < 0.04
    assert np.abs(read_audio(tmp_path / f"a{ending}", origin=info.start)).max() > 0.3
    shown = list(read_frames(tmp_path / f"a{ending}"))
    assert max(np.abs(over(a, 0) - b).mean() for a, b in zip(frames, shown, strict=True)) < 4


def test_a_film_takes_the_pictures_that_its_kind_holds(tmp_path):
    opaque, cut_out = np.zeros((HEIGHT, WIDTH, 3), np.uint8), np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    for ending in ENDINGS:
        with pytest.raises(ValueError, match="expected"), VideoWriter(tmp_path / f"a{ending}", WIDTH, HEIGHT) as writer:
            writer.write(cut_out if ending == ".mp4" else opaque)
    assert not list(tmp_path.iterdir())


def test_pictures_are_numbered_and_their_sound_is_as_long(tmp_path):
    frames = pictures()
    with PictureSequence(tmp_path / "a_frames", audio=[tone(0.1), tone(9.0)], audio_rate=16000) as film:
        for frame in frames:
            film.write(frame)
    names = sorted(path.name for path in (tmp_path / "a_frames").iterdir())
    assert names == [*(f"{k:05d}.png" for k in range(COUNT)), "sound.wav"]
    for k, frame in enumerate(frames):
        np.testing.assert_array_equal(read_rgba(tmp_path / "a_frames" / f"{k:05d}.png"), frame)
    with wave.open(str(tmp_path / "a_frames" / "sound.wav")) as sound:
        assert sound.getnframes() == COUNT * 640 and sound.getframerate() == 16000


def test_short_sound_is_padded_and_silent_films_have_none(tmp_path):
    for name, audio in (("short", [tone(0.1)]), ("silent", None)):
        with PictureSequence(tmp_path / name, audio=audio, audio_rate=16000) as film:
            film.write(np.zeros((8, 8, 3), np.uint8))
            for _ in range(9):
                film.write(np.full((8, 8, 3), 200, np.uint8))
    with wave.open(str(tmp_path / "short" / "sound.wav")) as sound:
        samples = np.frombuffer(sound.readframes(sound.getnframes()), "<i2")
    assert len(samples) == 6400 and not samples[1600:].any() and samples[:1600].any()
    assert not (tmp_path / "silent" / "sound.wav").exists()
    assert cv2.imread(str(tmp_path / "silent" / "00009.png")).mean() == 200


def test_pictures_replace_older_ones_and_nothing_else(tmp_path):
    target = tmp_path / "a_frames"
    for count in (5, 2):
        with PictureSequence(target, audio=None, audio_rate=16000) as film:
            for _ in range(count):
                film.write(np.zeros((8, 8, 3), np.uint8))
    assert len(list(target.iterdir())) == 2
    with pytest.raises(KeyboardInterrupt), PictureSequence(target, audio=None, audio_rate=16000) as film:
        film.write(np.zeros((8, 8, 3), np.uint8))
        raise KeyboardInterrupt
    assert len(list(target.iterdir())) == 2 and list(tmp_path.iterdir()) == [target]
    (target / "thesis.txt").write_text("mine")
    with pytest.raises(EGSTalkerError, match="holds other files"), PictureSequence(target, audio=None, audio_rate=1):
        pass
    assert (target / "thesis.txt").read_text() == "mine"
    with pytest.raises(EGSTalkerError, match="holds other files"):
        PictureSequence(target / "thesis.txt", audio=None, audio_rate=1).__enter__()
