"""The server: sessions for agents and browsers, in step, bounded, and for whoever may come."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import random
import signal
import struct
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import cv2
import numpy as np
import pytest

pytest.importorskip("aiortc")
pytest.importorskip("fastapi")

from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack
from av.audio.frame import AudioFrame
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from arguments.errors import EGSTalkerError
from benchmarks.lamp import clicks, lamp, seconds_between
from benchmarks.serving import Serving
from live.performer import Performer
from live.server import Server
from live.stages import Stages
from synthesis.voices import Voice
from tests.live.flashing import broken


class Running(Serving):
    """A server of a stage."""

    def __init__(
        self, make: Callable[[], Performer] = lamp, most: int = 2, token: str | None = None, voice: Voice | None = None
    ) -> None:
        self.stage = Stages(make, most)
        super().__init__(Server(self.stage, token, voice))

    def get(self, path: str, **headers: str) -> dict:
        request = urllib.request.Request(f"http://{self.address}{path}", headers=headers)
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)

    def emptied(self) -> None:
        """Wait until no session is open."""
        for _ in range(100):
            if not self.get("/health")["sessions"]:
                return
            time.sleep(0.05)
        raise AssertionError("a session stayed")


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    running = Running()
    yield running
    running.stop()
    assert running.error is None and not any(stage.is_alive for stage in running.stage.stages)


class Agent:
    """One on a WebSocket."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self.words: list[dict] = []
        self.moments: list[tuple[int, np.ndarray, np.ndarray | None]] = []

    def send(self, **message: object) -> None:
        self._socket.send(json.dumps(message))

    def speak(self, pcm: np.ndarray, rate: int = 48_000) -> None:
        for start in range(0, len(pcm), 240_000):
            audio = base64.b64encode(pcm[start : start + 240_000].tobytes()).decode()
            self.send(type="speak", audio=audio, rate=rate)

    def until(self, kind: str, seconds: float = 20) -> dict:
        """Take what comes, up to a message of a kind."""
        end = time.monotonic() + seconds
        while True:
            said = self._socket.recv(max(0.0, end - time.monotonic()))
            if isinstance(said, str):
                self.words.append(json.loads(said))
                if self.words[-1]["type"] == kind:
                    return self.words[-1]
            else:
                number, size = struct.unpack_from("<II", said)
                sound, picture = np.frombuffer(said, "<i2", 1920, 8), None
                if size:
                    picture = cv2.imdecode(np.frombuffer(said, np.uint8, offset=8 + 3840), cv2.IMREAD_COLOR)
                    assert len(said) == 8 + 3840 + size
                self.moments.append((number, sound, picture))


@contextmanager
def agent_of(server: Running, query: str = "?media=jpeg") -> Iterator[Agent]:
    with connect(f"ws://{server.address}/ws{query}", max_size=None) as socket:
        yield Agent(socket)
    server.emptied()


def test_picture_and_sound_come_together_and_whole(server):
    sound = clicks(60)
    with agent_of(server) as agent:
        agent.speak(sound)
        agent.send(type="speak_end")
        assert agent.until("started")["played_ms"] == 0
        finished = agent.until("finished")
    assert finished["played_ms"] == 60 * 40 and finished["utterance"] == 1
    numbers = [number for number, _, _ in agent.moments]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    heard = np.concatenate([part for _, part, _ in agent.moments])
    begin = np.flatnonzero(heard)[0] - np.flatnonzero(sound)[0]
    length = min(len(sound), len(heard) - begin)
    np.testing.assert_array_equal(heard[begin : begin + length], sound[:length])
    seen = [
        (bool(np.abs(part).max() > 1000), picture.mean() > 128)
        for _, part, picture in agent.moments
        if picture is not None
    ]
    assert len(seen) > 30 and sum(loud for loud, _ in seen) > 3
    assert all(loud == lit for loud, lit in seen)


