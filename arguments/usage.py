"""What a training took of a GPU, as its model folder says."""

from __future__ import annotations

import json

from arguments.atomic import write_json
from arguments.device import gpu_name, memory_share
from arguments.model_folder import ModelFolder


def note_usage(folder: ModelFolder) -> None:
    """Write down which share of its GPU's memory this training has taken, or an earlier run of it that took more."""
    share = max(memory_share(), memory_share_of(folder))
    write_json(folder.usage, {"gpu": gpu_name(), "memory_share": round(share, 4)})


def memory_share_of(folder: ModelFolder) -> float:
    """The share of a GPU's memory that a model's training took at most, 0..1; 0 where that is not known."""
    try:
        share = json.loads(folder.usage.read_text())["memory_share"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return 0.0
    return float(share) if isinstance(share, (int, float)) and not isinstance(share, bool) and 0 < share <= 1 else 0.0
