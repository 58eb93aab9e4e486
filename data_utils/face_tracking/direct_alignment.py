"""Direct image alignment: what a picture shows at points of a rigid head, and the pose under which it looks like them.

Baker and Matthews, "Lucas-Kanade 20 Years On" (2004), for a pinhole camera and points that turn and move; brightness is
free up to a gain. Compiled by numba, without the interpreter's lock.
"""

from __future__ import annotations

from typing import no_type_check  # numba cannot compile what the tests put around a checked function

import numpy as np
from jaxtyping import Float64
from numba import njit

from data_utils.face_tracking.perspective import CAUCHY_WIDTH

_TURNED_AWAY = 0.8  # cosine between a point's ray and the view below which it looks too different
_SETTLED = 0.003  # pixels that a step moves points: then it is the last
FEWEST = 60  # points that must be seen
_LEAST_BELIEVED = 0.1  # of 1: what a region that looks like nothing keeps of its say, so that it can come back


@njit(inline="always")
@no_type_check
def _bilinear(image, x, y):
    column, row = int(x), int(y)
    fx, fy = x - column, y - row
    top = image[row, column] * (1 - fx) + image[row, column + 1] * fx
    bottom = image[row + 1, column] * (1 - fx) + image[row + 1, column + 1] * fx
    return top * (1 - fy) + bottom * fy


@njit(inline="always")
@no_type_check
def _observe(image, corner, point, ray, rotation, translation, focal, centre, slope):
    """The picture's value at a point (nan where it is not seen) and, in ``slope`` [7], its derivatives by a step of
    ``Poses.moved`` and by a step of the point along its ray."""
    a = rotation[0, 0] * point[0] + rotation[0, 1] * point[1] + rotation[0, 2] * point[2]
    b = rotation[1, 0] * point[0] + rotation[1, 1] * point[1] + rotation[1, 2] * point[2]
    c = rotation[2, 0] * point[0] + rotation[2, 1] * point[1] + rotation[2, 2] * point[2]
    x, y, z = a + translation[0], b + translation[1], c + translation[2]
    ray_x = rotation[0, 0] * ray[0] + rotation[0, 1] * ray[1] + rotation[0, 2] * ray[2]
    ray_y = rotation[1, 0] * ray[0] + rotation[1, 1] * ray[1] + rotation[1, 2] * ray[2]
    ray_z = rotation[2, 0] * ray[0] + rotation[2, 1] * ray[1] + rotation[2, 2] * ray[2]
    scale = focal / -z
    u = centre[0] + x * scale - corner[0] - 0.5
    v = centre[1] - y * scale - corner[1] - 0.5
    faces = -(ray_x * x + ray_y * y + ray_z * z) > _TURNED_AWAY * np.sqrt(x * x + y * y + z * z)
    inside = (u >= 1.0) and (u < image.shape[1] - 2.5) and (v >= 1.0) and (v < image.shape[0] - 2.5)
    if not (faces and inside and z < 0.0):
        return np.nan
    across = _bilinear(image, u + 0.5, v) - _bilinear(image, u - 0.5, v)
    down = _bilinear(image, u, v + 0.5) - _bilinear(image, u, v - 0.5)
    by_x, by_y = across * scale, -down * scale
    by_z = (by_x * x + by_y * y) / -z
    slope[0], slope[1], slope[2] = b * by_z - c * by_y, c * by_x - a * by_z, a * by_y - b * by_x
    slope[3], slope[4], slope[5] = by_x, by_y, by_z
    slope[6] = by_x * ray_x + by_y * ray_y + by_z * ray_z
    return _bilinear(image, u, v)


@njit(cache=True, nogil=True)
@no_type_check
def look_up(image, corner, points, rays, rotation, translation, focal, centre, values, slopes):
    """What a picture shows at points of the head.

    Args:
        image: float32 [h, w], a cut of a frame.
        corner: [2] pixels: where the cut's corner lies in the frame.
        points: [P, 3] head frame.
        rays: [P, 3] unit, head frame: from each point to the camera of the frame that it was chosen in.
        rotation: [3, 3] and translation [3], head to OpenGL camera.
        focal: pixels; centre: [2] pixels.
        values: float32 [P], filled: the picture's value, nan where a point is not seen.
        slopes: float32 [P, 7], filled where it is: derivatives by a step of ``Poses.moved`` and by one of the point
            along its ray.
    """
    slope = np.empty(7)
    for p in range(len(points)):
        values[p] = _observe(image, corner, points[p], rays[p], rotation, translation, focal, centre, slope)
        slopes[p] = slope


