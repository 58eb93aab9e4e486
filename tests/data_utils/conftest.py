"""The small talking head's dataset, shared by the tests of preprocessing."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import resample_poly

from arguments.dataset_folder import DatasetFolder
from data_utils.preprocess import preprocess
from data_utils.source import Source
from sample.voice import compose, synthesize
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


@pytest.fixture
def copy(tmp_path: Path, dataset: DatasetFolder, talking_head: Path) -> DatasetFolder:
    """The sample and its dataset, to be changed at will."""
    shutil.copytree(dataset.root, tmp_path / "head")
    shutil.copy2(talking_head, tmp_path / "head.mp4")
    return DatasetFolder(tmp_path / "head")


@pytest.fixture(scope="session")
def spoken() -> np.ndarray:
    """Six seconds of the sample's voice at 16 kHz, at -23 dBFS while it speaks."""
    rng = np.random.default_rng(3)
    speech = resample_poly(synthesize(compose(6.0, rng), 6.0, rng), 2, 3)[: 6 * 16000]
    speech = (0.06 * speech / speech.std()).astype(np.float32)
    speech.flags.writeable = False
    return speech
