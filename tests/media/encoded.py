"""Small videos of any codec, layout and colours, made of pictures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np


def encode(
    path: Path,
    frames: Iterable[av.VideoFrame | np.ndarray],
    codec: str = "libx264",
    layout: str = "yuv420p",
    *,
    options: dict[str, str] | None = None,
    aspect: Fraction = Fraction(1),
    matrix: Sequence[int] | None = None,
    tags: dict[str, int] | None = None,
) -> Path:
    """A video of 25 pictures a second.

    Args:
        frames: PyAV's, or RGB or RGBA uint8 [H, W, 3 or 4].
        codec, layout: by FFmpeg's names.
        options: of the encoder.
        aspect: width of a pixel over its height.
        matrix: display matrix, nine numbers of 16.16 and 2.30 bits.
        tags: colorspace, color_range, color_trc and color_primaries.
    """
    with av.open(str(path), "w") as container:
        stream: Any = None
        for k, picture in enumerate(frames):
            if isinstance(picture, np.ndarray):
                colours = "rgba" if picture.shape[2] == 4 else "rgb24"
                frame = av.VideoFrame.from_ndarray(picture, format=colours).reformat(format=layout)
            else:
                frame = picture
            if stream is None:
                stream = container.add_stream(codec, rate=25, options=options or {})
                stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, layout
                stream.codec_context.sample_aspect_ratio = aspect
                for name, value in (tags or {}).items():
                    setattr(stream.codec_context, name, value)
                if matrix is not None:
                    stream.set_display_matrix(matrix)
            frame.pts, frame.time_base = k, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def planes(layout: str, *values: np.ndarray) -> av.VideoFrame:
    """A frame of given samples: arrays [H, W] of the planes' own sizes and type, uint8 or uint16."""
    frame = av.VideoFrame(values[0].shape[1], values[0].shape[0], layout)
    for plane, value in zip(frame.planes, values, strict=True):
        row = np.zeros((value.shape[0], plane.line_size // value.itemsize), value.dtype)
        row[:, : value.shape[1]] = value
        plane.update(row.tobytes())
    return frame
