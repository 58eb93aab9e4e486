"""Who may ask the server: on the loopback this machine's own browsers, elsewhere whoever has the token.

Every answer also says that the page may ask nobody but this server.
"""

from __future__ import annotations

import hmac
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from live.access import is_loopback

COOKIE = "egstalker_token"
POLICY = (
    "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; connect-src 'self' data: blob:; frame-ancestors 'self'; form-action 'self'"
)


class Guard:
    """Lets through to ``app`` what may ask.

    Args:
        app: what answers.
        token: whoever has it may ask; None: whoever asks for this machine by a name of the loopback.
    """

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self._app, self._token = app, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [""])[0]
        answer: Response
        if not self._is_own_page(headers):
            answer = PlainTextResponse("another page may not ask this one", 403)
        elif self._token is None or self._has_token(_cookie(headers)):
            await self._app(scope, receive, _with_policy(send))
            return
        elif scope["type"] == "http" and self._has_token(given):
            answer = RedirectResponse("/", 303)
            answer.set_cookie(COOKIE, self._token, httponly=True, samesite="lax", max_age=30 * 24 * 3600)
        else:
            answer = PlainTextResponse("open the address with the token that ./app.sh has printed", 403)
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await answer(scope, receive, send)

    def _is_own_page(self, headers: Headers) -> bool:
        """Whether a request comes from this page, by what browsers say of themselves and pages cannot forge."""
        host = headers.get("host", "")
        try:
            name = urlsplit(f"//{host}").hostname
            origin = urlsplit(headers["origin"]).netloc if "origin" in headers else host
        except ValueError:
            return False
        if self._token is None and not is_loopback(name or ""):
            return False  # a name that somebody has led here (DNS rebinding)
        return origin == host

    def _has_token(self, given: str) -> bool:
        return self._token is not None and hmac.compare_digest(given.encode(), self._token.encode())


def _cookie(headers: Headers) -> str:
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return "" if cookie is None else cookie.value


def _with_policy(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["content-security-policy"] = POLICY
            headers["referrer-policy"] = "no-referrer"
            headers["x-content-type-options"] = "nosniff"
        await send(message)

    return sending
