"""Points all over the rigid part of a head, face, hair and ears, as a few reference frames show it.

On the face they lie on the mesh. Beside it a head is taken for as deep as it is wide: depth grows from the outline
inwards as on a sphere. Lids, brows, lips and all below the nose move on their own and are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Float64, Int, UInt8

from data_utils.face_tracking import face_topology
from data_utils.face_tracking.face_surface import depths_at
from data_utils.face_tracking.perspective import Poses, project

HeadMask = Callable[[int], Bool[np.ndarray, "H W"]]
"""The pixels of a frame that show head, hair and ears."""

POINTS = 3000  # a reference frame
_SPACING = 1 / 170  # of the image side, between points
_FROM_OUTLINE = 1 / 128  # of the image side that points keep from the head's outline
_DETAIL = 512  # image sides to a pixel: the texture that counts is no finer, nor finer than a pixel
_HALF_WIDTH = 0.75  # decimetres, of a head
_DEPTH = 0.9  # decimetres from a head's outline, which lies between the ears, to its foremost skin
_ON_MESH, _BESIDE_MESH = 0.08, 0.2  # decimetres: how far depths may be wrong
_LOWEST = 0.35  # of the way from nose to chin


@dataclass(frozen=True)
class HeadPoints:
    """P points of a head and how well their depth is known."""

    places: Float64[np.ndarray, "P 3"]  # decimetres, head frame
    rays: Float64[np.ndarray, "P 3"]  # unit, head frame, towards the camera of the frame that shows them
    spread: Float64[np.ndarray, "P"]  # decimetres, along the ray


def head_points(
    grey: UInt8[np.ndarray, "H W"],
    mask: Bool[np.ndarray, "H W"] | None,
    pose: Poses,
    shape: Float64[np.ndarray, "478 3"],
    focal: float,
    centre: tuple[float, float],
) -> HeadPoints:
    """The points with most texture that one frame shows.

    Args:
        grey: uint8 [H, W].
        mask: [H, W] pixels of head, hair and ears; None where they are not known: then the mesh's.
        pose: of the frame.
        shape: [478, 3] landmarks, head frame.
        focal: pixels.
        centre: principal point, pixels.
    """
    side = max(grey.shape)
    camera = pose.transform(shape)[0]
    outline = project(camera, focal, centre)
    mesh = face_topology.triangles()[: -4 * len(face_topology.IRIS_CENTRES)]
    head = _filled(outline, mesh, grey.shape) if mask is None else mask
    from_outline = cv2.distanceTransform(head.astype(np.uint8), cv2.DIST_L2, 5)
    step = max(2.0, _SPACING * side)
    pixels = np.stack(np.meshgrid(np.arange(step, grey.shape[1], step), np.arange(step, grey.shape[0], step)), -1)
    pixels = pixels.reshape(-1, 2)
    row, column = pixels[:, 1].astype(int), pixels[:, 0].astype(int)
    usable = (from_outline > _FROM_OUTLINE * side) & ~_moving_parts(shape, outline, grey.shape)
    pixels = pixels[usable[row, column]]
    pixels = pixels[np.argsort(-_texture(grey)[pixels[:, 1].astype(int), pixels[:, 0].astype(int)])]

    depth = np.concatenate(
        [depths_at(part, outline[mesh], camera[mesh][..., 2]) for part in np.array_split(pixels, 32)]
    )
    on_mesh = np.isfinite(depth)
    inwards = from_outline[pixels[:, 1].astype(int), pixels[:, 0].astype(int)] * -pose.translation[0, 2] / focal
    rounded = _DEPTH * np.sqrt(1 - (1 - np.clip(inwards / _HALF_WIDTH, 0, 1)) ** 2)
    depth = np.where(on_mesh, depth, pose.translation[0, 2] + rounded)
    across, down = (pixels - centre).T / focal
    places = np.stack([across * -depth, down * depth, depth], axis=-1)
    rays = -places / np.linalg.norm(places, axis=-1, keepdims=True)
    places, rays = (places - pose.translation) @ pose.rotation[0], rays @ pose.rotation[0]
    chosen = np.flatnonzero(places[:, 1] > _lowest(shape))[:POINTS]
    return HeadPoints(places[chosen], rays[chosen], np.where(on_mesh, _ON_MESH, _BESIDE_MESH)[chosen])


def _lowest(shape: Float64[np.ndarray, "478 3"]) -> float:
    nose, chin = shape[face_topology.NOSE_BASE, 1], shape[face_topology.CHIN, 1]
    return float(nose + _LOWEST * (chin - nose))


def _texture(grey: UInt8[np.ndarray, "H W"]) -> Float32[np.ndarray, "H W"]:
    """How much a picture changes around each pixel."""
    detail = max(1.0, max(grey.shape) / _DETAIL)  # pixels
    smooth = cv2.GaussianBlur(grey.astype(np.float32), (0, 0), 1.2 * detail)
    slope = np.hypot(cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1))
    return cv2.GaussianBlur(slope, (0, 0), 1.5 * detail)


def _moving_parts(
    shape: Float64[np.ndarray, "478 3"], outline: Float64[np.ndarray, "478 2"], size: tuple[int, ...]
) -> Bool[np.ndarray, "H W"]:
    """Pixels of the face that do not move with the skull, and a little around them."""
    mesh = face_topology.triangles()
    rigid = face_topology.landmark_noise(shape) < face_topology.RIGID_BELOW
    moving = _filled(outline, mesh[~rigid[mesh].all(axis=1)], size).astype(np.uint8)
    for ring in face_topology.openings():
        cv2.fillConvexPoly(moving, cv2.convexHull(np.round(outline[ring]).astype(np.int32)), (1,))
    around = 2 * round(max(size) / 256) + 1
    return cv2.dilate(moving, np.ones((around, around), np.uint8)) > 0


def _filled(
    outline: Float64[np.ndarray, "478 2"], mesh: Int[np.ndarray, "F 3"], size: tuple[int, ...]
) -> Bool[np.ndarray, "H W"]:
    mask = np.zeros(size, np.uint8)
    for triangle in np.round(outline[mesh]).astype(np.int32):
        cv2.fillConvexPoly(mask, triangle, (1,))
    return mask > 0
