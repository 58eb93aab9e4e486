"""The small talking head's dataset, shared by the tests of preprocessing."""

from __future__ import annotations

from pathlib import Path

import pytest

from arguments.dataset_folder import DatasetFolder
from data_utils.preprocess import preprocess
from data_utils.source import Source
from tests.environment import all_cores
from tests.once import once


@pytest.fixture(scope="session")
def dataset(talking_head: Path) -> DatasetFolder:
    """The sample's dataset, all nine tasks done. Tests must leave it as it is."""
    folder = DatasetFolder(talking_head.with_suffix(""))

    def make() -> None:
        with all_cores():
            assert not any(outcome.skipped for outcome in preprocess(folder, Source(talking_head)))

    once(folder.root, make)
    return folder
