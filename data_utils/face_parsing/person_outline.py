"""What of a person's mask belongs to the one whose face is followed: not flags, pictures and people behind.

Segmentation marks whatever looks like a person anywhere. What hangs together with the face is kept, and of a mass that
sticks out on one side of the head, as a flag does that the hair touches, as much as the other side has. What the face
mesh covers is a person's, whatever segmentation says; in a face that is turned far, the mesh is less exact than that.
And so is what a person encloses and segmentation is undecided about, as it is about stripes of clothes.
"""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, Float32

from data_utils.face_parsing.head_region import HeadRegion

_FINGER = 9  # pixels of the working side: links that are thinner do not count
_WISP, _STRAY = 0.6, 0.3  # by what thin things are doubted, and those that float beside or over the head
_FAR, _NEAR = 2.2, 1.8  # half widths of the face: hair that gets so far on one side gets further than this on the other
_TURNED = 0.4  # radians: beyond it the back of the head sticks out on one side, and the mesh beyond the other
_SEEN = 0.1  # probability of a person below which the mesh of a turned face is not believed
_UNDECIDED = 0.3  # probability from which on what a person encloses is no gap, as arms leave one
_LEVEL = 0.05  # face heights, within which both sides are compared
_ROOM = 0.1  # half widths by which one side of the hair may exceed the other


def of_the_face(
    is_person: Float32[np.ndarray, "h w"], region: HeadRegion
) -> tuple[Float32[np.ndarray, "h w"], Bool[np.ndarray, "h w"]]:
    """The probability that a pixel is this person's, and where the head can be.

    Args:
        is_person: probability that a pixel is anybody's, 0..1.
        region: of the face that is followed.

    Returns:
        float32 [h, w], 0..1: none where something else is, but for what reaches the picture's bottom, as arms do;
        bool [h, w]: above the earlobes, linked to the face.
    """
    face = region.oval & (is_person > _SEEN) if region.turn > _TURNED else region.oval
    finger = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_FINGER, _FINGER))
    likely = ((is_person > 0.5) | face).astype(np.uint8)
    broad = cv2.morphologyEx(likely, cv2.MORPH_OPEN, finger) | face.astype(np.uint8)
    count, labels = cv2.connectedComponents(broad, connectivity=4)
    own = np.bincount(labels[face], minlength=count) > 0
    from_below = np.bincount(labels[-1], minlength=count) > 0
    own[0] = from_below[0] = False
    linked = own[labels]
    outside = _sticks_out(linked, region)
    others = ((broad > 0) & ~(own | from_below)[labels]) | outside
    reach = cv2.dilate(linked.astype(np.uint8), finger) > 0
    wisps = np.where(reach | (region.down > 0), np.float32(_WISP), np.float32(_STRAY))
    kept = is_person * np.where(broad > 0, np.float32(1), wisps)
    gone = (cv2.dilate(others.astype(np.uint8), finger) > 0) & ~linked | outside  # with its corners, which are thin
    kept[gone] = 0
    kept[face | _hole(kept < 0.5, is_person)] = 1
    return kept, region.above & reach & ~gone


def _hole(behind: Bool[np.ndarray, "h w"], is_person: Float32[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """What of the background has no way out but below, where segmentation was undecided."""
    count, labels = cv2.connectedComponents(behind.astype(np.uint8), connectivity=4)
    area = np.bincount(labels.ravel(), minlength=count)
    hole = np.bincount(labels.ravel(), is_person.ravel(), count) > _UNDECIDED * area
    hole[0] = False
    for way_out in (labels[0], labels[:, 0], labels[:, -1]):
        hole[way_out] = False
    return hole[labels]


def _sticks_out(linked: Bool[np.ndarray, "h w"], region: HeadRegion) -> Bool[np.ndarray, "h w"]:
    """What sticks out on one side of a head that is seen from the front, beyond where the other side's hair ends."""
    off_axis, left = np.abs(region.across), region.across < 0
    beside = linked & (region.down < 0)
    far = [off_axis[beside & side].max(initial=0) for side in (left, ~left)]
    if max(far) < _FAR or min(far) > _NEAR or region.turn > _TURNED:
        return np.zeros_like(linked)
    side = left if far[0] > far[1] else ~left
    level = np.floor(region.down / -_LEVEL).astype(np.int64).clip(0)
    hair = np.zeros(level.max() + 1, np.float32)
    np.maximum.at(hair, level[beside & ~side], off_axis[beside & ~side])
    return beside & side & (off_axis > hair[level] + _ROOM)
