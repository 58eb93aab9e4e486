"""The one exception type that commands turn into one line for the user."""

from __future__ import annotations

import errno
import functools
import os
import signal
import sys
from collections.abc import Callable


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


def one_line(error: BaseException) -> str:
    """The error's message on a single line; an empty message becomes the type's name."""
    return " ".join(str(error).split()) or type(error).__name__


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
            full_disk = error.errno == errno.ENOSPC
            reason = "the disk is full; free some space and run again" if full_disk else one_line(error)
            print(f"error: {reason}", file=sys.stderr)
        except MemoryError:
            print("error: out of memory; use a shorter or smaller video, or a smaller batch", file=sys.stderr)
        return 1

    return wrapped
