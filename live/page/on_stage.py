"""The page's live part: one head at a time on a stage, under ``/live/NAME/``, as :mod:`live.server` serves it."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.responses import HTMLResponse, JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from arguments.errors import EGSTalkerError, one_line
from live.page.heads import can_be_live
from live.page.home import Home
from live.page.work import has_gpu

if TYPE_CHECKING:
    from live.performer import Performer
    from live.server import Server

PREFIX = "/live/"
IDLE_SECONDS = 60.0  # without a session, after which the stage goes: it holds a model in memory
_SESSIONS_WITH_GPU = 4
_TALK = Path(__file__).resolve().parent.parent / "talk.html"


def performer_of(model: Path) -> Performer:
    """The performer of a model folder, where this machine renders best; made in the stage's process."""
    from gaussian_renderer.devices import choose_device
    from live.performer import load_performer

    return load_performer(model, choose_device(None))


class OnStage:
    """Answers what is below ``/live/``, and hands all else on.

    Args:
        app: what answers else.
        home: where the heads are.
        make: the performer of a model folder.
    """

    def __init__(self, app: ASGIApp, home: Home, make: Callable[[Path], Performer] = performer_of) -> None:
        self._app, self._home, self._make = app, home, make
        self._turn: asyncio.Lock | None = None
        self._name: str | None = None
        self._server: Server | None = None
        self._used = 0.0
        self._leaving: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, functools.partial(self._told, receive), send)
            return
        if not scope["path"].startswith(PREFIX):
            await self._app(scope, receive, send)
            return
        name, _, rest = scope["path"][len(PREFIX) :].partition("/")
        try:
            head = self._home.head(name)
            if not can_be_live(head):
                raise EGSTalkerError(
                    f"{head.name} cannot be live: it has not learnt to speak, or has no neck and shoulders"
                )
            if scope["type"] == "http" and not rest:  # only who connects needs the stage
                await HTMLResponse(_TALK.read_text())(scope, receive, send)
                return
            server = await self._of(head.name, head.model.root)
        except EGSTalkerError as error:
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1013})
            else:
                await JSONResponse({"error": one_line(error)}, 404)(scope, receive, send)
            return
        self._used = time.monotonic()
        await server.app({**scope, "path": f"/{rest}", "root_path": ""}, receive, send)

    async def _told(self, receive: Receive) -> Message:
        """What the web server says of its life: with its end the stage ends."""
        message = await receive()
        if message["type"] == "lifespan.shutdown":
            if self._leaving is not None:
                self._leaving.cancel()
            await self._end()
        return message

    async def _of(self, name: str, model: Path) -> Server:
        """The server of a head; another's is ended for it."""
        self._turn = self._turn or asyncio.Lock()
        async with self._turn:
            if self._server is not None and (self._name != name or self._server.stage.trouble is not None):
                await self._end()
            if self._server is None:
                from live.server import Server
                from live.stages import Stages

                most = _SESSIONS_WITH_GPU if await asyncio.to_thread(has_gpu) else 1
                voice = await asyncio.to_thread(_voice)
                server = Server(Stages(functools.partial(self._make, model), most), voice=voice, is_guarded=True)
                await server.stage.start()
                self._name, self._server = name, server
                self._leaving = asyncio.ensure_future(self._leave_when_idle(server))
            return self._server

    async def _leave_when_idle(self, server: Server) -> None:
        self._used = time.monotonic()
        while time.monotonic() - self._used < IDLE_SECONDS:
            await asyncio.sleep(IDLE_SECONDS / 20)
            if server.stage.open_seats:
                self._used = time.monotonic()
        if self._turn is not None:
            async with self._turn:
                if self._server is server:
                    await self._end()

    async def _end(self) -> None:
        if self._server is not None:
            server, self._server, self._name = self._server, None, None
            await server.stage.stop()


def _voice() -> Any:
    """The built-in voice, or None where its packages are not here."""
    from synthesis.voices import BUILT_IN, voice_of

    try:
        return voice_of(BUILT_IN)
    except EGSTalkerError:
        return None
