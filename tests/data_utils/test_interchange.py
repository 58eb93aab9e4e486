"""A dataset made here against what GaussianTalker's and ER-NeRF's loaders expect of one.

The expectations are facts about the files, read in GaussianTalker's scene/talking_dataset_readers.py and
training/dataset.py and in ER-NeRF's nerf_triplane/provider.py; each test names the one that asks for it.
"""

import json

import cv2
import numpy as np
import pandas as pd
import pytest
import torch

SPLITS = ("train", "val")


@pytest.fixture(scope="module")
def transforms(dataset):
    return {split: json.loads((dataset.root / f"transforms_{split}.json").read_text()) for split in SPLITS}


@pytest.fixture(scope="module")
def track(dataset):
    return torch.load(dataset.track_params, weights_only=True)


def right_handed(axis, angle):
    """[N, 3, 3]: rotations about x, y or z."""
    vectors = np.zeros((len(angle), 3))
    vectors[:, axis] = angle
    return np.array([cv2.Rodrigues(vector)[0] for vector in vectors])


def seen_at(points, intrinsics):
    """Pixels [N, V, 2] of points [N, V, 3] before cameras that look along -z with y up."""
    focal, cx, cy = intrinsics
    return np.stack([cx - focal * points[..., 0] / points[..., 2], cy + focal * points[..., 1] / points[..., 2]], -1)


def landmarks_of(dataset, num_frames):
    return np.stack([np.loadtxt(dataset.root / "ori_imgs" / f"{i}.lms") for i in range(num_frames)])


def test_transforms_have_the_keys_that_both_read(transforms):
    for content in transforms.values():
        assert {"focal_len", "cx", "cy", "frames"} <= set(content)
        for entry in content["frames"]:
            assert isinstance(entry["img_id"], int) and isinstance(entry["aud_id"], int)
            assert np.array(entry["transform_matrix"], np.float32).shape == (4, 4)
    numbers = [entry["img_id"] for split in SPLITS for entry in transforms[split]["frames"]]
    assert numbers == list(range(60))  # from 0, training first: GaussianTalker's time line


def test_every_frame_has_the_files_that_both_open(dataset, transforms):
    width, height = int(transforms["train"]["w"]), int(transforms["train"]["h"])
    assert (width, height) == (int(transforms["train"]["cx"]) * 2, int(transforms["train"]["cy"]) * 2)  # ER-NeRF
    for i in range(0, 60, 7):
        for name in (f"ori_imgs/{i}.jpg", f"gt_imgs/{i}.jpg", f"parsing/{i}.png"):
            picture = cv2.imread(str(dataset.root / name), cv2.IMREAD_UNCHANGED)
            assert (picture.shape, picture.dtype) == ((height, width, 3), np.uint8)
        torso = cv2.imread(str(dataset.root / f"torso_imgs/{i}.png"), cv2.IMREAD_UNCHANGED)
        assert (torso.shape, torso.dtype) == ((height, width, 4), np.uint8)
    background = cv2.imread(str(dataset.root / "bc.jpg"), cv2.IMREAD_UNCHANGED)
    assert background.shape == (height, width, 3)


def test_parsing_has_four_exact_colours_and_the_heads_is_blue(dataset):
    colours = {(255, 255, 255), (255, 0, 0), (0, 255, 0), (0, 0, 255)}  # BGR: background, head, neck, torso
    for i in range(0, 60, 20):
        parsing = cv2.imread(str(dataset.root / f"parsing/{i}.png"))
        assert {tuple(colour) for colour in np.unique(parsing.reshape(-1, 3), axis=0).tolist()} <= colours
        head = (parsing[..., 0] == 255) & (parsing[..., 1] == 0) & (parsing[..., 2] == 0)  # GaussianTalker's mask
        x, y = np.loadtxt(dataset.root / f"ori_imgs/{i}.lms")[30].astype(int)
        assert 0.05 < head.mean() < 0.6 and head[y, x]  # the tip of the nose


