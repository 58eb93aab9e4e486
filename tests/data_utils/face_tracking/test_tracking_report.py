import numpy as np

from data_utils.face_tracking.perspective import Poses
from data_utils.face_tracking.tracking_report import jitter, write_tracking_report
from media.images import read_rgb


def poses(scene):
    return Poses(scene.rotation, scene.translation)


def test_jitter_is_the_noise_in_pixels(scene):
    centre = (scene.size / 2, scene.size / 2)
    smooth = poses(scene)
    pixel = -scene.translation[:, 2:] / scene.focal
    noise = np.random.default_rng(0).normal(0, 1, (len(smooth), 2)) * 0.5 * pixel
    shaken = Poses(smooth.rotation, smooth.translation + np.pad(noise, ((0, 0), (0, 1))))
    assert jitter(smooth, scene.focal, centre) < 0.05
    assert abs(jitter(shaken, scene.focal, centre) - 0.5) < 0.12


def test_the_page_shows_curves_and_greys_out_lost_frames(scene, tmp_path):
    count = len(scene.rotation)
    trust = np.ones(count)
    pages = []
    for lost in (0, 30):
        trust[:lost] = 0
        target = tmp_path / f"{lost}.png"
        centre = (scene.size / 2, scene.size / 2)
        write_tracking_report(target, poses(scene), scene.focal, centre, np.ones(count), trust)
        pages.append(read_rgb(target))
    assert pages[0].shape[0] > 600 and pages[0].std() > 10
    grey = [(page == 204).all(axis=-1).mean() for page in pages]
    assert grey[0] < 0.01 < 0.1 < grey[1]
