"""One pass over a file's packets: when each stream begins and ends, and where the file's clock starts anew.

Recordings that were put after one another in one file (transport streams, fragmented mp4, WebM from a browser) bring a
clock each. Their packets are shifted, all streams alike, so that a recording begins where the one before ends.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from jaxtyping import Float

from arguments.clock import FPS, timestamp
from arguments.errors import EGSTalkerError

MAX_GAP = 60.0  # seconds without a packet; a longer one is another clock, or a damaged one
_BACK = 0.5  # seconds by which packets may go back: some containers give them in another order than others
_AROUND = 5  # packets on either side whose median tells a new clock from one damaged time stamp
_GUESSED = ("aac", "mp3")  # formats whose length FFmpeg tells from the size of the file
COVER_ART = av.stream.Disposition.attached_pic


@dataclass(frozen=True)
class StreamSpan:
    """One stream by its packets' times, seconds on the file's clock; cuts of an edit list are left out."""

    begin: Fraction
    end: Fraction
    last: Fraction  # when the last packet begins
    packets: int
    regular: tuple[float, float]  # when it begins and how long a packet lasts, as most of its packets have it
    widest: tuple[float, float]  # the longest time from one packet's beginning to the next one's: from when, how long


@dataclass(frozen=True)
class PacketScan:
    """The streams of a file, and its clocks."""

    spans: dict[int, StreamSpan]  # by index of the stream; only those that have packets
    breaks: dict[int, tuple[int, ...]]  # by index of the stream: the packets, counted from 0, with which clocks begin
    shifts: tuple[Fraction, ...]  # of each clock, seconds; the first is 0
    film: int | None  # index of the stream of pictures
    declared: float  # seconds that the file says it lasts; 0 where it does not, or guesses

    @property
    def seconds(self) -> float:
        """From where the first stream begins to where the last ends."""
        spans = self.spans.values()
        return float(max(span.end for span in spans) - min(span.begin for span in spans)) if spans else 0.0


def scan(path: str) -> PacketScan:
    """Scan a file; what was found is remembered for as long as the file stays as it is.

    Raises:
        EGSTalkerError: the clock of some streams starts anew, and that of others does not.
    """
    status = Path(path).stat()
    return _scan(path, status.st_size, status.st_mtime_ns)


def shift(packet: Any, number: int, known: PacketScan) -> None:
    """Put a packet on the clock that all recordings of its file share.

    Args:
        packet: PyAV's.
        number: how many packets of its stream came before.
        known: of its file.
    """
    clock = int(np.searchsorted(known.breaks.get(packet.stream_index, ()), number, side="right"))
    if clock and packet.time_base:
        ticks = round(known.shifts[clock] / packet.time_base)
        packet.pts = None if packet.pts is None else packet.pts + ticks
        packet.dts = None if packet.dts is None else packet.dts + ticks


@functools.lru_cache(maxsize=16)
def _scan(path: str, size: int, changed: int) -> PacketScan:
    times: dict[int, list[tuple[int | None, int | None, int, bool]]] = {}
    with av.open(path) as container:
        streams = {stream.index: stream for stream in container.streams if _is_media(stream)}
        try:
            for packet in container.demux(list(streams.values())) if streams else ():
                entry = (packet.dts, packet.pts, packet.duration or 0, packet.is_discard)
                if packet.stream_index in streams:
                    times.setdefault(packet.stream_index, []).append(entry)
        except av.FFmpegError:  # a file that is cut off ends where it is cut
            pass
        pictures = {index for index, stream in streams.items() if stream.type == "video"}
        guessed = container.format.name in _GUESSED
        declared = 0 if guessed else (container.duration or 0) / av.time_base
        bases = {index: stream.time_base or Fraction(1) for index, stream in streams.items()}
    packets = {
        index: _Packets(entries, bases[index], _breaks(entries, bases[index]), index in pictures)
        for index, entries in times.items()
    }
    shifts = _shifts(path, packets)
    spans = {index: span for index, stream in packets.items() if (span := stream.span(shifts)) is not None}
    breaks = {index: stream.breaks for index, stream in packets.items()}
    film = min(pictures & set(spans), default=None)
    return PacketScan(spans, breaks, shifts, film, declared if len(shifts) == 1 else 0.0)


def _is_media(stream: Any) -> bool:
    known = stream.type in ("video", "audio") and stream.codec_context is not None
    return known and not stream.disposition & COVER_ART


def _breaks(entries: list[Any], base: Fraction) -> tuple[int, ...]:
    """The packets with which the clock starts anew."""
    decoding = [dts if dts is not None else pts for dts, pts, *_ in entries]
    known = [number for number, time in enumerate(decoding) if time is not None]
    order = np.array([decoding[number] for number in known], np.float64) * float(base)
    found: list[int] = []
    for i in np.flatnonzero(_leaps(np.diff(order))) + 1:
        before = np.median(order[max(i - _AROUND, found[-1] if found else 0) : i])
        if _leaps(np.median(order[i : i + _AROUND]) - before):
            found.append(int(i))
    return tuple(known[i] for i in found)


def _leaps(steps: Float[np.ndarray, "*N"] | np.floating[Any]) -> Any:
    return (steps < -_BACK) | (steps > MAX_GAP)


def _shifts(path: str, streams: dict[int, _Packets]) -> tuple[Fraction, ...]:
    """By how much each clock is shifted, seconds.

    Raises:
        EGSTalkerError: there are clocks that not all streams have, or of which nothing can be read.
    """
    clocks = {len(stream.breaks) + 1 for stream in streams.values()}
    origin = min(
        (begin for stream in streams.values() if (begin := stream.extent(0)[0]) is not None), default=Fraction(0)
    )
    if len(clocks) > 1:
        leap = min(stream.extent(0)[1] or origin for stream in streams.values() if stream.breaks)
        raise EGSTalkerError(
            f"the time stamps in {path} leap after {timestamp(float(leap - origin))}, and not alike in sound and "
            "picture; cut the file there, or export it again"
        )
    film = next((stream for stream in streams.values() if stream.has_pictures), None)
    shifts = [Fraction(0)]
    for clock in range(1, max(clocks, default=1)):
        before = [stream.extent(clock - 1)[1] for stream in streams.values()]
        after = [stream.extent(clock)[0] for stream in streams.values()]
        end = max(time for time in before if time is not None) + shifts[-1]
        begin = min((time for time in after if time is not None), default=None)
        if begin is None:
            raise EGSTalkerError(
                f"{path} holds another recording after {timestamp(float(end - origin))}, which cannot be read; "
                "cut the file there"
            )
        shifts.append(end - begin + (_to_grid(film, clock, end - begin) if film else 0))
    return tuple(shifts)


def _to_grid(film: _Packets, clock: int, shift: Fraction) -> Fraction:
    """How much more to shift a clock so that its pictures begin a whole number of frames after the film's."""
    first, begin = film.extent(0)[0], film.extent(clock)[0]
    return Fraction(0) if first is None or begin is None else -(begin + shift - first) % Fraction(1, FPS)


