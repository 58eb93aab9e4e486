"""Head and torso of a film back at their place in the video that their clip was cropped from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from arguments.errors import EGSTalkerError
from data_utils.source import locate
from imaging.masks import read_person
from media.video import read_frames
from motion.frame_path import FramePath
from scene.reference_clip import ReferenceClip

RING = 0.015  # of the crop's side: how far around the person the picture is made anew
SOFT = 0.008  # of the side, over which that passes into the video's own
BORDER = 0.04  # of the side, over which the crop's edges do
MATCHED = 8.0  # levels by which colours are shifted at most to meet the video's
_EASED = 0.9  # of that shift is the frame's before


@dataclass(frozen=True)
class Place:
    """Where a clip lies in its video."""

    video: Path
    x: int
    y: int
    side: int

    @classmethod
    def of(cls, clip: ReferenceClip, video: Path | None = None) -> Place:
        """Of a dataset that was cropped; ``video``: the file, if it does not lie where it was.

        Raises:
            EGSTalkerError: the clip is its whole video, the video is gone, or it is another.
        """
        record = clip.folder.read_record()
        crop = record.get("crop")
        if not (isinstance(crop, list) and len(crop) == 3 and all(type(n) is int and n >= 0 for n in crop)):
            raise EGSTalkerError(f"{clip.root} is the whole of its video: leave out --full_frame")
        if video is None:
            source = locate(clip.root)[1]
            if source is None or source.stands_in:
                raise EGSTalkerError(f"the video of {clip.root} is gone: give it with --full_frame VIDEO")
            video = source.path
        if not video.is_file():
            raise EGSTalkerError(f"there is no video {video}")
        known = record.get("source")
        if isinstance(known, dict) and known.get("size") not in (None, video.stat().st_size):
            raise EGSTalkerError(f"{video} is not the video that {clip.root} was made from ({known.get('name')})")
        return cls(video, *crop)


def pasted(
    frames: Iterable[UInt8[np.ndarray, "S S 4"]], path: FramePath, clip: ReferenceClip, place: Place
) -> Iterator[UInt8[np.ndarray, "H W 3"]]:
    """Full-size frames, with a person put in at her place; what is not near her stays as it is, bit for bit.

    Args:
        frames: of a film before a transparent background.
        path: the clip's frames that lend its poses; between two of them, the video's fade into each other as well.
        clip: of the film.
        place: of :meth:`Place.of`.

    Raises:
        EGSTalkerError: the video is damaged, or smaller than the clip's place says.
    """
    one, other = _Forward(place.video, clip.num_frames), _Forward(place.video, clip.num_frames)
    shift = np.zeros(3, np.float32)
    for number, frame in enumerate(frames):
        first, second, mix = int(path.first[number]), int(path.second[number]), float(path.mix[number])
        if mix == 0 and first == other.at:
            one, other = other, one  # the fade is over: its second stretch is the first now
        whole, known = one.frame(first), read_person(clip.folder, first)
        if mix:
            whole = cv2.addWeighted(whole, 1 - mix, other.frame(second), mix, 0)
            known = np.maximum(known, read_person(clip.folder, second))
        picture, shift = _put_in(frame, known, whole, clip.backdrops.background, place, shift)
        yield picture


def _put_in(
    person: UInt8[np.ndarray, "S S 4"],
    known: UInt8[np.ndarray, "S S"],
    whole: UInt8[np.ndarray, "H W 3"],
    room: UInt8[np.ndarray, "S S 3"],
    place: Place,
    shift: Float32[np.ndarray, "3"],
) -> tuple[UInt8[np.ndarray, "H W 3"], Float32[np.ndarray, "3"]]:
    """One frame, and by how much its colours were shifted."""
    side = place.side
    inside = (slice(place.y, place.y + side), slice(place.x, place.x + side))
    before = whole[inside].astype(np.float32)
    if before.shape[:2] != (side, side):
        raise EGSTalkerError(f"{place.video} is smaller than it was when it was cropped; give the right video")
    share = person[..., 3:].astype(np.float32) / 255
    made = share * person[..., :3] + (1 - share) * room
    made = cv2.resize(made, (side, side), interpolation=cv2.INTER_CUBIC if side > len(made) else cv2.INTER_AREA)
    near = np.maximum(person[..., 3], known)
    mask = _softened(cv2.resize(near, (side, side), interpolation=cv2.INTER_LINEAR) > 2, whole.shape, place)
    seam = (mask > 0.05) & (mask < 0.95)
    if seam.any():
        apart = np.clip((before - made)[seam].mean(0), -MATCHED, MATCHED)
        shift = _EASED * shift + (1 - _EASED) * apart if shift.any() else apart
    mixed = before + mask[..., None] * (made + shift - before)
    picture = whole.copy()
    changed = mask > 0
    picture[inside][changed] = np.clip(np.rint(mixed[changed]), 0, 255).astype(np.uint8)
    return picture, shift.astype(np.float32)


def _softened(near: np.ndarray, shape: tuple[int, ...], place: Place) -> Float32[np.ndarray, "S S"]:
    """How much of each pixel is made anew: all of the person and a ring, nothing at edges that the crop has cut."""
    side = place.side
    ring, soft = max(1, round(RING * side)), max(0.8, SOFT * side)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * ring + 1, 2 * ring + 1))
    mask = cv2.GaussianBlur(cv2.dilate(near.astype(np.float32), kernel), (0, 0), soft)
    mask[mask < 1 / 256] = 0
    ramp = np.arange(side, dtype=np.float32) / max(1.0, BORDER * side)
    rows, columns = np.ones(side, np.float32), np.ones(side, np.float32)
    for line, begin, end in (
        (columns, place.x > 0, place.x + side < shape[1]),
        (rows, place.y > 0, place.y + side < shape[0]),
    ):
        if begin:
            np.minimum(line, ramp, out=line)
        if end:
            np.minimum(line, ramp[::-1], out=line)
    return mask * rows[:, None] * columns


class _Forward:
    """A video's frames, asked for in an order that seldom goes back."""

    def __init__(self, path: Path, num_frames: int) -> None:
        self._path, self._count = path, num_frames
        self._open()

    def _open(self) -> None:
        self._frames, self.at = read_frames(self._path, self._count), 0  # ``at``: the number of the next one
        self._last: np.ndarray | None = None

    def frame(self, i: int) -> UInt8[np.ndarray, "H W 3"]:
        """Frame ``i`` at 25 a second."""
        if i < self.at - 1:
            self._open()
        while self._last is None or self.at <= i:
            self._last = next(self._frames)
            self.at += 1
        return self._last
