"""The page's own words in what is served: Gradio's pages bring cards for social networks, with addresses elsewhere."""

from __future__ import annotations

import re

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_CARDS = re.compile(rb'<meta\s+(?:property="og:|name="twitter:)[^>]*>\s*')
_HTML = "text/html"


class OwnWords:
    """Takes the cards out of the HTML pages that ``app`` answers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        start: Message | None = None
        body = b""

        async def sending(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start" and MutableHeaders(scope=message).get(
                "content-type", ""
            ).startswith(_HTML):
                start = message
                return
            if start is None or message["type"] != "http.response.body":
                await send(message)
                return
            body += message.get("body", b"")
            if message.get("more_body"):
                return
            page = _CARDS.sub(b"", body)
            MutableHeaders(scope=start)["content-length"] = str(len(page))
            await send(start)
            await send({**message, "body": page})

        await self._app(scope, receive, sending if scope["type"] == "http" else send)
