"""What a training took of a GPU, as its model folder says."""

from __future__ import annotations

import json

from arguments.model_folder import ModelFolder


def memory_share_of(folder: ModelFolder) -> float:
    """The share of a GPU's memory that a model's training took at most, 0..1; 0 where that is not known."""
    try:
        share = json.loads(folder.usage.read_text())["memory_share"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return 0.0
    return float(share) if isinstance(share, (int, float)) and not isinstance(share, bool) and 0 < share <= 1 else 0.0
