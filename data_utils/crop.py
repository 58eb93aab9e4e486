"""One fixed square around the head: hair, neck and the top of the shoulders, with room for the head's motion.

Where the picture is too small for all of that, the square holds the chin first, then the hair, then the shoulders.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from arguments.errors import EGSTalkerError
from data_utils.face_mesh_model import FaceMesh
from data_utils.quiet import import_mediapipe, quiet_stderr
from data_utils.timeline import spans

logger = logging.getLogger(__name__)

DEFAULT_SIZE = 512  # pixels of the finished square; larger crops are scaled down, smaller ones are never scaled up
SIZES = (256, 1024)  # that may be asked for
SIDE = 2.4  # of the square, in heights of the face (hairline to chin)
LOWER = 0.1  # the square's centre lies this many face heights below the face's, for more neck than sky
HAIR = 0.5  # face heights above the hairline that hair, or a cap, takes; skulls alone take some 0.35
CHIN = 0.1  # face heights below the chin that an open mouth takes
KEEP_WHOLE_FROM = 0.25  # a square video whose face is at least this share of its side is not cropped
MAX_LOST_SAMPLES = 0.35  # of the sampled frames without the face; the frame-by-frame check later is stricter
MIN_SAMPLE_SHARE = 0.1  # with the face in fewer of them there is none, but for something that looks like one
SAMPLES = 30
_MOVED = 1.2  # face heights from sample to sample, beyond which a face is somebody else's
_GROWN = 1.6  # by which it may grow or shrink
_AS_LONG = 0.85  # of the longest time counts as seen as long
_MIN_SIDE = 64  # pixels

Box = Float[np.ndarray, "4"]  # left, top, right, bottom


class NoFaceError(EGSTalkerError):
    """None of the pictures shows a face."""


@dataclass(frozen=True)
class Crop:
    """A square of the source's upright picture, and the even size that it is scaled to."""

    x: int
    y: int
    side: int
    size: int

    def __call__(self, image: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "{self.size} {self.size} 3"]:
        """Cut an RGB image to the square, scaled to ``size``."""
        cut = image[self.y : self.y + self.side, self.x : self.x + self.side]
        if self.side == self.size:
            return np.ascontiguousarray(cut)
        return cv2.resize(cut, (self.size, self.size), interpolation=cv2.INTER_AREA)


def choose_crop(
    samples: Sequence[UInt8[np.ndarray, "H W 3"]],
    seconds: float = 0.0,
    size: int = DEFAULT_SIZE,
    part: str = "the video",
) -> Crop:
    """The square around the head of the person who is seen the longest.

    Where several people are seen, the one who is seen longest is followed, and of two seen as long the larger; a
    warning says when the others are seen, unless they are inside the square.

    Args:
        samples: RGB uint8 frames [H, W, 3], evenly spread over a part of the clip.
        seconds: how long that part is.
        size: pixels of the finished square, where the source has as many.
        part: what an error calls the part of the clip.

    Raises:
        NoFaceError: there is none, but for something that looks like one in few of the samples.
        EGSTalkerError: a face in too few of the samples, or one too small to learn from.
    """
    height, width = samples[0].shape[:2]
    people = _people(_face_boxes(samples))
    person = _seen_longest(people)
    boxes = np.array(list(person.values())).reshape(-1, 4)
    if len(boxes) < MIN_SAMPLE_SHARE * len(samples):
        raise NoFaceError(f"no face in {part}; use a video that shows one face from the front throughout")
    missing = 1 - len(boxes) / len(samples)
    if missing > MAX_LOST_SAMPLES:
        away = _when(~np.isin(np.arange(len(samples)), list(person)), seconds)
        raise EGSTalkerError(f"the face is away for about {missing:.0%} of {part} ({away}); cut those parts out")
    face = float(np.median(boxes[:, 3] - boxes[:, 1]))
    if width == height and face >= KEEP_WHOLE_FROM * width:
        x, y, side = 0, 0, width
    else:
        x, y, side = _square(boxes, face, width, height)
    side -= side % 2
    if side < _MIN_SIDE:
        raise EGSTalkerError(f"the face is only {face:.0f} pixels tall; use a larger picture of the head")
    outside = np.zeros(len(samples), bool)
    for other in people:
        centres = np.array([(box[:2] + box[2:]) / 2 - (x, y) for box in other.values()])
        if other is not person and len(other) > 1 and not ((centres > 0) & (centres < side)).all(1).any():
            outside[list(other)] = True
    if outside.any():
        when = _when(outside, seconds)
        logger.warning("other people are seen at about %s; the one who is seen longest is followed", when)
    return Crop(x, y, side, min(side, size))


