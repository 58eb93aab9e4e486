"""A bad line between a browser and a server on one machine: packets that are lost or late."""

from __future__ import annotations

import heapq
import itertools
import multiprocessing
import random
import re
import select
import socket
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection

_CANDIDATE = re.compile(r"^a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ host.*$", re.IGNORECASE)
_HOST = "127.0.0.1"


@dataclass(frozen=True)
class Faults:
    """What happens to a packet, either way."""

    jitter: float = 0.0
    """Seconds that one is late, up to this, each by itself: they overtake each other."""
    jittered: float = 1.0
    """Share of packets that are late at all, 0..1."""
    loss: float = 0.0
    """Share of packets that are lost, 0..1."""


class BadLine:
    """Carries the UDP packets of one WebRTC connection, in a process of its own.

    Args:
        answer: the server's SDP.
        faults: of the line.

    Attributes:
        answer: SDP for the browser, in which the server is at the other end of the line.
    """

    def __init__(self, answer: str, faults: Faults) -> None:
        lines = answer.splitlines()
        host, port = next(match.groups() for match in map(_CANDIDATE.match, lines) if match and ":" not in match[1])
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        self._process = context.Process(target=_carry, args=(theirs, (host, int(port)), faults), daemon=True)
        self._process.start()
        kept = [line for line in lines if not line.startswith("a=candidate:")]
        at = next(i for i, line in enumerate(kept) if line.startswith("a=end-of-candidates"))
        kept.insert(at, f"a=candidate:1 1 udp 2130706431 {_HOST} {ours.recv()} typ host")
        self.answer = "\r\n".join(kept) + "\r\n"

    def close(self) -> None:
        """Cut it."""
        self._process.terminate()
        self._process.join()


def without_candidates(offer: str) -> str:
    """A browser's SDP that tells the server no way but the one that packets come by."""
    return "".join(line for line in offer.splitlines(keepends=True) if not line.startswith("a=candidate:"))


def _carry(connection: Connection, server: tuple[str, int], faults: Faults) -> None:
    near, far = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    near.bind((_HOST, 0))
    far.connect(server)
    connection.send(near.getsockname()[1])
    rng, order = random.Random(0), itertools.count()
    browser: tuple[str, int] | None = None
    under_way: list[tuple[float, int, bytes, bool]] = []
    while True:
        wait = max(0.0, under_way[0][0] - time.monotonic()) if under_way else None
        for ready in select.select([near, far], [], [], wait)[0]:
            packet, sender = ready.recvfrom(65536)
            if ready is near:
                browser = sender
            if rng.random() >= faults.loss:
                late = rng.uniform(0, faults.jitter) * (rng.random() < faults.jittered)
                heapq.heappush(under_way, (time.monotonic() + late, next(order), packet, ready is near))
        while under_way and under_way[0][0] <= time.monotonic():
            _, _, packet, is_for_server = heapq.heappop(under_way)
            if is_for_server:
                far.send(packet)
            elif browser is not None:
                near.sendto(packet, browser)
