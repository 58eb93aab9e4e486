"""Another head's turns, as far as a person's clip has turned."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from data_utils.face_tracking import rotations

FARTHEST = (2, 98)  # percentiles of the clip's turns that are its limits
EASED = 2.0  # frames: landmarks alone tremble, and a head that nods does it in half a second
_STILL = 1e-3  # rad: a limit of a head that does not turn


def turned_poses(
    turning: Float[np.ndarray, "N 3 3"], lent: Float[Tensor, "N 4 4"], seen: Float[Tensor, "M 4 4"]
) -> Float[Tensor, "N 4 4"]:
    """Poses that turn as another head does, about the person's mean and the places that the person's frames lend.

    About each of the head's axes a turn is taken as it is while it is small, and comes to its limit gently: a head that
    was never seen from farther aside falls apart there, and so does its neck.

    Args:
        turning: head to camera, of the other head.
        lent: head to camera (as Camera.viewmats), of the frames that lend torso and place.
        seen: the same of all frames that tell how far the person turns.

    Returns:
        head to camera.
    """
    turn = gaussian_filter1d(rotations.log(rotations.mean(turning).T @ turning), EASED, axis=0, mode="nearest")
    known = seen[:, :3, :3].double().numpy()
    middle = rotations.mean(known)
    low, high = np.percentile(rotations.log(middle.T @ known), FARTHEST, axis=0)
    low, high = np.minimum(low, -_STILL), np.maximum(high, _STILL)
    limit = np.where(turn > 0, high, low)
    poses = lent.clone()
    poses[:, :3, :3] = torch.from_numpy(middle @ rotations.exp(limit * np.tanh(turn / limit))).to(lent)
    return poses
