"""Fixtures shared by all tests."""

from __future__ import annotations

import importlib
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from jaxtyping import install_import_hook

from tests import environment, shape_checks
from tests.talking_head import make_talking_head
from tests.tiny_video import write_video

install_import_hook(shape_checks.ROOMS, "tests.shape_checks.checked")
importlib.import_module("arguments")  # before torch: it says how OpenMP's threads wait

signal.signal(
    signal.SIGINT, signal.default_int_handler
)  # a background shell ignores Ctrl-C, and so would what tests start

REPOSITORY = Path(__file__).resolve().parent.parent
# Files that take long begin first, so that processes end together. While one makes the data set, another compiles.
LONGEST = (
    *("data_utils/test_recovery", "kernels/test_deformation", "data_utils/test_preprocess"),
    *("gaussian_renderer/test_cpu", "training/test_loop", "benchmarks/test_machine"),
    *("data_utils/face_tracking/test_model_fitting", "robustness/test_damaged_files", "wrappers/test_engine"),
    *("data_utils/face_tracking/test_mediapipe_tracker", "data_utils/face_tracking/test_bfm", "sample/test_sample"),
    *("training/test_train_door", "training/test_interruption", "evaluation/test_doors", "synthesis/test_film"),
    *("fleet/test_ray_farm", "fleet/test_real_films"),
    *("benchmarks/test_preprocess_benchmark", "training/test_initialization", "data_utils/test_held_out"),
)
LONGEST_FILES = [REPOSITORY / "tests" / f"{name}.py" for name in LONGEST]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Longest files first, the others as they come."""
    places = {path: place for place, path in enumerate(LONGEST_FILES)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout's root."""
    return REPOSITORY


@pytest.fixture(scope="session")
def clips() -> Path:
    """Real recordings beside the checkout; the test is skipped where there are none."""
    folder = REPOSITORY.parent / "shared" / "clips"
    if not folder.is_dir():
        pytest.skip("no evaluation clips beside this checkout")
    return folder


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for all processes of this run of the tests."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if environment.PROCESSES > 1 else folder


@pytest.fixture(scope="session")
def talking_head(shared: Path) -> Path:
    """A short sample video; its truth lies beside it. Tests must leave it as it is."""
    return make_talking_head(shared)


@pytest.fixture
def two_threads() -> Iterator[None]:
    """Compiled kernels and torch work on two threads, also where each process of the tests has a core."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def make_video(tmp_path: Path) -> Callable[..., Path]:
    """``make_video(name, times, ...)``: see :func:`tests.tiny_video.write_video`."""
    return lambda name, times, **options: write_video(tmp_path / name, times, **options)