def first_face(samples: Sequence[UInt8[np.ndarray, "H W 3"]]) -> int | None:
    """The first of some pictures, evenly spread, that shows the face that is seen longest; None where none is seen."""
    person = _seen_longest(_people(_face_boxes(samples)))
    return min(person) if len(person) >= max(1, MIN_SAMPLE_SHARE * len(samples)) else None


def _when(samples: Bool[np.ndarray, "K"], seconds: float) -> str:
    """Where ``samples``, evenly spread over ``seconds``, are set."""
    return spans(samples, rate=(len(samples) - 1) / max(seconds, 1e-9))


def _square(boxes: Float[np.ndarray, "K 4"], face: float, width: int, height: int) -> tuple[int, int, int]:
    left, top = np.percentile(boxes[:, :2], 5, axis=0)
    right, bottom = np.percentile(boxes[:, 2:], 95, axis=0)
    wandering = max(0.0, (right - left) - float(np.median(boxes[:, 2] - boxes[:, 0])), (bottom - top) - face)
    side = min(round(SIDE * face + wandering), width, height)
    crown, chin = max(top - HAIR * face, 0.0), min(bottom + CHIN * face, float(height))
    if chin - crown > side:
        logger.warning(
            "the head is %.0f pixels tall as it moves, the square can have %d: it holds the chin, not all of the hair",
            *(chin - crown, side),
        )
    x = (left + right) / 2 - side / 2
    y = (top + bottom) / 2 + LOWER * face - side / 2
    y = max(min(y, crown), chin - side)  # up to the hair, but not above the chin
    return int(np.clip(round(x), 0, width - side)), int(np.clip(round(y), 0, height - side)), side


def _people(boxes: list[Float[np.ndarray, "_ 4"]]) -> list[dict[int, Box]]:
    """The people of the samples' boxes: for each a box by sample."""
    people: list[dict[int, Box]] = []
    for sample, faces in enumerate(boxes):
        for box in sorted(faces, key=lambda box: box[1] - box[3]):
            known = [person for person in people if sample not in person]
            apart = [_apart(box, next(reversed(person.values()))) for person in known]
            if apart and min(apart) < 1:
                known[int(np.argmin(apart))][sample] = box
            else:
                people.append({sample: box})
    return people


def _apart(box: Box, other: Box) -> float:
    """How unlikely it is that two boxes are of one person; from 1 on they are of two."""
    heights = box[3] - box[1], other[3] - other[1]
    moved = np.hypot(*(box[:2] + box[2:] - other[:2] - other[2:])) / 2 / max(heights)
    grown = max(heights) / max(min(heights), 1e-6)
    return float(max(moved / _MOVED, (grown - 1) / (_GROWN - 1)))


def _seen_longest(people: list[dict[int, Box]]) -> dict[int, Box]:
    longest = max((len(person) for person in people), default=0)
    candidates = [person for person in people if len(person) >= _AS_LONG * longest]
    return max(candidates, key=lambda person: np.median([box[3] - box[1] for box in person.values()]), default={})


def _face_boxes(samples: Sequence[UInt8[np.ndarray, "H W 3"]]) -> list[Float[np.ndarray, "_ 4"]]:
    """Hairline-to-chin boxes of the faces of each sample: found anywhere, then measured close up."""
    mediapipe = import_mediapipe()
    with quiet_stderr():
        finder = mediapipe.solutions.face_detection.FaceDetection(model_selection=1, min_detection_confidence=0.4)
        finder.process(samples[0])
    boxes = []
    with finder, FaceMesh(tracking=False) as mesh:
        for image in samples:
            height, width = image.shape[:2]
            faces: list[Box] = []
            for detection in finder.process(image).detections or ():
                box = detection.location_data.relative_bounding_box
                centre = np.array([(box.xmin + box.width / 2) * width, (box.ymin + box.height / 2) * height])
                reach = 1.2 * max(box.width * width, box.height * height)
                left, top = np.maximum(centre - reach, 0).astype(int)
                right, bottom = np.minimum(centre + reach, (width, height)).astype(int)
                faces += [
                    np.concatenate([points[:, :2].min(0), points[:, :2].max(0)]) + (left, top) * 2
                    for points in mesh.faces(image[top:bottom, left:right])[:1]
                ]
            boxes.append(np.array(faces).reshape(-1, 4))
    return boxes
