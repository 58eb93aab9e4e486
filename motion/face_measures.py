"""What a dataset says of the face in every frame: its points in the head's frame, the gap of its lips, its blinks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from arguments.dataset_folder import DatasetFolder
from data_utils.landmark_file import read_landmarks
from data_utils.track_file import damaged, read_track

POINTS = 468  # at most so many of a mesh
SHOWN = 100  # frames, about, that tell which points of a dense mesh move
CLOSED_SHARE = 0.1  # of the widest gap; lips that touch measure a fiftieth of it, and few frames lie in between
WIDEST = 95  # percentile of the gap that stands for the widest: one yawn does not set the scale
_EYE_CORNERS = (36, 45)  # iBUG's 68 landmarks: outer corners
_INNER_LIPS = ((61, 67), (62, 66), (63, 65))  # upper, lower
_RIGID = (27, 28, 29, 30, 36, 39, 42, 45)  # nose bridge and eye corners: what no expression moves far
_EYE_DISTANCE = 0.9  # decimetres between the outer corners of a grown-up's eyes, about


@dataclass(frozen=True)
class FaceMeasures:
    """A face over N frames."""

    points: Float[np.ndarray, "N P D"]
    """In the head's own frame, decimetres: vertices of the tracked mesh (D = 3); or, of datasets without them, the 68
    landmarks freed of place, size and roll (D = 2)."""
    gap: Float[np.ndarray, "N"]
    """Of the inner lips as the picture shows it, in distances of the outer eye corners: see :func:`landmark_gap`."""
    blink: Float[np.ndarray, "N"]
    """Blink intensity, 0 (open) to 1."""

    def __len__(self) -> int:
        return len(self.gap)


def measure_face(folder: DatasetFolder, blink: Float[np.ndarray, "N"]) -> FaceMeasures:
    """Measure the face in a dataset's first N frames.

    Args:
        folder: of the dataset.
        blink: intensity of each frame, 0..1.

    Raises:
        EGSTalkerError: landmarks are missing, or the track is damaged.
    """
    landmarks = np.stack([read_landmarks(folder, i) for i in range(len(blink))])
    vertices = _vertices(folder, len(blink))
    points = aligned(landmarks) if vertices is None else vertices
    return FaceMeasures(points, landmark_gap(landmarks), blink)


def landmark_gap(landmarks: Float[np.ndarray, "N 68 2"]) -> Float[np.ndarray, "N"]:
    """Gap between the inner lips over the distance of the outer eye corners, 0 (shut) to about 0.6.

    It is measured in the picture: the lips of a mesh in 3D stay apart, whose depths are uncertain.
    """
    first, last = (landmarks[:, i] for i in _EYE_CORNERS)
    gaps = [np.linalg.norm(landmarks[:, a] - landmarks[:, b], axis=-1) for a, b in _INNER_LIPS]
    return np.mean(gaps, axis=0) / np.linalg.norm(first - last, axis=-1).clip(1e-6)


def closed_gap(gaps: Float[np.ndarray, "N"]) -> float:
    """The gap below which a person's lips are closed: a tenth of the widest.

    Args:
        gaps: true ones, at least one.
    """
    return float(CLOSED_SHARE * np.percentile(gaps, WIDEST))


def aligned(landmarks: Float[np.ndarray, "N 68 2"]) -> Float[np.ndarray, "N 68 2"]:
    """Landmarks brought to one place, size and roll by the points that expressions hardly move; decimetres, y up.

    In the mean shape the eyes are level; each frame's similarity transform to it has the least squared distance
    (Umeyama, 1991, in complex numbers).
    """
    points = landmarks[..., 0] - 1j * landmarks[..., 1]
    rigid = points[:, _RIGID]
    centre = rigid.mean(axis=1, keepdims=True)
    right, left = (points[:, i, None] for i in _EYE_CORNERS)
    apart = np.where(np.abs(left - right) < 1e-6, 1e-6, left - right)
    mean = ((rigid - centre) / apart).mean(axis=0) * _EYE_DISTANCE
    turn = (mean * (rigid - centre).conj()).sum(1) / np.square(np.abs(rigid - centre)).sum(1).clip(1e-12)
    straight = (points - centre) * turn[:, None]
    return np.stack([straight.real, straight.imag], axis=-1)


def chosen_points(vertices: Float[Tensor, "N V 3"]) -> Int[Tensor, "P"]:
    """At most POINTS of the V vertices: evenly chosen, but of a dense mesh half of them by how far each moves.

    In FaceMesh lips and lids are the densest part; in the evenly meshed Basel Face Model they are a few per cent.
    """
    count = vertices.shape[1]
    if count <= 2 * POINTS:
        return torch.linspace(0, count - 1, min(count, POINTS)).round().long()
    vertices = vertices.float()
    moved = (vertices - vertices.median(dim=0).values).abs().mean(dim=(0, 2)).double()
    share = torch.cumsum(moved + moved.mean().clamp(min=1e-9), 0)
    wanted = (torch.arange(POINTS) + 0.5) / POINTS * share[-1]
    return torch.unique(torch.searchsorted(share, wanted).clamp(max=count - 1))


def _vertices(folder: DatasetFolder, num_frames: int) -> Float[np.ndarray, "N P 3"] | None:
    """The tracked mesh's chosen vertices; None where the track has none."""
    vertices = read_track(folder, num_frames).vertices
    if vertices is None:
        return None
    rows = chosen_points(vertices[:: max(1, num_frames // SHOWN)])
    points = vertices[:, rows].double().numpy()
    if not np.isfinite(points).all():
        raise damaged(folder)
    return points
