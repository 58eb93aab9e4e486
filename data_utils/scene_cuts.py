"""Where a film cuts from one shot to another.

At a cut the picture changes at once as it does neither before nor after: either no movement explains it, or, where the
scene stays the same, all of it moves at a stroke. A pan, a turned head or a raised hand take several frames, and
movement explains them; a lamp or an exposure changes no structure; a recording that stutters leaps again and again.
Movement is the dense optical flow of Kroeger et al., "Fast Optical Flow using Dense Inverse Search" (ECCV 2016), as
OpenCV has it, between thumbnails that are free of brightness and contrast.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, repeat
from typing import TypeVar

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

THUMBNAIL = 48  # pixels of the thumbnails that are compared
WINDOW = 6  # frames before and after, of which a cut stands out: a stutter at five pictures a second leaps in it again
_TIMES = 2.2  # as much as in any of these
_CHANGED = 0.22  # of the structure, at least: who talks before a still camera changes 0.05 to 0.15
_UNEXPLAINED = 0.17  # of the structure that movement leaves, at least: fast movements that it explains leave 0.12
_MOVED = 0.6  # pixels of a thumbnail in the mean, at least: a jump cut of a head moves 0.7, its talk 0.5
_AROUND = THUMBNAIL / 10  # pixels around a pixel from which its brightness and contrast are taken off
_DARK, _FLAT = 8.0, 0.05  # grey levels, and contrast of their logarithm, below which structure fades
_GREY, _STEP = 128.0, 50.0  # levels at which the flow sees a structure of 0, and by which one of 1 is brighter

Item = TypeVar("Item")
Structure = Float32[np.ndarray, "48 48"]


@dataclass(frozen=True)
class _Change:
    """From one picture to the next."""

    structure: float  # mean difference, in local standard deviations
    unexplained: float  # what is left of it where every place has moved as the flow says
    moved: float  # pixels of the thumbnail, in the mean


_NONE = _Change(0.0, 0.0, 0.0)
_END = object()


def with_cuts(
    items: Iterable[Item], picture_of: Callable[[Item], UInt8[np.ndarray, "H W 3"]]
) -> Iterator[tuple[Item, bool]]:
    """Consecutive pictures, each with whether a new shot begins with it; never with the first.

    A picture comes back once ``WINDOW`` more are known or none is left: of the last ones less is known.

    Args:
        items: pictures, or what holds them.
        picture_of: gives an item's picture, RGB of any size.

    Yields:
        each item and whether it is the first of a shot.
    """
    waiting: deque[Item] = deque()
    changes: deque[_Change] = deque(repeat(_NONE, WINDOW), maxlen=2 * WINDOW + 1)
    change_to = _Changes()
    for item in chain(items, repeat(_END, WINDOW)):
        if item is _END:
            changes.append(_NONE)
        else:
            waiting.append(item)  # type: ignore[arg-type]
            changes.append(change_to(picture_of(item)))  # type: ignore[arg-type]
        if len(changes) == 2 * WINDOW + 1 and waiting:
            yield waiting.popleft(), _is_cut(changes)


def _is_cut(changes: deque[_Change]) -> bool:
    """Whether the change in the middle is a cut."""
    around = list(changes)
    here = around.pop(WINDOW)
    if here.structure < _CHANGED:
        return False
    unexplained = max(_UNEXPLAINED, _TIMES * max(change.unexplained for change in around))
    moved = max(_MOVED, _TIMES * max(change.moved for change in around))
    return here.unexplained > unexplained or here.moved > moved


class _Changes:
    """Measures how picture after picture changes."""

    def __init__(self) -> None:
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._flow.setFinestScale(0)
        self._places = np.stack(np.meshgrid(*[np.arange(THUMBNAIL, dtype=np.float32)] * 2), axis=-1)
        self._last: tuple[Structure, UInt8[np.ndarray, "48 48"]] | None = None

    def __call__(self, image: UInt8[np.ndarray, "H W 3"]) -> _Change:
        """The change from the picture before to this one."""
        structure = _structure(image)
        shown = np.clip(_GREY + _STEP * structure, 0, 255).astype(np.uint8)
        last, self._last = self._last, (structure, shown)
        if last is None:
            return _NONE
        flow = self._flow.calc(last[1], shown, np.zeros_like(self._places))
        to = self._places + flow
        back = cv2.remap(structure, to[..., 0], to[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        stays = ((to > 0) & (to < THUMBNAIL - 1)).all(axis=-1)
        left = np.abs(back - last[0])[stays]
        return _Change(
            structure=float(np.abs(structure - last[0]).mean()),
            unexplained=float(left.mean()) if left.size else 0.0,
            moved=float(np.hypot(flow[..., 0], flow[..., 1]).mean()),
        )


def _structure(image: UInt8[np.ndarray, "H W 3"]) -> Structure:
    """A thumbnail's luminance, everywhere less its mean around there and over its standard deviation."""
    small = cv2.resize(image, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA).astype(np.float32)
    tones = np.log(small.mean(axis=-1) + _DARK)
    detail = tones - cv2.GaussianBlur(tones, (0, 0), _AROUND)
    return detail / (np.sqrt(cv2.GaussianBlur(detail * detail, (0, 0), _AROUND)) + _FLAT)
