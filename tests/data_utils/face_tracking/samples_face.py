"""A face model of which the built-in sample's figure is one person, with known coefficients."""

from __future__ import annotations

import numpy as np

from data_utils.face_mesh import load_or_detect, to_68
from sample.character import Character, Expression
from sample.recording import Sample
from tests.data_utils.face_tracking.made_up_bfm import MadeUpFace, unmoved, waves

EXPRESSIONS = [Expression(jaw=1.0), Expression(wide=1.0), Expression(round=1.0), Expression(press=1.0)]


def samples_face(folder, sample: Sample, identities: int = 10) -> tuple[MadeUpFace, np.ndarray]:
    """The model, and the figure's identity coefficients; the landmarks are where FaceMesh sees them in one frame."""
    character: Character = sample.character
    own = len(character.skin.vertices)
    neutral = character.shape(Expression())[0][:own].astype(np.float64)
    kept = np.flatnonzero((neutral[:, 2] > -0.15) & ~character.skin.roll)
    place = np.full(own, -1)
    place[kept] = np.arange(len(kept))
    faces = place[character.skin.faces]
    faces = faces[(faces >= 0).all(axis=1)]
    changes = [character.shape(e)[0][:own] - neutral for e in (*EXPRESSIONS, Expression(eye_open=0.0))]
    rng = np.random.default_rng(4)
    mean = neutral[kept]
    identity = np.stack([unmoved(waves(mean, rng), mean) * 0.03 for _ in range(identities)])
    coefficients = rng.normal(0, 1, identities)
    landmarks = place[_landmarks(folder, sample)]
    assert (landmarks >= 0).all()
    face = MadeUpFace(
        mean - np.tensordot(coefficients, identity, 1),
        identity,
        np.stack([0.4 * change[kept] for change in changes]),
        character.albedo[:own][kept].clip(0, 1).astype(np.float64),
        np.stack([waves(mean, rng) * 0.03 for _ in range(3)]),
        faces,
        landmarks,
        np.sort(rng.permutation(len(kept) + 100)[: len(kept)]),
        kept,
    )
    return face, coefficients


def true_pixels(face: MadeUpFace, sample: Sample, frame: int) -> np.ndarray:
    """Where the face's vertices are in a frame [V, 2], by the figure's own motion."""
    performance = sample.performance
    vertices = sample.character.shape(performance.expressions[frame])[0][face.kept]
    x, y, z = (vertices @ performance.rotation[frame].T + performance.translation[frame]).T
    return sample.size / 2 + sample.focal * np.stack([x, -y], axis=-1) / -z[:, None]


def _landmarks(folder, sample: Sample) -> np.ndarray:
    """The skin's visible vertices [68] next to FaceMesh's landmarks of the frame whose mouth is open the widest."""
    performance, character = sample.performance, sample.character
    frame = int(np.argmax([e.jaw * (e.eye_open > 0.8) for e in performance.expressions]))
    own = len(character.skin.vertices)
    vertices, normals = character.pose(
        performance.expressions[frame],
        performance.rotation[frame],
        performance.translation[frame],
        performance.stand[frame],
    )
    x, y, z = vertices[:own].T
    pixels = sample.size / 2 + sample.focal * np.stack([x, -y]).T / -z[:, None]
    visible = ((normals[:own] * -vertices[:own]).sum(-1) > 0) & ~character.skin.roll
    visible &= character.shape(Expression())[0][:own, 2] > -0.15  # as what is kept
    candidates = np.flatnonzero(visible)
    seen = to_68(load_or_detect(folder).points)[frame]
    return candidates[np.linalg.norm(pixels[candidates] - seen[:, None], axis=-1).argmin(axis=1)]
