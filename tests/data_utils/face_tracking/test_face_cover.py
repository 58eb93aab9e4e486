import numpy as np
import pytest

from data_utils.face_tracking import rotations
from data_utils.face_tracking.face_cover import COVERED, covered, covered_share
from data_utils.face_tracking.perspective import Poses, project
from media.images import read_rgb, write_image

SIZE, FOCAL, CENTRE, COUNT = 200, 900.0, (100.0, 100.0), 30
ALL = np.ones(COUNT, bool)
HAND = slice(10, 20)


def poses(scene):
    return Poses(scene.rotation[:COUNT], scene.translation[:COUNT] * np.array([1, 1, 2]))


def pictures(scene, folder, hand: bool, light: float = 0.0):
    """Skin with spots that move with the head; a hand's colour over the lower half of the face in some frames."""
    rng = np.random.default_rng(2)
    spots = scene.shape[rng.integers(0, 468, 120)]
    tones = rng.uniform(-30, 30, (120, 1))
    files = []
    y, x = np.mgrid[:SIZE, :SIZE]
    for i in range(COUNT):
        image = np.full((SIZE, SIZE, 3), (190, 150, 120), float)
        for (u, v), tone in zip(
            project(poses(scene)[i : i + 1].transform(spots), FOCAL, CENTRE)[0], tones, strict=True
        ):
            image += tone * np.exp(-((x - u) ** 2 + (y - v) ** 2) / 18)[..., None]
        if hand and HAND.start <= i < HAND.stop:
            image[110:] = (150, 120, 110)
        image *= 1 + light * np.sin(i / 5) * (x[..., None] - 100) / 100
        files.append(folder / f"{i}.png")
        write_image(files[-1], np.clip(image + rng.normal(0, 2, image.shape), 0, 255).astype(np.uint8))
    return files


def share(scene, files):
    return covered_share(files, poses(scene), ALL, ALL, scene.shape, FOCAL, CENTRE)


@pytest.mark.parametrize("light", [0.0, 0.05])
def test_a_hand_is_seen_and_light_is_not_taken_for_one(scene, tmp_path, light):
    found = covered(share(scene, pictures(scene, tmp_path, hand=True, light=light)))
    assert np.flatnonzero(found).tolist() == list(range(HAND.start, HAND.stop))
    assert not covered(share(scene, pictures(scene, tmp_path, hand=False, light=light))).any()


def turned(scene, radians: float) -> Poses:
    """The scene's poses, from HAND on turned to the side."""
    rotation = poses(scene).rotation.copy()
    rotation[HAND.start :] = rotations.exp(np.array([[0.0, radians, 0.0]])) @ rotation[HAND.start :]
    return Poses(rotation, poses(scene).translation)


def test_shade_on_a_face_that_is_turned_aside_is_no_hand(scene, tmp_path):
    files = pictures(scene, tmp_path, hand=False)
    path = turned(scene, 0.7)
    for i in range(HAND.start, COUNT):  # a shadow's edge across the cheek, which no even light explains
        image = read_rgb(files[i])
        image[:, 90:] = (image[:, 90:] * 0.8).astype(np.uint8)
        write_image(files[i], image)

    def seen(learnt: np.ndarray) -> np.ndarray:
        return covered_share(files, path, ALL, learnt, scene.shape, FOCAL, CENTRE)

    assert not covered(seen(ALL)).any()
    front = np.arange(COUNT) < HAND.start
    assert not seen(front)[HAND.start :].any()  # turned as never before: nobody knows
    assert (
        covered(covered_share(files, poses(scene), ALL, front, scene.shape, FOCAL, CENTRE))[HAND.start :].mean() > 0.4
    )


def test_frames_that_are_not_followed_are_not_looked_at(scene, tmp_path):
    files = pictures(scene, tmp_path, hand=True)
    files[4].write_bytes(b"not a picture")
    trusted = np.arange(COUNT) != 4
    assert covered_share(files, poses(scene), trusted, trusted, scene.shape, FOCAL, CENTRE)[4] == 0


def test_from_its_beginning_to_its_end_and_not_across_a_cut():
    values = np.zeros(40)
    values[8:25] = 0.07  # a hand rises, hides a fifth, and goes
    values[12:20] = 0.2
    values[33] = 0.5  # one frame alone is a highlight
    assert np.flatnonzero(covered(values)).tolist() == list(range(8, 25))
    assert not covered(values, cuts=[20])[20:].any()
    assert not covered(np.full(40, COVERED / 4)).any()
