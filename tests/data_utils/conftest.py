"""Tiny videos, and one small talking head with its dataset, shared by the tests of preprocessing."""

from __future__ import annotations

from pathlib import Path

import pytest

from arguments.dataset_folder import DatasetFolder
from data_utils.preprocess import preprocess
from data_utils.source import Source

SIZE = 192
SECONDS = 2.4


@pytest.fixture(scope="session")
def talking_head(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short sample video; its truth lies beside it."""
    from sample import make_sample

    path = tmp_path_factory.mktemp("talking") / "head.mp4"
    make_sample(path, seconds=SECONDS, size=SIZE)
    return path


@pytest.fixture(scope="session")
def dataset(talking_head: Path) -> DatasetFolder:
    """The sample's dataset, all nine tasks done. Tests must leave it as it is."""
    folder = DatasetFolder(talking_head.with_suffix(""))
    assert not any(outcome.skipped for outcome in preprocess(folder, Source(talking_head)))
    return folder