@dataclass(frozen=True)
class _Packets:
    """The packets of one stream, in the file's order."""

    entries: list[tuple[int | None, int | None, int, bool]]  # dts, pts, duration, whether an edit list cuts it
    base: Fraction  # seconds of a unit
    breaks: tuple[int, ...]
    has_pictures: bool

    def extent(self, clock: int) -> tuple[Fraction | None, Fraction | None]:
        """When the first of a clock's packets begins and the last ends, by that clock; None where there is none."""
        edges = [0, *self.breaks, len(self.entries)]
        shown = [(p, d) for _, p, d, cut in self.entries[edges[clock] : edges[clock + 1]] if p is not None and not cut]
        if not shown:
            return None, None
        return min(pts for pts, _ in shown) * self.base, max(pts + duration for pts, duration in shown) * self.base

    def span(self, shifts: tuple[Fraction, ...]) -> StreamSpan | None:
        """What is known of the stream once its clocks are one; None where no packet has a time."""
        moved = [round(shift / self.base) for shift in shifts]
        clocks = np.searchsorted(self.breaks, np.arange(len(self.entries)), side="right")
        shown = [
            (pts + moved[clock], duration)
            for (_, pts, duration, cut), clock in zip(self.entries, clocks, strict=True)
            if pts is not None and not cut
        ]
        if not shown:
            return None
        begins = np.sort([pts for pts, _ in shown])
        steps = np.diff(begins, append=begins[-1])
        step = float(np.median(steps[:-1])) if len(steps) > 1 else 0.0
        regular = float(np.median(begins - step * np.arange(len(begins))))
        at, end = int(steps.argmax()), max(pts + duration for pts, duration in shown)
        return StreamSpan(
            begin=int(begins[0]) * self.base,
            end=end * self.base,
            last=int(begins[-1]) * self.base,
            packets=len(shown),
            regular=(regular * float(self.base), step * float(self.base)),
            widest=(float(begins[at] * self.base), float(steps[at] * self.base)),
        )
