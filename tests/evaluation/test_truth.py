"""Frames of the truth from a data set folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from arguments.errors import EGSTalkerError
from evaluation.truth import read_true_frame
from media.images import write_image
from tests.tiny_head import make_dataset


def test_reads_a_frame_with_its_head_and_landmarks(tmp_path: Path) -> None:
    folder = make_dataset(tmp_path / "set", num_frames=2)
    frame = read_true_frame(folder, 1)
    y, x = np.mgrid[:64, :64]
    np.testing.assert_array_equal(frame.head, (x - 28.3) ** 2 + (y - 28) ** 2 < 18**2)
    np.testing.assert_allclose(frame.landmarks, np.loadtxt(folder.landmarks(1)))
    assert frame.composite.shape == frame.raw.shape == (64, 64, 3)


def test_missing_damaged_or_odd_files_are_named(tmp_path: Path) -> None:
    folder = make_dataset(tmp_path / "set", num_frames=1)
    for path in (folder.ground_truth_image(0), folder.frame(0), folder.parsing_map(0), folder.landmarks(0)):
        whole = path.read_bytes()
        path.write_bytes(b"broken")
        with pytest.raises(EGSTalkerError, match=path.name):
            read_true_frame(folder, 0)
        path.unlink()
        with pytest.raises(EGSTalkerError, match=path.name):
            read_true_frame(folder, 0)
        path.write_bytes(whole)
    np.savetxt(folder.landmarks(0), np.zeros((5, 2)))
    with pytest.raises(EGSTalkerError, match="68 landmarks"):
        read_true_frame(folder, 0)
    np.savetxt(folder.landmarks(0), np.zeros((68, 2)))
    write_image(folder.parsing_map(0), np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(EGSTalkerError, match=r"parsing/0\.png has another size .* delete it and run"):
        read_true_frame(folder, 0)
