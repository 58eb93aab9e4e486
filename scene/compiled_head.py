"""What moves a head faster than the plain modules do, where no gradient is wanted.

On a CPU one compiled pass (:mod:`kernels.cpu.deformation`); on a GPU the plain modules' kernels, recorded and replayed
(:mod:`kernels.cuda.replay`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from arguments.device import on_gpu
from kernels.columns import ATTRIBUTES
from kernels.cpu.deformation import DeformationLayout, deform
from kernels.cpu.kan import PADDED, flat_layers
from kernels.cuda.replay import Replayed
from scene.attention import SpatialQueries
from scene.attributes import Attributes
from scene.deformation import Deformation, SpatialState
from scene.drive import Drive
from scene.gaussian_model import GaussianModel
from scene.gaussians import Gaussians
from scene.kan import KAN

Mover = Callable[[Drive], Gaussians]
"""A head at rest that can be moved: from what drives B frames to the head in each of them."""


@dataclass(frozen=True)
class CompiledHead:
    """A head laid out for the CPU's kernel."""

    deformation: Deformation
    queries: SpatialQueries
    rest: Gaussians  # all N
    layout: DeformationLayout

    @classmethod
    def of(
        cls,
        deformation: Deformation,
        model: GaussianModel,
        at_rest: Attributes,
        spatial: SpatialState,
        moving: Int[Tensor, "M"],
    ) -> CompiledHead | None:
        """The head for the kernel; None where the kernel does not know its decoder, device or type.

        Args:
            deformation: of the head.
            model: of the head.
            at_rest: attributes of all N Gaussians.
            spatial: of the ``moving`` ones.
            moving: the Gaussians whose gates are open, ascending.
        """
        decoder = deformation.decoder
        if not isinstance(decoder, KAN) or on_gpu(at_rest.packed) or at_rest.packed.dtype != torch.float32:
            return None
        features = spatial.field.features
        first, last = decoder.weights(features.shape[1])
        layout = DeformationLayout(
            moving=moving.numpy(),
            shared=decoder.first.partial(features, 0),
            gates=_array(spatial.field.gates[:, 0]),
            raw=_array(at_rest.packed[moving]),
            layers=flat_layers(*first, *last),
            units=_array(functional.pad(deformation.units, (0, PADDED - ATTRIBUTES))),
        )
        return cls(deformation, spatial.queries, model.activated(at_rest), layout)

    def __call__(self, drive: Drive) -> Gaussians:
        attended = self.deformation.attention(self.queries, self.deformation.tokens_of(drive))
        moved = self.rest.map(lambda tensor, _: tensor.expand(len(drive), *tensor.shape).clone())
        deform(attended, self.layout, moved.means, moved.quats, moved.scales, moved.opacities, moved.colors)
        return moved


class RecordedHead:
    """A head on a GPU: its host would need longer to launch the kernels than the GPU to run them."""

    def __init__(self, move: Mover) -> None:
        """``move``: without gradients and without waiting for the device; all it reads but the drive stays in place."""
        self._move = move
        self._replayed = Replayed(self._moved)

    def __call__(self, drive: Drive) -> Gaussians:
        self._like = drive.camera
        camera = drive.camera
        return Gaussians(
            *self._replayed(
                drive.signal, drive.signal_frames, drive.eye, camera.viewmats, camera.intrinsics, drive.body
            )
        )

    def _moved(
        self, signal: Tensor, frames: Tensor, eye: Tensor, viewmats: Tensor, lenses: Tensor, body: Tensor
    ) -> tuple[Tensor, ...]:
        camera = replace(self._like, viewmats=viewmats, intrinsics=lenses)
        moved = self._move(Drive(signal, frames, eye, camera, body))
        return tuple(getattr(moved, field.name) for field in fields(moved))


def _array(x: Tensor) -> Float[np.ndarray, "..."]:
    return x.detach().contiguous().numpy()
