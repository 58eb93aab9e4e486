"""What a command's user sees of an error."""

from __future__ import annotations

import errno

import pytest

from arguments.errors import EGSTalkerError, door


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
        (MemoryError(), 1, "out of memory"),
        (KeyboardInterrupt(), 130, "interrupted; run the same command again to go on\n"),
    ],
)
def test_an_error_is_one_line_and_an_exit_code(error, code, said, capsys):
    result, text = run(error, capsys)
    assert result == code
    assert said in text
    assert text.count("\n") == 1


def test_a_defect_is_not_hidden(capsys):
    with pytest.raises(ZeroDivisionError):
        run(ZeroDivisionError(), capsys)
