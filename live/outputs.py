"""Outputs without a browser: what a session gives goes to addresses (:mod:`media.outlet`) in step and in time.

An output that is slow loses pictures, never sound. One whose receiver goes away is opened again, later each time, for
a minute; a camera, a sound card or a file is not.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from arguments.errors import EGSTalkerError
from live.moment_queue import MomentQueue
from live.output_process import OutputProcess
from live.seat import Seat
from media.outlet import WHIP, Outlet

RETRY_SECONDS = 60.0  # after which a receiver that was lost is given up
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 8.0  # seconds between tries; twice as long each time


@runtime_checkable
class Output(Protocol):
    """One way out: :class:`live.output_process.OutputProcess`, or :class:`live.whip.WhipOutput`."""

    async def open(self) -> None:
        """Open it. Raises EGSTalkerError where that cannot be done."""

    async def write(self, frame: int, sound: np.ndarray, picture: np.ndarray | None) -> None:
        """Send one frame's time. Raises EGSTalkerError where the receiver is gone."""

    async def close(self) -> None:
        """Send what is left, and end. Raises EGSTalkerError where the receiver is gone."""

    def kill(self) -> None:
        """End it at once."""


MakeOutput = Callable[[Outlet, tuple[int, int]], Output]


def output_to(outlet: Outlet, size: tuple[int, int]) -> Output:
    """What sends to an outlet; not open yet.

    Args:
        outlet: where to.
        size: height and width of the pictures.
    """
    if outlet.container == WHIP:
        from live.whip import WhipOutput

        return WhipOutput(outlet, size)
    return OutputProcess(outlet, size)


class Outputs:
    """Sends a session to addresses.

    Args:
        outlets: where to; all get the same.
        say: is given the line that tells of a receiver that was lost or is back.
        retry_seconds: for which a receiver that was lost is looked for.
        make: makes what sends to one of them.
    """

    def __init__(
        self,
        outlets: Sequence[Outlet],
        say: Callable[[str], None],
        retry_seconds: float = RETRY_SECONDS,
        make: MakeOutput = output_to,
    ) -> None:
        self._outlets, self._say, self._retry_seconds, self._make = outlets, say, retry_seconds, make
        self._sessions = 0

    async def __call__(self, seat: Seat, size: tuple[int, int]) -> None:
        """Send until the session is over. The second session, where others ended the first, has files of its own.

        Args:
            seat: of the session.
            size: height and width of its pictures.

        Raises:
            EGSTalkerError: an address cannot be opened, or was lost for good.
        """
        self._sessions += 1
        outlets = [outlet.numbered(self._sessions) for outlet in self._outlets]
        tasks = [asyncio.ensure_future(self._send(outlet, seat, size)) for outlet in outlets]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _send(self, outlet: Outlet, seat: Seat, size: tuple[int, int]) -> None:
        output = self._make(outlet, size)
        try:
            await output.open()
            while True:
                try:
                    await self._sent(output, seat)
                    return
                except EGSTalkerError as error:
                    if not outlet.is_network:
                        raise
                    self._say(f"{error}; trying again for {self._retry_seconds:.0f} s")
                output.kill()
                again = await self._again(outlet, seat, size)
                if again is None:
                    return
                output = again
                self._say(f"{outlet.shown} is back")
        finally:
            output.kill()

    @staticmethod
    async def _sent(output: Output, seat: Seat) -> None:
        queue, unwatch = MomentQueue(seat), seat.watch()
        first = None
        try:
            while (moment := await queue.get()) is not None:
                first = moment.frame if first is None else first
                await output.write(moment.frame - first, moment.sound, moment.picture)
            await output.close()
        finally:
            queue.close()
            unwatch()

    async def _again(self, outlet: Outlet, seat: Seat, size: tuple[int, int]) -> Output | None:
        """The way out, open again; None where the session is over before that."""
        end, pause = time.monotonic() + self._retry_seconds, _FIRST_PAUSE
        while seat.is_open:
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
            output = self._make(outlet, size)
            try:
                await output.open()
                return output
            except EGSTalkerError as error:
                output.kill()
                if time.monotonic() + pause > end:
                    raise EGSTalkerError(f"{error}; given up after {self._retry_seconds:.0f} s") from error
            except asyncio.CancelledError:
                output.kill()
                raise
        return None
