"""A click and a flash that belong together stay together, whatever they were recorded in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from arguments.clock import FPS, SAMPLE_RATE
from arguments.errors import EGSTalkerError
from media.sound import read_audio
from media.sound_survey import survey
from media.video import probe
from media.video_writer import VideoWriter
from tests.media.click_and_flash import (
    EVERY,
    FIRST,
    Recipe,
    apart,
    clicks,
    encoded,
    join_takes,
    pictures,
    write_film,
)

LIMIT = 10.0  # milliseconds
FRAGMENTS = (("movflags", "frag_keyframe+empty_moov"),)

RECIPES = {
    "mp4 aac": Recipe(".mp4"),
    "mp4 fragments": Recipe(".mp4", options=FRAGMENTS),
    "mp4 mp3": Recipe(".mp4", audio="libmp3lame"),
    "mp4 opus": Recipe(".mp4", audio="libopus"),
    "mp4 ac3": Recipe(".mp4", audio="ac3"),
    "mp4 flac": Recipe(".mp4", audio="flac"),
    "mp4 alac": Recipe(".mp4", audio="alac"),
    "mov pcm": Recipe(".mov", audio="pcm_s16le"),
    "mov aac": Recipe(".mov", rate=44100),
    "mkv aac": Recipe(".mkv", "mpeg4"),
    "mkv opus": Recipe(".mkv", "mpeg4", "libopus"),
    "mkv flac": Recipe(".mkv", "mpeg4", "flac"),
    "mkv pcm": Recipe(".mkv", "mpeg4", "pcm_s16le"),
    "mkv mp3": Recipe(".mkv", "mpeg4", "libmp3lame"),
    "webm opus": Recipe(".webm", "libvpx", "libopus"),
    "avi pcm": Recipe(".avi", "mpeg4", "pcm_s16le"),
    "avi mp3": Recipe(".avi", "mpeg4", "libmp3lame"),
    "avi aac": Recipe(".avi", "mpeg4", "aac"),
    "avi ac3": Recipe(".avi", "mpeg4", "ac3"),
    "ts aac": Recipe(".ts"),
    "ts mp2": Recipe(".ts", audio="mp2"),
    "ts ac3": Recipe(".ts", audio="ac3"),
    "flv aac": Recipe(".flv", rate=44100),
    "flv mp3": Recipe(".flv", audio="libmp3lame", rate=44100),
    "mpg mp2": Recipe(".mpg", "mpeg2video", "mp2"),
    "nut pcm": Recipe(".nut", "mpeg4", "pcm_s16le"),
    "mxf pcm": Recipe(".mxf", "mpeg2video", "pcm_s16le"),
    "3gp aac": Recipe(".3gp", "mpeg4", "aac", 16000, "mono"),
}


def whole(path: Path, recipe: Recipe) -> Path:
    return write_film(path, recipe)


def sound_later(path: Path, recipe: Recipe) -> Path:
    sound = clicks(8, recipe.rate, first=FIRST / FPS - 0.3)
    return write_film(path, recipe, sound=sound, sound_start=0.3)


def sound_sooner(path: Path, recipe: Recipe) -> Path:
    sound = clicks(8, recipe.rate, first=FIRST / FPS + 0.3)
    return write_film(path, recipe, sound=sound, sound_start=-0.3)


def late(path: Path, recipe: Recipe) -> Path:
    return write_film(path, recipe, picture_start=5, sound_start=5)


def three_gaps(path: Path, recipe: Recipe) -> Path:
    def lost(packet: Any) -> bool:
        return any(begin < packet.pts * packet.time_base < begin + 0.35 for begin in (1.6, 3.6, 5.6))

    return write_film(path, recipe, change=lambda packets: [packet for packet in packets if not lost(packet)])


def slow(path: Path, recipe: Recipe) -> Path:
    def stretched(packets: list[Any]) -> list[Any]:
        first = packets[0].pts
        for packet in packets:
            packet.pts = packet.dts = first + round((packet.pts - first) * 1.01)
        return packets

    sound = clicks(8, recipe.rate, first=FIRST / FPS / 1.01, every=EVERY / FPS / 1.01)
    return write_film(path, recipe, sound=sound, change=stretched)


def takes(path: Path, recipe: Recipe) -> Path:
    return join_takes(
        path, [write_film(path.with_stem(f"take{k}"), replace(recipe, options=()), 1.2) for k in range(20)]
    )


FAULTS: dict[str, Callable[[Path, Recipe], Path]] = {
    **{"whole": whole, "sound later": sound_later, "sound sooner": sound_sooner, "late": late},
    **{"three gaps": three_gaps, "slow": slow, "takes": takes},
}
# Some containers keep no time stamps of the sound's packets, so that what was changed is not in the file; of an MPEG
# program stream packets have no time before they are parsed, so that they cannot be joined by copying.
STARTS, CLOCKS = ("sound later", "sound sooner", "late"), ("three gaps", "slow")
NOT_KEPT = {
    "mov pcm": CLOCKS,
    "avi pcm": (*STARTS, *CLOCKS),
    **dict.fromkeys(("mxf pcm", "avi mp3", "avi aac", "avi ac3"), (*STARTS, *CLOCKS, "takes")),
    "mpg mp2": ("takes",),
}
PART = {
    *(("mp4 aac", "takes"), ("mp4 fragments", "whole"), ("mkv opus", "slow"), ("mkv aac", "sound later")),
    *(("ts aac", "sound sooner"), ("avi mp3", "whole"), ("webm opus", "three gaps"), ("mov pcm", "late")),
}
CASES = [
    pytest.param(recipe, fault, id=f"{recipe}, {fault}", marks=[] if (recipe, fault) in PART else pytest.mark.matrix)
    for recipe in RECIPES
    for fault in FAULTS
    if fault not in NOT_KEPT.get(recipe, ())
]


@pytest.mark.parametrize(("recipe", "fault"), CASES)
def test_clicks_stay_with_their_flashes(recipe, fault, tmp_path):
    path = FAULTS[fault](tmp_path / f"film{RECIPES[recipe].suffix}", RECIPES[recipe])
    distances = apart(path)
    assert len(distances) >= 8 and np.abs(distances).max() < LIMIT, distances.round(1)


@pytest.mark.parametrize(
    ("fault", "says"),
    [(whole, None), (three_gaps, "gaps of 1."), (slow, "is 1.00% slow")],
)
def test_what_is_mended_is_said(fault, says, tmp_path):
    remarks = survey(fault(tmp_path / "film.mp4", Recipe(".mp4"))).remarks
    assert [says in remark for remark in remarks] == ([True] if says else [])


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [(".wav", "pcm_s16le"), (".flac", "flac"), (".mp3", "libmp3lame"), (".m4a", "aac"), (".ogg", "libopus")],
)
def test_sound_alone_begins_where_it_was_recorded(suffix, codec, tmp_path):
    path, recipe = tmp_path / f"sound{suffix}", Recipe(suffix, audio=codec)
    with av.open(str(path), "w", format="ipod" if suffix == ".m4a" else None) as container:
        track = container.add_stream(codec, rate=recipe.rate, layout=recipe.layout)
        for packet in encoded(track, clicks(4), recipe):
            container.mux(packet)
    sound = np.abs(read_audio(path))
    peaks = [second * SAMPLE_RATE + sound[second * SAMPLE_RATE :][:SAMPLE_RATE].argmax() for second in range(4)]
    assert np.array(peaks) / SAMPLE_RATE == pytest.approx(FIRST / FPS + np.arange(4), abs=LIMIT / 1000)
    assert abs(len(sound) / SAMPLE_RATE - 4) < 0.03


def test_a_film_that_is_written_is_in_sync_as_players_show_it(tmp_path):
    sound = clicks(8, 48000)
    with VideoWriter(tmp_path / "o.mp4", 64, 48, audio=np.array_split(sound, 9), audio_rate=48000) as writer:
        for picture in pictures(200):
            writer.write(picture)
    distances = apart(tmp_path / "o.mp4")
    assert len(distances) == 8 and np.abs(distances).max() < LIMIT


@pytest.mark.parametrize(
    ("recipe", "later"), [("ts aac", 0), ("ts mp2", 100), ("mpg mp2", 0), ("webm opus", 0), ("mkv aac", 0)]
)
def test_two_recordings_in_one_file_follow_each_other(recipe, later, tmp_path):
    recipe = RECIPES[recipe]
    first = write_film(tmp_path / f"a{recipe.suffix}", recipe, 3, picture_start=later, sound_start=later)
    second = write_film(tmp_path / f"b{recipe.suffix}", recipe, 3)
    both = tmp_path / f"both{recipe.suffix}"
    both.write_bytes(first.read_bytes() + second.read_bytes())
    distances = apart(both)
    assert len(distances) == 6 and np.abs(distances).max() < LIMIT
    assert 6 <= probe(both).seconds < 6.2


def test_a_second_recording_that_cannot_be_read_is_said_with_its_time(tmp_path):
    film = write_film(tmp_path / "a.mp4", RECIPES["mp4 fragments"], 3)
    film.write_bytes(film.read_bytes() * 2)
    with pytest.raises(EGSTalkerError, match=r"another recording after 0:03\.\d"):
        probe(film)


def test_a_clock_that_leaps_in_the_sound_alone_is_refused_with_its_time(tmp_path):
    def leaping(packets: list[Any]) -> list[Any]:
        for packet in packets[len(packets) // 2 :]:
            packet.pts = packet.dts = packet.pts + round(100 / packet.time_base)
        return packets

    film = write_film(tmp_path / "a.mkv", RECIPES["mkv aac"], 4, change=leaping)
    with pytest.raises(EGSTalkerError, match=r"leap after 0:0[12]\.\d.*not alike"):
        probe(film)


@pytest.mark.parametrize(
    "other",
    [Recipe(".ts", audio="mp2", layout="mono"), Recipe(".ts", audio="mp2", rate=32000)],
    ids=["layout", "rate"],
)
def test_sound_that_changes_midway_goes_on(other, tmp_path):
    first = write_film(tmp_path / "a.ts", Recipe(".ts", audio="mp2"), 3)
    first.write_bytes(first.read_bytes() + write_film(tmp_path / "b.ts", other, 3).read_bytes())
    distances = apart(first)
    assert len(distances) == 6 and np.abs(distances).max() < LIMIT


def test_channels_that_cancel_each_other_are_heard(tmp_path):
    sound = clicks(3)
    film = write_film(tmp_path / "a.mov", RECIPES["mov pcm"], 3, sound=np.stack([-0.5 * sound, sound], axis=1))
    assert np.abs(read_audio(film)).max() > 0.7
    assert ["right one is taken" in remark for remark in survey(film).remarks] == [True]


def test_a_file_that_broke_off_is_said_to_have(tmp_path):
    film = write_film(tmp_path / "a.mkv", RECIPES["mkv pcm"], 4)
    film.write_bytes(film.read_bytes()[: film.stat().st_size // 2])
    assert ["of the 4.0 s that" in remark for remark in survey(film).remarks] == [True]
