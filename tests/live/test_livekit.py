"""The LiveKit avatar worker: what an agent of livekit-agents sends is said, and it hears how each stream ended."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("livekit.rtc")

from livekit import rtc

from arguments.errors import EGSTalkerError
from live import livekit_speech, livekit_visit
from live.livekit_media import MOST_SECONDS, RoomMedia
from live.livekit_worker import LiveKitWorker, worker_of
from live.moment import Moment
from tests.live.livekit_offline import AGENT, KeptMedia, OfflineRoom, Stream
from tests.live.paced import Paced

RATE = {"sample_rate": "48000", "num_channels": "1"}
OURS = {"lk.publish_on_behalf": AGENT}


class Scene(Paced):
    """A worker in a room, and what was said of it."""

    def __init__(self, attributes: dict[str, str] | None = OURS) -> None:
        super().__init__()
        self.room, self.media, self.lines = OfflineRoom(attributes), KeptMedia(), []
        self.worker = LiveKitWorker(
            "wss://host", "secret", self.lines.append, lambda: self.room, lambda _: self.media, 0.4
        )

    async def say(self, sound: np.ndarray, attributes: dict[str, str] = RATE, seed: int = 0) -> None:
        (await Stream(self.room, attributes).write(sound.tobytes(), seed)).close()

    async def until(self, condition: Callable[[], bool], seconds: float = 8) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, (self.room.calls, self.lines)
            await asyncio.sleep(0.01)

    @property
    def heard(self) -> np.ndarray:
        return np.concatenate([moment.sound for moment in self.media.moments])


def play(
    act: Callable[[Scene], Awaitable[None]], attributes: dict[str, str] | None = OURS, joins: bool = True
) -> Scene:
    """A scene, to its end: the session is closed when the act is over, unless the worker has ended before."""

    async def whole() -> Scene:
        scene = Scene(attributes)
        work = asyncio.ensure_future(scene.worker(scene.seat, (64, 64)))
        playing = asyncio.ensure_future(scene.play(10_000))
        try:
            await scene.until(lambda: scene.media.is_published)
            if joins:
                scene.room.join()
            await act(scene)
            scene.seat.close()
            await asyncio.wait_for(work, 5)
        finally:
            playing.cancel()
        assert scene.room.is_left and scene.media.is_closed and scene.seat.listeners == []
        return scene

    return asyncio.run(whole())


def noise(seconds: float, seed: int = 0, rate: int = 48_000) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 6000, round(seconds * rate)).astype("<i2")


def finished(position: float, interrupted: bool = False) -> dict[str, Any]:
    return {"playback_position": position, "interrupted": interrupted}


pytestmark = pytest.mark.usefixtures("unchecked")


@pytest.mark.parametrize("seed", [1, 2])
def test_streams_in_any_pieces_are_said_whole_and_in_turn(seed):
    sounds = [noise(1.2, 1), noise(0.8, 2)]

    async def act(scene: Scene) -> None:
        for sound in sounds:
            await scene.say(sound, seed=seed)
        await scene.until(lambda: len(scene.room.finished) == 2)
        await asyncio.sleep(0.1)

    scene = play(act)
    assert scene.room.finished == [finished(1.2), finished(0.8)]
    heard = scene.heard
    for sound in sounds:  # on a busy machine the second may come a little late
        begin = np.flatnonzero(heard)[0] - np.flatnonzero(sound)[0]
        np.testing.assert_array_equal(heard[begin : begin + len(sound)], sound)
        heard = heard[begin + len(sound) :]
    assert not heard.any()
    assert [call[:2] for call in scene.room.calls] == [
        (AGENT, "lk.playback_started"), (AGENT, "lk.playback_finished"),
    ] * 2  # fmt: skip
    assert scene.lines == [] and sum(one.picture is not None for one in scene.media.moments) > 30


@pytest.mark.parametrize(("rate", "channels"), [(24_000, 1), (16_000, 2), (44_100, 1), (8000, 8)])
def test_rates_and_channels_that_agents_have_are_taken(rate, channels):
    async def act(scene: Scene) -> None:
        frames = np.repeat(noise(0.6, rate=rate)[:, None], channels, axis=1)
        await scene.say(frames, {"sample_rate": str(rate), "num_channels": str(channels)})
        await scene.until(lambda: bool(scene.room.finished))

    (end,) = play(act).room.finished
    assert end == finished(pytest.approx(0.6, abs=0.002))


def test_a_cleared_stream_is_silent_and_the_next_one_is_said():
    async def act(scene: Scene) -> None:
        stream = await Stream(scene.room, RATE).write(noise(3).tobytes())
        await scene.until(lambda: any(call[1] == "lk.playback_started" for call in scene.room.calls))
        await asyncio.sleep(0.4)
        assert scene.room.invoke("lk.clear_buffer") == "ok"
        await stream.write(noise(1).tobytes())  # what was under way
        stream.close()
        await scene.until(lambda: len(scene.room.finished) == 1)
        scene.media.moments.clear()
        await asyncio.sleep(0.4)
        assert not scene.heard.any()
        await scene.say(noise(0.4))
        await scene.until(lambda: len(scene.room.finished) == 2)

    first, second = play(act).room.finished
    assert first["interrupted"] and 0.2 < first["playback_position"] < 1.0
    assert second == finished(0.4)


def test_every_stream_that_waits_is_told_of_when_all_is_cleared():
    async def act(scene: Scene) -> None:
        await scene.say(noise(1))
        await scene.say(noise(1))
        Stream(scene.room, RATE)  # whose first sound has not come
        await asyncio.sleep(0.3)
        scene.room.invoke("lk.clear_buffer")
        await scene.until(lambda: len(scene.room.finished) == 3)
        scene.room.invoke("lk.clear_buffer")  # nothing is there
        await asyncio.sleep(0.1)
        scene.media.moments.clear()
        await scene.say(noise(0.2))
        await scene.until(lambda: len(scene.room.finished) == 4)
        assert 0 < np.count_nonzero(scene.heard) <= 0.2 * 48_000

    *cleared, last = play(act).room.finished
    assert all(one["interrupted"] for one in cleared) and cleared[1:] == [finished(0.0, True)] * 2
    assert last == finished(0.2)


@pytest.mark.parametrize(
    "attributes",
    [
        {}, {"sample_rate": "48000"}, {"sample_rate": "7", "num_channels": "1"},
        {"sample_rate": "-1", "num_channels": "1"}, {"sample_rate": "48k", "num_channels": "1"},
        {"sample_rate": "48000", "num_channels": "0"},
        {"sample_rate": "48000", "num_channels": "99"}, {"sample_rate": "", "num_channels": "\n"},
    ],
)  # fmt: skip
def test_streams_that_are_none_are_refused_and_hurt_nobody(attributes):
    async def act(scene: Scene) -> None:
        await scene.say(noise(0.4), attributes)
        await scene.say(noise(0.2))
        await scene.until(lambda: len(scene.room.finished) == 2)

    scene = play(act)
    assert scene.room.finished == [finished(0.0, True), finished(0.2)]
    (line,) = scene.lines
    assert "\n" not in line and "not said" in line


def test_empty_streams_and_half_samples_end_as_well():
    async def act(scene: Scene) -> None:
        await scene.say(noise(0))
        (await Stream(scene.room, RATE).write(b"\1")).close()
        (await Stream(scene.room, RATE).write(noise(0.2).tobytes() + b"\1")).close()
        await scene.until(lambda: len(scene.room.finished) == 3)

    assert play(act).room.finished == [finished(0.0), finished(0.0), finished(0.2)]


def test_long_speech_waits_in_its_stream_and_can_be_cleared(monkeypatch):
    monkeypatch.setattr(livekit_speech, "AHEAD_SECONDS", 0.5)

    async def act(scene: Scene) -> None:
        speaking = scene.session._speaking
        await scene.say(noise(4))
        for _ in range(15):
            await asyncio.sleep(0.1)
            assert sum(one.waiting for one in speaking._utterances) <= 1.6 * 48_000
        scene.room.invoke("lk.clear_buffer")
        await scene.say(noise(1.4))
        await scene.until(lambda: len(scene.room.finished) == 2)

    first, second = play(act).room.finished
    assert first["interrupted"] and second == finished(1.4)


def test_nobody_but_the_agent_is_obeyed():
    async def act(scene: Scene) -> None:
        scene.room.join("stranger", kind=0)
        (await Stream(scene.room, RATE, "stranger").write(noise(1).tobytes())).close()
        await scene.say(noise(0.6))
        await asyncio.sleep(0.3)
        assert scene.room.invoke("lk.clear_buffer", "stranger") == "reject"
        await scene.until(lambda: len(scene.room.finished) == 1)

    scene = play(act)
    assert scene.room.finished == [finished(0.6)]


def test_an_agent_is_found_where_the_token_names_none():
    async def act(scene: Scene) -> None:
        scene.room.join("listener", kind=0)
        scene.room.join("other-avatar", attributes={"lk.publish_on_behalf": "other"})
        scene.room.join()
        await scene.say(noise(0.2))
        await scene.until(lambda: len(scene.room.finished) == 1)
        assert scene.room.local_participant.attributes == OURS

    play(act, attributes=None, joins=False)


def test_an_agent_that_comes_back_finds_silence_and_is_served():
    async def act(scene: Scene) -> None:
        await scene.say(noise(3))
        await asyncio.sleep(0.5)
        scene.room.part()
        await asyncio.sleep(0.2)
        scene.media.moments.clear()
        scene.room.join()
        await asyncio.sleep(0.3)
        assert not scene.heard.any()
        await scene.say(noise(0.2))
        await scene.until(lambda: len(scene.room.finished) == 1)

    assert play(act).room.finished == [finished(0.2)]


@pytest.mark.parametrize("end", ["agent", "room"])
def test_the_worker_leaves_with_the_agent_and_with_the_room(end):
    async def act(scene: Scene) -> None:
        await scene.say(noise(3))
        await asyncio.sleep(0.2)
        if end == "agent":
            scene.room.part()
        else:
            scene.room.end()
        await scene.until(lambda: scene.room.is_left)
        assert scene.seat.is_open  # so the server ends

    assert len(play(act).lines) == 1


def test_an_agent_that_does_not_come_is_not_waited_for():
    async def act(scene: Scene) -> None:
        await scene.until(lambda: scene.room.is_left)

    with pytest.raises(EGSTalkerError, match="has not come") as error:
        play(act, joins=False)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("faults", "lines"), [(2, 0), (3, 1)])
def test_calls_that_fail_are_tried_again(faults, lines):
    async def act(scene: Scene) -> None:
        scene.room.answered.add("lk.playback_started")
        await scene.say(noise(0.4))
        await scene.until(lambda: len(scene.room.calls) == 1)
        scene.room.faults = [rtc.RpcError(1501, "Connection timeout") for _ in range(faults)]
        await scene.until(lambda: len(scene.room.finished) == 3)
        await asyncio.sleep(0.2)

    assert len(play(act).lines) == lines


def test_a_server_that_is_not_there_ends_in_one_line(caplog):
    async def whole() -> None:
        paced = Paced()
        await worker_of({"LIVEKIT_URL": "ws://127.0.0.1:9", "LIVEKIT_TOKEN": "secret"}, str)(paced.seat, (64, 64))

    logging.getLogger("livekit").setLevel(logging.CRITICAL)
    with pytest.raises(EGSTalkerError, match=r"127\.0\.0\.1 cannot be entered") as error:
        asyncio.run(whole())
    assert "\n" not in str(error.value) and "secret" not in str(error.value)


@pytest.mark.parametrize(
    "environment",
    [{}, {"LIVEKIT_URL": "wss://x"}, {"LIVEKIT_TOKEN": "x"}, {"LIVEKIT_URL": "host", "LIVEKIT_TOKEN": "x"}],
)
def test_what_the_environment_lacks_is_said(environment):
    with pytest.raises(EGSTalkerError, match="LIVEKIT_URL"):
        worker_of(environment, str)


def test_the_package_has_what_is_called():
    calls: list[tuple[Any, tuple[Any, ...], dict[str, Any]]] = [
        (rtc.Room.connect, ("url", "token", rtc.RoomOptions(auto_subscribe=False)), {}),
        (rtc.Room.disconnect, (), {}),
        (rtc.Room.on, ("participant_connected", print), {}),
        (rtc.Room.register_byte_stream_handler, ("topic", print), {}),
        (rtc.LocalParticipant.set_attributes, ({},), {}),
        (rtc.LocalParticipant.register_rpc_method, ("method", print), {}),
        (rtc.LocalParticipant.perform_rpc, (), {"destination_identity": "x", "method": "m", "payload": ""}),
        (rtc.LocalParticipant.publish_track, (object(), rtc.TrackPublishOptions()), {}),
    ]
    for function, words, named in calls:
        inspect.signature(function).bind(None, *words, **named)
    for method in (rtc.Room.connect, rtc.Room.disconnect, rtc.LocalParticipant.perform_rpc):
        assert inspect.iscoroutinefunction(method)
    assert {"attributes", "identity", "kind"} <= set(dir(rtc.RemoteParticipant))
    assert rtc.ParticipantKind.PARTICIPANT_KIND_AGENT == livekit_visit.AGENT_KIND
    events = set(rtc.room.EventTypes.__args__)  # type: ignore[attr-defined]
    assert {
        "participant_connected",
        "participant_disconnected",
        "participant_attributes_changed",
        "disconnected",
    } <= events


def _moment(frame: int, picture: bool = True, utterance: int | None = 1) -> Moment:
    image = np.full((64, 64, 4), frame % 256, np.uint8) if picture else None
    return Moment(frame, np.full(1920, frame, np.int16), image, utterance, ())


def test_a_picture_is_shown_when_its_sound_is_played():
    """With the package's own sources, which need no server."""
    heard: dict[int, float] = {}
    seen: dict[int, float] = {}

    async def whole() -> None:
        media = RoomMedia((64, 64))
        room = OfflineRoom()
        await room.connect("", "")
        await media.publish(room.local_participant)
        kinds = {track.kind for track, _ in room.local_participant.tracks}
        assert kinds == {rtc.TrackKind.KIND_AUDIO, rtc.TrackKind.KIND_VIDEO}
        play, show = media.sound.capture_frame, media.pictures.capture_frame

        async def played(frame: rtc.AudioFrame) -> None:
            number = int(np.frombuffer(frame.data, np.int16)[0])
            heard.setdefault(number, time.monotonic() + media.sound.queued_duration)
            await play(frame)

        def shown(frame: rtc.VideoFrame) -> None:
            seen[int(np.frombuffer(frame.data, np.uint8)[0])] = time.monotonic()
            show(frame)

        media.sound.capture_frame, media.pictures.capture_frame = played, shown
        begin, rng = time.monotonic(), np.random.default_rng(0)
        for number in range(1, 60):
            await asyncio.sleep(max(0.0, begin + number * 0.04 + rng.uniform(0, 0.035) - time.monotonic()))
            await media.put(_moment(number, picture=number % 7 != 0))
        await asyncio.sleep(0.3)
        await media.close()

    asyncio.run(whole())
    assert len(seen) == 59 - 59 // 7
    apart = np.array([seen[number] - heard[number] for number in seen])
    assert np.abs(apart).max() < 0.04 and np.median(np.abs(apart)) < 0.01
    played = np.array([heard[number] for number in range(1, 60)])
    np.testing.assert_allclose(np.diff(played), 0.04, atol=0.012)  # jitter of 35 ms is evened out


def test_sound_that_has_piled_up_loses_silence_alone():
    async def whole() -> tuple[float, float]:
        media = RoomMedia((64, 64))
        for number in range(10):
            await media.put(_moment(number, utterance=1))
        after_speech = media.sound.queued_duration
        for number in range(10):
            await media.put(_moment(number, utterance=None))
        after_silence = media.sound.queued_duration
        await media.close()
        return after_speech, after_silence

    speech, silence = asyncio.run(whole())
    assert speech > 0.4 > MOST_SECONDS and silence <= speech
