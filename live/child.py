"""A process of the server's own at the other end of a pipe, as the server's event loop sees it."""

from __future__ import annotations

import asyncio
import multiprocessing
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from live.wire import Kind, Message, packed, unpacked

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

STOP_SECONDS = 5.0


class Child:
    """A process that is told and tells messages (:mod:`live.wire`). All of it is for the event loop.

    Args:
        work: what the process does, from begin to end: a function of a module; it is given its end of the pipe and
            ``arguments``, and ends when it is told to stop or the pipe is closed.
        arguments: that can be sent to a process.
        take: is given each message.
        lost: is called when it has ended without having been told to.
    """

    def __init__(
        self,
        work: Callable[..., None],
        arguments: tuple[Any, ...],
        take: Callable[[Message], None],
        lost: Callable[[], None],
    ) -> None:
        self._take, self._lost = take, lost
        self._loop = asyncio.get_running_loop()
        self._is_stopping = False
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        self._connection: Connection | None = ours
        self._process: BaseProcess = context.Process(target=work, args=(theirs, *arguments), daemon=True)
        self._process.start()
        theirs.close()
        threading.Thread(target=self._read, args=(ours,), daemon=True).start()

    @property
    def is_alive(self) -> bool:
        """Whether the process is there."""
        return self._process.is_alive()

    @property
    def pid(self) -> int:
        """Of the process."""
        return int(self._process.pid or 0)

    def send(self, message: Message) -> None:
        """Tell it something; nothing happens where it has ended."""
        if self._connection is not None:
            try:
                self._connection.send_bytes(packed(message))
            except OSError:
                self._ended()

    async def stop(self) -> None:
        """End it, by force if it takes longer than five seconds."""
        self._is_stopping = True
        self.send(Message(Kind.STOP))
        self._connection = None
        await asyncio.to_thread(self._join)

    def _join(self) -> None:
        self._process.join(STOP_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def _read(self, connection: Connection) -> None:
        """What it says, on a thread of its own: a pipe that is not emptied would hold it up."""
        while True:
            try:
                message = unpacked(connection.recv_bytes())
            except (EOFError, OSError):
                self._tell(self._ended)
                return
            self._tell(self._take, message)

    def _tell(self, function: Callable[..., None], *words: object) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function, *words)

    def _ended(self) -> None:
        self._connection = None
        if not self._is_stopping:
            self._is_stopping = True
            self._lost()
