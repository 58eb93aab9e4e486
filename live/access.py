"""Who may use a server: whoever knows its token, or, where it has none, programs and pages of this machine alone."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Mapping
from urllib.parse import urlsplit

from arguments.errors import EGSTalkerError


def is_loopback(host: str) -> bool:
    """Whether a host's name or address is this machine's own.

    Example:
        >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("::1"), is_loopback("0.0.0.0")
        (True, True, True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def token_for(host: str, wanted: str | None) -> str | None:
    """The token of a server: the one that is wanted; one made up, where others than this machine can reach it.

    Raises:
        EGSTalkerError: it can be guessed.
    """
    if wanted is not None and len(wanted) < 8:
        raise EGSTalkerError("a token has at least 8 characters")
    return wanted if wanted is not None or is_loopback(host) else secrets.token_urlsafe(18)


def is_allowed(token: str | None, headers: Mapping[str, str], query: Mapping[str, str]) -> bool:
    """Whether a request may come in.

    With a token: one that has it, as ``Authorization: Bearer`` or ``?token=``. Without: any program's, and a page's
    that this server has given itself; a page from elsewhere that is open in a browser of this machine is kept out.
    """
    if token is not None:
        given = headers.get("authorization", "").removeprefix("Bearer ") or query.get("token", "")
        return secrets.compare_digest(given.encode(), token.encode())
    host, origin = headers.get("host", ""), headers.get("origin")
    if not is_loopback(urlsplit(f"//{host}").hostname or ""):
        return False
    return origin is None or urlsplit(origin).netloc == host
