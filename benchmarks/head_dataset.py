"""A made-up dataset folder: a head-like cloud of Gaussians turns and its face moves, before a grey wall."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from arguments.dataset_folder import DatasetFolder, num_train_frames
from benchmarks.head_cloud import COVERED, DISTANCE, HALF_AXES, head_cloud
from data_utils.audio_features.log_mel_phones import DIMENSION
from gaussian_renderer.render import render
from media.images import write_image
from scene.cameras import Camera, nerf_to_opencv


def write_head_dataset(root: Path, size: int, num_frames: int = 33) -> DatasetFolder:
    """Write ``num_frames`` pictures of ``size`` x ``size`` pixels with everything that training reads."""
    folder = DatasetFolder(root)
    for path in (folder.frames, folder.parsing, folder.torso, folder.ground_truth):
        path.mkdir(parents=True)
    generator = np.random.default_rng(0)
    opening = 0.5 + 0.5 * np.sin(np.arange(num_frames) * 0.9)
    features = generator.normal(0, 0.3, (num_frames, DIMENSION)) + opening[:, None]
    np.save(folder.audio_features, features.astype(np.float32))
    folder.action_units.write_text(
        "frame,AU45_r\n" + "".join(f"{i + 1},{5.0 * (i % 9 == 4)}\n" for i in range(num_frames))
    )
    wall = np.full((size, size, 3), 128, np.uint8)
    write_image(folder.background, wall)
    focal = size * DISTANCE / COVERED
    head = head_cloud(20_000)
    entries = []
    for i in range(num_frames):
        pose = _pose(0.15 * math.sin(i))
        camera = Camera.from_focal(nerf_to_opencv(torch.from_numpy(pose).float())[None], focal, size, size)
        moved = replace(head, means=head.means - _jaw(head.means, opening[i]))
        output = render(moved, camera, torch.full((1, size, size, 3), 0.5))
        picture = (output.image[0].clamp(0, 1) * 255).round().byte().numpy()
        parsing = np.full((size, size, 3), 255, np.uint8)
        parsing[output.alpha[0, ..., 0].numpy() > 0.5] = (0, 0, 255)
        write_image(folder.frame(i), picture)
        write_image(folder.ground_truth_image(i), picture)
        write_image(folder.parsing_map(i), parsing)
        write_image(folder.torso_image(i), np.zeros((size, size, 4), np.uint8))
        np.savetxt(folder.landmarks(i), size * generator.uniform((0.4, 0.3), (0.6, 0.8), (68, 2)))
        entries.append({"img_id": i, "aud_id": i, "transform_matrix": pose.tolist()})
    cut = num_train_frames(num_frames)
    for path, frames in ((folder.transforms_train, entries[:cut]), (folder.transforms_val, entries[cut:])):
        path.write_text(json.dumps({"focal_len": focal, "cx": size / 2, "cy": size / 2, "frames": frames}))
    vertices, faces = _front(22)
    tracked = torch.stack([vertices - _jaw(vertices, amount) for amount in opening])
    torch.save({"focal": torch.tensor([focal]), "vertices": tracked, "faces": faces}, folder.track_params)
    return folder


def _jaw(points: torch.Tensor, amount: float) -> torch.Tensor:
    """How far points of the chin go down (decimetres) as the mouth opens by 0..1."""
    down = torch.zeros_like(points)
    down[:, 1] = 0.1 * amount * (points[:, 1] < -0.5) * (points[:, 2] > 0)
    return down


def _pose(yaw: float) -> np.ndarray:
    """Camera-to-world matrix of a camera that looks at the head from ``yaw`` radians to its side."""
    pose = np.eye(4)
    pose[0, 0] = pose[2, 2] = math.cos(yaw)
    pose[0, 2], pose[2, 0] = math.sin(yaw), -math.sin(yaw)
    pose[:3, 3] = DISTANCE * pose[:3, 2]
    return pose


def _front(side: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A mesh of ``side`` x ``side`` vertices on the front of the ellipsoid, and its triangles."""
    angle = torch.linspace(-0.9, 0.9, side)
    pitch, yaw = torch.meshgrid(angle, angle, indexing="ij")
    unit = torch.stack([yaw.sin() * pitch.cos(), pitch.sin(), yaw.cos() * pitch.cos()], dim=-1)
    i = torch.arange(side * side).reshape(side, side)
    a, b, c, d = (x.reshape(-1) for x in (i[:-1, :-1], i[:-1, 1:], i[1:, :-1], i[1:, 1:]))
    faces = torch.cat([torch.stack([a, b, c], -1), torch.stack([b, d, c], -1)])
    return unit.reshape(-1, 3) * torch.tensor(HALF_AXES), faces