def test_torso_over_background_is_the_truth_outside_the_head(dataset):
    background = cv2.imread(str(dataset.root / "bc.jpg")).astype(float)
    torso = cv2.imread(str(dataset.root / "torso_imgs/20.png"), cv2.IMREAD_UNCHANGED).astype(float)
    alpha = torso[..., 3:] / 255
    composite = torso[..., :3] * alpha + background * (1 - alpha)
    parsing = cv2.imread(str(dataset.root / "parsing/20.png"))
    head = cv2.dilate(((parsing[..., 0] == 255) & (parsing[..., 1] == 0)).astype(np.uint8), np.ones((9, 9))) > 0
    truth = cv2.imread(str(dataset.root / "gt_imgs/20.jpg")).astype(float)
    assert np.abs(composite - truth)[~head].mean() < 3


def test_landmarks_are_68_points_that_span_face_eyes_and_lips(dataset):
    for points in landmarks_of(dataset, 60)[::10]:
        assert points.shape == (68, 2) and points.min() >= 0 and points.max() < 192
        for part in (slice(0, 68), slice(36, 48), slice(48, 60)):  # boxes of whole pixels, x and y
            assert (np.ptp(points[part].astype(int), axis=0) >= (20, 2)).all()
        assert int(points[31:36, 1].min()) < int(points[:, 1].max())  # ER-NeRF's lower half


def test_blinks_are_in_a_column_whose_name_begins_with_a_space(dataset):
    blinks = pd.read_csv(dataset.root / "au.csv")[" AU45_r"].values  # both: no skipinitialspace
    assert len(blinks) == 60 and blinks.dtype == np.float64
    assert blinks.min() >= 0 and blinks.max() <= 5


def test_audio_features_have_a_row_for_every_frame(dataset):
    features = np.load(dataset.root / "aud_ds.npy", allow_pickle=False)
    assert len(features) >= 60 and features.dtype == np.float32 and np.isfinite(features).all()


def test_the_track_has_the_tensors_that_gaussiantalker_reads(track):
    assert {name: tuple(track[name].shape) for name in ("focal", "euler", "trans")} == {
        "focal": (1,),
        "euler": (60, 3),
        "trans": (60, 3),
    }
    vertices = track["vertices"]
    assert vertices.shape[::2] == (60, 3) and vertices.shape[1] >= 468
    assert all(track[name].dtype == torch.float32 for name in ("focal", "euler", "trans", "vertices"))
    assert 0.5 < vertices.abs().max() < 2.5  # decimetres, as BFM's


def test_gaussiantalkers_cameras_put_the_vertices_on_the_landmarks(dataset, track, transforms):
    euler, trans = track["euler"].double().numpy(), track["trans"].double().numpy()
    x, y, z = euler.T  # its euler2rot turns right-handed about x and y and left-handed about z
    rotation = right_handed(0, x) @ right_handed(1, y) @ right_handed(2, -z)
    in_camera = track["vertices"].double().numpy() @ rotation.transpose(0, 2, 1) + trans[:, None]
    content = transforms["train"]
    pixels = seen_at(in_camera, (content["focal_len"], content["cx"], content["cy"]))
    nose_and_chin = landmarks_of(dataset, 60)[:, [30, 8]]
    assert np.abs(pixels[:, [4, 152]] - nose_and_chin).mean() < 1.5


def test_ernerfs_cameras_put_the_vertices_on_the_landmarks_at_a_tenth_of_the_scale(dataset, track, transforms):
    entries = [entry for split in SPLITS for entry in transforms[split]["frames"]]
    to_world = np.array([entry["transform_matrix"] for entry in entries])
    metres = track["vertices"].double().numpy() / 10
    in_camera = (metres - to_world[:, None, :3, 3]) @ to_world[:, :3, :3]
    content = transforms["train"]
    pixels = seen_at(in_camera, (content["focal_len"], content["cx"], content["cy"]))
    assert np.abs(pixels[:, [4, 152]] - landmarks_of(dataset, 60)[:, [30, 8]]).mean() < 1.5


def test_ernerfs_box_holds_the_head_and_not_the_camera(track, transforms):
    scale, bound = 4, 1  # its defaults
    entries = transforms["train"]["frames"]
    distance = np.linalg.norm([np.array(entry["transform_matrix"])[:3, 3] for entry in entries], axis=1) * scale
    assert distance.min() > 1.5 and distance.max() < 8
    assert np.abs(track["vertices"].numpy()).max() / 10 * scale < bound
