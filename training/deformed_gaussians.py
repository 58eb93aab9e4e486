"""The Gaussians of a training batch, as its cameras see them."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from arguments.device import kind_of
from kernels.table import twin
from scene.attributes import Attributes, Offsets
from scene.gaussian_model import GaussianModel
from scene.gaussians import Gaussians
from scene.rigid_motion import RigidMotion
from training.losses import OFFSET_COSTS, offset_loss


def deformed_gaussians(
    model: GaussianModel,
    at_rest: Attributes,
    offsets: Offsets | None,
    moving: Int[Tensor, "M"],
    motion: RigidMotion,
    positions: Float[Tensor, "B 3"],
) -> tuple[Gaussians, Float[Tensor, ""]]:
    """The head at rest, deformed by the ``offsets`` of its ``moving`` Gaussians, activated, and moved as a whole.

    ``positions``: of the cameras. On a GPU one kernel does it, and the colours that come back are constant terms with
    which the Gaussians look as those of higher degree do from there. Returns :func:`offset_loss` as well.
    """
    packed = at_rest.packed
    kernel = twin("training.deformed_gaussians.deformed_gaussians", kind_of(packed))
    if kernel is not None:
        decoded, scale = (None, None) if offsets is None else (offsets.decoded, offsets.scale)
        flat = torch.cat([motion.rotation.flatten(1), motion.translation, motion.left.flatten(1)], dim=-1)
        served = kernel(packed, model.sh_rest, decoded, scale, moving, flat, positions, OFFSET_COSTS)
        if served is not NotImplemented:
            *fields, cost = served
            return Gaussians(*fields), cost
    added = None if offsets is None else offsets.attributes
    cost = packed.new_zeros(()) if added is None else offset_loss(added)
    return motion.move(model.activated(at_rest, added, moving)), cost
