"""Decoded blocks of any format become mono samples of one rate that keep the time of their piece."""

from __future__ import annotations

from collections.abc import Iterator

import av
import numpy as np
import soxr
from jaxtyping import Float

from media.sound_clock import Piece


class PieceResampler:
    """Turns the blocks of one piece into samples; their first is heard when the piece begins.

    Args:
        piece: whose blocks are given.
        rate: samples a second of the result.
        channel: of stereo blocks, the one that is taken; None to mix.
    """

    def __init__(self, piece: Piece, rate: int, channel: int | None = None) -> None:
        self._rate, self._channel = rate, channel
        self._warp = None if piece.is_straight else _Warp(piece, rate)
        self._format: tuple[str, str, int] | None = None
        self._mixer = av.AudioResampler(format="flt", layout="mono", rate=rate)

    def push(self, frame: av.AudioFrame) -> Iterator[Float[np.ndarray, "T"]]:
        """The samples that are ready once this block is there."""
        if self._channel is not None and frame.layout.nb_channels == 2:
            frame = _one_channel(frame, self._channel)
        form = (frame.format.name, frame.layout.name, frame.sample_rate)
        if form != self._format:  # a recording may change it midway
            if self._format is not None:
                yield from self._mixed(None)
            self._mixer = av.AudioResampler(format="flt", layout="mono", rate=self._rate)
            self._format = form
        frame.pts = None  # the piece says when it is heard
        yield from self._mixed(frame)

    def flush(self) -> Iterator[Float[np.ndarray, "T"]]:
        """The samples that are left."""
        if self._format is not None:
            yield from self._mixed(None)
        if self._warp is not None:
            yield self._warp.flush()

    def _mixed(self, frame: av.AudioFrame | None) -> Iterator[Float[np.ndarray, "T"]]:
        for block in self._mixer.resample(frame):
            samples = block.to_ndarray().reshape(-1)
            yield samples if self._warp is None else self._warp.push(samples)


class _Warp:
    """Stretches samples so that each is heard when its piece says."""

    def __init__(self, piece: Piece, rate: int) -> None:
        self._ratios = np.diff(piece.counted) / np.diff(piece.heard)  # samples taken for each that is given
        self._bends = np.rint(piece.counted[1:-1] * rate).astype(int)
        self._stream = soxr.ResampleStream(rate * float(self._ratios.max()), rate, 1, vr=True)
        self._taken, self._stretch = 0, -1

    def push(self, samples: Float[np.ndarray, "T"]) -> Float[np.ndarray, "S"]:
        out, begin = [np.zeros(0, np.float32)], 0
        while begin < len(samples):
            stretch = int(np.searchsorted(self._bends, self._taken, side="right"))
            if stretch != self._stretch:
                self._stream.set_io_ratio(float(self._ratios[stretch]), 1.0)
                self._stretch = stretch
            end = len(samples)
            if stretch < len(self._bends):
                end = min(end, begin + int(self._bends[stretch]) - self._taken)
            out.append(self._stream.resample_chunk(samples[begin:end]))
            self._taken += end - begin
            begin = end
        return np.concatenate(out)

    def flush(self) -> Float[np.ndarray, "S"]:
        return self._stream.resample_chunk(np.zeros(0, np.float32), last=True)


def channels_of(frame: av.AudioFrame) -> Float[np.ndarray, "C T"]:
    """The samples of a block, channel by channel; -1..1 where the file has whole numbers."""
    samples = frame.to_ndarray()
    if not frame.format.is_planar:
        samples = samples.reshape(-1, frame.layout.nb_channels).T
    if samples.dtype == np.uint8:
        return (samples.astype(np.float32) - 128) / 128
    if np.issubdtype(samples.dtype, np.integer):
        return samples.astype(np.float32) / float(1 << (8 * samples.itemsize - 1))
    return samples.astype(np.float32, copy=False)


def _one_channel(frame: av.AudioFrame, channel: int) -> av.AudioFrame:
    samples = np.ascontiguousarray(channels_of(frame)[channel : channel + 1])
    single = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
    single.sample_rate = frame.sample_rate
    return single
