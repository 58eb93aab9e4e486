"""What a command's user sees of an error."""

from __future__ import annotations

import errno

import cv2
import numpy as np
import pytest
import torch

from arguments.errors import LESS_MEMORY, EGSTalkerError, door


def run(error: BaseException | None, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    @door
    def main() -> None:
        if error is not None:
            raise error

    return main(), capsys.readouterr().err


def test_a_command_that_works_says_nothing(capsys):
    assert run(None, capsys) == (0, "")


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (EGSTalkerError("no face;\n look again"), 1, "error: no face; look again\n"),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            1,
            "error: the disk is full; free some space and run again\n",
        ),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "x.mp4"), 1, "x.mp4"),
        (MemoryError(), 1, LESS_MEMORY),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), 1, LESS_MEMORY),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.\nGPU 0 has"), 1, LESS_MEMORY),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes."), 1, LESS_MEMORY),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`"), 1, LESS_MEMORY),
        (KeyboardInterrupt(), 130, "interrupted; run the same command again to go on\n"),
    ],
)
def test_an_error_is_one_line_and_an_exit_code(error, code, said, capsys):
    result, text = run(error, capsys)
    assert result == code
    assert said in text
    assert text.count("\n") == 1


@pytest.mark.parametrize(
    "allocate",
    [
        lambda: torch.empty(1 << 55, dtype=torch.uint8),
        lambda: np.empty(1 << 55, dtype=np.uint8),
        lambda: cv2.resize(np.zeros((2, 2), np.uint8), (32_000_000, 32_000_000)),
    ],
    ids=["torch", "numpy", "opencv"],
)
def test_more_memory_than_there_is_is_one_line(allocate, capsys):
    @door
    def main() -> None:
        allocate()

    assert main() == 1
    assert capsys.readouterr().err == f"error: {LESS_MEMORY}\n"


@pytest.mark.parametrize("defect", [ZeroDivisionError(), RuntimeError("shapes differ")])
def test_a_defect_is_not_hidden(defect, capsys):
    with pytest.raises(type(defect)):
        run(defect, capsys)
