"""Dictionaries that numpy pickled, read without unpickling."""

from __future__ import annotations

import os
import pickle

import numpy as np
import pytest

from arguments.errors import EGSTalkerError
from data_utils.face_tracking.pickled_arrays import read_pickled_arrays


def write(path, content, protocol):
    """As numpy.save writes an object array, in any of pickle's protocols."""
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|O", "fortran_order": False, "shape": ()})
        pickle.dump(np.array(content, dtype=object), file, protocol=protocol)
    return path


ENTRIES = {
    "base": np.random.default_rng(0).normal(size=(7, 12)).astype(np.float32),
    "doubles": np.arange(5.0),
    "indices": np.arange(6).reshape(2, 3),
    "transposed": np.arange(6, dtype=np.int32).reshape(2, 3).T,
    "big": np.arange(3, dtype=">f8"),
}


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_reads_what_numpy_wrote(tmp_path, protocol):
    path = write(tmp_path / "info.npy", ENTRIES, protocol)
    assert np.load(path, allow_pickle=True).item().keys() == ENTRIES.keys()
    arrays = read_pickled_arrays(path)
    assert arrays.keys() == ENTRIES.keys()
    for name, values in ENTRIES.items():
        np.testing.assert_array_equal(arrays[name], values)


def test_reads_numpy_saves_own_files(tmp_path):
    np.save(tmp_path / "info.npy", ENTRIES, allow_pickle=True)
    np.testing.assert_array_equal(read_pickled_arrays(tmp_path / "info.npy")["base"], ENTRIES["base"])


def test_other_entries_are_left_out(tmp_path):
    path = write(tmp_path / "info.npy", {"name": "bfm", "counts": [1, 2], "one": np.float64(3), "a": np.ones(2)}, 3)
    assert list(read_pickled_arrays(path)) == ["a"]


class Trap:
    """Runs a command where it is unpickled."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


@pytest.mark.parametrize("protocol", [2, 4])
def test_nothing_in_the_file_is_ever_called(tmp_path, protocol):
    trace = tmp_path / "was here"
    path = write(tmp_path / "info.npy", {"trap": Trap(f"touch '{trace}'"), "a": np.ones(2)}, protocol)
    assert list(read_pickled_arrays(path)) == ["a"]
    assert not trace.exists()
    np.load(path, allow_pickle=True)
    assert trace.exists()  # the trap would have worked


def test_cut_and_corrupted_files_are_one_line(tmp_path):
    whole = write(tmp_path / "info.npy", ENTRIES, 3).read_bytes()
    rng = np.random.default_rng(1)
    for attempt in range(120):
        broken = bytearray(whole)
        if attempt % 2:
            broken = broken[: rng.integers(len(broken))]
        else:
            for place in rng.integers(0, len(broken), 12):
                broken[place] = rng.integers(256)
        (tmp_path / "broken.npy").write_bytes(broken)
        try:
            read_pickled_arrays(tmp_path / "broken.npy")
        except EGSTalkerError as error:
            assert "broken.npy" in str(error) and "\n" not in str(error)


def test_other_files_are_refused(tmp_path):
    np.save(tmp_path / "plain.npy", np.ones(3))
    (tmp_path / "text.npy").write_text("hello")
    for name in ("plain.npy", "text.npy", "absent.npy"):
        with pytest.raises(EGSTalkerError, match=name):
            read_pickled_arrays(tmp_path / name)
