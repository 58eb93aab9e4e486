"""Files that a browser names in a request are uploads of this page, or the request goes no further.

Gradio would fetch what a path in the form of an address leads to; this server asks nobody.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from arguments.errors import EGSTalkerError, one_line
from live.page.home import Home

MOST = 8 << 20  # bytes of a request that is no upload


class GivenPaths:
    """Looks at the requests that ``app`` gets, for paths of files that are not among the home's uploads."""

    def __init__(self, app: ASGIApp, home: Home) -> None:
        self._app, self._home = app, home

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["method"] != "POST" or _is_upload(scope):
            await self._app(scope, receive, send)
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if len(body) > MOST:
                await PlainTextResponse("this request is too large", 413)(scope, receive, send)
                return
            if not message.get("more_body"):
                break
        try:
            for path in _paths(json.loads(body)):
                self._home.upload(path)
        except EGSTalkerError as error:
            await PlainTextResponse(one_line(error), 400)(scope, receive, send)
            return
        except (ValueError, RecursionError):
            await PlainTextResponse("this request cannot be read", 400)(scope, receive, send)
            return
        given: list[Message] = [{**message, "body": body, "more_body": False}]

        async def again() -> Message:
            return given.pop() if given else await receive()

        await self._app(scope, again, send)


def _is_upload(scope: Scope) -> bool:
    return Headers(scope=scope).get("content-type", "").startswith("multipart/form-data")


def _paths(value: Any) -> Iterator[Any]:
    """What stands under "path" in a JSON value, wherever that is."""
    if isinstance(value, dict):
        if value.get("path") is not None:
            yield value["path"]
        for part in value.values():
            yield from _paths(part)
    elif isinstance(value, list):
        for part in value:
            yield from _paths(part)
