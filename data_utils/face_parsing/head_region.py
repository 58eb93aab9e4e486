"""Where head, hair and neck can be, from the face mesh: a frame of reference that follows the head's pose."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8

# MediaPipe's face oval, clockwise in the picture from the forehead's middle.
OVAL = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
_FOREHEAD, _CHIN, _EARLOBES, _EARS = 10, 152, (132, 361), (234, 454)
_HOLD = (0.1, 0.7)  # face heights below the chin, between which hair passes from head to torso: shoulders are about 0.5
_FEATURES = (  # eyes with brows, and the mouth: not skin
    (70, 63, 105, 66, 107, 133, 153, 144, 33),
    (336, 296, 334, 293, 300, 263, 373, 380, 362),
    (61, 39, 0, 269, 291, 405, 17, 181),
)


@dataclass(frozen=True)
class HeadRegion:
    """Maps over one picture, from one frame's mesh."""

    across: Float32[np.ndarray, "H W"]  # sideways from the head's axis, in half widths of the face
    down: Float32[np.ndarray, "H W"]  # from the earlobes towards the chin, in face heights
    chin: float  # where the chin is on ``down``
    oval: Bool[np.ndarray, "H W"]  # inside the face's outline
    skin: Bool[np.ndarray, "H W"]  # inside the outline, away from eyes, brows, mouth and the outline itself
    turn: float  # of the face away from the camera, sideways, radians: about three quarters of the head's

    @property
    def above(self) -> Bool[np.ndarray, "H W"]:
        """Where a person's pixels are the head's (skull, hair, ears)."""
        return (self.down < 0) & (self.down > -1.8) & (np.abs(self.across) < 2.4)

    @property
    def hold(self) -> Float32[np.ndarray, "H W"]:
        """How much of hair follows the head: all of it down to the chin, less on the shoulders, 0 below."""
        return fall(self.down - self.chin, *_HOLD)


def head_region(points: Float[np.ndarray, "478 3"], height: int, width: int) -> HeadRegion:
    """The head's region in a picture.

    Args:
        points: [478, 3] mesh points, pixels.
        height: of the picture, pixels.
        width: of the picture, pixels.
    """
    flat = points[:, :2].astype(np.float32)
    from_ear_to_ear = points[_EARS[1]] - points[_EARS[0]]
    axis = flat[_CHIN] - flat[_FOREHEAD]
    face_height = float(np.linalg.norm(axis)) + 1e-6
    axis = axis / face_height
    origin = flat[list(_EARLOBES)].mean(0)
    half_width = max(float(np.linalg.norm(flat[_EARS[1]] - flat[_EARS[0]])) / 2, 0.34 * face_height)
    x = np.arange(width, dtype=np.float32) + np.float32(0.5) - origin[0]
    y = np.arange(height, dtype=np.float32)[:, None] + np.float32(0.5) - origin[1]
    oval = _filled(flat[list(OVAL)], height, width)
    reach = max(3, round(0.06 * face_height)) | 1
    skin = cv2.erode(oval, np.ones((reach, reach), np.uint8))
    for feature in _FEATURES:
        hull = cv2.convexHull(flat[list(feature)])[:, 0]
        skin[cv2.dilate(_filled(hull, height, width), np.ones((reach, reach), np.uint8)) > 0] = 0
    return HeadRegion(
        across=x * (axis[1] / half_width) - y * (axis[0] / half_width),
        down=x * (axis[0] / face_height) + y * (axis[1] / face_height),
        chin=float((flat[_CHIN] - origin) @ axis) / face_height,
        oval=oval > 0,
        skin=skin > 0,
        turn=float(np.arctan2(abs(from_ear_to_ear[2]), np.linalg.norm(from_ear_to_ear[:2]))),
    )


def fall(value: Float32[np.ndarray, "*s"], begin: float, end: float) -> Float32[np.ndarray, "*s"]:
    """1 up to ``begin``, 0 from ``end`` on, straight between."""
    return np.minimum(np.maximum((end - value) * (1 / (end - begin)), 0), 1)


def _filled(polygon: Float32[np.ndarray, "C 2"], height: int, width: int) -> UInt8[np.ndarray, "{height} {width}"]:
    mask = np.zeros((height, width), np.uint8)
    corners = np.round(polygon * 16).astype(np.int32)  # in sixteenths of a pixel
    cv2.fillPoly(mask, [corners], (255,), shift=4)
    return mask
