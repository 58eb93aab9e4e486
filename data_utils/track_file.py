"""track_params.pt as it lies on the disk."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any


def open_track(path: Path) -> dict[str, Any]:
    """The tensors of a track, mapped from the disk where it can be: a mesh of every frame may be gigabytes.

    Nothing but tensors and plain containers is read. Raises what ``torch.load`` raises, of many types, on a missing or
    damaged file.
    """
    import torch  # takes seconds to load

    return torch.load(str(path), map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
