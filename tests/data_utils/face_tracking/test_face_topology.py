"""The mesh's triangles."""

from __future__ import annotations

from collections import Counter

import numpy as np

from data_utils.face_tracking import face_topology


def test_triangles_are_a_sheet_with_holes_for_eyes_and_mouth():
    faces = face_topology.triangles()
    mesh = faces[(faces < face_topology.NUM_MESH).all(1)].tolist()
    assert len(mesh) == 852 and len(faces) == 860
    directed = Counter((face[k], face[(k + 1) % 3]) for face in mesh for k in range(3))
    assert max(directed.values()) == 1  # neighbours run along a shared edge in opposite directions
    border = [edge for edge in directed if edge[::-1] not in directed]
    assert len(border) == 36 + 2 * 16 + 20  # face oval, eyes, inner lips
    vertices = {vertex for face in mesh for vertex in face}
    edges = {frozenset(edge) for edge in directed}
    assert len(vertices) - len(edges) + len(mesh) == 1 - 3  # Euler characteristic of a disk with three holes


def test_each_iris_is_a_fan_about_its_centre():
    faces = face_topology.triangles()
    for centre in face_topology.IRIS_CENTRES:
        fan = faces[(faces == centre).any(1)]
        assert sorted(set(fan.ravel().tolist())) == list(range(centre, centre + 5)) and len(fan) == 4


def test_nose_and_eye_corners_are_rigid_and_lips_are_not(scene):
    noise = face_topology.landmark_noise(scene.shape)
    assert (noise[[1, 6, 168, 33, 133, 362, 263]] == 1).all()
    assert noise[[13, 14, 61, 291]].min() > 5  # lips
    assert noise[[159, 145]].min() > 2 and noise[152] > 4  # lids, chin
    assert np.isinf(noise[468:]).all()
