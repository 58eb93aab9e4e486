"""A morphable model fitted to landmarks: known parameters come back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from benchmarks.track_accuracy import angle_errors, rms
from data_utils.face_tracking.bfm import track_mesh
from data_utils.face_tracking.jaw_contour import jaw_lines
from data_utils.face_tracking.landmark_basis import Detections
from data_utils.face_tracking.morphable_model import MorphableModel, in_head_frame
from tests.data_utils.face_tracking.made_up_bfm import MadeUpFace, make_face

SIZE = 512
TRAIN = 63  # of a clip's 70 frames
FOCAL = 1450.0  # 2.8 sides, where 2.2 are believed


def as_model(face: MadeUpFace) -> MorphableModel:
    return in_head_frame(
        MorphableModel(
            face.mean.astype(np.float32),
            face.identity.astype(np.float32),
            face.expression.astype(np.float32),
            face.colors.astype(np.float32),
            face.texture.astype(np.float32),
            face.faces.astype(np.int32),
            face.landmarks.astype(np.int32),
            np.ones(len(face.mean), bool),
        )
    )


@dataclass(frozen=True)
class Clip:
    """A person of the model who moves, and what a perfect detector sees."""

    model: MorphableModel
    identity: np.ndarray
    expression: np.ndarray
    rotation: np.ndarray
    translation: np.ndarray
    vertices: np.ndarray  # [N, V, 3]

    def pixels(self, which: np.ndarray | None = None) -> np.ndarray:
        """Vertices [N, K, 2] before the camera, by the pinhole formula written out."""
        points = self.vertices if which is None else self.vertices[:, which]
        camera = np.einsum("nij,nkj->nki", self.rotation, points) + self.translation[:, None]
        x, y, z = np.moveaxis(camera, -1, 0)
        return np.stack([SIZE / 2 + FOCAL * x / -z, SIZE / 2 - FOCAL * y / -z], axis=-1)


def make_clip(model: MorphableModel, count: int = 70, seed: int = 0) -> Clip:
    rng = np.random.default_rng(seed)
    time = np.arange(count) / 25
    identity = rng.normal(0, 1, len(model.identity))
    phases, rates = rng.uniform(0, 6, len(model.expression)), rng.uniform(2, 7, len(model.expression))
    expression = np.sin(time[:, None] * rates + phases) * 1.2
    angles = np.stack([6 * np.sin(2.1 * time), 16 * np.sin(1.3 * time + 0.4), 5 * np.sin(1.7 * time + 1)], -1)
    rotation = Rotation.from_euler("XYZ", angles, degrees=True).as_matrix()
    translation = np.stack([0.2 * np.sin(time), 0.1 * np.cos(1.4 * time), -7 + 0.3 * np.sin(0.9 * time)], -1)
    vertices = model.mean + np.tensordot(identity, model.identity, 1) + np.tensordot(expression, model.expression, 1)
    return Clip(model, identity, expression, rotation, translation, vertices)


@pytest.fixture(scope="module")
def clip() -> Clip:
    return make_clip(as_model(make_face(side=31)))


def procrustes(shape: np.ndarray) -> np.ndarray:
    centred = shape - shape.mean(0)
    return centred / np.sqrt((centred**2).sum(-1).mean())


def fit(clip: Clip, noise: float, found: np.ndarray | None = None, wild: bool = False):
    seen = clip.pixels(clip.model.landmarks)
    seen = seen + np.random.default_rng(3).normal(0, noise, seen.shape)
    found = np.ones(len(seen), bool) if found is None else found
    seen[~found] = 40.0
    if wild:
        seen[10:30, 36:40] += 60.0
    return track_mesh(clip.model, Detections(seen, found, outline=False), (SIZE, SIZE))


@pytest.fixture(scope="module")
def exact(clip):
    return fit(clip, 0.0)


def test_focal_length_and_poses_are_recovered(clip, exact):
    assert abs(exact.focal / FOCAL - 1) < 0.05
    assert rms(angle_errors(exact.poses.rotation, clip.rotation)) < 0.25
    depth = exact.poses.translation[:, 2] / clip.translation[:, 2]
    assert np.abs(depth / depth.mean() - 1).max() < 0.02


def test_identity_and_expression_are_recovered(clip, exact):
    true = clip.model.person(clip.identity)

    def apart(shape: np.ndarray) -> float:  # after what no picture tells, size and place, is taken out
        return rms(procrustes(shape) - procrustes(true))

    assert apart(clip.model.person(exact.identity)) < 0.25 * apart(clip.model.mean)
    found, wanted = (clip.model.vertices(clip.model.mean, e) for e in (exact.expression, clip.expression))
    moves, true_moves = found - found.mean(0), wanted - wanted.mean(0)
    mouth = clip.model.landmarks[48:]
    assert rms((moves - true_moves)[:, mouth]) < 0.25 * rms(true_moves[:, mouth])


def test_the_mesh_projects_on_the_face(clip, exact):
    vertices = clip.model.vertices(clip.model.person(exact.identity), exact.expression)
    fitted = Clip(clip.model, clip.identity, clip.expression, exact.poses.rotation, exact.poses.translation, vertices)
    scale = exact.focal / FOCAL
    pixels = (fitted.pixels(clip.model.landmarks[17:]) - SIZE / 2) * scale + SIZE / 2
    assert rms(pixels - clip.pixels(clip.model.landmarks[17:])) < 1.0


@pytest.fixture(scope="module")
def noisy(clip):
    return fit(clip, 1.0)


def test_noise_of_a_pixel_moves_the_poses_by_half_a_degree(clip, noisy):
    assert rms(angle_errors(noisy.poses.rotation, clip.rotation)) < 0.4
    assert rms(np.diff(angle_errors(noisy.poses.rotation, clip.rotation), axis=0)) < 0.2
    assert 0.5 < np.median(noisy.reprojection) < 2.5


def test_lost_frames_are_what_the_neighbours_make_likely(clip):
    found = np.ones(len(clip.rotation), bool)
    found[40:46] = False
    lost = fit(clip, 0.3, found)
    assert np.linalg.norm(angle_errors(lost.poses.rotation, clip.rotation)[40:46], axis=1).max() < 2.0
    assert np.abs(np.diff(lost.expression[36:50], axis=0)).max() < 1.5


def test_wild_landmarks_do_not_pull(clip, noisy):
    pulled = fit(clip, 1.0, wild=True)
    assert rms(angle_errors(pulled.poses.rotation, noisy.poses.rotation)) < 0.8


@pytest.mark.parametrize("count", [1, 2, 9])
def test_clips_of_a_few_frames_are_fitted_too(clip, count):
    seen = clip.pixels(clip.model.landmarks)[:count]
    short = track_mesh(clip.model, Detections(seen, np.ones(count, bool), outline=False), (SIZE, SIZE))
    assert short.expression.shape == (count, len(clip.model.expression))
    assert np.linalg.norm(angle_errors(short.poses.rotation, clip.rotation[:count]), axis=1).max() < 1.5


def outline_landmarks(clip: Clip) -> np.ndarray:
    """Landmarks whose jaw is the outermost vertex of each line, by brute force over all frames."""
    pixels = clip.pixels()
    seen = pixels[:, clip.model.landmarks].copy()
    lines = jaw_lines(clip.model).vertices
    for k in [*range(7), *range(10, 17)]:
        line = pixels[:, lines[k]]
        pick = line[..., 0].argmin(1) if k < 8 else line[..., 0].argmax(1)
        seen[:, k] = line[np.arange(len(line)), pick]
    return seen


def test_the_jaws_outline_is_followed_round_the_face(clip):
    seen = outline_landmarks(clip)
    still = clip.pixels(clip.model.landmarks)
    assert np.abs(seen[:, :17] - still[:, :17]).max() > 5  # the outline is not the landmarks' own vertices
    found = np.ones(len(seen), bool)
    marched = track_mesh(clip.model, Detections(seen, found, outline=True), (SIZE, SIZE))
    assert rms(angle_errors(marched.poses.rotation, clip.rotation)) < 0.5
    assert abs(marched.focal / FOCAL - 1) < 0.08


def test_a_model_is_fitted_on_the_training_part(clip):
    seen = clip.pixels(clip.model.landmarks) + np.random.default_rng(3).normal(0, 0.4, (70, 68, 2))
    found = np.ones(70, bool)
    other, other_found = seen.copy(), found.copy()
    other[TRAIN:] = other[6::-1] * 0.8 + 30
    other_found[TRAIN + 2] = False
    fitted, again, whole = (
        track_mesh(clip.model, Detections(pixels, there, outline=False), (SIZE, SIZE), fit_frames=frames)
        for pixels, there, frames in ((seen, found, TRAIN), (other, other_found, TRAIN), (other, other_found, None))
    )
    assert again.focal == fitted.focal != whole.focal
    np.testing.assert_array_equal(again.identity, fitted.identity)
    np.testing.assert_array_equal(again.poses.rotation[:TRAIN], fitted.poses.rotation[:TRAIN])
    np.testing.assert_array_equal(again.poses.translation[:TRAIN], fitted.poses.translation[:TRAIN])
    np.testing.assert_array_equal(again.expression[:TRAIN], fitted.expression[:TRAIN])
    aligned = rms(angle_errors(fitted.poses.rotation, clip.rotation)[TRAIN:])
    assert aligned < 0.6  # held-out frames are followed with it
