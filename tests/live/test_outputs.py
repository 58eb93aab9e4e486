"""Outputs: what arrives at an address is whole and in step, and a receiver that goes away is bounded trouble."""

from __future__ import annotations

import asyncio
import functools
import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from arguments.errors import EGSTalkerError
from benchmarks.lamp import EVERY as CLICK
from benchmarks.lamp import SIZE, clicks
from live import outputs
from live.output_process import OutputProcess
from live.outputs import Outputs, output_to
from media.outlet import outlet_of
from media.stream_writer import StreamWriter
from tests.live.paced import Paced

FRAMES = 64  # of clicks: eight


class Slow(StreamWriter):
    def write(self, frame, sound, picture):
        time.sleep(0.0 if picture is None else 0.1)
        super().write(frame, sound, picture)


class Stuck(StreamWriter):
    def write(self, frame, sound, picture):
        threading.Event().wait()


class Crashing(StreamWriter):
    def write(self, frame, sound, picture):
        os.kill(os.getpid(), signal.SIGSEGV)


class Received:
    """What came to an address: when pictures were lit, and the sound, on the stream's clock."""

    def __init__(self) -> None:
        self.pictures: list[tuple[float, bool]] = []
        self.sound: list[tuple[float, np.ndarray]] = []
        self.error: Exception | None = None

    def read(self, address: str, most: int | None = None, **options: str) -> None:
        """Take all that comes, or so many pictures and then go away."""
        try:
            with av.open(address, options=options) as container:
                for packet in container.demux():
                    for frame in packet.decode():
                        self._take(frame)
                    if most is not None and len(self.pictures) >= most:
                        return
        except av.FFmpegError as error:  # a listener's end is none that FFmpeg knows
            self.error = error

    def _take(self, frame: av.VideoFrame | av.AudioFrame) -> None:
        if isinstance(frame, av.VideoFrame):
            self.pictures.append((frame.time, frame.to_ndarray(format="gray").mean() > 128))
        else:
            self.sound.append((frame.time, frame.to_ndarray()[0]))

    def in_background(self, address: str, most: int | None = None, **options: str) -> threading.Thread:
        thread = threading.Thread(target=self.read, args=(address, most), kwargs=options, daemon=True)
        thread.start()
        return thread

    @property
    def clicks(self) -> np.ndarray:
        """When clicks begin, seconds."""
        loud = np.concatenate([samples for _, samples in self.sound])
        windows = np.abs(loud[: len(loud) // 96 * 96]).reshape(-1, 96).max(1) > 0.08
        onsets = np.flatnonzero(windows[1:] & ~windows[:-1]) + 1
        apart = np.flatnonzero(np.diff(onsets, prepend=-1000) > 50)  # 100 ms: noise is not loud all the time
        return self.sound[0][0] + onsets[apart] * 96 / 48_000

    @property
    def flashes(self) -> np.ndarray:
        return np.array([when for (_, before), (when, now) in pairwise(self.pictures) if now and not before])

    def is_in_step(self, count: int = FRAMES // CLICK, missing: int = 2) -> None:
        """Every flash lies with its click within a frame, and the sound has no hole.

        At most so many flashes are ``missing``, and where no picture is left out around a click none is: a server on a
        busy machine leaves out those that it has no time for.
        """
        starts = np.array([when for when, _ in self.sound])
        lengths = np.array([len(samples) for _, samples in self.sound]) / 48_000
        np.testing.assert_allclose(np.diff(starts), lengths[:-1], atol=0.0015)  # what FLV's clock knows is 1 ms
        assert len(self.clicks) == count
        np.testing.assert_allclose(np.diff(self.clicks), CLICK * 0.04, atol=0.006)
        assert len(self.flashes) >= count - missing
        assert all(np.abs(self.clicks - flash).min() <= 0.041 for flash in self.flashes)
        times = np.array([when for when, _ in self.pictures])
        whole = [click for click in self.clicks if (np.abs(times - click) <= 0.045).sum() == 3]
        assert all(np.abs(self.flashes - click).min() <= 0.041 for click in whole)


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


async def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


async def sent(addresses: list[str], frames: int = FRAMES + 16, make: Any = output_to) -> Paced:
    """All clicks, to addresses."""
    paced = Paced()
    lines: list[str] = []
    outlets = [outlet_of(one) for one in addresses]
    task = asyncio.ensure_future(Outputs(outlets, lines.append, make=make)(paced.seat, (SIZE, SIZE)))
    await until(lambda: len(paced.seat.listeners) == len(addresses) or task.done(), 30)
    paced.session.speak(clicks(FRAMES), 48_000)
    paced.session.end()
    await paced.play(frames)
    paced.seat.close()
    await asyncio.wait_for(task, 15)
    assert lines == [] and not paced.seat.listeners
    return paced


@pytest.fixture
def calm(unchecked) -> None:
    """Without looking at shapes."""


def test_files_hold_all_that_was_said_and_shown_in_step(tmp_path, calm):
    names = [str(tmp_path / f"talk{ending}") for ending in (".mkv", ".ts", ".mp4")]
    paced = asyncio.run(sent(names))
    for name in names:
        received = Received()
        received.read(name)
        assert received.error is None
        received.is_in_step()
        assert abs(sum(len(part) for _, part in received.sound) / 48_000 - len(paced.moments) * 0.04) < 0.1
        assert len(received.pictures) >= len(paced.moments) - 3


def test_an_rtmp_server_gets_them_in_step(calm):
    port, received = free_port(), Received()
    thread = received.in_background(f"rtmp://127.0.0.1:{port}/live/key", listen="1")

    async def whole() -> None:
        await asyncio.sleep(0.5)
        await sent([f"rtmp://127.0.0.1:{port}/live/key"])

    asyncio.run(whole())
    thread.join(10)
    received.is_in_step()


def test_a_receiver_of_datagrams_gets_them_in_step(calm):
    port, received = free_port(socket.SOCK_DGRAM), Received()
    thread = received.in_background(f"udp://127.0.0.1:{port}?timeout=3000000", probesize="100000")
    asyncio.run(sent([f"udp://127.0.0.1:{port}?pkt_size=1316"]))
    thread.join(10)
    received.is_in_step()


def test_a_slow_output_loses_pictures_and_no_sound(tmp_path, calm):
    paced = asyncio.run(sent([str(tmp_path / "slow.mkv")], make=functools.partial(OutputProcess, make=Slow)))
    received = Received()
    received.read(str(tmp_path / "slow.mkv"))
    assert len(received.clicks) == FRAMES // CLICK
    np.testing.assert_allclose(np.diff(received.clicks), CLICK * 0.04, atol=0.006)
    assert 10 < len(received.pictures) < 0.7 * len(paced.moments)


def test_a_receiver_that_goes_away_is_found_again(monkeypatch, calm):
    monkeypatch.setattr(outputs, "_FIRST_PAUSE", 0.2)
    port, first, second = free_port(), Received(), Received()
    address, lines = f"rtmp://127.0.0.1:{port}/live/secret", []

    async def whole() -> Paced:
        paced = Paced()
        paced.session.speak(clicks(2000), 48_000)
        thread = first.in_background(address, 20, listen="1")
        await asyncio.sleep(0.5)
        task = asyncio.ensure_future(Outputs([outlet_of(address)], lines.append)(paced.seat, (SIZE, SIZE)))
        playing = asyncio.ensure_future(paced.play(2000))
        await until(lambda: len(lines) == 1, 30)
        thread.join(5)
        thread = second.in_background(address, listen="1")
        await until(lambda: len(lines) == 2, 30)
        await asyncio.sleep(2.5)
        paced.seat.close()
        await asyncio.wait_for(task, 10)
        await playing
        await asyncio.to_thread(thread.join, 5)
        return paced

    paced = asyncio.run(whole())
    assert "was lost" in lines[0] and lines[1].endswith("is back")
    assert not any("secret" in line or "\n" in line for line in lines)
    assert paced.viewers == [True, False, True]  # nothing is rendered for nobody
    assert len(second.flashes) >= 4 and all(np.abs(second.clicks - one).min() <= 0.041 for one in second.flashes)


def _fails(address: str, retry_seconds: float = 0.5, make: Any = output_to) -> tuple[str, list[str]]:
    lines: list[str] = []

    async def whole() -> None:
        paced = Paced()
        playing = asyncio.ensure_future(paced.play(2000))
        try:
            send = Outputs([outlet_of(address)], lines.append, retry_seconds, make)
            await asyncio.wait_for(send(paced.seat, (64, 64)), 30)
        finally:
            playing.cancel()

    with pytest.raises(EGSTalkerError) as error:
        asyncio.run(whole())
    assert "\n" not in str(error.value)
    return str(error.value), lines


def test_a_receiver_that_does_not_come_back_is_given_up(monkeypatch, calm):
    monkeypatch.setattr(outputs, "_FIRST_PAUSE", 0.1)
    port = free_port()
    thread = Received().in_background(f"rtmp://127.0.0.1:{port}/live/secret", 10, listen="1")
    time.sleep(0.5)
    error, lines = _fails(f"rtmp://127.0.0.1:{port}/live/secret", 1.0)
    thread.join(5)
    assert "given up after 1 s" in error and "secret" not in error and len(lines) == 1


@pytest.mark.parametrize(("kind", "words"), [(Stuck, "takes nothing"), (Crashing, "its process has ended")])
def test_a_way_out_that_hangs_or_dies_is_lost(tmp_path, kind, words, calm):
    make = functools.partial(OutputProcess, make=kind, stall_seconds=0.4)
    before = set(multiprocessing.active_children())
    error, _ = _fails(str(tmp_path / "stuck.mkv"), make=make)
    assert words in error
    for left in set(multiprocessing.active_children()) - before:
        left.join(5)
        assert not left.is_alive()


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("rtmp://127.0.0.1:9/live/secret", "refused"),
        ("https://127.0.0.1:9/whip?secret", "refused"),
        ("tcp://127.0.0.1:9", "refused"),
        ("/dev/video99", "No such file"),
        ("nowhere/talk.mkv", "No such file"),
    ],
)
def test_what_cannot_be_opened_ends_in_one_line(address, words):
    if "whip" in address:
        pytest.importorskip("aiortc")
    error, lines = _fails(address)
    assert "cannot be opened" in error and words in error and "secret" not in error and lines == []


@pytest.mark.parametrize(
    "address", ["", "talk.avi", "ftp://host/x", "rtmp://", "rtmp://[::1/x", "rtmp://h:99999999/x", "/dev/sda", "-"]
)
def test_addresses_that_are_none_are_refused(address):
    with pytest.raises(EGSTalkerError) as error:
        outlet_of(address)
    assert "\n" not in str(error.value)


def test_a_file_is_never_a_protocol(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    writer = StreamWriter(outlet_of("concat:x.ts"), (64, 64))
    writer.write(0, np.zeros(1920, np.int16), np.zeros((64, 64, 3), np.uint8))
    writer.close()
    assert Path("concat:x.ts").stat().st_size


def test_a_sound_card_plays_every_sample(tmp_path, monkeypatch, calm):
    configuration, played = tmp_path / "asound.conf", tmp_path / "played.raw"
    configuration.write_text(
        f'pcm.kept {{ type file slave.pcm {{ type null }} file "{played}" format "raw" }}\npcm.kept.hint.show on\n'
    )
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(configuration))
    asyncio.run(sent(["alsa:kept"]))
    sound = np.fromfile(played, "<i2").reshape(-1, 2)
    received = Received()
    received.sound = [(0.0, sound[:, 0] / 2**15)]
    assert len(received.clicks) == FRAMES // CLICK
    np.testing.assert_array_equal(sound[:, 0], sound[:, 1])


def test_odd_pictures_and_none_are_fine(tmp_path):
    writer = StreamWriter(outlet_of(str(tmp_path / "odd.mkv")), (33, 65))
    for number in range(5):
        picture = np.full((33, 65, 4), 200, np.uint8) if number % 2 else None
        writer.write(number, np.zeros(1920, np.int16), picture)
    writer.close()
    with av.open(str(tmp_path / "odd.mkv")) as container:
        shapes = {frame.to_ndarray(format="rgb24").shape for frame in container.decode(video=0)}
    assert shapes == {(34, 66, 3)}


def test_frames_that_were_left_out_are_silent_and_the_rest_is_where_it_was(tmp_path):
    writer, sound = StreamWriter(outlet_of(str(tmp_path / "gap.mkv")), (32, 32)), clicks(24).reshape(-1, 1920)
    for number in [*range(8), *range(40, 56)]:
        writer.write(number, sound[number % 8], np.full((32, 32, 3), 255 * (number % 8 == 4), np.uint8))
    writer.close()
    received = Received()
    received.read(str(tmp_path / "gap.mkv"))
    starts = np.array([when for when, _ in received.sound])
    np.testing.assert_allclose(np.diff(starts), [len(part) / 48_000 for _, part in received.sound][:-1], atol=0.0015)
    np.testing.assert_allclose(received.clicks, [0.16, 1.76, 2.08], atol=0.03)
    np.testing.assert_allclose(received.flashes, [0.16, 1.76, 2.08], atol=0.001)
