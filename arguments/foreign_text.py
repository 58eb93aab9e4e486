"""What others have written - names, messages, what programs say -, fit for one line of ours."""

from __future__ import annotations

import re

_COLOURS = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_LONGEST = 200  # characters of a program's last words
_MOST = 500  # characters of anything else


def printable(text: str) -> str:
    """``text`` on one line, without what a terminal would obey."""
    return harmless(" ".join(text.split())[:_MOST])


def last_words(raw: bytes) -> str:
    """The last line of an output that says anything, without colours and control characters; "" if there is none.

    Example:
        >>> last_words(b"loading\\n\\x1b[31mno such model\\x1b[0m\\n\\n")
        'no such model'
    """
    text = _COLOURS.sub("", raw[-8192:].decode(errors="replace"))
    lines = (harmless(line).strip() for line in text.splitlines())
    line = next((line for line in reversed(list(lines)) if line), "")
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


def harmless(text: str, instead: str = " ") -> str:
    """``text`` with another letter for each that a terminal would obey or cannot show."""
    return text if text.isprintable() else "".join(c if c.isprintable() else instead for c in text)
