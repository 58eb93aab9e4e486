"""68 landmarks by the face alignment network 2DFAN-4, from its TorchScript weights.

Bulat and Tzimiropoulos, "How far are we from solving the 2D & 3D Face Alignment problem?" (ICCV 2017): an RGB crop of
256 x 256 pixels, 0..1, becomes 68 heat maps of 64 x 64. The crop's side is the sum of the face box's sides times 200
over 195, its centre the box's, raised by 12 % of the height. The package face-alignment itself is not needed.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Float64, UInt8

from arguments.device import fastest_device
from arguments.errors import EGSTalkerError
from data_utils.face_tracking.morphable_model import NUM_LANDMARKS
from media.images import read_rgb

MODELS = Path(__file__).parent / "models"
_CROP, _MAP = 256, 64
_BATCH = 8
_BOX_SIZE, _RAISED, _UNIT = 195.0, 0.12, 200.0


def weights_file() -> Path | None:
    """The network's file in MODELS, 2DFAN4*.zip as face-alignment distributes it, or None where there is none."""
    return next(iter(sorted(MODELS.glob("2DFAN4*.zip"))), None)


def detect_68(frames: list[Path], boxes: Float64[np.ndarray, "N 4"], weights: Path) -> Float64[np.ndarray, "N 68 2"]:
    """Landmarks [N, 68, 2] in pixels of the N image files.

    Args:
        boxes: [N, 4] left, top, right, bottom of the face from brows to chin, pixels.
        weights: a TorchScript archive (its code is PyTorch's own, restricted language).

    Raises:
        EGSTalkerError: the weights are damaged or of another network, or an image is unreadable.
    """
    device = fastest_device()
    again = f"delete {weights} and run ./download_models.sh"
    try:
        network = torch.jit.load(str(weights), map_location=device).eval()
    except (RuntimeError, ValueError, OSError) as error:
        raise EGSTalkerError(f"{weights} is not the TorchScript archive that it should be; {again}") from error
    landmarks = np.empty((len(frames), NUM_LANDMARKS, 2))
    for start in range(0, len(frames), _BATCH):
        rows = slice(start, start + _BATCH)
        corners, sides = _crops(boxes[rows])
        crops = [_crop(path, *window) for path, *window in zip(frames[rows], corners, sides, strict=True)]
        batch = torch.from_numpy(np.stack(crops)).to(device).permute(0, 3, 1, 2).float() / 255
        with torch.inference_mode():
            try:
                maps = network(batch)
            except RuntimeError as error:
                raise EGSTalkerError(f"{weights} does not run as 2DFAN-4; {again}") from error
        if not isinstance(maps, torch.Tensor) or maps.shape != (len(crops), NUM_LANDMARKS, _MAP, _MAP):
            raise EGSTalkerError(f"{weights} does not give 68 heat maps; {again}")
        landmarks[rows] = corners[:, None] + peaks(maps.double().cpu().numpy()) * (sides / _MAP)[:, None, None]
    return landmarks


def peaks(maps: Float64[np.ndarray, "N P H W"]) -> Float64[np.ndarray, "N P 2"]:
    """Where heat maps [N, P, H, W] peak, [N, P, 2] as x, y in cells (the first cell's centre is 0.5, 0.5).

    The centre of gravity of the nine cells around the largest.
    """
    height, width = maps.shape[2:]
    flat = maps.reshape(*maps.shape[:2], -1).argmax(-1)
    row, column = np.clip(flat // width, 1, height - 2), np.clip(flat % width, 1, width - 2)
    near = np.arange(-1, 2)
    n, p = np.ogrid[: maps.shape[0], : maps.shape[1]]
    rows, columns = row[..., None, None] + near[:, None], column[..., None, None] + near
    patch = np.maximum(maps[n[..., None, None], p[..., None, None], rows, columns], 0) + 1e-12
    total = patch.sum((-1, -2))
    x = (patch.sum(-2) * near).sum(-1) / total + column
    y = (patch.sum(-1) * near).sum(-1) / total + row
    return np.stack([x, y], axis=-1) + 0.5


def _crops(boxes: Float64[np.ndarray, "N 4"]) -> tuple[Float64[np.ndarray, "N 2"], Float64[np.ndarray, "N"]]:
    """Top left corners [N, 2] and sides [N] in pixels."""
    size = boxes[:, 2:] - boxes[:, :2]
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2 - np.stack([np.zeros(len(boxes)), _RAISED * size[:, 1]], axis=-1)
    sides = _UNIT * size.sum(axis=1) / _BOX_SIZE
    return centre - sides[:, None] / 2, sides


def _crop(path: Path, corner: Float64[np.ndarray, "2"], side: float) -> UInt8[np.ndarray, "256 256 3"]:
    """The square of an image file as RGB [256, 256, 3]; black beyond the image."""
    scale = _CROP / side
    x, y = scale * (0.5 - corner) - 0.5  # cv2's pixel centres are whole numbers
    matrix = np.array([[scale, 0, x], [0, scale, y]])
    return cv2.warpAffine(read_rgb(path), matrix, (_CROP, _CROP), flags=cv2.INTER_LINEAR).astype(np.uint8, copy=False)
