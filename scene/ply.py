"""Gaussians as a PLY file that viewers of 3D Gaussian Splatting open."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from plyfile import PlyData, PlyElement

from arguments.atomic import atomic_path
from scene.gaussians import Gaussians


def write_ply(path: Path | str, gaussians: Gaussians) -> None:
    """Write an unbatched head: x y z, f_dc_*, f_rest_*, opacity (logit), scale_* (logarithm), rot_* (w x y z).

    The property names and the channel-major order of ``f_rest`` are those of 3D Gaussian Splatting's own files.
    """
    rest = gaussians.colors[:, 1:].transpose(1, 2).flatten(1)
    columns = {
        **dict(zip("xyz", gaussians.means.T, strict=True)),
        **{name: torch.zeros(gaussians.count) for name in ("nx", "ny", "nz")},
        **{f"f_dc_{i}": gaussians.colors[:, 0, i] for i in range(3)},
        **{f"f_rest_{i}": rest[:, i] for i in range(rest.shape[1])},
        "opacity": torch.logit(gaussians.opacities.clamp(1e-6, 1 - 1e-6)),
        **{f"scale_{i}": gaussians.scales[:, i].log() for i in range(3)},
        **{f"rot_{i}": gaussians.quats[:, i] for i in range(4)},
    }
    rows = np.empty(gaussians.count, dtype=[(name, "f4") for name in columns])
    for name, values in columns.items():
        rows[name] = values.detach().cpu().numpy()
    with atomic_path(path) as temporary:
        PlyData([PlyElement.describe(rows, "vertex")]).write(str(temporary))