def test_an_interruption_is_silent_at_once(server):
    with agent_of(server) as agent:
        agent.speak(np.random.default_rng(0).normal(0, 6000, 48_000 * 4).astype(np.int16))
        agent.until("started")
        time.sleep(0.4)
        before = len(agent.moments)
        agent.send(type="interrupt")
        event = agent.until("interrupted")
        assert 0 < event["played_ms"] < 2000
        agent.send(type="what?")
        for _ in range(3):
            agent.send(type="speak_end")
            time.sleep(0.1)
        agent.send(type="what?")
        agent.until("error")
        agent.until("error")
    after = [(number, part) for number, part, _ in agent.moments[before:] if number >= event["frame"]]
    assert after and not any(part.any() for _, part in after)


def test_messages_that_are_none_are_answered_and_hurt_nobody(server):
    rng = random.Random(0)
    good = json.dumps({"type": "speak", "audio": base64.b64encode(bytes(1920)).decode(), "rate": 24000})
    bad = [
        "", "{", "[]", "null", "1e999", '"speak"', '{"type": 5}', '{"type": "speak"}', '{"type": "speak", "audio": 7}',
        '{"type": "speak", "audio": "???"}', '{"type": "speak", "audio": "AAA="}', '{"type": "text", "text": "Hello"}',
        '{"type": "speak", "audio": "AAAA", "rate": 7}', '{"type": "speak", "audio": "AAAA", "rate": "x"}',
        '{"type": "speak", "audio": "AAAA", "rate": NaN}', "[" * 5000,
        '{"type": "speak", "audio": "AAAA", "rate": true}',
    ]  # fmt: skip
    for _ in range(60):
        letters = list(good)
        for _ in range(rng.randint(1, 6)):
            letters[rng.randrange(len(letters))] = chr(rng.randrange(1, 256))
        bad.append("".join(letters))
    with agent_of(server, "") as agent:
        agent.until("session")
        for message in bad:
            agent._socket.send(message)
        agent._socket.send(b"\x00\xff\xfe")
        for _ in range(17):
            assert "\n" not in agent.until("error")["message"]
        agent.send(type="interrupt")
        agent.send(type="speak", audio=base64.b64encode(bytes(4800)).decode(), rate=24_000)
        agent.send(type="speak_end")
        agent.until("finished")


def test_more_than_ten_minutes_do_not_wait(server):
    with agent_of(server, "") as agent:
        piece = np.zeros(8000 * 40, np.int16)
        for _ in range(16):
            agent.speak(piece, 8000)
        assert "600" in agent.until("error")["message"]


def test_who_is_too_many_is_told_so_and_a_seat_that_is_left_is_free(server):
    with agent_of(server, "") as one:
        one.until("session")
        with connect(f"ws://{server.address}/ws") as second:
            assert json.loads(second.recv(5))["type"] == "session"
            with connect(f"ws://{server.address}/ws") as third:
                assert "2 of 2 sessions are open" in json.loads(third.recv(5))["message"]
                with pytest.raises(ConnectionClosed):
                    third.recv(5)
    with agent_of(server, "") as again:
        again.until("session")


def test_a_client_that_vanishes_leaves_nothing_behind(server):
    for _ in range(3):
        socket = connect(f"ws://{server.address}/ws?media=jpeg")
        socket.recv(5)
        socket.send(json.dumps({"type": "speak", "audio": base64.b64encode(bytes(96000)).decode(), "rate": 48000}))
        os.close(os.dup(socket.socket.fileno()))
        socket.socket.shutdown(2)
        server.emptied()


def test_pages_from_elsewhere_are_kept_out(server):
    assert server.get("/health", Origin=f"http://{server.address}")["ready"]
    for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}):
        with pytest.raises(urllib.error.HTTPError) as refused:
            server.get("/health", **headers)
        assert refused.value.code == 401
        with pytest.raises(Exception, match=r"403|rejected"):
            connect(f"ws://{server.address}/ws", additional_headers={"Origin": "http://evil.example"})


