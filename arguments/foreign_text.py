"""What a program or a server said last, fit for one line of ours."""

from __future__ import annotations

import re

_COLOURS = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_LONGEST = 200  # characters


def last_words(raw: bytes) -> str:
    """The last line of an output that says anything, without colours and control characters; "" if there is none.

    Example:
        >>> last_words(b"loading\\n\\x1b[31mno such model\\x1b[0m\\n\\n")
        'no such model'
    """
    text = _COLOURS.sub("", raw[-8192:].decode(errors="replace"))
    lines = ("".join(c if c.isprintable() else " " for c in line).strip() for line in text.splitlines())
    line = next((line for line in reversed(list(lines)) if line), "")
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"
