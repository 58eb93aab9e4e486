"""The server: one person's sessions over HTTP, for browsers (WebRTC) and agents (a WebSocket).

| way | what it is |
|---|---|
| ``GET /`` | a page to try it with |
| ``GET /health`` | whether it is ready, and how many sessions are open |
| ``POST /offer`` | a WebRTC offer, ``{"sdp", "type": "offer"}``: the answer, and the number of the session |
| ``POST /whep``, ``DELETE /whep/N`` | the same as WHEP (draft-ietf-wish-whep) has it: SDP in, SDP out |
| ``WS /ws`` | :mod:`live.protocol`; ``?media=jpeg``: moments as well; ``?session=N``: of a session that is there |
"""

from __future__ import annotations

import asyncio
import functools
import json
import secrets
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response, WebSocket
from fastapi.responses import HTMLResponse, JSONResponse

from arguments.errors import EGSTalkerError
from arguments.version import VERSION
from live.access import is_allowed
from live.agent_socket import talk
from live.guests import Guest, Guests
from live.peer_process import Offer
from live.protocol import LARGEST, Protocol, Say
from live.reading import Reader
from live.seat import Seat
from live.stages import Stages
from synthesis.voices import Voice

_PAGE = Path(__file__).resolve().parent / "talk.html"
_SECRET = 1 << 62
_POLICY_VIOLATION, _TRY_AGAIN = 1008, 1013  # of RFC 6455


