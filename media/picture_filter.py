"""Decoded pictures as a player shows them: progressive, in BT.709 colours, over black, with square pixels, upright.

libavfilter and libswscale do the work; here is what they are asked for. A picture without a matrix tag is taken as
players take it: as BT.709 from 1280 columns or 720 rows on, as BT.601 below.

High dynamic range (HLG and PQ) is mapped to standard range as light on a display: the reference white of 203 cd/m2
(ITU-R BT.2408) becomes white, what is darker keeps its luminance relative to it through the display
gammas of ITU-R BT.2100 and BT.1886, and what is brighter is cut. So a face keeps its colours, and no picture depends on
another. The base layer of Dolby Vision 8 is such a picture by itself.
"""

from __future__ import annotations

import contextlib
import math
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.codec.context import Flags
from av.sidedata.sidedata import Type
from av.video.reformatter import ColorPrimaries, ColorTrc, Interpolation, VideoReformatter

from arguments.errors import EGSTalkerError
from media.alpha_layer import decoded_with_alpha, has_alpha_layer
from media.container import decoded

_BT709, _BT2020, _UNSPECIFIED = 1, 9, 2  # of matrices
_MEANINGLESS = {  # values that are unspecified, reserved, or in no player's reach
    "colorspace": {0, 2, 3},
    "color_primaries": {0, 2, 3},
    "color_trc": {0, 2, 3, 9, 10},
    "color_range": {0},
}
_HDR = {ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67}
_WIDE = {ColorPrimaries.BT2020, ColorPrimaries.SMPTE431, ColorPrimaries.SMPTE432}
_DOLBY_TAGS = {"dvh1", "dvhe", "dva1", "dvav", "dav1"}
_STEEPEST = math.tan(math.radians(5))  # of a display matrix, off a multiple of 90 degrees
_SAME_SHAPE = 0.02  # relative difference of two aspect ratios


