"""transforms_train.json and transforms_val.json: the tracked poses in the NeRF convention, in metres.

Units and signs are those that AD-NeRF's preprocessing laid down and ER-NeRF and GaussianTalker read: a track counts
decimetres, these files a tenth as many metres.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, Float64

from arguments.atomic import write_json
from arguments.dataset_folder import DatasetFolder, num_train_frames
from arguments.errors import EGSTalkerError
from data_utils.cures import cure
from data_utils.track_file import decimetres_in, open_track

DECIMETRES = 10  # in a metre


def write_transforms(folder: DatasetFolder, num_frames: int, size: tuple[int, int]) -> None:
    """Write both files from track_params.pt for pictures of ``size`` (width, height).

    Raises:
        EGSTalkerError: track_params.pt is not whole, does not fit the frames, or holds values that are not finite.
    """
    focal, (euler, trans) = read_poses(folder, num_frames)
    trans = trans * decimetres_in(float(np.median(np.linalg.norm(trans, axis=1))))
    matrices = camera_to_world(euler, trans / DECIMETRES)
    width, height = size
    frames = [{"img_id": i, "aud_id": i, "transform_matrix": matrix.tolist()} for i, matrix in enumerate(matrices)]
    head: dict[str, Any] = {"focal_len": focal, "cx": width / 2, "cy": height / 2, "w": width, "h": height}
    split = num_train_frames(num_frames)
    write_json(folder.transforms_train, {**head, "frames": frames[:split]})
    write_json(folder.transforms_val, {**head, "frames": frames[split:]})


def read_poses(
    folder: DatasetFolder, num_frames: int
) -> tuple[float, tuple[Float64[np.ndarray, "N 3"], Float64[np.ndarray, "N 3"]]]:
    """Focal length in pixels, euler angles [N, 3] in radians and translations [N, 3] in decimetres of track_params.pt.

    Raises: as :func:`write_transforms`.
    """
    again = f"{cure(folder, 8)}"
    try:
        track = open_track(folder.track_params)
        focal = float(track["focal"].reshape(-1)[0])
        euler, trans = (track[name].double().numpy() for name in ("euler", "trans"))
    except (OSError, RuntimeError, KeyError, AttributeError, IndexError, EOFError, ValueError, TypeError) as error:
        raise EGSTalkerError(f"{folder.track_params} is not a whole track; {again}") from error
    except Exception as error:  # torch's own unpickling errors share no narrower type
        raise EGSTalkerError(f"{folder.track_params} is not a track that can be loaded safely; {again}") from error
    if euler.shape != (num_frames, 3) or trans.shape != (num_frames, 3):
        raise EGSTalkerError(f"track_params.pt has {len(euler)} poses for {num_frames} frames; {again}")
    if not (np.isfinite(euler).all() and np.isfinite(trans).all() and 0 < focal < np.inf):
        raise EGSTalkerError(f"track_params.pt holds values that are not finite; {again}")
    return focal, (euler, trans)


def camera_to_world(euler: Float[np.ndarray, "N 3"], trans: Float[np.ndarray, "N 3"]) -> Float64[np.ndarray, "N 4 4"]:
    """Camera-to-world matrices [N, 4, 4], NeRF convention (x right, y up, z back), of a head pose per frame.

    The pose maps head to camera coordinates: X_cam = R X_head + trans with R = Rx(e0) Ry(e1) Rz(-e2).

    Args:
        euler: [N, 3] radians.
        trans: [N, 3]; the result has its unit.
    """
    rotation = _about(0, euler[:, 0]) @ _about(1, euler[:, 1]) @ _about(2, -euler[:, 2])
    matrices = np.zeros((len(euler), 4, 4))
    matrices[:, :3, :3] = rotation.transpose(0, 2, 1)
    matrices[:, :3, 3] = -np.einsum("nji,nj->ni", rotation, trans)
    matrices[:, 3, 3] = 1
    return matrices


def _about(axis: int, angle: Float[np.ndarray, "N"]) -> Float64[np.ndarray, "N 3 3"]:
    matrices = np.zeros((len(angle), 3, 3))
    b, c = (axis + 1) % 3, (axis + 2) % 3
    matrices[:, axis, axis] = 1
    matrices[:, b, b] = matrices[:, c, c] = np.cos(angle)
    matrices[:, c, b] = np.sin(angle)
    matrices[:, b, c] = -np.sin(angle)
    return matrices
