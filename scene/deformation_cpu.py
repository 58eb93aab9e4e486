"""The moved head on a CPU, in one pass over the Gaussians that move: what they hear, both KAN layers, activation.

Twin of ``Deformation.forward`` and ``GaussianModel.gaussians`` for EGSTalker's setting (ESAA, KAN decoders) without
gradients. Everything that frames share is prepared once. A Gaussian's whole way from attention weights to its place
in the picture happens while its numbers are in the first-level cache; the plain implementation goes through memory
some forty times.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from numba import njit, prange
from torch import Tensor
from torch.nn import functional

from scene.attention import SpatialQueries, joint_weights
from scene.deformation import Deformation, SpatialState
from scene.frames import Drive
from scene.gaussian_model import LOG_SCALES, GaussianModel
from scene.gaussians import Gaussians
from scene.kan import KAN
from scene.numba_threads import kernels

OUTPUTS = 14  # of the decoder: position 3, rotation 4, scale 3, opacity 1, colour 3
PADDED = 16  # one whole vector


@dataclass(frozen=True)
class CompiledHead:
    """A head laid out for the kernel: all that frames share, computed once."""

    deformation: Deformation
    queries: SpatialQueries
    rest: Gaussians  # all N
    moving: Int[np.ndarray, "M"]
    weights: Float[np.ndarray, "M A"]  # of attention, all heads' agents side by side
    shared: Float[np.ndarray, "M W"]  # what the first layer makes of the spatial features
    gates: Float[np.ndarray, "M"]
    raw: Float[np.ndarray, "M 14"]  # attributes at rest before activation, in the decoder's order
    layers: tuple[np.ndarray, ...]  # base [W, W], spline [W, G, W], base [W, 16], spline [W, G, 16]
    units: Float[np.ndarray, "16"]  # of the decoder's outputs

    def move(self, drive: Drive) -> Gaussians:
        """The head in the frames of ``drive``."""
        attention = self.deformation.attention
        heard = attention.mixed(self.queries, self.deformation.tokens_of(drive))
        moved = self.rest.map(lambda tensor, _: tensor.expand(len(drive), *tensor.shape).clone())
        outputs = (x.numpy() for x in (moved.means, moved.quats, moved.scales, moved.opacities, moved.colors))
        head = (self.moving, self.weights, self.shared, self.gates, self.raw, *self.layers, self.units)
        arguments = (*head, _array(heard), _array(attention.to_out.bias), *outputs)
        with kernels():
            _move(*arguments)
        return moved


def can_compile(deformation: Deformation, means: Float[Tensor, "N 3"]) -> bool:
    """Whether the kernel knows a head's kind, device and precision."""
    known = deformation.attention.pool is not None and isinstance(deformation.decoder, KAN)
    return known and means.device.type == "cpu" and means.dtype == torch.float32


def compile_head(
    deformation: Deformation,
    model: GaussianModel,
    features: Float[Tensor, "N F"],
    spatial: SpatialState,
    moving: Int[Tensor, "M"],
) -> CompiledHead:
    """Lay a head out. ``features``: of the tri-plane at the means; ``spatial``: of the ``moving`` Gaussians."""
    decoder, weights = deformation.decoder, spatial.queries.weights
    assert isinstance(decoder, KAN) and weights is not None
    first, last = decoder.layers
    lifted = spatial.field.features
    width = lifted.shape[1]
    means, quats, scales, opacities, dc = (part[moving] for part in model.raw(features))
    units = torch.ones(OUTPUTS)
    units[:3], units[3:7] = deformation.POSITION_UNIT, deformation.ROTATION_UNIT

    def padded(x: Tensor) -> Tensor:
        return functional.pad(x, (0, PADDED - OUTPUTS))

    return CompiledHead(
        deformation=deformation,
        queries=spatial.queries,
        rest=model.gaussians(features),
        moving=moving.numpy(),
        weights=_array(joint_weights(weights)),
        shared=_array(first.partial(lifted, 0)),
        gates=_array(spatial.field.gates[:, 0]),
        raw=_array(torch.cat([means, quats, scales, opacities[:, None], dc], dim=1)),
        layers=tuple(
            _array(x) for x in (first.base[width:], first.spline[width:], padded(last.base), padded(last.spline))
        ),
        units=_array(padded(units)),
    )


