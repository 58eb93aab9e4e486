"""What a dataset says of a face."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from arguments.errors import EGSTalkerError
from motion.face_measures import POINTS, aligned, chosen_points, landmark_gap, measure_face
from tests.tiny_head import make_dataset


def landmarks(frames: int = 6) -> np.ndarray:
    """68 random landmarks whose lips open by half an eye distance over the frames, in pixels."""
    marks = np.random.default_rng(0).uniform(100, 200, (68, 2)) + np.zeros((frames, 1, 1))
    marks[:, 36], marks[:, 45] = (110, 120), (190, 120)
    opening = np.linspace(0, 40, frames)
    for above, below, x in ((61, 67, 140), (62, 66, 150), (63, 65, 160)):
        marks[:, above] = (x, 170)
        marks[:, below, 0], marks[:, below, 1] = x, 170 + opening
    return marks


def moved(marks: np.ndarray, scale: float, angle: float, by: tuple[float, float]) -> np.ndarray:
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return scale * marks @ turn.T + by


def test_the_gap_is_that_of_the_inner_lips_over_the_eyes_distance():
    assert landmark_gap(landmarks()) == pytest.approx(np.linspace(0, 0.5, 6))


def test_the_gap_does_not_know_how_near_or_rolled_a_face_is():
    assert landmark_gap(moved(landmarks(), 2.5, 0.4, (-30, 90))) == pytest.approx(np.linspace(0, 0.5, 6))


def test_alignment_takes_place_size_and_roll_away_and_leaves_the_expression():
    marks = landmarks()
    nods = np.stack([moved(one, 1 + 0.1 * i, 0.1 * i, (7 * i, -3 * i)) for i, one in enumerate(marks)])
    straight, plain = aligned(nods), aligned(marks)
    turned = (straight[0, 45] - straight[0, 36]) @ (plain[0, 45] - plain[0, 36])
    assert turned == pytest.approx(0.9**2, abs=1e-3)  # decimetres
    assert np.ptp(straight[:, 36:48], axis=0).max() < 1e-9  # nothing but lips moves
    assert straight[-1, 66, 1] - straight[0, 66, 1] == pytest.approx(-0.45, abs=1e-3)  # y is up
    assert plain == pytest.approx(straight)


def test_landmarks_at_one_point_give_finite_numbers():
    everywhere = np.full((4, 68, 2), 30.0)
    assert np.isfinite(aligned(everywhere)).all() and (landmark_gap(everywhere) == 0).all()


def test_a_small_mesh_is_taken_whole_and_a_dense_one_where_it_moves():
    generator = torch.Generator().manual_seed(0)
    small = torch.randn(5, 300, 3, generator=generator)
    assert torch.equal(chosen_points(small), torch.arange(300))
    face_mesh = torch.randn(5, 478, 3, generator=generator)
    assert len(chosen_points(face_mesh).unique()) == POINTS
    dense = torch.zeros(9, 20_000, 3)
    dense[:, 500:700, 1] = torch.randn(9, 1, generator=generator)  # one per cent moves
    chosen = chosen_points(dense)
    moving = ((chosen >= 500) & (chosen < 700)).sum()
    assert len(chosen) <= POINTS and len(chosen.unique()) == len(chosen)
    assert moving > 150 and len(chosen) - moving > 150


def test_all_vertices_of_a_small_mesh_are_chosen():
    assert chosen_points(torch.zeros(7, 60, 3)).tolist() == list(range(60))
    assert len(torch.unique(chosen_points(torch.zeros(7, 478, 3)))) == POINTS


def test_of_a_dense_mesh_what_moves_is_chosen_more_often():
    vertices = torch.zeros(40, 20_000, 3)
    lips = slice(8_000, 8_400)
    vertices[:, lips, 1] = torch.sin(torch.arange(40.0))[:, None] * 0.1
    rows = chosen_points(vertices.half())
    assert len(rows) <= POINTS and len(torch.unique(rows)) == len(rows)
    among_lips = ((rows >= lips.start) & (rows < lips.stop)).sum()
    assert 0.3 * POINTS < among_lips < 0.6 * POINTS
    others = rows[(rows < lips.start) | (rows >= lips.stop)]
    assert others.diff().max() < 600  # and the rest of the face is covered evenly


def test_of_a_dense_mesh_that_never_moves_all_parts_are_chosen():
    rows = chosen_points(torch.zeros(5, 30_000, 3))
    assert len(rows) == POINTS and rows.diff().max() < 80


def test_vertices_of_the_track_are_the_points_where_there_are_some(tmp_path):
    folder = make_dataset(tmp_path / "set", num_frames=12)
    blink = np.linspace(0, 1, 12)
    face = measure_face(folder, blink)
    vertices = torch.load(folder.track_params, weights_only=True)["vertices"]
    assert face.points.shape == (12, 5, 3) and len(face) == 12
    assert face.points == pytest.approx(vertices[:12].double().numpy())
    assert np.array_equal(face.blink, blink) and face.gap.std() > 0.01


def test_landmarks_stand_in_for_vertices(tmp_path):
    folder = make_dataset(tmp_path / "set", num_frames=12)
    torch.save({"focal": torch.tensor([120.0])}, folder.track_params)
    face = measure_face(folder, np.zeros(12))
    assert face.points.shape == (12, 68, 2) and np.isfinite(face.points).all()
    lower_lip = face.points[:, 65:68, 1].mean(1)
    assert np.corrcoef(lower_lip, face.gap)[0, 1] < -0.99


@pytest.mark.parametrize("damage", ["cut", "few", "nan", "flat", "text"])
def test_a_damaged_track_is_one_line(tmp_path, damage):
    folder = make_dataset(tmp_path / "set", num_frames=12)
    vertices = torch.zeros(12, 5, 3)
    if damage == "cut":
        folder.track_params.write_bytes(folder.track_params.read_bytes()[:100])
    elif damage == "text":
        torch.save({"vertices": "none"}, folder.track_params)
    elif damage == "few":
        torch.save({"vertices": vertices[:7]}, folder.track_params)
    elif damage == "flat":
        torch.save({"vertices": vertices[..., 0]}, folder.track_params)
    else:
        vertices[3, 2, 1] = torch.nan
        torch.save({"vertices": vertices}, folder.track_params)
    with pytest.raises(EGSTalkerError, match=r"is damaged; run preprocess\.sh with --task 8") as refused:
        measure_face(folder, np.zeros(12))
    assert "\n" not in str(refused.value)


def test_missing_landmarks_are_one_line(tmp_path):
    folder = make_dataset(tmp_path / "set", num_frames=12)
    folder.landmarks(4).unlink()
    with pytest.raises(EGSTalkerError) as refused:
        measure_face(folder, np.zeros(12))
    assert "\n" not in str(refused.value)
