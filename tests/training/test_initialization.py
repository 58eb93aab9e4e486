"""The point cloud that a head starts from."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from media.images import write_image
from tests.tiny_head import SIZE, make_dataset
from training.dataset import TalkingHeadDataset
from training.initialization import initial_cloud, sample_surface


def grid_mesh(side: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A square sheet of side ``side`` in front of the head, 1 decimetre wide."""
    axis = torch.linspace(-0.5, 0.5, side)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    vertices = torch.stack([x, y, torch.full_like(x, 0.4)], dim=-1).reshape(-1, 3)
    i = torch.arange(side * side).reshape(side, side)
    a, b, c, d = i[:-1, :-1], i[:-1, 1:], i[1:, :-1], i[1:, 1:]
    faces = torch.cat([torch.stack([a, b, c], -1).reshape(-1, 3), torch.stack([b, d, c], -1).reshape(-1, 3)])
    return vertices, faces


def dataset_with(tmp_path, vertices, faces) -> TalkingHeadDataset:
    folder = make_dataset(tmp_path / "set")
    state = {"focal": torch.tensor([120.0]), "vertices": vertices.expand(22, *vertices.shape).clone()}
    torch.save(state if faces is None else state | {"faces": faces}, folder.track_params)
    return TalkingHeadDataset(folder.root)


@pytest.mark.parametrize("side", [9, 22, 100])
def test_the_number_of_points_is_what_is_asked_for_whatever_the_tracker(tmp_path, side):
    cloud = initial_cloud(dataset_with(tmp_path, *grid_mesh(side)), 11_000)
    assert cloud.points.shape == (11_000, 3)
    assert np.isfinite(cloud.points).all()
    assert (cloud.spacing > 0).all()


def test_vertices_without_triangles_are_sampled_too(tmp_path):
    vertices, _ = grid_mesh(9)
    cloud = initial_cloud(dataset_with(tmp_path, vertices, None), 2000)
    assert len(np.unique(cloud.points, axis=0)) > 1900


def test_colours_come_from_the_pictures(tmp_path):
    dataset = dataset_with(tmp_path, *grid_mesh(9))
    cloud = initial_cloud(dataset, 3000)
    skin = np.array([200, 160, 140]) / 255
    assert np.abs(np.median(cloud.colors, axis=0) - skin).max() < 0.03


def test_hair_and_ears_get_points_outside_the_tracked_face(tmp_path):
    cloud = initial_cloud(dataset_with(tmp_path, *grid_mesh(9)), 4000)
    beside = np.abs(cloud.points[:, :2]).max(axis=1) > 0.55
    assert beside.mean() > 0.1


def test_without_any_head_pixel_the_face_surface_takes_all_points(tmp_path):
    folder = make_dataset(tmp_path / "set")
    vertices, faces = grid_mesh(9)
    torch.save({"vertices": vertices.expand(22, -1, 3).clone(), "faces": faces}, folder.track_params)
    for i in range(22):
        write_image(folder.parsing_map(i), np.full((SIZE, SIZE, 3), 255, np.uint8))
    cloud = initial_cloud(TalkingHeadDataset(folder.root), 1500)
    assert cloud.points.shape == (1500, 3)
    assert np.allclose(cloud.points[:, 2], 0.4)


def test_views_without_a_head_take_no_point_of_the_hull_away(tmp_path):
    dataset = dataset_with(tmp_path, *grid_mesh(9))
    for i in (2, 8, 15):
        write_image(dataset.folder.parsing_map(i), np.full((SIZE, SIZE, 3), 255, np.uint8))
    cloud = initial_cloud(TalkingHeadDataset(dataset.folder.root), 4000)
    assert (np.abs(cloud.points[:, :2]).max(axis=1) > 0.55).mean() > 0.1


def test_nothing_of_lost_frames_is_in_the_cloud(tmp_path):
    dataset = dataset_with(tmp_path, *grid_mesh(9))
    lost = list(range(12))  # most of the twenty: a median alone would follow them
    dataset.folder.update_record(lost_frames=lost)
    dataset = TalkingHeadDataset(dataset.folder.root)
    expected = initial_cloud(dataset, 3000)
    track = torch.load(dataset.folder.track_params, weights_only=True)
    track["vertices"][lost] += 3.0
    torch.save(track, dataset.folder.track_params)
    for i in lost:
        write_image(dataset.folder.ground_truth_image(i), np.full((SIZE, SIZE, 3), (0, 255, 0), np.uint8))
        write_image(dataset.folder.parsing_map(i), np.full((SIZE, SIZE, 3), (0, 0, 255), np.uint8))
    cloud = initial_cloud(TalkingHeadDataset(dataset.folder.root), 3000)
    assert np.array_equal(cloud.points, expected.points) and np.array_equal(cloud.colors, expected.colors)


def test_the_surface_is_sampled_by_area():
    vertices = np.array([[0, 0, 0], [3, 0, 0], [0, 1, 0], [0, -1, 0], [1, 0, 0]], float)
    faces = np.array([[0, 1, 2], [0, 3, 4]])  # areas 1.5 and 0.5
    points = sample_surface(vertices, faces, 4000, np.random.default_rng(0))
    assert (points[:, 1] > 0).mean() == pytest.approx(0.75, abs=0.03)
    assert points[:, 2].any() == 0
