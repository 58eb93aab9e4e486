"""The dense point cloud that a head starts from: tracked face surface and visual hull, coloured from the frames.

Visual hull: Laurentini, "The visual hull concept for silhouette-based image understanding" (PAMI 1994). A talking head
hardly turns, so its silhouettes leave the depth open; the hull is closed by an ellipsoid as deep as the head is wide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy import ndimage
from scipy.spatial import cKDTree

from data_utils.cures import read_picture
from scene.head import EXTENT
from training.dataset import TalkingHeadDataset

HULL_VIEWS = 24
COLOR_VIEWS = 12
REST_FRAMES = 200  # whose median is the face at rest
HULL_CELLS = 80  # along each side of the hull's cube
HULL_VOTES = 0.9  # of the views must see a cell inside the silhouette
SURFACE_SHARE = 0.55  # of all points
EAR_DEPTH = -0.1  # decimetres, where a head is widest


@dataclass(frozen=True)
class PointCloud:
    """Coloured points with the distance to their neighbours."""

    points: Float[np.ndarray, "N 3"]  # decimetres, head frame
    colors: Float[np.ndarray, "N 3"]  # 0..1
    spacing: Float[np.ndarray, "N"]  # decimetres, mean distance to the three nearest


def initial_cloud(dataset: TalkingHeadDataset, count: int, seed: int = 0) -> PointCloud:
    """Points on the face and on the rest of the head, from the frames in which the person was seen.

    Args:
        dataset: whose vertices, masks and pictures are looked at.
        count: of the points, whatever the tracker's number of vertices.
        seed: of their random places.
    """
    generator = np.random.default_rng(seed)
    tracked = dataset.vertices[_spread(dataset.learnt, REST_FRAMES)]
    vertices = tracked.float().median(dim=0).values.numpy()
    views = _spread(dataset.learnt, HULL_VIEWS)
    masks = np.stack([dataset.head_mask(i) for i in views])
    surface = sample_surface(vertices, dataset.faces.numpy(), round(count * SURFACE_SHARE), generator)
    hull = hull_points(dataset, views, masks, vertices, count - len(surface), generator)
    points = np.concatenate([surface, hull]).astype(np.float32)
    if len(points) < count:  # no hull at all (empty masks): the surface, denser
        more = sample_surface(vertices, dataset.faces.numpy(), count - len(points), generator)
        points = np.concatenate([points, more]).astype(np.float32)
    colors = point_colors(dataset, points, views[:: max(1, len(views) // COLOR_VIEWS)])
    distances, _ = cKDTree(points).query(points, k=min(4, len(points)))
    return PointCloud(points, colors, distances[:, 1:].mean(axis=1).astype(np.float32))


def sample_surface(
    vertices: Float[np.ndarray, "V 3"], faces: np.ndarray, count: int, generator: np.random.Generator
) -> Float[np.ndarray, "count 3"]:
    """Uniform samples of a triangle mesh by area; of the vertices themselves, slightly moved, where it has no faces."""
    if len(faces) == 0:
        return vertices[generator.integers(len(vertices), size=count)] + generator.normal(0, 0.02, (count, 3))
    corners = vertices[faces]
    areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    chosen = corners[generator.choice(len(faces), size=count, p=areas / areas.sum())]
    u, v = np.sqrt(generator.random(count)), generator.random(count)
    weights = np.stack([1 - u, u * (1 - v), u * v], axis=1)
    return (chosen * weights[..., None]).sum(axis=1)


def hull_points(
    dataset: TalkingHeadDataset,
    views: list[int],
    masks: np.ndarray,
    vertices: Float[np.ndarray, "V 3"],
    count: int,
    generator: np.random.Generator,
) -> Float[np.ndarray, "M 3"]:
    """Up to ``count`` points on the visible shell of the hull: hair, ears, temples, jaw. None where masks are empty."""
    axis = (np.arange(HULL_CELLS) + 0.5) / HULL_CELLS * 2 * EXTENT - EXTENT
    cells = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    inside = _votes(dataset, views, masks, cells) >= HULL_VOTES
    slab = inside & (np.abs(cells[:, 2] - EAR_DEPTH) < 0.1)
    if slab.sum() < 10:
        return np.zeros((0, 3))
    low, high = np.percentile(cells[slab], [0.5, 99.5], axis=0)
    centre = (low + high) / 2
    radii = np.maximum((high - low) / 2 * 1.1, 0.3)
    centre[2], radii[2] = EAR_DEPTH, 1.15 * radii[0]
    inside &= (((cells - centre) / radii) ** 2).sum(axis=1) < 1.0
    # in front of the face there is nothing, and behind it nothing that could be seen
    distance, nearest = cKDTree(vertices[:, :2]).query(cells[:, :2])
    over_face = distance < 0.12
    inside &= ~(over_face & (cells[:, 2] > vertices[nearest, 2]))
    solid = inside.reshape((HULL_CELLS,) * 3)
    shell = solid & ~ndimage.binary_erosion(solid)
    visible = shell.reshape(-1) & ~(over_face & (cells[:, 2] < vertices[nearest, 2] - 0.15)) & (cells[:, 2] > -0.9)
    chosen = cells[visible]
    if len(chosen) == 0:
        return np.zeros((0, 3))
    picked = chosen[generator.permutation(np.resize(generator.permutation(len(chosen)), count))]
    return picked + generator.uniform(-0.5, 0.5, picked.shape) * (2 * EXTENT / HULL_CELLS)


def point_colors(
    dataset: TalkingHeadDataset, points: Float[np.ndarray, "N 3"], views: list[int]
) -> Float[np.ndarray, "N 3"]:
    """Median colour (0..1) of each point over the views that see it on the head; the head's mean where none does."""
    samples = np.full((len(views), len(points), 3), np.nan, dtype=np.float32)
    for sample, i in zip(samples, views, strict=True):
        image, mask = read_picture(dataset.folder, dataset.folder.ground_truth_image(i)), dataset.head_mask(i)
        x, y, seen = _pixels(dataset, i, points)
        seen &= mask[y, x]
        sample[seen] = image[y[seen], x[seen]] / 255.0
    known = ~np.isnan(samples[..., 0]).all(axis=0)
    colors = np.full((len(points), 3), 0.5, dtype=np.float32)
    if known.any():
        colors[known] = np.nanmedian(samples[:, known], axis=0)
        colors[~known] = colors[known].mean(axis=0)
    return colors


def _votes(dataset: TalkingHeadDataset, views: list[int], masks: np.ndarray, cells: np.ndarray) -> np.ndarray:
    votes = np.zeros(len(cells))
    for i, mask in zip(views, masks, strict=True):
        x, y, seen = _pixels(dataset, i, cells)
        votes += seen & mask[y, x]
    return votes / len(views)


def _pixels(dataset: TalkingHeadDataset, i: int, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixel column and row of points in frame i (clamped to the picture), and whether they are inside it."""
    projected = dataset.camera[i].project(torch.from_numpy(np.asarray(points, np.float32)))[0].numpy()
    x, y = np.floor(projected).astype(np.int64).T
    seen = (x >= 0) & (y >= 0) & (x < dataset.width) & (y < dataset.height)
    return x.clip(0, dataset.width - 1), y.clip(0, dataset.height - 1), seen


def _spread(frames: Sequence[int], count: int) -> list[int]:
    """At most ``count`` of ``frames``, evenly chosen."""
    places = np.unique(np.linspace(0, len(frames) - 1, min(count, len(frames))).round())
    return [frames[int(place)] for place in places]