async def _offered(peer: RTCPeerConnection, server: Running, path: str = "/offer") -> dict:
    peer.addTransceiver("video", direction="recvonly")
    peer.addTransceiver("audio", direction="recvonly")
    await peer.setLocalDescription(await peer.createOffer())
    body = json.dumps({"sdp": peer.localDescription.sdp, "type": "offer"}).encode()
    if path == "/whep":
        body = peer.localDescription.sdp.encode()

    def post() -> tuple[dict, str]:
        with urllib.request.urlopen(
            urllib.request.Request(f"http://{server.address}{path}", body), timeout=20
        ) as response:
            if path == "/whep":
                assert response.status == 201
                return {"sdp": response.read().decode(), "type": "answer"}, response.headers["Location"]
            answer = json.load(response)
            return answer, answer["session"]

    answer, where = await asyncio.to_thread(post)
    await peer.setRemoteDescription(RTCSessionDescription(answer["sdp"], "answer"))
    return {"where": where}


async def _watched(server: Running) -> tuple[list[tuple[float, bool]], list[tuple[float, bool]], list[str]]:
    """When pictures and packets of sound came and whether they were lit and loud, and what was said."""
    peer, words, done = RTCPeerConnection(), [], asyncio.Event()
    pictures: list[tuple[float, bool]] = []
    sounds: list[tuple[float, bool]] = []
    channel = peer.createDataChannel("control")
    tasks = []

    @channel.on("message")
    def heard(text: str) -> None:
        words.append(json.loads(text)["type"])
        if words[-1] == "session":
            sound = clicks(100)
            for start in range(0, len(sound), 12_000):
                audio = base64.b64encode(sound[start : start + 12_000].tobytes()).decode()
                channel.send(json.dumps({"type": "speak", "audio": audio, "rate": 48_000}))
            channel.send(json.dumps({"type": "speak_end"}))
        if words[-1] == "finished":
            done.set()

    async def take(track) -> None:
        while True:
            frame = await track.recv()
            if track.kind == "video":
                pictures.append((time.monotonic(), frame.to_ndarray(format="gray").mean() > 128))
            else:
                sounds.append((time.monotonic(), np.abs(frame.to_ndarray().astype(int)).max() > 3000))

    peer.on("track", lambda track: tasks.append(asyncio.ensure_future(take(track))))
    await _offered(peer, server)
    await asyncio.wait_for(done.wait(), 40)
    for task in tasks:
        task.cancel()
    await peer.close()
    return pictures, sounds, words


def _onsets(seen: list[tuple[float, bool]]) -> np.ndarray:
    return np.array([when for (when, now), (_, before) in zip(seen[1:], seen, strict=False) if now and not before])


@pytest.mark.slow
def test_a_browsers_peer_sees_the_flash_with_the_click(server):
    pictures, sounds, words = asyncio.run(_watched(server))
    assert words[0] == "session" and words[1:] == ["started", "finished"]
    flashes, clicked = _onsets(pictures), _onsets(sounds)
    assert len(flashes) >= 5 and len(clicked) >= 5
    apart = np.array([np.abs(clicked - flash).min() for flash in flashes])
    assert np.median(apart) < seconds_between() / 3  # a flash belongs to its click, not to one 320 ms away
    server.emptied()


class Hum(AudioStreamTrack):
    """A microphone that hears a hum."""

    async def recv(self) -> AudioFrame:
        frame = await super().recv()
        wave = 8000 * np.sin(np.arange(frame.samples) * 2 * np.pi * 200 / frame.sample_rate)
        frame.planes[0].update(wave.astype("<i2").tobytes())
        return frame


def test_the_head_says_what_a_browsers_microphone_hears(server):
    async def whole() -> None:
        peer, said, loud = RTCPeerConnection(), asyncio.Event(), asyncio.Event()
        channel = peer.createDataChannel("control")
        channel.on("message", lambda text: said.set() if json.loads(text)["type"] == "started" else None)

        async def take(track) -> None:
            while not loud.is_set():
                frame = await track.recv()
                if track.kind == "audio" and np.abs(frame.to_ndarray().astype(int)).max() > 4000:
                    loud.set()

        tasks = []
        peer.on("track", lambda track: tasks.append(asyncio.ensure_future(take(track))))
        peer.addTrack(Hum())
        peer.addTransceiver("video", direction="recvonly")
        await peer.setLocalDescription(await peer.createOffer())
        offer = {"sdp": peer.localDescription.sdp, "type": "offer", "microphone": True}
        request = urllib.request.Request(f"http://{server.address}/offer", json.dumps(offer).encode())
        answer = json.load(await asyncio.to_thread(urllib.request.urlopen, request))
        await peer.setRemoteDescription(RTCSessionDescription(answer["sdp"], "answer"))
        await asyncio.wait_for(asyncio.gather(said.wait(), loud.wait()), 20)
        for task in tasks:
            task.cancel()
        await peer.close()

    asyncio.run(whole())
    server.emptied()


