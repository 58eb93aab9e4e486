"""One driver a farm, also where drivers of other machines could come: in an object store there are no locks.

So a driver says there, every few seconds, that it is at work. Another machine's is refused until a minute has passed
without a word. Machines whose clocks are a minute apart, or that begin within the same second, are not told apart: the
receipts of their stages are right all the same, but work is done twice.
"""

from __future__ import annotations

import json
import os
import socket
import time
from typing import Any

from arguments.errors import EGSTalkerError
from arguments.foreign_text import printable
from fleet.storage import Store

KEY = "driver.json"
SILENCE = 60.0  # seconds after which a driver counts as gone


def claim(store: Store) -> None:
    """Say that a driver of this machine is at work. Whoever calls holds the lock of this machine.

    Raises:
        EGSTalkerError: another machine's driver has said so less than a minute ago.
    """
    there = _read(store)
    host, seen = there.get("host"), there.get("seen")
    if isinstance(host, str) and host != socket.gethostname() and isinstance(seen, (int, float)):
        ago = abs(time.time() - seen)
        if ago < SILENCE:
            raise EGSTalkerError(
                f"{store.address} is being written by another run (process {printable(str(there.get('pid')))} on "
                f"{printable(host)}, {ago:.0f} s ago); wait for it to end or, if it was killed, for a minute"
            )
    keep_claim(store)


def keep_claim(store: Store) -> None:
    """Say so once more."""
    _write(store, time.time())


def release(store: Store) -> None:
    """Say that the driver has ended."""
    _write(store, 0.0)


def _write(store: Store, seen: float) -> None:
    store.write(KEY, json.dumps({"host": socket.gethostname(), "pid": os.getpid(), "seen": seen}).encode())


def _read(store: Store) -> dict[str, Any]:
    try:
        value = json.loads(store.read(KEY) or b"{}")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
