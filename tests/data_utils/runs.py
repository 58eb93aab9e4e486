"""Runs of the nine tasks in tests."""

from __future__ import annotations

from typing import Any

from arguments.dataset_folder import DatasetFolder
from data_utils.preprocess import preprocess
from data_utils.source import locate


def ran(folder: DatasetFolder, **options: Any) -> list[int]:
    """Run the tasks; the numbers of those that were not whole."""
    outcomes = preprocess(folder, locate(folder.root)[1], **options)
    return [outcome.task.number for outcome in outcomes if not outcome.skipped]
