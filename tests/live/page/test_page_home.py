"""Names and files that a browser gives: none leads out of the home, and what is kept has a name of ours."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from arguments.errors import EGSTalkerError
from live.page.home import HeadFolder, Home, slug
from live.page.uploads import Limits, give_to_head, take_sound, take_video
from media.sound import write_wav
from tests.tiny_video import write_video

HOSTILE = [
    "..", "../anna", "anna/../../x", "/etc/passwd", "a/b", "", ".", "-x", "x" * 41, "anna\0", "anna\n", "Anna", "ännä",
    "anna.", "%2e%2e", None, 7, ["anna"],
]  # fmt: skip


@pytest.fixture
def anna(home: Home) -> HeadFolder:
    head = home.new_head("anna")
    head.root.mkdir()
    head.record.write_text(json.dumps({"quality": "quick", "asked": 1.0}))
    return head


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_of_a_head_leads_elsewhere(home: Home, anna: HeadFolder, name: object):
    with pytest.raises(EGSTalkerError):
        home.head(name)


@pytest.mark.parametrize("picture", ["../head", "report.png", "fine-1", "fine-00500/..", "../../anna/clip", None, "x"])
def test_no_picture_is_a_path(home: Home, anna: HeadFolder, picture: object):
    with pytest.raises(EGSTalkerError, match="no such picture"):
        home.picture("anna", picture)


def test_a_link_out_of_the_home_is_not_followed(home: Home, anna: HeadFolder, tmp_path: Path):
    (tmp_path / "secret.png").write_bytes(b"x")
    (anna.model.root / "validation").mkdir(parents=True)
    (anna.model.root / "validation" / "torso.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(EGSTalkerError, match="not in the folder"):
        home.picture("anna", "torso")
    (home.root / "heads" / "linked").symlink_to(tmp_path)
    with pytest.raises(EGSTalkerError, match="not in the folder"):
        home.head("linked")


@pytest.mark.parametrize(
    ("words", "name"),
    [("Anna", "anna"), ("../Anna Müller", "anna-muller"), ("<b>x</b>", "b-x-b"), ("A" * 100, "a" * 40), ("--a--", "a")],
)
def test_words_become_the_name_of_a_folder(words: str, name: str):
    assert slug(words) == name


@pytest.mark.parametrize("words", ["", "...", "日本", "//"])
def test_words_of_which_nothing_is_left_are_refused(words: str):
    with pytest.raises(EGSTalkerError, match="letters and digits"):
        slug(words)


@pytest.mark.parametrize("sent", ["/etc/passwd", "uploads/../../x.mp4", "", None, 3, "a\0b"])
def test_what_was_not_sent_to_the_page_is_not_taken(home: Home, sent: object):
    with pytest.raises(EGSTalkerError, match="no file that was sent"):
        take_video(home, sent, Limits())


def test_a_link_among_the_uploads_is_not_taken(home: Home, tmp_path: Path):
    film = write_video(tmp_path / "x.mp4", [0.0, 0.5, 1.0])
    (home.uploads / "x.mp4").symlink_to(film)
    with pytest.raises(EGSTalkerError, match="no file that was sent"):
        take_video(home, str(home.uploads / "x.mp4"), Limits())
    assert film.is_file()


def test_what_is_too_large_or_no_video_is_refused_and_thrown_away(home: Home):
    large, text, empty = (home.uploads / name for name in ("large.mp4", "text.mp4", "empty.mp4"))
    large.write_bytes(bytes(2_000_000))
    text.write_text("not a film")
    empty.touch()
    for path, why in ((large, "at most 1 "), (text, "not a video"), (empty, "empty")):
        with pytest.raises(EGSTalkerError, match=why):
            take_video(home, str(path), Limits(megabytes=1))
        assert not path.exists()
    assert not list(home.clips.iterdir())


def test_a_video_gets_a_name_of_ours(home: Home, talking_head: Path, anna: HeadFolder):
    for sent, kept in (("$(rm -rf) '; --help.mp4", "clip.mp4"), ("film.exe", "clip.mp4"), ("x.MOV", "clip.mov")):
        path = home.uploads / sent
        path.write_bytes(talking_head.read_bytes())
        clip = take_video(home, str(path), Limits())
        assert clip.name == kept
        assert clip.parent.parent == home.clips
        assert not path.exists()
    assert give_to_head(clip, anna) == anna.clip()


def test_a_film_without_sound_is_refused(home: Home):
    path = write_video(home.uploads / "x.mp4", [k / 25 for k in range(20)], audio=None)
    with pytest.raises(EGSTalkerError, match="no sound"):
        take_video(home, str(path), Limits())


def test_a_sound_is_copied_under_a_name_of_ours(home: Home, anna: HeadFolder):
    path = home.uploads / "--audio_path=x.wav"
    write_wav(path, np.zeros(16000, np.float32))
    sound = take_sound(home, anna, str(path), Limits())
    assert sound == anna.sounds / "0001" / "sound.wav"
    assert path.is_file()
    text = home.uploads / "x.wav"
    text.write_text("not a sound")
    with pytest.raises(EGSTalkerError):
        take_sound(home, anna, str(text), Limits())
