"""The one exception type that commands turn into one line for the user."""

from __future__ import annotations

import errno
import functools
import os
import signal
import sys
from collections.abc import Callable

# What allocators' exceptions say: PyTorch's on a CPU (Linux, others), those of CUDA and its libraries, OpenCV's.
NO_MEMORY = ("can't allocate memory", "not enough memory", "out of memory", "ALLOC_FAILED", "Insufficient memory")
LESS_MEMORY = (
    "out of memory; take a smaller --batch, fewer Gaussians (max_gaussians in the configuration), a shorter clip, or "
    "--device cpu where the GPU is too small"
)


class EGSTalkerError(Exception):
    """Something the user can mend. The message says what is wrong and what to do, in one line."""


class Interrupted(KeyboardInterrupt):
    """A signal ended the command; the message is one line for the user.

    Args:
        number: of the signal; a command that it ends has the exit code 128 + number, as shells have it.
    """

    def __init__(self, number: int, message: str) -> None:
        super().__init__(message)
        self.number = number


def end_on_sigterm() -> None:
    """From now on SIGTERM, by which ``docker stop`` and systemd end a server, ends the program as Ctrl-C does."""

    def end(number: int, _: object) -> None:
        raise Interrupted(number, f"ended by {signal.Signals(number).name}")

    signal.signal(signal.SIGTERM, end)


def one_line(error: BaseException) -> str:
    """The error's message on a single line; an empty message becomes the type's name."""
    return " ".join(str(error).split()) or type(error).__name__


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a host's or a GPU's memory ran out; PyTorch need not be loaded to tell."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    kinds = {kind.__name__ for kind in type(error).__mro__}
    return bool(kinds & {"RuntimeError", "error"}) and any(words in str(error) for words in NO_MEMORY)


def door(main: Callable[[], int | None]) -> Callable[[], int]:
    """Wrap a command's main function: errors end as one line on stderr and an exit code.

    Exit codes: what ``main`` returns (None is 0), 1 for an :class:`EGSTalkerError` or a failing disk, 130 for Ctrl-C,
    128 and its number for another signal that ``main`` answers with :class:`Interrupted`.
    """

    @functools.wraps(main)
    def wrapped() -> int:
        try:
            return main() or 0
        except EGSTalkerError as error:
            print(f"error: {one_line(error)}", file=sys.stderr)
        except Interrupted as error:
            print(one_line(error), file=sys.stderr)
            return 128 + error.number
        except KeyboardInterrupt:
            print("interrupted; run the same command again to go on", file=sys.stderr)
            return 128 + signal.SIGINT
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except OSError as error:
            reasons = {errno.ENOSPC: "the disk is full; free some space and run again", errno.ENOMEM: LESS_MEMORY}
            print(f"error: {reasons.get(error.errno or 0, one_line(error))}", file=sys.stderr)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            print(f"error: {LESS_MEMORY}", file=sys.stderr)
        return 1

    return wrapped
