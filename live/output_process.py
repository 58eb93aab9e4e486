"""A way out in a process of its own: PyAV opens and ends one with Python's lock held, for as long as a network likes.

What does not answer can be ended, as a thread cannot.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Protocol

import numpy as np
from jaxtyping import Int16, UInt8

from arguments.errors import EGSTalkerError, one_line
from media.outlet import Outlet
from media.stream_writer import StreamWriter

OPEN_SECONDS = 20.0  # to start a process and to reach a receiver
STALL_SECONDS = 5.0  # that a receiver may take for a frame


class Writer(Protocol):
    """As :class:`media.stream_writer.StreamWriter`."""

    def write(self, frame: int, sound: np.ndarray, picture: np.ndarray | None) -> None: ...

    def close(self) -> None: ...


Make = Callable[[Outlet, tuple[int, int]], Writer]


class OutputProcess:
    """One way out. All of it is for the event loop, one call at a time.

    Args:
        outlet: where to.
        size: height and width of the pictures.
        make: makes the writer, in that process: a function or class of a module.
        stall_seconds: that the receiver may take for a frame.
    """

    def __init__(
        self,
        outlet: Outlet,
        size: tuple[int, int],
        make: Make = StreamWriter,
        stall_seconds: float = STALL_SECONDS,
    ) -> None:
        self._outlet, self._stall_seconds = outlet, stall_seconds
        context = multiprocessing.get_context("spawn")
        self._connection, self._theirs = context.Pipe()
        self._process = context.Process(target=run_output, args=(self._theirs, outlet, size, make), daemon=True)

    async def open(self) -> None:
        """Open it. Raises EGSTalkerError where that cannot be done."""
        await self._asked(self._start, OPEN_SECONDS)

    async def write(
        self, frame: int, sound: Int16[np.ndarray, "T"], picture: UInt8[np.ndarray, "H W C"] | None
    ) -> None:
        """As :meth:`media.stream_writer.StreamWriter.write`."""
        await self._asked(lambda: self._connection.send((frame, sound, picture)), self._stall_seconds)

    async def close(self) -> None:
        """As :meth:`media.stream_writer.StreamWriter.close`."""
        await self._asked(lambda: self._connection.send(None), self._stall_seconds)

    def kill(self) -> None:
        """End the process, whatever it does."""
        if self._process.pid is not None:
            self._process.kill()

    def _start(self) -> None:
        self._process.start()
        self._theirs.close()  # or its end would not be noticed

    async def _asked(self, ask: Callable[[], None], seconds: float) -> None:
        """Ask for something and wait for the answer, on a thread: both may take long."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[str | None] = loop.create_future()

        def settle(trouble: str | None) -> None:
            if not answer.done():
                answer.set_result(trouble)

        def run() -> None:
            try:
                ask()
                trouble = self._connection.recv()
            except (EOFError, OSError):
                trouble = f"{self._outlet.shown} was lost: its process has ended"
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(settle, trouble)

        threading.Thread(target=run, name=f"output {self._outlet.shown}", daemon=True).start()
        try:
            trouble = await asyncio.wait_for(answer, seconds)
        except (TimeoutError, asyncio.TimeoutError):
            self.kill()
            raise EGSTalkerError(f"{self._outlet.shown} takes nothing for {seconds:.0f} s") from None
        if trouble is not None:
            raise EGSTalkerError(trouble)


def run_output(connection: Connection, outlet: Outlet, size: tuple[int, int], make: Make) -> None:
    """The whole of an output's process: it answers each thing that is asked with None, or why it cannot be done.

    Args:
        connection: to the server; the process ends with it.
        outlet: where to.
        size: height and width of the pictures.
        make: makes the writer.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server's to answer
    try:
        writer = make(outlet, size)
        connection.send(None)
        while (frame := connection.recv()) is not None:
            writer.write(*frame)
            connection.send(None)
        writer.close()
        connection.send(None)
    except EOFError:
        return
    except EGSTalkerError as error:
        connection.send(str(error))
    except Exception as error:
        connection.send(f"{outlet.shown} failed: {one_line(error)}")
