"""The whole learnt head: tri-plane, static Gaussians, deformation."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from arguments.settings import ModelSettings
from scene.deformation import Deformation, Offsets, SpatialState
from scene.frames import Drive
from scene.gaussian_model import GaussianModel
from scene.gaussians import Gaussians
from scene.triplane import make_triplane

EXTENT = 2.0  # decimetres from the head's centre to the sides of the planes: hair and chin of any head fit


@dataclass(frozen=True)
class AtRest:
    """Everything that does not depend on the frame: computed once, used for every frame."""

    features: Float[Tensor, "N F"]
    spatial: SpatialState


class GaussianHead(nn.Module):
    """A head of N Gaussians that audio, eyes and camera move."""

    def __init__(self, count: int, feature_shape: tuple[int, ...], settings: ModelSettings) -> None:
        """``feature_shape``: of one frame's audio features, (D,) or (16, 29)."""
        super().__init__()
        self.settings = settings
        self.feature_shape = tuple(feature_shape)
        self.planes = make_triplane(settings, EXTENT)
        self.model = GaussianModel(count, self.planes.dim, settings)
        self.deformation = Deformation(self.planes.dim, self.feature_shape, settings)

    @property
    def num_gaussians(self) -> int:
        return self.model.count

    def static(self) -> Gaussians:
        """The head at rest, unbatched."""
        return self.model.gaussians(self.planes(self.model.means.detach()))

    def at_rest(self, extra_points: Float[Tensor, "M 3"] | None = None) -> AtRest:
        """Spatial features and queries of the Gaussians, followed by those of ``extra_points`` (decimetres).

        Positions enter the planes without gradient: only the picture moves a Gaussian, not what it hears there.
        """
        means = self.model.means.detach()
        points = means if extra_points is None else torch.cat([means, extra_points])
        features = self.planes(points)
        return AtRest(features[: len(means)], self.deformation.spatial(features))

    def deform(self, drive: Drive, at_rest: AtRest | None = None) -> Gaussians:
        """The head in each frame of ``drive``: a batch of Gaussians. ``at_rest`` saves what frames share."""
        at_rest = at_rest or self.at_rest()
        return self.model.gaussians(at_rest.features, self.offsets(drive, at_rest))

    def offsets(self, drive: Drive, at_rest: AtRest) -> Offsets:
        """How far each frame moves the points of ``at_rest``."""
        return self.deformation(at_rest.spatial, drive)