class PictureFilter:
    """Decodes one video stream into the pictures that a player shows. ::

        pictures = PictureFilter(path, container, stream)
        for frame in pictures.frames():
            image = pictures.rgb(frame)

    Args:
        path: of the file, for messages.
        container, stream: PyAV's, opened and not yet read.
    """

    def __init__(self, path: Path | str, container: Any, stream: Any) -> None:
        context = stream.codec_context
        context.flags |= Flags.unaligned  # else the decoder crops on the left by whole groups of pixels only
        self._path, self._container, self._stream = path, container, stream
        self._aspect = stream.sample_aspect_ratio
        self._tags = {name: int(getattr(context, name)) for name in _MEANINGLESS}
        self._dolby = context.codec_tag in _DOLBY_TAGS
        self._reformatter, self._shrinker = VideoReformatter(), VideoReformatter()
        self._conversions: dict[tuple[Any, ...], Any] = {}
        self._shape: tuple[int, int] | None = None  # of the first picture

    def frames(self) -> Iterator[Any]:
        """The stream's frames in the order of their times, those that are flagged interlaced deinterlaced.

        One frame stays one frame, of the time of its first field.
        """
        graph: Any = None
        layout: tuple[Any, ...] = ()
        times: deque[tuple[Any, ...]] = deque()

        def pulled() -> Iterator[Any]:
            while times:
                try:
                    progressive = graph.pull()
                except (av.BlockingIOError, av.EOFError):
                    return
                progressive.pts, progressive.time_base, progressive.duration = times.popleft()
                yield progressive

        read = decoded_with_alpha if has_alpha_layer(self._stream) else decoded
        for frame in read(self._container, self._stream):
            if graph is None and not frame.interlaced_frame:
                yield frame
                continue
            if graph is not None and layout != _layout(frame):
                graph.push(None)
                yield from pulled()
                graph = None
                times.clear()
            with self._explained(frame):
                layout = _layout(frame)
                graph = graph or _graph(frame, ("bwdif", {"mode": "send_frame", "deint": "interlaced"}))
                graph.push(frame)
            times.append((frame.pts, frame.time_base, frame.duration))
            yield from pulled()
        if graph is not None:
            graph.push(None)
            yield from pulled()

    def size(self, frame: Any) -> tuple[int, int]:
        """Width and height that a decoded frame is shown with, pixels."""
        blank = np.empty((frame.height, frame.width, 3), np.uint8)
        height, width = self._upright(self._square(blank), frame).shape[:2]
        return width, height

    def rgb(self, frame: Any) -> np.ndarray:
        """A decoded frame as it is shown.

        Returns:
            RGB uint8 [H, W, 3], each of the size of the first.

        Raises:
            EGSTalkerError: it cannot be converted, has another shape than the first, or is to be shown askew.
        """
        with self._explained(frame):
            image = self._square(self._over_black(frame))
        return self._of_one_size(self._upright(image, frame), frame)

    def thumbnail(self, frame: Any, side: int) -> np.ndarray:
        """A small copy of a decoded frame, to compare it with others: as it is coded, not as it is shown.

        Returns:
            RGB uint8 [side, side, 3].

        Raises:
            EGSTalkerError: it cannot be converted.
        """
        with self._explained(frame):
            small = self._shrinker.reformat(frame, side, side, "rgb24", interpolation=Interpolation.AREA)
            return small.to_ndarray()

    @contextlib.contextmanager
    def _explained(self, frame: Any) -> Iterator[None]:
        try:
            yield
        except (av.FFmpegError, ValueError) as error:
            raise EGSTalkerError(
                f"{self._path} has pictures of a kind that cannot be read ({frame.format.name}); export it as H.264"
            ) from error

    def _over_black(self, frame: Any) -> np.ndarray:
        """The frame's colours, in BT.709; what is transparent shows black."""
        self._tag(frame)
        has_alpha = frame.format.has_palette or any(part.is_alpha for part in frame.format.components)
        alpha = frame.opaque
        if frame.color_trc in _HDR or frame.color_primaries in _WIDE:
            frame = self._to_bt709(frame, "gbrap16le" if has_alpha else "gbrp16le")  # of 8 bits, colours would be off
        image: np.ndarray = self._reformatter.reformat(frame, format="rgba" if has_alpha else "rgb24").to_ndarray()
        if has_alpha:
            image, alpha = image[..., :3], image[..., 3]
        if alpha is None or alpha.shape != image.shape[:2] or not alpha.any():  # none, or one that was never written
            return image
        return cv2.multiply(image, cv2.cvtColor(alpha, cv2.COLOR_GRAY2RGB), scale=1 / 255)

    def _tag(self, frame: Any) -> None:
        """Fill in what the frame does not say of its colours: from the container, then as players guess."""
        for name, meaningless in _MEANINGLESS.items():
            if getattr(frame, name) in meaningless:
                value = 0 if name == "color_range" else _UNSPECIFIED
                setattr(frame, name, value if self._tags[name] in meaningless else self._tags[name])
        if self._dolby and frame.color_trc == _UNSPECIFIED:
            raise EGSTalkerError(f"{self._path} is Dolby Vision without a base layer; export it as HDR10, HLG or SDR")
        if frame.color_trc in _HDR and frame.color_primaries == _UNSPECIFIED:
            frame.color_primaries = ColorPrimaries.BT2020
        if frame.colorspace == _UNSPECIFIED and not frame.format.is_rgb:
            if frame.color_primaries == ColorPrimaries.BT2020:
                frame.colorspace = _BT2020
            elif frame.width >= 1280 or frame.height >= 720:
                frame.colorspace = _BT709

    def _to_bt709(self, frame: Any, layout: str) -> Any:
        keeps = frame.color_trc not in _HDR and frame.color_trc != _UNSPECIFIED
        transfer = frame.color_trc if keeps else ColorTrc.BT709
        kind = (*_layout(frame), transfer)
        if kind not in self._conversions:
            colours = {"out_transfer": str(int(transfer)), "out_primaries": "bt709", "flags": "bilinear"}
            self._conversions[kind] = _graph(frame, ("scale", colours), ("format", {"pix_fmts": layout}))
        self._conversions[kind].push(frame)
        return self._conversions[kind].pull()

    def _square(self, image: np.ndarray) -> np.ndarray:
        if not self._aspect or self._aspect == 1 or not 0.1 < self._aspect < 10:  # beyond that, it is damage
            return image
        size = (max(2, round(image.shape[1] * self._aspect)), image.shape[0])
        return cv2.resize(image, size, interpolation=cv2.INTER_AREA)

    def _upright(self, image: np.ndarray, frame: Any) -> np.ndarray:
        """Turned and mirrored as the frame's display matrix says: it takes (column, row) to (column, row) @ matrix."""
        data = frame.side_data.get(Type.DISPLAYMATRIX)
        if data is None:
            return np.ascontiguousarray(image)
        (a, b), (c, d) = np.frombuffer(bytes(data), np.int32).reshape(3, 3)[:2, :2].tolist()
        swap = abs(a * d) < abs(b * c)
        if swap:
            image, a, b, c, d = image.swapaxes(0, 1), c, d, a, b
        if a * d == 0:  # a matrix that was never filled in
            return np.ascontiguousarray(image)
        if abs(b) > _STEEPEST * abs(a) or abs(c) > _STEEPEST * abs(d):
            raise EGSTalkerError(
                f"{self._path} is to be shown askew, not turned by quarters; export it again from an editor"
            )
        return np.ascontiguousarray(image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])

    def _of_one_size(self, image: np.ndarray, frame: Any) -> np.ndarray:
        height, width = image.shape[:2]
        if self._shape is None:
            self._shape = height, width
        first_height, first_width = self._shape
        if (height, width) == self._shape:
            return image
        if abs(width * first_height - height * first_width) > _SAME_SHAPE * width * first_height:
            time = float(frame.pts * frame.time_base - (self._stream.start_time or 0) * self._stream.time_base)
            raise EGSTalkerError(
                f"{self._path} changes from {first_width}x{first_height} to {width}x{height} pixels at {time:.2f} s; "
                "give the part before or after"
            )
        shrinks = height > first_height
        return cv2.resize(
            image, (first_width, first_height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
        )


def _layout(frame: Any) -> tuple[Any, ...]:
    """What a chain of filters takes to be the same for all its frames."""
    return frame.width, frame.height, frame.format.name, frame.colorspace, frame.color_range


def _graph(frame: Any, *filters: tuple[str, dict[str, str]]) -> Any:
    """A chain of filters for frames like this one."""
    graph = av.filter.Graph()
    source = graph.add(
        "buffer",
        video_size=f"{frame.width}x{frame.height}",
        pix_fmt=frame.format.name,
        time_base=str(frame.time_base),
        colorspace=str(int(frame.colorspace)),
        range=str(int(frame.color_range)),
    )
    chain = [source, *(graph.add(name, **options) for name, options in filters), graph.add("buffersink")]
    graph.link_nodes(*chain).configure()
    return graph