class Server:
    """The sessions of one stage, as others reach them.

    Args:
        stage: that is started and stopped with the server.
        token: that whoever comes has to know; None: loopback alone.
        voice: that texts are said by.
        guests: by the names of their sessions, which agents may give as ``?session=``.
        is_guarded: whether somebody else has already looked at who comes.
    """

    def __init__(
        self,
        stage: Stages,
        token: str | None = None,
        voice: Voice | None = None,
        guests: Mapping[str, Guest] | None = None,
        *,
        is_guarded: bool = False,
    ) -> None:
        self.stage, self._token, self._voice, self._is_guarded = stage, token, voice, is_guarded
        self._guests = Guests(guests or {}, lambda name: self._open(name)[1], self.stop)
        self._seats: dict[str, Seat] = {}  # by names that cannot be guessed, but for guests'
        self.app = FastAPI(title="EGSTalker", version=VERSION, docs_url=None, redoc_url=None, openapi_url=None)
        config = uvicorn.Config(
            self.app, log_level="warning", ws_max_size=LARGEST, lifespan="off", timeout_graceful_shutdown=2
        )
        self._http = uvicorn.Server(config)
        self.app.middleware("http")(self._admit)
        self.app.get("/", response_class=HTMLResponse)(self._page)
        self.app.get("/health")(self._health)
        self.app.post("/offer")(self._offer)
        self.app.post("/whep")(self._whep)
        self.app.delete("/whep/{name}")(self._leave)
        self.app.websocket("/ws")(self._socket)

    async def serve(self, host: str, port: int, ready: Callable[[int], None] = lambda port: None) -> None:
        """Serve until a signal ends it.

        Args:
            host: address to listen at.
            port: to listen at; 0 for any that is free.
            ready: is told the port when who comes is answered.

        Raises:
            EGSTalkerError: the address is not to be had, the stage cannot start, or a guest cannot go on.
        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((host, port))
            except OSError as error:
                raise EGSTalkerError(f"cannot listen at {host}, port {port}: {error.strerror}; give another") from error
            await self.stage.start()
            try:
                watching = asyncio.ensure_future(self._until_lost())
                self._guests.welcome(self.stage.size)
                listener.listen()  # who comes before the server takes over waits
                ready(listener.getsockname()[1])
                await self._http.serve([listener])
                watching.cancel()
            finally:
                ending = asyncio.ensure_future(self._end())
                try:
                    await asyncio.shield(ending)
                except asyncio.CancelledError:  # Ctrl-C, which uvicorn hands on when it has ended
                    await ending
                    raise
        if self.stage.trouble is not None:
            raise EGSTalkerError(self.stage.trouble)

    def stop(self) -> None:
        """End :meth:`serve` soon, from any thread."""
        self._http.should_exit = True

    async def _end(self) -> None:
        self._guests.dismiss()
        await self.stage.stop()
        if self.stage.trouble is None:
            await self._guests.part()

    async def _until_lost(self) -> None:
        """A server without a stage serves nobody."""
        while self.stage.trouble is None:
            await asyncio.sleep(0.5)
        self.stop()

    async def _admit(self, request: Request, go_on: Any) -> Response:
        """Keep out who may not come in, and what is too large to be meant well."""
        if not self._lets_in(request.headers, request.query_params):
            return JSONResponse({"error": self._unwelcome}, 401)
        if (
            not request.headers.get("content-length", "0").isdigit()
            or int(request.headers.get("content-length", "0")) > LARGEST
        ):
            return JSONResponse({"error": f"at most {LARGEST} bytes"}, 413)
        response: Response = await go_on(request)
        return response

    def _lets_in(self, headers: Mapping[str, str], query: Mapping[str, str]) -> bool:
        return self._is_guarded or is_allowed(self._token, headers, query)

    @property
    def _unwelcome(self) -> str:
        if self._token is not None:
            return "give the server's token, as ?token= or Authorization: Bearer"
        return "this server is for its own machine: for others, start it with --host and --token"

    async def _page(self) -> str:
        return _PAGE.read_text()

    async def _health(self) -> Mapping[str, object]:
        height, width = self.stage.size
        return {
            "ready": True,
            "sessions": self.stage.open_seats,
            "most": self.stage.most,
            "width": width,
            "height": height,
            "text": self._voice is not None,
        }

    async def _offer(self, request: Request) -> Response:
        try:
            offer = json.loads(await _body(request))
            sdp = offer["sdp"]
            listens = bool(offer.get("microphone", False))
            if not isinstance(sdp, str) or offer.get("type") != "offer":
                raise ValueError("no offer")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return JSONResponse({"error": "an offer is {sdp, type: 'offer'}"}, 400)
        return await self._answered(sdp, listens=listens, plain=False)

    async def _whep(self, request: Request) -> Response:
        try:
            return await self._answered((await _body(request)).decode(), listens=False, plain=True)
        except ValueError:
            return JSONResponse({"error": "an offer is text"}, 400)

    async def _answered(self, sdp: str, *, listens: bool, plain: bool) -> Response:
        try:
            name, seat = self._open()
        except EGSTalkerError as error:
            return JSONResponse({"error": str(error)}, 503)
        try:
            answer = await self.stage.answer(seat, Offer(sdp, listens), lambda say: self._protocol(seat, say).receive)
        except EGSTalkerError as error:
            return JSONResponse({"error": str(error)}, 400)
        if plain:
            return Response(answer, 201, {"Location": f"/whep/{name}"}, "application/sdp")
        return JSONResponse({"sdp": answer, "type": "answer", "session": name})

    async def _leave(self, name: str) -> Response:
        seat = self._seats.get(name)
        if seat is None:
            return JSONResponse({"error": "there is no such session"}, 404)
        seat.close()
        return Response(status_code=200)

    def _open(self, name: str | None = None) -> tuple[str, Seat]:
        seat = self.stage.open(secrets.randbelow(_SECRET))
        name = name or secrets.token_urlsafe(12)
        self._seats[name] = seat
        seat.on_close.append(lambda: self._forget(name))
        return name, seat

    def _forget(self, name: str) -> None:
        self._seats.pop(name, None)

    def _protocol(self, seat: Seat, say: Say) -> Protocol:
        protocol = Protocol(seat, say, None if self._voice is None else Reader(seat, self._voice))
        protocol.greet(self.stage.size)
        return protocol

    async def _socket(self, agent: WebSocket) -> None:
        """An agent on a WebSocket: a session of its own, or the one that it names."""
        query = agent.query_params
        if not self._lets_in(agent.headers, query):
            await agent.close(_POLICY_VIOLATION, self._unwelcome)
            return
        await agent.accept()
        named = query.get("session")
        try:
            if named is not None and named not in self._seats:
                raise EGSTalkerError("there is no such session")
            seat = self._seats[named] if named is not None else self._open()[1]
        except EGSTalkerError as error:
            await agent.send_json({"type": "error", "message": str(error)})
            await agent.close(_TRY_AGAIN)
            return
        with_media = query.get("media") == "jpeg"
        try:
            await talk(agent, seat, functools.partial(self._protocol, seat), with_media=with_media)
        finally:
            if named is None:
                seat.close()


async def _body(request: Request) -> bytes:
    """What was sent. Raises ValueError where it is larger than it said, or than is taken."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LARGEST:
            raise ValueError("too large")
    return body
