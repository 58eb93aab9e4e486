"""What killed runs left in a dataset folder."""

from __future__ import annotations

from pathlib import Path

from arguments.atomic import sweep_leftovers


def sweep(root: Path) -> None:
    """Remove what a killed run left unfinished in ``root`` and its folders; nobody may be writing there."""
    sweep_leftovers(root)
    for folder in root.iterdir():
        if folder.is_dir():
            sweep_leftovers(folder)
