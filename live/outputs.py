"""Outputs without a browser: what a session gives goes to addresses (:mod:`media.outlet`) in step and in time.

An output that is slow loses pictures, never sound. One whose receiver goes away is opened again, later each time, for
a minute; a camera, a sound card or a file is not.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from arguments.errors import EGSTalkerError
from live.moment_queue import MomentQueue
from live.stage_process import Seat
from media.outlet import Outlet
from media.stream_writer import StreamWriter

STALL_SECONDS = 5.0  # that a receiver may take for a frame, or to be opened
RETRY_SECONDS = 60.0  # after which a receiver that was lost is given up
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 8.0  # seconds between tries; twice as long each time
T = TypeVar("T")


class Outputs:
    """Sends a session to addresses.

    Args:
        outlets: where to; all get the same.
        say: is given the line that tells of a receiver that was lost or is back.
        retry_seconds: for which a receiver that was lost is looked for.
    """

    def __init__(
        self, outlets: Sequence[Outlet], say: Callable[[str], None], retry_seconds: float = RETRY_SECONDS
    ) -> None:
        self._outlets, self._say, self._retry_seconds = outlets, say, retry_seconds

    async def __call__(self, seat: Seat, size: tuple[int, int]) -> None:
        """Send until the session is over.

        Args:
            seat: of the session.
            size: height and width of its pictures.

        Raises:
            EGSTalkerError: an address cannot be opened, or was lost for good.
        """
        tasks = [asyncio.ensure_future(self._send(outlet, seat, size)) for outlet in self._outlets]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _send(self, outlet: Outlet, seat: Seat, size: tuple[int, int]) -> None:
        writer = await _patiently(StreamWriter, outlet, size, outlet=outlet)
        while True:
            try:
                await self._sent(writer, outlet, seat)
                return
            except EGSTalkerError as error:
                if not outlet.is_network:
                    raise
                self._say(f"{error}; trying again for {self._retry_seconds:.0f} s")
            again = await self._again(outlet, seat, size)
            if again is None:
                return
            writer = again
            self._say(f"{outlet.shown} is back")

    @staticmethod
    async def _sent(writer: StreamWriter, outlet: Outlet, seat: Seat) -> None:
        queue, unwatch = MomentQueue(seat), seat.watch()
        first = None
        try:
            while (moment := await queue.get()) is not None:
                first = moment.frame if first is None else first
                await _patiently(writer.write, moment.frame - first, moment.sound, moment.picture, outlet=outlet)
            await _patiently(writer.close, outlet=outlet)
        finally:
            queue.close()
            unwatch()

    async def _again(self, outlet: Outlet, seat: Seat, size: tuple[int, int]) -> StreamWriter | None:
        """The way out, open again; None where the session is over before that."""
        end, pause = time.monotonic() + self._retry_seconds, _FIRST_PAUSE
        while seat.is_open:
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
            try:
                return await _patiently(StreamWriter, outlet, size, outlet=outlet)
            except EGSTalkerError as error:
                if time.monotonic() + pause > end:
                    raise EGSTalkerError(f"{error}; given up after {self._retry_seconds:.0f} s") from error
        return None


async def _patiently(function: Callable[..., T], *words: object, outlet: Outlet) -> T:
    """The result of a call that may never come back: its thread, which nothing can end, is left to itself then.

    Raises:
        EGSTalkerError: the call raised it, or takes longer than a receiver may.
    """
    loop = asyncio.get_running_loop()
    result: asyncio.Future[T] = loop.create_future()

    def settle(value: T | None, error: BaseException | None) -> None:
        if result.done():
            return
        if error is not None:
            result.set_exception(error)
        else:
            result.set_result(value)  # type: ignore[arg-type]

    def run() -> None:
        value, failure = None, None
        try:
            value = function(*words)
        except Exception as error:
            failure = error
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, value, failure)

    threading.Thread(target=run, name=f"output {outlet.shown}", daemon=True).start()
    try:
        return await asyncio.wait_for(result, STALL_SECONDS)
    except (TimeoutError, asyncio.TimeoutError):
        raise EGSTalkerError(f"{outlet.shown} takes nothing for {STALL_SECONDS:.0f} s") from None