def test_whep_begins_and_ends_a_session(server):
    async def whole() -> None:
        peer = RTCPeerConnection()
        where = (await _offered(peer, server, "/whep"))["where"]
        request = urllib.request.Request(f"http://{server.address}{where}", method="DELETE")
        assert (await asyncio.to_thread(urllib.request.urlopen, request)).status == 200
        await peer.close()

    asyncio.run(whole())
    server.emptied()


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"sdp": 5, "type": "offer"}', b'{"sdp": "v=0", "type": "offer"}', b"\xff", b"[]"]
)
def test_offers_that_are_none_are_refused(server, body):
    for path in ("/offer", "/whep"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(urllib.request.Request(f"http://{server.address}{path}", body), timeout=20)
        assert refused.value.code == 400
        assert "\n" not in json.load(refused.value)["error"]
    server.emptied()


def test_a_token_is_asked_for():
    running = Running(token="correct horse")
    try:
        for query in ("", "?token=wrong"):
            with pytest.raises(urllib.error.HTTPError):
                running.get(f"/health{query}")
        assert running.get("/health?token=correct%20horse")["ready"]
        assert running.get("/health", Authorization="Bearer correct horse")["ready"]
        with connect(f"ws://{running.address}/ws?token=correct%20horse") as socket:
            assert json.loads(socket.recv(5))["type"] == "session"
    finally:
        running.stop()


@pytest.mark.parametrize(
    ("fault", "why"),
    [("killed", "the renderer has ended"), ("broken", "out of memory"), ("peerless", "the network's peers has ended")],
)
def test_a_process_that_dies_ends_the_server_in_one_line(fault, why):
    running = Running(broken if fault == "broken" else lamp)
    with connect(f"ws://{running.address}/ws?media=jpeg") as socket:
        socket.recv(5)
        if fault != "broken":
            os.kill(running.stage.pids[fault == "peerless"], signal.SIGKILL)
        said = []
        with pytest.raises(ConnectionClosed):
            while True:
                word = socket.recv(20)
                said += [json.loads(word)["type"]] if isinstance(word, str) else []
    assert "error" in said and said[-1] == "closed"
    running.thread.join(30)
    assert running.error is not None and "\n" not in str(running.error)
    assert why in str(running.error)
    assert not any(stage.is_alive for stage in running.stage.stages)


class Spelling:
    """A voice that says as many seconds as a text has words, each a piece; one word it cannot say."""

    rate = 22_050

    def speak(self, text: str) -> Iterator[np.ndarray]:
        words = text.split()
        if "xyzzy" in words:
            raise EGSTalkerError("there is no saying 'xyzzy'")
        return iter([np.random.default_rng(0).normal(0, 0.2, self.rate).astype(np.float32) for _ in words])


def test_texts_are_read_one_after_the_other_until_interrupted():
    running = Running(voice=Spelling())
    try:
        with agent_of(running, "") as agent:
            assert agent.until("session")["text"]
            for text in ("", "xyzzy", "a" * 6000, 7):
                agent.send(type="text", text=text)
                agent.until("error")
            agent.send(type="text", text="one two")
            agent.send(type="text", text="three")
            assert agent.until("finished")["played_ms"] == 2000
            assert agent.until("started")["utterance"] == 2
            agent.send(type="interrupt")
            assert agent.until("interrupted")["played_ms"] < 1000
            agent.send(type="text", text="four")
            assert agent.until("finished")["utterance"] == 3
    finally:
        running.stop()
