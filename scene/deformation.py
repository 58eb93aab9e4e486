"""From tokens to offsets: how each Gaussian moves, turns, stretches, fades and changes colour in a frame.

EGSTalker (arXiv 2510.08587), section 3.3: spatial features query a frame's tokens through ESAA, a KAN decoder turns
what they attended to into offsets of position, rotation, scale, opacity and spherical harmonics; of these only the
constant term moves here.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from arguments.settings import ModelSettings
from kernels.columns import ATTRIBUTES, MEANS, ROTATIONS
from scene.attention import Attention, SpatialQueries
from scene.attributes import Offsets
from scene.drive import Drive
from scene.kan import make_decoder
from scene.rows import rows_of
from scene.sampled_learning import from_some
from scene.tokens import TokenEncoder


@dataclass(frozen=True)
class Field:
    """The deformation field at N points before any token is attended to: the same in all frames."""

    features: Float[Tensor, "N F"]
    """What the decoder takes of a point, and what its query is made from."""
    gates: Float[Tensor, "N 1"]
    """How much a point may move, 0..1; exactly 0 for much of hair, ears and forehead."""

    def __getitem__(self, which: slice | Tensor) -> Field:
        return Field(rows_of(self.features, which), rows_of(self.gates, which))


@dataclass(frozen=True)
class SpatialState:
    """N points with their queries: all that the deformation needs of them, for any frame's tokens."""

    field: Field
    queries: SpatialQueries

    def __getitem__(self, which: slice | Tensor) -> SpatialState:
        return SpatialState(self.field[which], self.queries[which])


class Deformation(nn.Module):
    """Offsets of N points in B frames.

    Args:
        spatial_dim: width F of the tri-plane's features.
        feature_shape: of one frame's signal: (K,) expression codes; (D,) or (16, 29) audio features.
        settings: attention, decoder, gates and their sizes.

    Example:
        >>> settings = ModelSettings(feature_dim=32, heads=4, agents=16)
        >>> deformation = Deformation(48, (13,), settings)
        >>> spatial = deformation.spatial(deformation.field(torch.randn(1000, 48)), None)
        >>> tokens = torch.randn(2, 6, 32)  # of two frames: deformation.tokens_of(drive)
        >>> deformation(spatial, tokens).attributes.means.shape
        torch.Size([2, 1000, 3])
    """

    POSITION_UNIT = 0.1
    """Decoder outputs of one move a point by one centimetre."""
    ROTATION_UNIT = 0.1
    """Decoder outputs of one add this to a unit quaternion."""
    GATE_FLOOR = 0.1
    """A gate's sigmoid is stretched to -0.1..1 and its negative part cut off: a gate can close for good."""
    units: Tensor
    """Of every output."""
    gated: Tensor
    """Whether gates count; until training sets it, all are open, so that what moves rarely has learnt to."""

    def __init__(self, spatial_dim: int, feature_shape: tuple[int, ...], settings: ModelSettings) -> None:
        super().__init__()
        width = settings.feature_dim
        agents = settings.agents if settings.attention == "esaa" else None
        self.tokens = TokenEncoder(feature_shape, settings)
        self.lift = nn.Sequential(nn.Linear(spatial_dim, width), nn.ReLU(), nn.Linear(width, width))
        self.gate = nn.Linear(width, 1) if settings.motion_gate else None
        if self.gate is not None:
            nn.init.constant_(self.gate.bias, 1.0)
        self.register_buffer("gated", torch.tensor(False))
        self._gated: bool | None = None  # what the buffer says, without asking the device
        self.register_load_state_dict_post_hook(lambda module, _: setattr(module, "_gated", None))
        self.attention = Attention(width, width, width, heads=settings.heads, agents=agents)
        self.decoder = make_decoder(settings.decoder, [2 * width, width, ATTRIBUTES], grid=settings.kan_grid, zero=True)
        units = torch.ones(ATTRIBUTES)
        units[MEANS], units[ROTATIONS] = self.POSITION_UNIT, self.ROTATION_UNIT
        self.register_buffer("units", units, persistent=False)

    def let_gates_count(self, whether: bool) -> None:
        """From now on, gates hold Gaussians back, or all are open."""
        if whether != self._gated:
            self.gated.fill_(whether)
            self._gated = whether

    def gates_count(self) -> bool:
        """Whether gates hold Gaussians back."""
        if self._gated is None:
            self._gated = bool(self.gated)
        return self._gated

    def field(self, features: Float[Tensor, "N F"]) -> Field:
        """Decoder inputs and gates of N points with the tri-plane's ``features``.

        The gate is a stretched and rectified sigmoid, as in Louizos et al., "Learning sparse neural networks through L0
        regularization" (ICLR 2018, equations 10 and 11), without their noise.
        """
        lifted = self.lift(features)
        if self.gate is None or not self.gates_count():
            return Field(lifted, lifted.new_ones(len(lifted), 1))
        opening = torch.sigmoid(4 * self.gate(lifted))
        return Field(lifted, (opening * (1 + self.GATE_FLOOR) - self.GATE_FLOOR).relu())

    def spatial(self, field: Field, agents: Float[Tensor, "H A D"] | None) -> SpatialState:
        """Points and their queries through the agents of :meth:`Attention.agents` (pooled from them, if None)."""
        return SpatialState(field, self.attention.spatial(field.features, agents))

    def forward(
        self, spatial: SpatialState, tokens: Float[Tensor, "B T C"], sampled: Int[Tensor, "L"] | None = None
    ) -> Offsets:
        """What B frames add to M points.

        Args:
            spatial: the points, of :meth:`spatial`.
            tokens: of the frames, of :meth:`tokens_of`.
            sampled: rows of ``spatial`` whose gradient stands for all of them; None for all (:func:`from_some`).

        Returns:
            Offsets of the attributes before activation, [B, M, 14], scaled by the points' gates.
        """
        decoded = from_some(lambda rows: self._decoded(spatial[rows], tokens), sampled)
        return Offsets(decoded, spatial.field.gates * self.units)

    def _decoded(self, spatial: SpatialState, tokens: Float[Tensor, "B T C"]) -> Float[Tensor, "B M 14"]:
        return self.decoder(spatial.field.features, self.attention(spatial.queries, tokens))

    def tokens_of(self, drive: Drive) -> Float[Tensor, "B T C"]:
        """The tokens of the frames of ``drive``: of its signal, eyes, camera and the null token."""
        return self.tokens(drive.signal, drive.signal_frames, drive.eye, drive.camera.viewmats)