def _array(x: Tensor) -> np.ndarray:
    return x.detach().contiguous().numpy()


# exp(-x) for x in 0..16: a polynomial for exp(-x/32), five times squared; relative error below 5e-6
E0, E1, E2, E3, E4, E5 = (
    np.polynomial.Chebyshev.interpolate(lambda x: np.exp(-x / 32), 5, domain=[0, 16])
    .convert(kind=np.polynomial.Polynomial)
    .coef.astype(np.float32)
)
LAST_X = np.float32(16)
ONE, HALF, SIXTH = np.float32(1), np.float32(0.5), np.float32(1 / 6)
FOUR, SIX, THREE = np.float32(4), np.float32(6), np.float32(3)
SMALLEST, LARGEST = np.float32(LOG_SCALES[0]), np.float32(LOG_SCALES[1])
CHUNK = 64  # Gaussians


@njit(inline="always")
def _activate(x, intervals, silu, cells, basis):
    """For each input: silu, the spline interval of tanh, and the four splines that are not zero there."""
    for i in range(len(x)):
        y = min(abs(x[i]), LAST_X)
        e = E0 + y * (E1 + y * (E2 + y * (E3 + y * (E4 + y * E5))))
        e *= e
        e *= e
        e *= e
        e *= e
        e *= e
        sigmoid = ONE / (ONE + e)
        tanh = (ONE - e * e) / (ONE + e * e)
        if x[i] < 0:
            sigmoid = ONE - sigmoid
            tanh = -tanh
        silu[i] = x[i] * sigmoid
        position = (tanh + ONE) * HALF * intervals
        cell = min(np.floor(position), intervals - ONE)
        u = position - cell
        v = ONE - u
        cells[i] = np.int32(cell)
        basis[0, i] = v * v * v * SIXTH
        basis[1, i] = (FOUR - SIX * u * u + THREE * u * u * u) * SIXTH
        basis[2, i] = (FOUR - SIX * v * v + THREE * v * v * v) * SIXTH
        basis[3, i] = u * u * u * SIXTH


@njit(inline="always")
def _layer(silu, cells, basis, base, spline, out):
    """Add what a layer makes of its activated inputs to ``out``."""
    for i in range(len(silu)):
        a, b0, b1, b2, b3 = silu[i], basis[0, i], basis[1, i], basis[2, i], basis[3, i]
        cell = cells[i]
        w, w0, w1, w2, w3 = base[i], spline[i, cell], spline[i, cell + 1], spline[i, cell + 2], spline[i, cell + 3]
        for o in range(len(out)):
            out[o] += a * w[o] + b0 * w0[o] + b1 * w1[o] + b2 * w2[o] + b3 * w3[o]


@njit(parallel=True, fastmath=True, cache=True, nogil=True)
def _move(
    moving, weights, shared, gates, raw, base1, spline1, base2, spline2, units, heard, bias,
    means, quats, scales, opacities, colors,
):  # fmt: skip
    count, width = shared.shape
    agents = weights.shape[1]
    batch = len(heard)
    intervals = np.float32(spline1.shape[1] - 3)
    chunks = (count + CHUNK - 1) // CHUNK
    for job in prange(batch * chunks):
        frame, chunk = job // chunks, job % chunks
        x, silu, cells = np.empty(width, np.float32), np.empty(width, np.float32), np.empty(width, np.int32)
        basis = np.empty((4, width), np.float32)
        hidden, out = np.empty(width, np.float32), np.empty(PADDED, np.float32)
        for m in range(chunk * CHUNK, min((chunk + 1) * CHUNK, count)):
            for o in range(width):
                x[o] = bias[o]
                hidden[o] = shared[m, o]
            for a in range(agents):
                weight, row = weights[m, a], heard[frame, a]
                for o in range(width):
                    x[o] += weight * row[o]
            _activate(x, intervals, silu, cells, basis)
            _layer(silu, cells, basis, base1, spline1, hidden)
            _activate(hidden, intervals, silu, cells, basis)
            out[:] = np.float32(0)
            _layer(silu, cells, basis, base2, spline2, out)
            for o in range(PADDED):
                out[o] *= gates[m] * units[o]
            n = moving[m]
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
