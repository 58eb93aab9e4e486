"""The track of a morphable model through a clip, and its file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float64
from scipy.spatial import cKDTree

from arguments.atomic import atomic_path
from data_utils.face_tracking import rotations
from data_utils.face_tracking.morphable_model import MorphableModel
from data_utils.face_tracking.perspective import Poses

LARGEST = 640 << 20  # bytes that the vertices of all frames may take
_CHUNK = 128  # frames whose vertices are computed at once


@dataclass(frozen=True)
class MeshTrack:
    """A morphable model followed through N frames."""

    focal: float  # pixels
    poses: Poses  # N, head frame to OpenGL camera
    identity: Float64[np.ndarray, "I"]
    expression: Float64[np.ndarray, "N E"]
    reprojection: Float64[np.ndarray, "N"]  # pixels
    trust: Float64[np.ndarray, "N"]  # 0..1, see :func:`mediapipe_tracker.track`


def write_mesh_track(track: MeshTrack, model: MorphableModel, target: Path, largest: int = LARGEST) -> None:
    """Write a track as a dictionary of tensors, atomically.

    It has the tensors that :func:`mediapipe_tracker.track` describes: focal [1], euler [N, 3], trans [N, 3], vertices
    [N, V, 3], faces [F, 3], shape [V, 3], reprojection [N] and trust [N]; and as AD-NeRF's trackers write them id
    [1, I] and exp [N, E], coefficients of unit variance. The vertices are those of the whole mesh, as float16 (0.05
    mm). Where ``largest`` bytes would not hold them (at 35,709 vertices from 3,100 frames on), the mesh is thinned out
    until they fit.
    """
    limit = largest // (6 * len(track.expression))
    model = model if len(model.mean) <= limit else thinned(model, limit)
    person = model.person(track.identity)
    vertices = torch.empty(len(track.expression), *person.shape, dtype=torch.float16)
    for start in range(0, len(vertices), _CHUNK):
        rows = slice(start, start + _CHUNK)
        vertices[rows] = torch.from_numpy(model.vertices(person, track.expression[rows]))
    tensors = {
        "focal": torch.tensor([track.focal], dtype=torch.float32),
        "euler": torch.from_numpy(rotations.matrix_to_euler(track.poses.rotation)).float(),
        "trans": torch.from_numpy(track.poses.translation).float(),
        "vertices": vertices,
        "faces": torch.from_numpy(model.faces.astype(np.int64)),
        "shape": torch.from_numpy(person),
        "reprojection": torch.from_numpy(track.reprojection).float(),
        "trust": torch.from_numpy(track.trust).float(),
        "id": torch.from_numpy(track.identity[None]).float(),
        "exp": torch.from_numpy(track.expression).float(),
    }
    with atomic_path(target) as path, path.open("wb") as file:  # a path would leave its temporary name in the file
        torch.save(tensors, file)


def thinned(model: MorphableModel, count: int) -> MorphableModel:
    """A model of at most ``count`` of the vertices: each triangle goes to the kept vertices next to its own.

    Rossignac and Borrel, "Multi-resolution 3D approximations for rendering complex scenes" (1993). The landmarks stay.
    """
    spread = np.linspace(0, len(model.mean) - 1, max(count - len(model.landmarks), 4)).round().astype(int)
    kept = np.unique(np.concatenate([spread, model.landmarks]))
    nearest = cKDTree(model.mean[kept]).query(model.mean)[1]
    faces = nearest[model.faces]
    whole = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    _, first = np.unique(np.sort(faces[whole], axis=1), axis=0, return_index=True)
    return MorphableModel(
        mean=model.mean[kept],
        identity=model.identity[:, kept],
        expression=model.expression[:, kept],
        texture_mean=model.texture_mean[kept],
        texture=model.texture[:, kept],
        faces=faces[whole][first].astype(np.int32),
        landmarks=np.searchsorted(kept, model.landmarks).astype(np.int32),
        skin=model.skin[kept],
    )
