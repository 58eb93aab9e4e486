"""What FaceMesh's 478 landmarks are: their triangles, and how rigidly each is tied to the skull.

Everything is computed from the connection sets that MediaPipe publishes (Kartynnik et al., "Real-time Facial Surface
Geometry from Monocular Video on Mobile GPUs", 2019; Grishchenko et al., "Attention Mesh", 2020).
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Iterable
from types import ModuleType

import numpy as np
from jaxtyping import Float64, Int

from data_utils.quiet import import_mediapipe

NUM_LANDMARKS = 478
NUM_MESH = 468  # then five points for each iris: its centre and four on its rim
IRIS_CENTRES = (468, 473)  # of the subject's right and left eye
NOSE_TIP, NOSE_BRIDGE, NOSE_BASE = 1, 6, 2
FOREHEAD, FOREHEAD_RIGHT, CHIN = 10, 109, 152  # of the face oval, 109 next to 10
EAR_RIGHT, EAR_LEFT = 234, 454  # the mesh's outermost points, before the subject's ears
EYE_CORNERS = (33, 133, 362, 263)
IRIS_RIMS = ((469, 471), (474, 476))  # the horizontal diameters

RIGID_BELOW = 1.5  # of landmark_noise

_RIGID, _LOOSE, _LIDS, _BROWS, _LIPS = 1.0, 5.0, 2.5, 3.0, 8.0


def _connections() -> ModuleType:
    return import_mediapipe().solutions.face_mesh_connections


def _members(*groups: Iterable[tuple[int, int]]) -> set[int]:
    return {index for group in groups for edge in group for index in edge}


@functools.cache
def triangles() -> Int[np.ndarray, "F 3"]:
    """The mesh's triangles and a four-triangle fan for each iris: [F, 3], counter-clockwise seen from outside the head.

    MediaPipe lists each triangle's edges in its own order, so an edge listed one way only is a border (face oval, eyes,
    mouth) and lies in one triangle, any other lies in two. A triple of edges that breaks this is not a triangle but a
    ring around one vertex.
    """
    listed = set(_connections().FACEMESH_TESSELATION)
    neighbours: dict[int, set[int]] = defaultdict(set)
    for a, b in listed:
        neighbours[a].add(b)
        neighbours[b].add(a)
    triples = {tuple(sorted((a, b, c))) for a, b in listed for c in neighbours[a] & neighbours[b]}
    owners: dict[frozenset[int], list[tuple[int, ...]]] = defaultdict(list)
    for triple in triples:
        for edge in _edges(triple):
            owners[frozenset(edge)].append(triple)

    def crowded(edge: tuple[int, int]) -> bool:
        return len(owners[frozenset(edge)]) > (2 if edge in listed and edge[::-1] in listed else 1)

    kept = {triple for triple in triples if not all(crowded(edge) for edge in _edges(triple))}
    mesh = _oriented(kept)
    irises = [(centre, a, b) for centre, ring in _iris_rings() for a, b in ring]
    faces = np.array(mesh + irises, dtype=np.int64)
    faces.setflags(write=False)
    return faces


def _edges(triple: tuple[int, ...]) -> list[tuple[int, int]]:
    a, b, c = triple
    return [(a, b), (b, c), (c, a)]


def _iris_rings() -> list[tuple[int, list[tuple[int, int]]]]:
    rings = (_connections().FACEMESH_RIGHT_IRIS, _connections().FACEMESH_LEFT_IRIS)
    return [(centre, sorted(ring)) for centre, ring in zip(IRIS_CENTRES, rings, strict=True)]


def _oriented(triples: set[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """Triangles turned alike, from one at the top of the face oval, which runs 10 -> 109 seen from outside."""
    owners: dict[frozenset[int], list[tuple[int, ...]]] = defaultdict(list)
    for triple in triples:
        for edge in _edges(triple):
            owners[frozenset(edge)].append(triple)
    done: dict[tuple[int, ...], tuple[int, ...]] = {}
    waiting = [(FOREHEAD, FOREHEAD_RIGHT)]
    while waiting:
        a, b = waiting.pop()
        for triple in owners[frozenset((a, b))]:
            if triple not in done:
                c = next(vertex for vertex in triple if vertex not in (a, b))
                done[triple] = (a, b, c)
                waiting += [(c, b), (a, c)]  # the neighbours run along the shared edge the other way
    return sorted(done.values())


@functools.cache
def mesh_edges() -> Int[np.ndarray, "E 2"]:
    """Undirected edges of the triangles and iris fans: [E, 2]."""
    edges = {tuple(sorted(edge)) for face in triangles().tolist() for edge in _edges(tuple(face))}
    return np.array(sorted(edges), dtype=np.int64)


def openings() -> tuple[list[int], list[int], list[int]]:
    """The landmarks around the mouth and each eye."""
    connections = _connections()
    rings = connections.FACEMESH_LIPS, connections.FACEMESH_RIGHT_EYE, connections.FACEMESH_LEFT_EYE
    mouth, right, left = (sorted(_members(ring)) for ring in rings)
    return mouth, right, left


def landmark_noise(shape: Float64[np.ndarray, "478 3"]) -> Float64[np.ndarray, "478"]:
    """How far each landmark strays from a rigid head, relative to the nose: [478] >= 1, infinite for the irises.

    Eye corners, nose, temples and cheekbones count as rigid; lids and brows move with blinks and expression; lips move
    most, and what lies below the nose moves with the jaw.

    Args:
        shape: [478, 3] in the head frame (y up); only heights matter.
    """
    connections = _connections()
    height = shape[:, 1]
    below = (height[NOSE_BASE] - height) / (height[NOSE_BASE] - height[CHIN])
    noise = _RIGID + (_LOOSE - _RIGID) * np.clip(2 * below, 0, 1)
    brows = _members(connections.FACEMESH_LEFT_EYEBROW, connections.FACEMESH_RIGHT_EYEBROW)
    lids = _members(connections.FACEMESH_LEFT_EYE, connections.FACEMESH_RIGHT_EYE) - set(EYE_CORNERS)
    for group, value in ((brows, _BROWS), (lids, _LIDS), (_members(connections.FACEMESH_LIPS), _LIPS)):
        noise[sorted(group)] = value
    noise[NUM_MESH:] = np.inf
    return noise
