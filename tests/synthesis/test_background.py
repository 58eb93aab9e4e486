"""The person before other backgrounds."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import predict
from arguments.errors import EGSTalkerError
from media.images import read_rgb, write_image
from media.video import read_frames
from media.video_writer import VideoWriter
from scene.reference_clip import ReferenceClip
from synthesis.background import CLIP, Background, filling
from synthesis.rendering import synthesise
from synthesis.script import script_of_frames
from tests.tiny_head import make_dataset, make_head, make_moving_model, speech_like, write_wav

COLOURS = ("#000000", "#ffffff", "#00ff00")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> ReferenceClip:
    return ReferenceClip(make_dataset(tmp_path_factory.mktemp("data") / "set").root)


def shown(clip: ReferenceClip, background: Background) -> np.ndarray:
    script = replace(script_of_frames(clip, range(3, 8), clip.audio), background=background)
    return np.stack(list(synthesise(make_head(), clip, script, batch=2)))


def test_words_name_a_background(tmp_path):
    assert Background.of("clip") == CLIP
    assert Background.of("#FF8000") == Background(colour=(255, 128, 0))
    (tmp_path / "a b.png").touch()
    assert Background.of(str(tmp_path / "a b.png")).path == tmp_path / "a b.png"
    for wrong in ("#12345", "#gggggg", "green", str(tmp_path), ""):
        with pytest.raises(EGSTalkerError, match="--background takes clip, transparent, a colour"):
            Background.of(wrong)


def test_the_clips_own_room_is_as_before(clip):
    plain = np.stack(list(synthesise(make_head(), clip, script_of_frames(clip, range(3, 8), clip.audio), batch=2)))
    np.testing.assert_array_equal(shown(clip, CLIP), plain)
    own = Background(path=clip.folder.background)
    assert np.quantile(np.abs(shown(clip, own).astype(int) - plain), 0.9) <= 2  # but for the torso's rim


@pytest.mark.parametrize("colour", COLOURS)
def test_what_is_transparent_looks_the_same_over_every_colour(clip, colour):
    cut_out = shown(clip, Background.of("transparent")).astype(float)
    direct = shown(clip, Background.of(colour)).astype(float)
    assert direct.shape == (5, clip.height, clip.width, 3) and cut_out.shape[-1] == 4
    opacity = cut_out[..., 3:] / 255
    behind = np.array(Background.of(colour).colour)
    assert np.abs(cut_out[..., :3] * opacity + behind * (1 - opacity) - direct).max() <= 2
    assert 0.02 < (opacity == 0).mean() < 0.98 and ((opacity > 0.1) & (opacity < 0.9)).any()


def test_a_picture_fills_the_frame_and_a_video_begins_again(clip, tmp_path):
    width, height = clip.width, clip.height
    wide = np.zeros((30, 90, 3), np.uint8)
    wide[:, 30:60] = 255
    assert filling(wide, 60, 60)[:, 2:-2].min() == 255  # its middle third
    assert filling(wide[:10, :5], 60, 60).shape == (60, 60, 3)
    write_image(tmp_path / "wall.png", np.full((2 * height, 3 * width, 3), (10, 200, 30), np.uint8))
    picture = shown(clip, Background.of(str(tmp_path / "wall.png")))
    assert np.abs(picture.astype(int) - shown(clip, Background(colour=(10, 200, 30)))).max() <= 1
    with VideoWriter(tmp_path / "sky.mp4", 64, 48, crf=1) as film:
        for level in (0, 100, 200):
            film.write(np.full((48, 64, 3), level, np.uint8))
    seen = list(itertools.islice(Background.of(str(tmp_path / "sky.mp4")).pictures(40, 40), 8))
    assert [round(float(frame.mean()) / 100) for frame in seen] == [0, 1, 2, 0, 1, 2, 0, 1]
    assert seen[0].shape == (40, 40, 3)


def test_what_is_no_picture_is_one_line(clip, tmp_path):
    (tmp_path / "wall.png").write_bytes(b"not a picture")
    (tmp_path / "sky.mp4").write_bytes(b"not a video")
    with pytest.raises(EGSTalkerError, match=r"the background .*wall.png is no picture that can be read"):
        shown(clip, Background.of(str(tmp_path / "wall.png")))
    with pytest.raises(EGSTalkerError, match=r"sky.mp4"):
        shown(clip, Background.of(str(tmp_path / "sky.mp4")))


@pytest.mark.parametrize(
    "words, message",
    [
        (["--background", "transparent", "--format", "mp4"], "an mp4 holds no transparency"),
        (["--format", "webm"], "--format webm is for --background transparent"),
    ],
)
def test_a_format_that_cannot_hold_it_is_refused(words, message, capsys):
    with pytest.raises(SystemExit):
        predict.parse(["--audio_path", "a.wav", "--reference_path", "d", "--model_path", "m", *words])
    assert message in capsys.readouterr().err


def test_films_of_every_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    dataset = make_dataset(tmp_path / "set")
    model = make_moving_model(tmp_path / "model", dataset)
    sound = write_wav(tmp_path / "my.talk.wav", speech_like(0.6))
    line = ["--audio_path", str(sound), "--reference_path", str(dataset.root), "--model_path", str(model)]
    line += ["--output_dir", str(tmp_path / "out")]
    films = {
        "my.talk.mp4": ["--background", "#00ff00"],
        "my.talk.mov": ["--background", "transparent"],
        "my.talk.webm": ["--background", "transparent", "--format", "webm"],
        "my.talk_frames": ["--background", "transparent", "--format", "png"],
    }
    for name, words in films.items():
        monkeypatch.setattr("sys.argv", ["predict.py", *line, *words])
        assert not predict.main(), capsys.readouterr().err
        assert (tmp_path / "out" / name).exists() and f"{name}: 15 frames" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(films)
    green = next(iter(read_frames(tmp_path / "out" / "my.talk.mp4")))
    assert np.abs(green[2, 2].astype(int) - (0, 255, 0)).max() < 30
    assert len(list((tmp_path / "out" / "my.talk_frames").glob("*.png"))) == 15
    over_sound = ["--background", str(tmp_path / "out" / "my.talk.mp4")]
    monkeypatch.setattr("sys.argv", ["predict.py", *line, *over_sound])
    assert predict.main() == 1 and "would overwrite the background" in capsys.readouterr().err
    write_image(tmp_path / "wall.jpg", read_rgb(dataset.background))
    monkeypatch.setattr("sys.argv", ["predict.py", *line, "--background", str(tmp_path / "wall.jpg")])
    assert not predict.main()
