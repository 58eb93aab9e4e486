"""The Gaussians of a training batch, as its cameras see them."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from scene.attributes import Attributes, Offsets
from scene.gaussian_model import GaussianModel
from scene.gaussians import Gaussians
from scene.gpu_kernels import gpu_kernel
from scene.rigid_motion import RigidMotion
from training.losses import offset_loss

KERNEL_TERMS = (0, 3)  # spherical harmonics above the constant one that the GPU's kernel knows: degree 0 or 1


def posed(
    model: GaussianModel,
    at_rest: Attributes,
    offsets: Offsets | None,
    moving: Int[Tensor, "M"],
    motion: RigidMotion,
    positions: Float[Tensor, "B 3"],
) -> tuple[Gaussians, Float[Tensor, ""]]:
    """The head at rest, moved by the ``offsets`` of its ``moving`` Gaussians, activated, and moved as a whole.

    ``positions``: of the cameras. On a GPU one kernel does it, and the colours that come back are constant terms with
    which the Gaussians look as those of higher degree do from there. Returns :func:`offset_loss` as well.
    """
    packed = at_rest.packed
    kernel = gpu_kernel("training.posing_cuda", "Posing") if _fits_gpu(model, packed) else None
    if kernel is None:
        added = None if offsets is None else offsets.attributes
        cost = packed.new_zeros(()) if added is None else offset_loss(added)
        return motion.move(model.activated(at_rest, added, moving)), cost
    count = model.count
    slots = None
    if offsets is not None and len(moving) < count:
        places = torch.arange(len(moving), device=moving.device)
        slots = torch.full((count,), -1, device=moving.device).index_copy(0, moving, places)
    parts = (motion.rotation.flatten(1), motion.translation, motion.left.flatten(1))
    decoded, scale = (None, None) if offsets is None else (offsets.decoded, offsets.scale)
    higher = model.sh_rest.flatten(1)
    *fields, cost = kernel.apply(packed, higher, decoded, scale, slots, torch.cat(parts, dim=-1), positions)
    return Gaussians(*fields), cost


def _fits_gpu(model: GaussianModel, packed: Tensor) -> bool:
    return packed.is_cuda and packed.dtype == torch.float32 and model.sh_rest.shape[1] in KERNEL_TERMS
