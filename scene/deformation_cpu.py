"""The moved head on a CPU, in one pass over the Gaussians that move: both layers of the KAN decoder and activation.

Twin of ``Deformation.forward`` and ``GaussianModel.activated`` without gradients. Everything that frames share is
prepared once. A block of Gaussians goes all the way from what it hears to its attributes while its numbers, and each
node's weights, are in the first-level cache; the plain implementation goes through memory some forty times.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from numba import njit, prange
from torch import Tensor
from torch.nn import functional

from scene.attention import SpatialQueries
from scene.attributes import ATTRIBUTES
from scene.deformation import Deformation, SpatialState
from scene.frames import Drive
from scene.gaussian_model import LOG_SCALES, GaussianModel
from scene.gaussians import Gaussians
from scene.kan import KAN
from scene.kan_cpu import PADDED, FlatLayers, two_layers
from scene.numba_threads import kernels


@dataclass(frozen=True)
class CompiledHead:
    """A head laid out for the kernel: all that frames share, computed once."""

    deformation: Deformation
    queries: SpatialQueries
    rest: Gaussians  # all N
    moving: Int[np.ndarray, "M"]
    shared: Float[Tensor, "M W"]  # what the first layer makes of the spatial features
    gates: Float[np.ndarray, "M"]
    raw: Float[np.ndarray, "M 14"]  # attributes at rest before activation, in the decoder's order
    layers: FlatLayers
    units: Float[np.ndarray, "16"]  # of the decoder's outputs

    def move(self, drive: Drive) -> Gaussians:
        """The head in the frames of ``drive``."""
        heard = self.deformation.attention(self.queries, self.deformation.tokens_of(drive))
        moved = self.rest.map(lambda tensor, _: tensor.expand(len(drive), *tensor.shape).clone())
        outputs = (x.numpy() for x in (moved.means, moved.quats, moved.scales, moved.opacities, moved.colors))
        decoded = two_layers(heard, self.shared, self.layers)
        with kernels():
            _finish(self.moving, decoded.numpy(), self.gates, self.raw, self.units, *outputs)
        return moved


def can_compile(deformation: Deformation, means: Float[Tensor, "N 3"]) -> bool:
    """Whether the kernel knows a head's kind, device and precision."""
    return isinstance(deformation.decoder, KAN) and means.device.type == "cpu" and means.dtype == torch.float32


def compile_head(
    deformation: Deformation,
    model: GaussianModel,
    features: Float[Tensor, "N F"],
    spatial: SpatialState,
    moving: Int[Tensor, "M"],
) -> CompiledHead:
    """Lay a head out. ``features``: of the tri-plane at the means; ``spatial``: of the ``moving`` Gaussians."""
    decoder = deformation.decoder
    assert isinstance(decoder, KAN)
    first = decoder.first
    lifted = spatial.field.features
    width = lifted.shape[1]
    at_rest = model.at_rest(features)
    return CompiledHead(
        deformation=deformation,
        queries=spatial.queries,
        rest=model.activated(at_rest),
        moving=moving.numpy(),
        shared=first.partial(lifted, 0),
        gates=_array(spatial.field.gates[:, 0]),
        raw=_array(at_rest.packed[moving]),
        layers=decoder.flat_layers(width),
        units=_array(functional.pad(deformation.units, (0, PADDED - ATTRIBUTES))),
    )


def _array(x: Tensor) -> np.ndarray:
    return x.detach().contiguous().numpy()


ONE, SMALLEST, LARGEST = np.float32(1), np.float32(LOG_SCALES[0]), np.float32(LOG_SCALES[1])


@njit(parallel=True, fastmath=True, cache=True, nogil=True)
def _finish(moving, decoded, gates, raw, units, means, quats, scales, opacities, colors):
    """Add what was decoded to the attributes at rest, and activate them."""
    batch, count = decoded.shape[0], decoded.shape[1]
    for frame in range(batch):
        for m in prange(count):
            n, out = moving[m], decoded[frame, m]
            for o in range(PADDED):
                out[o] *= gates[m] * units[o]
            length = np.float32(1e-24)
            for k in range(3):
                means[frame, n, k] = raw[m, k] + out[k]
                scales[frame, n, k] = np.exp(min(max(raw[m, 7 + k] + out[7 + k], SMALLEST), LARGEST))
                colors[frame, n, 0, k] = raw[m, 11 + k] + out[11 + k]
            for k in range(3, 7):
                length += (raw[m, k] + out[k]) ** 2
            length = ONE / np.sqrt(length)
            for k in range(4):
                quats[frame, n, k] = (raw[m, 3 + k] + out[3 + k]) * length
            opacities[frame, n] = ONE / (ONE + np.exp(-(raw[m, 10] + out[10])))
