"""WHIP: a server gets a session's pictures and sound, may want a token, and may not be there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from itertools import pairwise

import numpy as np
import pytest

pytest.importorskip("aiortc")
pytest.importorskip("fastapi")

import uvicorn
from aiortc import RTCPeerConnection, RTCSessionDescription
from fastapi import FastAPI, Request, Response

from arguments.errors import EGSTalkerError
from benchmarks.lamp import SIZE, clicks
from live.outputs import Outputs
from media.outlet import outlet_of
from tests.live.paced import Paced
from tests.live.test_outputs import free_port, until

pytestmark = pytest.mark.usefixtures("unchecked")


class Service:
    """A WHIP server on the test's own event loop."""

    def __init__(self, token: str | None = None, answers: str | None = None) -> None:
        self._token, self._answers = token, answers
        self.pictures: list[tuple[float, bool]] = []
        self.sounds: list[tuple[float, bool]] = []
        self.peers: list[RTCPeerConnection] = []
        self.is_deleted = False
        self._tasks: list[asyncio.Future[None]] = []
        app = FastAPI()
        app.post("/whip")(self._post)
        app.delete("/streams/1")(self._delete)
        self.port = free_port()
        self.server = uvicorn.Server(uvicorn.Config(app, port=self.port, log_level="critical"))

    async def _post(self, request: Request) -> Response:
        if self._token and request.headers.get("authorization") != f"Bearer {self._token}":
            return Response(status_code=401)
        if self._answers is not None:
            return Response(self._answers, 201)
        peer = RTCPeerConnection()
        self.peers.append(peer)
        peer.on("track", lambda track: self._tasks.append(asyncio.ensure_future(self._take(track))))
        await peer.setRemoteDescription(RTCSessionDescription((await request.body()).decode(), "offer"))
        await peer.setLocalDescription(await peer.createAnswer())
        return Response(peer.localDescription.sdp, 201, {"Location": "/streams/1"}, "application/sdp")

    async def _delete(self) -> Response:
        self.is_deleted = True
        return Response(status_code=200)

    async def _take(self, track) -> None:
        while True:
            frame = await track.recv()
            if track.kind == "video":
                self.pictures.append((time.monotonic(), frame.to_ndarray(format="gray").mean() > 128))
            else:
                self.sounds.append((time.monotonic(), np.abs(frame.to_ndarray().astype(int)).max() > 3000))


def run(service: Service, act: Callable[[Paced, asyncio.Future[None]], Awaitable[None]], token: str | None = None):
    lines: list[str] = []

    async def whole() -> None:
        serving = asyncio.ensure_future(service.server.serve())
        await until(lambda: service.server.started)
        paced = Paced()
        outlet = outlet_of(f"http://127.0.0.1:{service.port}/whip?key=secret", token)
        sending = asyncio.ensure_future(Outputs([outlet], lines.append, 1.0)(paced.seat, (SIZE, SIZE)))
        playing = asyncio.ensure_future(paced.play(1000))
        try:
            await act(paced, sending)
            paced.seat.close()
            await asyncio.wait_for(sending, 20)
        finally:
            playing.cancel()
            service.server.should_exit = True
            await serving
            for peer in service.peers:
                await peer.close()

    asyncio.run(asyncio.wait_for(whole(), 60))
    return lines


def test_a_service_gets_pictures_and_sound_and_is_told_of_the_end():
    service = Service(token="correct horse")

    async def act(paced: Paced, sending: asyncio.Future[None]) -> None:
        await until(lambda: len(service.pictures) > 5, 20)
        paced.session.speak(clicks(64), 48_000)
        paced.session.end()
        await until(lambda: any(event.kind == "finished" for one in paced.moments for event in one.events), 20)
        await asyncio.sleep(0.5)

    assert run(service, act, "correct horse") == []
    assert service.is_deleted
    onsets = [
        np.array([when for (_, before), (when, now) in pairwise(seen) if now and not before])
        for seen in (service.pictures, service.sounds)
    ]
    assert len(onsets[0]) >= 5 and len(onsets[1]) >= 5
    apart = [np.abs(onsets[1] - flash).min() for flash in onsets[0]]
    assert np.median(apart) < 0.16  # a flash belongs to its click, not to one 320 ms away


@pytest.mark.parametrize(
    ("service", "words"),
    [
        ({"token": "another one"}, "HTTP 401"),
        ({"answers": "v=0"}, "cannot be opened"),
        ({"answers": "no"}, "cannot be"),
    ],
)
def test_what_a_service_refuses_ends_in_one_line(service, words):
    async def act(paced: Paced, sending: asyncio.Future[None]) -> None:
        await asyncio.wait([sending])

    with pytest.raises(EGSTalkerError, match=words) as error:
        run(Service(**service), act)
    assert "\n" not in str(error.value) and "secret" not in str(error.value)


def test_a_service_that_goes_away_is_given_up():
    service = Service()

    async def act(paced: Paced, sending: asyncio.Future[None]) -> None:
        await until(lambda: len(service.pictures) > 5, 20)
        service._answers = "gone"
        for peer in service.peers:
            await peer.close()
        await asyncio.wait([sending], timeout=30)

    with pytest.raises(EGSTalkerError, match="given up after 1 s"):
        run(service, act)
