"""A first head shape and first poses from FaceMesh's own relative depth: generalised Procrustes analysis.

Gower, "Generalized Procrustes analysis" (1975); rotations by Kabsch's method. FaceMesh's landmarks are taken as a
scaled orthographic view, x and y in pixels and z in the same unit, nearer = smaller.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64

from data_utils.face_tracking import face_topology as topology
from data_utils.lost_frames import spread
from data_utils.parallel import blocks

IRIS_DIAMETER = 0.117  # decimetres; 11.7 mm with a spread of 0.5 mm in adults (Rüfer et al., Cornea 2005)
FACE_BREADTH = 1.37  # decimetres; 137 mm over the cheekbones (Gordon et al., ANSUR II, 2014: men 141, women 132)
MEAN_FRAMES = 2000  # whose median is the mean shape
PUPIL_DISTANCE = 0.63  # decimetres; 63 mm with a spread of 3.6 mm (Dodgson, "Variation and extrema of human IPD", 2004)


@dataclass(frozen=True)
class OrthographicFit:
    """A shape and the similarity that brings it on each frame's landmarks."""

    shape: Float64[np.ndarray, "478 3"]  # decimetres, head frame
    rotation: Float64[np.ndarray, "N 3 3"]
    scale: Float64[np.ndarray, "N"]  # pixels per decimetre
    origin: Float64[np.ndarray, "N 2"]  # the head origin's pixel


def fit_orthographic(
    landmarks: Float[np.ndarray, "N 478 3"], usable: Bool[np.ndarray, "N"] | None = None, rounds: int = 4
) -> OrthographicFit:
    """Mean shape of some frames' landmarks, and every frame's similarity to it.

    Args:
        landmarks: [N, 478, 3] pixels, FaceMesh's axes.
        usable: [N] the frames that the shape is fitted on, if they are many on some of them; all unless given.
    """
    frames = np.arange(len(landmarks)) if usable is None else np.flatnonzero(usable)
    clouds = upright(landmarks[spread(frames, MEAN_FRAMES)])
    shape = _in_head_frame(clouds[len(clouds) // 2])
    weights = 1.0 / topology.landmark_noise(shape) ** 2
    for _ in range(rounds):
        rotation, scale, offset = similarities(shape, clouds, weights)
        aligned = np.einsum("nji,npj->npi", rotation, clouds - offset[:, None]) / scale[:, None, None]
        shape = _in_head_frame(np.median(aligned, axis=0))
    shape = shape * _metric_scale(clouds, scale)
    parts = [similarities(shape, upright(landmarks[rows]), weights) for rows in blocks(len(landmarks))]
    rotation, scale, offset = (np.concatenate(part) for part in zip(*parts, strict=True))
    origin = offset[:, :2] * np.array([1.0, -1.0])
    return OrthographicFit(shape, rotation, scale, origin)


def upright(landmarks: Float[np.ndarray, "*B 3"]) -> Float64[np.ndarray, "*B 3"]:
    """FaceMesh's axes (y down, z away from the camera) to x right, y up, z back: [..., 3]."""
    return landmarks * np.array([1.0, -1.0, -1.0])


def similarities(
    shape: Float64[np.ndarray, "P 3"], clouds: Float64[np.ndarray, "N P 3"], weights: Float64[np.ndarray, "P"]
) -> tuple[Float64[np.ndarray, "N 3 3"], Float64[np.ndarray, "N"], Float64[np.ndarray, "N 3"]]:
    """The similarities cloud ~ scale * R shape + offset of least squares (Kabsch).

    Args:
        shape: [P, 3].
        clouds: [N, P, 3].
        weights: [P].

    Returns:
        rotation [N, 3, 3], scale [N] and offset [N, 3].
    """
    share = weights / weights.sum()
    middle = share @ shape
    middles = np.einsum("p,npi->ni", share, clouds)
    source = shape - middle
    target = clouds - middles[:, None]
    covariance = np.einsum("p,npi,pj->nij", share, target, source)
    u, values, vt = np.linalg.svd(covariance)
    sign = np.ones_like(values)
    sign[:, 2] = np.sign(np.linalg.det(u @ vt))
    rotation = (u * sign[:, None]) @ vt
    scale = (values * sign).sum(-1) / np.einsum("p,pi,pi->", share, source, source)
    offset = middles - scale[:, None] * (rotation @ middle)
    return rotation, scale, offset


def head_frame(shape: Float64[np.ndarray, "478 3"]) -> tuple[Float64[np.ndarray, "3 3"], Float64[np.ndarray, "3"]]:
    """The head frame of a shape in any frame: new = axes @ (old - origin).

    x runs from the subject's right to the left, y from the chin to the forehead, the origin lies between the ears.

    Args:
        shape: [478, 3].

    Returns:
        axes [3, 3], in rows, and origin [3].
    """
    left = shape[topology.EAR_LEFT] + shape[263] + shape[362]
    right = shape[topology.EAR_RIGHT] + shape[33] + shape[133]
    x = _unit(left - right)
    up = shape[topology.FOREHEAD] - shape[topology.CHIN]
    y = _unit(up - (up @ x) * x)
    origin = (shape[topology.EAR_LEFT] + shape[topology.EAR_RIGHT]) / 2
    return np.stack([x, y, np.cross(x, y)]), origin


def _in_head_frame(shape: Float64[np.ndarray, "478 3"]) -> Float64[np.ndarray, "478 3"]:
    axes, origin = head_frame(shape)
    return (shape - origin) @ axes.T


def _unit(vector: Float64[np.ndarray, "3"]) -> Float64[np.ndarray, "3"]:
    return vector / np.linalg.norm(vector)


def _metric_scale(clouds: Float64[np.ndarray, "N 478 3"], scale: Float64[np.ndarray, "N"]) -> float:
    """Decimetres per unit of a shape whose copies are ``clouds`` at ``scale``, from features of usual size."""
    known = [(a, b, IRIS_DIAMETER) for a, b in topology.IRIS_RIMS]
    known += [(*topology.IRIS_CENTRES, PUPIL_DISTANCE)] * 2
    known += [(topology.EAR_RIGHT, topology.EAR_LEFT, FACE_BREADTH)] * 2
    sizes = [np.median(np.linalg.norm(clouds[:, a] - clouds[:, b], axis=-1) / scale) for a, b, _ in known]
    usual = np.array([size for *_, size in known])
    return float(np.exp(np.log(usual / np.array(sizes)).mean()))