@njit(cache=True, nogil=True)
@no_type_check
def align(
    image, corner, points, rays, region, texture, precision, rotation, translation, focal, centre, iterations, agreement
):
    """The pose under which the points' texture lies best on a picture: Gauss-Newton with Cauchy's loss.

    A point has the less say, the less its region looks like itself: what a hand or a microphone covers would otherwise
    pull the pose towards whatever texture that has.

    Args:
        region: int [P], the region of 0..R-1 that each point belongs to.
        texture: [P] values of the points, and precision [P], one over their variance; 0 leaves a point out.
        rotation: [3, 3] and translation [3], the start; changed to the result.
        iterations: at most; the others are those of :func:`look_up`.
        agreement: [R, 3], filled for the result with each region's weighted sums of picture x texture, picture squared
            and texture squared, of which :func:`correlations` are made; zeros where a region is not seen.

    Returns:
        the number of points that are seen; below FEWEST the pose is left where it was.
    """
    slope, gain = np.empty(7), 1.0
    believed = np.ones(len(agreement))
    for iteration in range(iterations + 1):
        normal, side = np.zeros((7, 7)), np.zeros(7)
        agreement[:] = 0.0
        count = 0
        for p in range(len(points)):
            if precision[p] == 0:
                continue
            value = _observe(image, corner, points[p], rays[p], rotation, translation, focal, centre, slope)
            if np.isnan(value):
                continue
            count += 1
            residual = value - gain * texture[p]
            sums = agreement[region[p]]
            sums[0] += precision[p] * value * texture[p]
            sums[1] += precision[p] * value * value
            sums[2] += precision[p] * texture[p] * texture[p]
            weight = precision[p] / (1 + residual * residual * precision[p] / CAUCHY_WIDTH**2) * believed[region[p]]
            slope[6] = -texture[p]
            for i in range(7):
                side[i] -= weight * slope[i] * residual
                for j in range(i + 1):
                    normal[i, j] += weight * slope[i] * slope[j]
        if count < FEWEST or iteration == iterations:
            return count
        for r in range(len(agreement)):
            likeness = agreement[r, 0] / np.sqrt(agreement[r, 1] * agreement[r, 2] + 1e-12)
            believed[r] = max(likeness, _LEAST_BELIEVED) ** 2
        for i in range(7):
            normal[i, i] = normal[i, i] * (1 + 1e-6) + 1e-9
            for j in range(i):
                normal[j, i] = normal[i, j]
        step = np.linalg.solve(normal, side)
        _turn(rotation, step)
        translation += step[3:6]
        gain += step[6]
        moved = np.abs(step[3:5]).max() + 0.8 * np.abs(step[:3]).max() + 0.1 * abs(step[5])
        if moved * focal / -translation[2] < _SETTLED:
            break  # so small a step changes nothing of the agreement
    return count


def correlations(agreement: Float64[np.ndarray, "R 3"]) -> Float64[np.ndarray, "R"]:
    """Of picture and texture in each region, by the sums that :func:`align` leaves; 0 where nothing is seen."""
    return agreement[:, 0] / np.sqrt(agreement[:, 1] * agreement[:, 2] + 1e-12)


@njit(inline="always")
@no_type_check
def _turn(rotation, vector):
    """Turn a rotation [3, 3] by a rotation vector, from the left, by Rodrigues' formula."""
    x, y, z = vector[0], vector[1], vector[2]
    angle = np.sqrt(x * x + y * y + z * z)
    s = np.sin(angle) / angle if angle > 1e-9 else 1.0
    c = (1 - np.cos(angle)) / (angle * angle) if angle > 1e-9 else 0.5
    turn = np.array(
        [
            [1 - c * (y * y + z * z), c * x * y - s * z, c * x * z + s * y],
            [c * x * y + s * z, 1 - c * (x * x + z * z), c * y * z - s * x],
            [c * x * z - s * y, c * y * z + s * x, 1 - c * (x * x + y * y)],
        ]
    )
    rotation[:] = turn @ rotation
