"""The alpha layer of VP8 and VP9 in Matroska: a second video beside the first one's packets, its luma the opacity.

FFmpeg's decoders leave it out; so it is decoded by a decoder of its own. (WebM container guidelines, "AlphaMode".)
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import av
import numpy as np

from media.container import packets

_HEADER = 8  # bytes before the layer's own: the number of the addition


def has_alpha_layer(stream: Any) -> bool:
    """Whether a video stream has an alpha layer of this kind."""
    # FFmpeg writes it as a tag, too, which its demuxer names in capitals.
    marked = any(key.lower() == "alpha_mode" and value == "1" for key, value in stream.metadata.items())
    return marked and stream.codec_context.name in {"vp8", "vp9"}


def decoded_with_alpha(container: Any, stream: Any) -> Iterator[Any]:
    """The frames of a stream with an alpha layer, as far as they can be decoded.

    Yields:
        PyAV's frames, ``opaque`` their opacity, uint8 [H, W]; None where there is none.
    """
    decoder: Any = av.CodecContext.create(stream.codec_context.name, "r")
    layers: dict[int | None, np.ndarray] = {}
    for packet in packets(container, stream):
        with contextlib.suppress(av.FFmpegError):
            addition = bytes(packet.get_sidedata("matroska_block_additional"))
            if len(addition) > _HEADER:
                layer = av.Packet(addition[_HEADER:])
                layer.pts, layer.time_base = packet.pts, packet.time_base
                layers.update((frame.pts, _luma(frame)) for frame in decoder.decode(layer))
        with contextlib.suppress(av.FFmpegError):  # a damaged packet costs its own frames only
            for frame in packet.decode():
                frame.opaque = layers.pop(frame.pts, None)
                yield frame


def _luma(frame: Any) -> np.ndarray:
    plane = frame.planes[0]
    return np.frombuffer(bytes(plane), np.uint8).reshape(plane.height, -1)[:, : plane.width]
