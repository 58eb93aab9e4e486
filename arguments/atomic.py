"""Files appear whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def atomic_path(target: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside ``target`` (same suffix), renamed over ``target`` on success, removed on failure.

    The parent folder is made if need be. What stood at ``target`` before stays until the new file is whole.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.stem}.{os.getpid()}.part{target.suffix}")
    try:
        yield temporary
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(target: Path | str, value: Any) -> None:
    """Write ``value`` as indented JSON, atomically. Raises ValueError for NaN and infinities, which JSON lacks."""
    with atomic_path(target) as path:
        path.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n")
