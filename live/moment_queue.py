"""Moments on their way to somebody who may be slow: pictures are dropped, sound is not."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import replace

from arguments.clock import FPS
from live.moment import Moment
from live.seat import Seat

PICTURES = FPS // 5  # that wait at most: 200 ms
LONGEST = 10 * FPS  # moments, after which nobody is taken to be there


class MomentQueue:
    """The moments of a session for one consumer, in their order; those that wait for long come without a picture.

    Args:
        seat: of the session; it is closed when its consumer takes nothing for ten seconds.
    """

    def __init__(self, seat: Seat) -> None:
        self._seat, self._moments = seat, deque[Moment]()
        self._news = asyncio.Event()
        seat.listeners.append(self._put)
        seat.on_close.append(self._news.set)

    def __len__(self) -> int:
        return len(self._moments)

    async def get(self) -> Moment | None:
        """The next one, when it is there; None when the session is over."""
        while not self._moments:
            if not self._seat.is_open:
                return None
            self._news.clear()
            await self._news.wait()
        return self._moments.popleft()

    def close(self) -> None:
        """Take no more."""
        self._seat.listeners.remove(self._put)
        self._seat.on_close.remove(self._news.set)
        self._moments.clear()

    def _put(self, moment: Moment) -> None:
        self._moments.append(moment)
        if len(self._moments) > PICTURES:
            late = len(self._moments) - PICTURES - 1
            self._moments[late] = replace(self._moments[late], picture=None)
        if len(self._moments) > LONGEST:
            self._seat.close()
        self._news.set()
