"""Sound of any length, decoded as a stream: a stretch of a file, cut or padded to whole video frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.audio.resampler import AudioResampler
from jaxtyping import Float

from arguments.errors import EGSTalkerError

FPS = 25
KEPT_RATES = (16_000, 22_050, 24_000, 32_000, 44_100, 48_000)  # Hz: AAC carries them, and 25 frames fit evenly


@dataclass(frozen=True)
class Soundtrack:
    """``num_frames`` video frames of a sound file's audio, from video frame ``start`` on."""

    path: Path
    num_frames: int
    rate: int  # Hz, a multiple of 25
    channels: int = 1
    start: int = 0

    @property
    def samples_per_frame(self) -> int:
        return self.rate // FPS

    def frames(self) -> Iterator[Float[np.ndarray, "samples_per_frame channels"]]:
        """The sound of each video frame in turn, values -1..1; silence past the file's end. Holds one frame at a time.

        Raises:
            EGSTalkerError: the file cannot be decoded.
        """
        size = self.samples_per_frame
        skip, made = self.start * size, 0
        rest = np.zeros((0, self.channels), dtype=np.float32)
        for chunk in decode(self.path, self.rate, self.channels):
            dropped = min(skip, len(chunk))
            skip -= dropped
            rest = np.concatenate([rest, chunk[dropped:]])
            while len(rest) >= size:
                if made == self.num_frames:
                    return
                yield rest[:size]
                rest = rest[size:]
                made += 1
        while made < self.num_frames:
            yield np.concatenate([rest, np.zeros((size - len(rest), self.channels), dtype=np.float32)])
            rest = rest[:0]
            made += 1


def open_soundtrack(path: Path | str, *, num_frames: int, start: int = 0) -> Soundtrack:
    """The soundtrack at the file's own quality: its sample rate where a video can carry it (the next one elsewhere).

    Raises:
        EGSTalkerError: the file is missing, unreadable, or has no audio.
    """
    path = Path(path)
    with _opened(path) as container:
        stream = _audio_stream(container, path)
        rate = next((kept for kept in KEPT_RATES if kept >= stream.rate), KEPT_RATES[-1])
        return Soundtrack(path, num_frames, rate, min(max(stream.channels, 1), 2), start)


def decode(path: Path, rate: int, channels: int) -> Iterator[Float[np.ndarray, "samples channels"]]:
    """A file's first audio track as chunks of samples in -1..1, resampled to ``rate`` Hz and one or two channels.

    Damaged packets are left out; where the file breaks off, so does the sound.

    Raises:
        EGSTalkerError: the file is missing, unreadable, or has no audio.
    """
    with _opened(path) as container:
        stream = _audio_stream(container, path)
        resampler = AudioResampler(format="flt", layout="mono" if channels == 1 else "stereo", rate=rate)
        for frame in _frames(container, stream):
            yield from _resampled(resampler, frame, channels)
        yield from _resampled(resampler, None, channels)


def _frames(container: av.container.InputContainer, stream: av.AudioStream) -> Iterator[av.AudioFrame]:
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.error.FFmpegError):
            return
        try:
            decoded = packet.decode()
        except av.error.FFmpegError:
            continue
        yield from (frame for frame in decoded if isinstance(frame, av.AudioFrame))


def _resampled(resampler: AudioResampler, frame: av.AudioFrame | None, channels: int) -> Iterator[np.ndarray]:
    try:
        resampled = resampler.resample(frame)
    except ValueError:  # nothing was ever put in, so there is nothing to flush
        return
    for piece in resampled:
        yield piece.to_ndarray().reshape(-1, channels).astype(np.float32, copy=False)


def _opened(path: Path) -> av.container.InputContainer:
    try:
        return av.open(str(path))
    except FileNotFoundError as error:
        raise EGSTalkerError(f"there is no audio file {path}") from error
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise EGSTalkerError(f"{path} cannot be read as audio; convert it to WAV or another common format") from error


def _audio_stream(container: av.container.InputContainer, path: Path) -> av.AudioStream:
    if not container.streams.audio:
        raise EGSTalkerError(f"{path} has no audio track; give a file with sound")
    return container.streams.audio[0]
