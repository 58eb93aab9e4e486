"""A patch of skin found again in another frame by Lucas-Kanade (Bouguet, 2001), with sub-pixel precision.

Light stays where it is while a head turns under it: shade and gloss pass over the skin and pull the matches along. So
what is matched is local contrast (Jarrett et al., "What is the Best Multi-Stage Architecture for Object Recognition?",
2009): moles, pores, lashes and edges, not shade. And a patch that is seen at another slant is drawn first as the frame
shows it, by the plane of the skin there; from a reference of like pose it is looked for as it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Float64, UInt8

from data_utils.face_tracking.perspective import Poses, project

_FINE = 1 / 170  # of the image side: shade is what is coarser
_FAINT = 4.0  # grey levels: contrast below it is noise
_STEEPEST = np.cos(np.radians(65))  # between the skin's normal and the line of sight
_LEVELS = 2  # of the pyramid, above full size
_WARPED_LEVELS = 1


@dataclass(frozen=True)
class Skin:
    """m skin points in a reference frame."""

    frame: int
    contrast: UInt8[np.ndarray, "H W"]
    pose: Poses  # of one frame
    pixels: Float64[np.ndarray, "m 2"]
    points: Float64[np.ndarray, "m 3"]  # decimetres, head frame
    normals: Float64[np.ndarray, "m 3"]


@dataclass(frozen=True)
class Sight:
    """A frame in which skin is looked for."""

    contrast: UInt8[np.ndarray, "H W"]  # local_contrast of it
    pose: Poses  # of one frame
    focal: float  # pixels
    centre: tuple[float, float]  # principal point, pixels

    def project(self, points: Float64[np.ndarray, "m 3"], pose: Poses | None = None) -> Float64[np.ndarray, "m 2"]:
        """Where points of the head's frame are under its pose, or another one: pixels [m, 2]."""
        return project((pose or self.pose).transform(points), self.focal, self.centre)[0]


def local_contrast(grey: UInt8[np.ndarray, "H W"]) -> UInt8[np.ndarray, "H W"]:
    """A picture without its shade: 128 where it is even, 40 a standard deviation of its surroundings."""
    spread = max(1.0, _FINE * max(grey.shape))
    fine = grey.astype(np.float32)
    fine -= cv2.GaussianBlur(fine, (0, 0), spread)
    strength = cv2.sqrt(cv2.GaussianBlur(fine * fine, (0, 0), spread) + _FAINT**2)
    return cv2.addWeighted(fine / strength, 40, fine, 0, 128, dtype=cv2.CV_8U)


def match(
    skin: Skin, frame: Sight, window: int, stray: float
) -> tuple[Float64[np.ndarray, "m 2"], Bool[np.ndarray, "m"]]:
    """Where the points of a reference of like pose are in a frame.

    Args:
        skin: m points.
        frame: where they are looked for; its pose is good to a few pixels.
        window: side of the patch, pixels, odd.
        stray: pixels from where the pose expects a point, beyond which it is a mismatch.

    Returns:
        pixels [m, 2] and which of them hold [m].
    """
    expected = frame.project(skin.points)
    margin = window * 2**_LEVELS
    both = np.concatenate([skin.pixels, expected])
    left, top = np.maximum(np.floor(both.min(axis=0)).astype(int) - margin, 0)
    right, bottom = np.ceil(both.max(axis=0)).astype(int) + margin
    if right <= left or bottom <= top:
        return expected, np.zeros(len(expected), bool)
    corner = np.array([left, top]) + 0.5
    where = (slice(top, bottom), slice(left, right))
    found, held = _follow(
        skin.contrast[where], frame.contrast[where], skin.pixels - corner, expected - corner, window, _LEVELS
    )
    pixels = found + corner
    return pixels, held & (np.linalg.norm(pixels - expected, axis=-1) < stray)


def match_warped(
    skin: Skin, frame: Sight, window: int, stray: float
) -> tuple[Float64[np.ndarray, "m 2"], Bool[np.ndarray, "m"]]:
    """Where the points of a reference of another pose are in a frame; see :func:`match`.

    Each point's patch is drawn as the plane through it looks under the frame's pose; the patches lie below each other
    in one picture, and the frame's own cut-outs in another.
    """
    height, width = frame.contrast.shape
    half = 2 * (window + 1)
    points = frame.pose.transform(skin.points)[0]
    normals = skin.normals @ frame.pose.rotation[0].T
    expected = frame.project(skin.points)
    base = np.floor(expected).astype(int)
    inside = ((base >= half) & (base < np.array([width, height]) - half)).all(-1)
    of_reference = skin.pose.transform(skin.points)[0], skin.normals @ skin.pose.rotation[0].T
    shown = np.flatnonzero(inside & _faces_camera(points, normals) & _faces_camera(*of_reference))
    pixels, held = expected.copy(), np.zeros(len(expected), bool)
    if not len(shown):
        return pixels, held

    offset = np.arange(-half, half) + 0.5
    cut = base[shown, None, None] + np.stack(np.meshgrid(offset, offset), -1)  # [m, 2 half, 2 half, 2] pixels
    rays = np.concatenate(
        [(cut - frame.centre) * (1 / frame.focal, -1 / frame.focal), np.full((*cut.shape[:3], 1), -1.0)], -1
    )
    plane, through = normals[shown, None, None], (normals * points).sum(-1)[shown, None, None]
    on_plane = rays * (through / (rays * plane).sum(-1))[..., None]
    skin_there = (on_plane - frame.pose.translation[0]) @ frame.pose.rotation[0]
    source = frame.project(skin_there.reshape(-1, 3), skin.pose).reshape(-1, 2 * half, 2)
    source = source.astype(np.float32) - np.float32(0.5)
    drawn = cv2.remap(skin.contrast, source[..., 0], source[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    shows = np.concatenate([frame.contrast[y - half : y + half, x - half : x + half] for x, y in base[shown]])
    start = expected[shown] - base[shown] - 0.5 + half
    start[:, 1] += 2 * half * np.arange(len(shown))
    found, held[shown] = _follow(drawn, shows, start, start, window, _WARPED_LEVELS)
    pixels[shown] += found - start
    return pixels, held & (np.linalg.norm(pixels - expected, axis=-1) < stray)


def _faces_camera(points: Float64[np.ndarray, "m 3"], normals: Float64[np.ndarray, "m 3"]) -> Bool[np.ndarray, "m"]:
    return -(points * normals).sum(-1) > _STEEPEST * np.linalg.norm(points, axis=-1)


def _follow(
    before: UInt8[np.ndarray, "h w"],
    after: UInt8[np.ndarray, "h w"],
    pixels: Float64[np.ndarray, "m 2"],
    start: Float64[np.ndarray, "m 2"],
    window: int,
    levels: int,
) -> tuple[Float64[np.ndarray, "m 2"], Bool[np.ndarray, "m"]]:
    """Lucas-Kanade from ``pixels`` of one picture to another, where they are looked for from ``start`` on."""
    found, status, _ = cv2.calcOpticalFlowPyrLK(
        before,
        after,
        _column(pixels),
        _column(start),
        winSize=(window, window),
        maxLevel=levels,
        criteria=(cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 0.005),
        flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
    )
    found = found[:, 0].astype(np.float64)
    return found, (status[:, 0] > 0) & np.isfinite(found).all(axis=-1)


def _column(pixels: Float64[np.ndarray, "m 2"]) -> Float32[np.ndarray, "m 1 2"]:
    return np.ascontiguousarray(pixels, np.float32).reshape(-1, 1, 2)
