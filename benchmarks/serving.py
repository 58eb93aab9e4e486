"""A live server beside the program that measures it."""

from __future__ import annotations

import asyncio
import threading

from arguments.errors import EGSTalkerError
from live.server import Server

START_SECONDS, STOP_SECONDS = 120.0, 30.0


class Serving:
    """A server on a thread of its own, at a free port of the loopback.

    Args:
        server: to be started.
        seconds: that it may take until it is ready.

    Attributes:
        address: host and port.
        error: what ended it, where it was not :meth:`stop`.

    Raises:
        EGSTalkerError: it is not ready in time.
    """

    def __init__(self, server: Server, seconds: float = START_SECONDS) -> None:
        self._server, self._is_ready = server, threading.Event()
        self.address = ""
        self.error: EGSTalkerError | None = None
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        if not self._is_ready.wait(seconds):
            self.stop()
            raise EGSTalkerError("the server did not start")

    def stop(self) -> None:
        """End it. Raises EGSTalkerError where that takes too long."""
        self._server.stop()
        self.thread.join(STOP_SECONDS)
        if self.thread.is_alive():
            raise EGSTalkerError("the server did not end")

    def _run(self) -> None:
        try:
            asyncio.run(self._server.serve("127.0.0.1", 0, self._ready))
        except EGSTalkerError as error:
            self.error = error
        self._is_ready.set()

    def _ready(self, port: int) -> None:
        self.address = f"127.0.0.1:{port}"
        self._is_ready.set()
