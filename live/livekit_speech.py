"""What an agent of livekit-agents has its avatar say: byte streams in, utterances of a session out, and word of each.

The agent's side is ``DataStreamAudioOutput`` of livekit-agents (livekit/agents/voice/avatar/_datastream_io.py): one
stream on ``lk.audio_stream`` is what is said at a stretch, 16-bit PCM whose rate and channels are its attributes; it
calls ``lk.clear_buffer`` to interrupt; and it waits for one ``lk.playback_finished`` a stream, which says how much was
heard. Streams are said one after the other.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from arguments.clock import FPS
from arguments.errors import EGSTalkerError
from live.livekit_room import ByteStream
from live.moment import Moment
from live.pcm import check_rate, mono, to_int16
from live.seat import Seat

AHEAD_SECONDS = 60.0  # of speech in the session; the rest of a stream waits where it is


@dataclass(frozen=True)
class Playback:
    """How a stream ended."""

    position: float
    """Seconds of it that were heard."""
    interrupted: bool
    """Whether that is not all of it."""


@dataclass(eq=False)
class _Stream:
    """One of the agent's streams, until its end has been told."""

    source: ByteStream
    utterance: int | None = None
    playback: Playback | None = None


class Speech:
    """The agent's streams to one session, which nobody else speaks to. All of it is for the event loop.

    Args:
        seat: of the session.
        started: is called when a stream's first sound is heard.
        finished: is given the end of each stream, in their order.
        refused: is given the line that says why a stream is not said.
    """

    def __init__(
        self,
        seat: Seat,
        started: Callable[[], None],
        finished: Callable[[Playback], None],
        refused: Callable[[str], None],
    ) -> None:
        self._seat, self._started, self._finished, self._refused = seat, started, finished, refused
        self._streams: deque[_Stream] = deque()  # whose end was not told, in their order
        self._unread: deque[_Stream] = deque()
        self._reading: asyncio.Future[None] | None = None
        self._news = asyncio.Event()
        self._utterances = 0
        self._given = self._played = 0.0  # seconds
        seat.listeners.append(self._listen)
        seat.on_close.append(self._stop)

    def add(self, source: ByteStream) -> None:
        """Say a stream after those before it."""
        stream = _Stream(source)
        self._streams.append(stream)
        self._unread.append(stream)
        self._news.set()

    def clear(self) -> None:
        """Be silent, and say nothing of the streams that are there."""
        self._stop()
        self._unread.clear()
        self._seat.interrupt()
        self._given = self._played = 0.0
        for stream in self._streams:
            if stream.utterance is None and stream.playback is None:
                stream.playback = Playback(0.0, interrupted=True)
        self._tell()

    async def run(self) -> None:
        """Hand streams to the session until it is over."""
        try:
            while self._seat.is_open:
                if not self._unread:
                    await self._wait()
                    continue
                stream = self._unread.popleft()
                self._reading = asyncio.ensure_future(self._read(stream))
                await asyncio.wait([self._reading])  # a stream that is cleared is cancelled, and this is not
                self._tell()
        finally:
            self._stop()

    def close(self) -> None:
        """Take no more, and tell nothing more."""
        self._stop()
        if self._listen in self._seat.listeners:
            self._seat.listeners.remove(self._listen)
        if self._stop in self._seat.on_close:
            self._seat.on_close.remove(self._stop)

    async def _read(self, stream: _Stream) -> None:
        rest = b""
        try:
            rate, channels = _format(stream.source.info.attributes or {})
        except EGSTalkerError as error:
            self._refused(str(error))
            stream.playback = Playback(0.0, interrupted=True)
            return
        async for piece in stream.source:
            rest += piece
            whole = len(rest) - len(rest) % (2 * channels)
            await self._speak(stream, rest[:whole], rate, channels)
            rest = rest[whole:]
        if stream.utterance is None:
            stream.playback = Playback(0.0, interrupted=False)
        else:
            self._seat.end()

    async def _speak(self, stream: _Stream, pcm: bytes, rate: int, channels: int) -> None:
        samples = to_int16(mono(pcm, channels)).astype("<i2").tobytes()
        second = 2 * rate
        for begin in range(0, len(samples), second):
            while self._given - self._played > AHEAD_SECONDS:
                await self._wait()
            if stream.utterance is None:
                self._utterances += 1
                stream.utterance = self._utterances
            part = samples[begin : begin + second]
            self._given += len(part) / second
            self._seat.speak(part, rate)

    def _stop(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
        self._news.set()

    async def _wait(self) -> None:
        self._news.clear()
        await self._news.wait()

    def _listen(self, moment: Moment) -> None:
        if moment.utterance is not None:
            self._played += 1 / FPS
            self._news.set()
        for event in moment.events:
            if event.kind == "started":
                self._started()
                continue
            for stream in self._streams:
                if stream.utterance == event.utterance:
                    stream.playback = Playback(event.played_ms / 1000, event.kind == "interrupted")
        if moment.events:
            self._tell()

    def _tell(self) -> None:
        while self._streams and self._streams[0].playback is not None:
            self._finished(self._streams.popleft().playback)  # type: ignore[arg-type]


def _format(attributes: Mapping[str, str]) -> tuple[int, int]:
    """Rate and channels of a stream. Raises EGSTalkerError where it has none that are taken."""
    try:
        rate, channels = int(attributes["sample_rate"]), int(attributes["num_channels"])
    except (KeyError, ValueError, TypeError) as error:
        raise EGSTalkerError("a stream of speech needs the attributes sample_rate and num_channels") from error
    mono(b"", channels)
    return check_rate(rate), channels
