"""Tables of codes: read, refused, and written so that they come back as they were."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from arguments.errors import EGSTalkerError
from motion.csv_table import CsvTable
from motion.table_driver import read_code_array, read_codes, write_codes

HEADER = "code_0,code_1,code_2"


def _table(folder: Path, text: str) -> CsvTable:
    path = folder / "m.csv"
    path.write_text(text)
    return CsvTable.read(path)


def test_a_written_motion_comes_back_bit_by_bit(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    codes = torch.randn(400, 13, generator=generator) * torch.tensor([1e-6, 1.0, 9.0]).repeat(5)[:13]
    eyes = torch.rand(400, generator=generator)
    write_codes(tmp_path / "new" / "m.csv", codes, eyes)
    back = read_codes(CsvTable.read(tmp_path / "new" / "m.csv"), 13)
    assert torch.equal(back.codes, codes) and back.eyes is not None and torch.equal(back.eyes, eyes)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["m.csv"]


def test_key_rows_are_joined_by_straight_lines(tmp_path: Path) -> None:
    driven = read_codes(_table(tmp_path, f"frame,{HEADER},eye\n0,0,1,2,0\n10,1,1,-2,1\n"), 3)
    assert len(driven) == 11
    torch.testing.assert_close(driven.codes[:, 0], torch.linspace(0, 1, 11))
    torch.testing.assert_close(driven.codes[:, 2], torch.linspace(2, -2, 11))
    torch.testing.assert_close(driven.eyes, torch.linspace(0, 1, 11))


def test_rows_at_another_rate_are_resampled_by_their_times(tmp_path: Path) -> None:
    times = np.arange(120) / 60
    rows = "".join(f"{t:.4f},{np.sin(2 * np.pi * t):.6f},0,0\n" for t in times)
    driven = read_codes(_table(tmp_path, f"time,{HEADER}\n{rows}"), 3)
    assert driven.eyes is None and len(driven) == 50
    expected = torch.sin(2 * torch.pi * torch.arange(50) / 25)
    torch.testing.assert_close(driven.codes[:, 0], expected, atol=2e-3, rtol=0)


def test_columns_go_by_their_names_and_others_are_passed_over(tmp_path: Path) -> None:
    driven = read_codes(_table(tmp_path, "﻿code_2, note,code_0,code_1\n3,smiles,1,2\n\n"), 3)
    assert driven.codes.tolist() == [[1, 2, 3]] and driven.eyes is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        (f"{HEADER}\n", "is empty"),
        ("code_0,code_1\n1,2\n", "2 columns of codes; this head takes code_0 to code_2"),
        (f"{HEADER},code_3\n1,2,3,4\n", "4 columns of codes"),
        ("code_0,code_1,code_1\n1,2,3\n", "two columns of one name"),
        (f"{HEADER}\n1,2,3\n1,nan,3\n", "code_1 of row 2 is 'nan', no finite number"),
        (f"{HEADER}\n1,inf,3\n", "'inf'"),
        (f"{HEADER}\n1,,3\n", "code_1 of row 1 is ''"),
        (f"{HEADER}\n1,2\n", "row 1 has 2 values under a header of 3"),
        (f"{HEADER}\n1,5,2,5,3,5\n", "decimal points"),
        (f"{HEADER}\n1e9,2,3\n", "standard deviations"),
        (f"{HEADER},eye\n1,2,3,4\n", "eye runs from 4 to 4"),
        (f"time,{HEADER}\n0,1,2,3\n0,1,2,3\n", "the time of row 2 is not after"),
        (f"time,{HEADER}\n0,1,2,3\n2,1,2,3\n1,1,2,3\n", "the time of row 3"),
        (f"time,{HEADER}\n-1,1,2,3\n", "from the film's start"),
        (f"time,{HEADER}\n0,1,2,3\n1e300,1,2,3\n", "an hour at most"),
        (f"frame,{HEADER}\n0,1,2,3\n90001,1,2,3\n", "an hour at most"),
        (f"{HEADER}\n" + "1,2,3\n" * 90_001, "more than an hour"),
    ],
)
def test_a_table_that_is_no_motion_is_refused_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(EGSTalkerError) as refused:
        read_codes(_table(tmp_path, text), 3)
    assert said in str(refused.value) and "m.csv" in str(refused.value) and "\n" not in str(refused.value)


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_bytes(b"\xff\x00\xfe" * 99)
    with pytest.raises(EGSTalkerError, match="no csv table"):
        CsvTable.read(tmp_path / "m.csv")
    with pytest.raises(EGSTalkerError, match="there is no"):
        CsvTable.read(tmp_path / "none.csv")


def test_an_array_of_codes_is_a_motion(tmp_path: Path) -> None:
    codes = np.random.default_rng(0).normal(size=(7, 3))
    np.save(tmp_path / "m.npy", codes)
    np.testing.assert_array_equal(read_code_array(tmp_path / "m.npy", 3).codes.numpy(), codes.astype(np.float32))


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((5, 4)), r"\[5, 4\] codes; this head takes \[N, 3\]"),
        (np.zeros((0, 3)), r"\[0, 3\]"),
        (np.zeros(3), "floats"),
        (np.zeros((5, 3), int), "int64"),
        (np.full((5, 3), np.nan), "size nan"),
        (np.full((90_001, 3), 0.0, np.float16), "more than an hour"),
    ],
)
def test_another_array_is_refused(tmp_path: Path, array: np.ndarray, said: str) -> None:
    np.save(tmp_path / "m.npy", array)
    with pytest.raises(EGSTalkerError, match=said):
        read_code_array(tmp_path / "m.npy", 3)


class _Planted:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("raise SystemExit",)


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    np.save(tmp_path / "m.npy", np.array([_Planted()], object), allow_pickle=True)
    (tmp_path / "p.npy").write_bytes(pickle.dumps(_Planted()))
    for name in ("m.npy", "p.npy"):
        with pytest.raises(EGSTalkerError, match="not an array of codes"):
            read_code_array(tmp_path / name, 3)
