"""From tokens to offsets: how each Gaussian moves, turns, stretches, fades and changes colour in a frame.

EGSTalker (arXiv 2510.08587), section 3.3: spatial features query the audio tokens through ESAA, a KAN decoder turns
what they hear into offsets of position, rotation, scale, opacity and spherical harmonics.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from arguments.settings import ModelSettings
from scene.attention import Attention, SpatialQueries
from scene.audio_encoder import TokenEncoder
from scene.frames import Drive
from scene.kan import make_decoder


@dataclass(frozen=True)
class Offsets:
    """What a frame adds to the static Gaussians, before activation."""

    means: Float[Tensor, "B N 3"]  # decimetres
    rotations: Float[Tensor, "B N 4"]  # added to the quaternion
    scales: Float[Tensor, "B N 3"]  # added to the logarithm
    opacities: Float[Tensor, "B N"]  # added to the logit
    colors: Float[Tensor, "B N 3"]  # added to the constant term


@dataclass(frozen=True)
class SpatialState:
    """What the deformation needs of the points, the same in all frames."""

    features: Float[Tensor, "N F"]
    queries: SpatialQueries

    def rows(self, which: slice) -> SpatialState:
        """The state of some of the points."""
        return SpatialState(self.features[which], self.queries.rows(which))


class Deformation(nn.Module):
    """Offsets of N points in B frames."""

    POSITION_UNIT = 0.1
    """Decoder outputs of one move a point by one centimetre."""

    def __init__(self, spatial_dim: int, feature_shape: tuple[int, ...], settings: ModelSettings) -> None:
        super().__init__()
        width = settings.feature_dim
        agents = settings.agents if settings.attention == "esaa" else None
        self.tokens = TokenEncoder(feature_shape, settings)
        self.lift = nn.Sequential(nn.Linear(spatial_dim, width), nn.ReLU(), nn.Linear(width, width))
        self.attention = Attention(width, width, width, heads=settings.heads, agents=agents)
        self.decoder = make_decoder(settings.decoder, [2 * width, width, 14], grid=settings.kan_grid, zero=True)

    def spatial(self, features: Float[Tensor, "N F"], pooled: int | None = None) -> SpatialState:
        """Queries and decoder inputs of the points; the first ``pooled`` of them (all, if None) make the agents."""
        lifted = self.lift(features)
        return SpatialState(lifted, self.attention.spatial(lifted, pooled))

    def forward(self, spatial: SpatialState, drive: Drive) -> Offsets:
        """Offsets of the points of ``spatial`` in the frames of ``drive``."""
        tokens = self.tokens(drive.audio, drive.audio_frames, drive.eye, drive.camera.viewmats)
        heard = self.attention(spatial.queries, tokens)
        means, rotations, scales, opacities, colors = self.decoder(spatial.features, heard).split((3, 4, 3, 1, 3), -1)
        unit = self.POSITION_UNIT
        return Offsets(means * unit, rotations * 0.1, scales, opacities[..., 0], colors)
