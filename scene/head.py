"""The whole learnt head: tri-plane, static Gaussians, deformation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from arguments.device import on_gpu
from arguments.settings import ModelSettings
from scene.attributes import Attributes
from scene.compiled_head import CompiledHead, Mover, RecordedHead
from scene.deformation import Deformation, SpatialState
from scene.drive import Drive
from scene.gaussian_model import GaussianModel
from scene.gaussians import Gaussians
from scene.torso import Torso, TorsoAtRest, joined
from scene.triplane import make_triplane

EXTENT = 2.0  # decimetres from the head's centre to the sides of the planes: hair and chin of any head fit


@dataclass(frozen=True)
class AtRest:
    """Everything that does not depend on the frame: computed once, used for every frame."""

    features: Float[Tensor, "N F"]
    gates: Float[Tensor, "N 1"]
    moving: Int[Tensor, "M"]
    """The Gaussians whose gate is open; only they are deformed."""
    spatial: SpatialState
    """Of the moving ones."""
    raw: Attributes | None = None
    """The head at rest; None where gradients are wanted."""
    compiled: Mover | None = None
    """What moves the head faster than the plain modules; None where gradients are wanted or nothing does."""
    body: Body | None = None
    """What is moved with the head; None for a head alone, and where ``compiled`` moves both."""


@dataclass(frozen=True)
class Body:
    """A torso, and all of it that frames share."""

    torso: Torso
    at_rest: TorsoAtRest


class GaussianHead(nn.Module):
    """A head of N Gaussians that expression codes (or audio), eyes and camera move.

    Args:
        count: N.
        feature_shape: of one frame's signal: (K,) expression codes; (D,) or (16, 29) audio features.
        settings: of the model.

    Example:
        >>> from scene.cameras import Camera
        >>> head = GaussianHead(500, (13,), ModelSettings()).eval()
        >>> views = torch.eye(4).repeat(2, 1, 1)
        >>> views[:, 2, 3] = 10.0  # the head is a metre in front of the camera
        >>> camera = Camera.from_focal(views, 1200.0, 512, 512)
        >>> codes, eyes = torch.randn(100, 13), torch.zeros(2)
        >>> drive = Drive.of(codes, torch.tensor([40, 41]), head.settings.signal_window, eyes, camera)
        >>> with torch.no_grad():
        ...     gaussians = head.deform(drive)
        >>> gaussians.means.shape
        torch.Size([2, 500, 3])
    """

    def __init__(self, count: int, feature_shape: tuple[int, ...], settings: ModelSettings) -> None:
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
        return self.model.activated(self.model.at_rest(self.planes(self.model.means.detach())))

    def at_rest(self, torso: Torso | None = None) -> AtRest:
        """What all frames share. Positions enter the planes without gradient: only the picture moves a Gaussian.

        ``torso``: is moved with the head from then on, on its device.
        """
        body = None if torso is None else Body(torso, torso.at_rest())
        at_rest = replace(self.at_rest_with(self.model.means.new_zeros(0, 3))[0], body=body)
        if torch.is_grad_enabled():
            return at_rest
        raw = self.model.at_rest(at_rest.features)
        plain = replace(at_rest, raw=raw)
        if on_gpu(raw.packed):
            if self.training:
                return plain
            return replace(plain, compiled=RecordedHead(partial(self.deform, at_rest=plain)), body=None)
        return replace(plain, compiled=CompiledHead.of(self.deformation, self.model, raw, plain.spatial, plain.moving))

    def at_rest_with(
        self, points: Float[Tensor, "P 3"], moving: Int[Tensor, "M"] | None = None
    ) -> tuple[AtRest, SpatialState]:
        """:meth:`at_rest`, and the state of other points (decimetres) of the same field; one look-up for both.

        Args:
            points: P positions beside the Gaussians', decimetres in the head's frame.
            moving: the Gaussians whose gates are open, ascending, if known; looking for them waits for the device.
        """
        count = self.num_gaussians
        features = self.planes(torch.cat([self.model.means.detach(), points]))
        field = self.deformation.field(features)
        ours = field[:count]
        agents = self.deformation.attention.agents(ours.features)
        moving = ours.gates[:, 0].nonzero()[:, 0] if moving is None else moving
        querying = ours if len(moving) == count else ours[moving]
        at_rest = AtRest(features[:count], ours.gates, moving, self.deformation.spatial(querying, agents))
        return at_rest, self.deformation.spatial(field[count:], agents)

    def deform(self, drive: Drive, at_rest: AtRest | None = None) -> Gaussians:
        """The head in each of B frames, and its torso where there is one.

        Args:
            drive: signal, eyes and camera of the frames, on the head's device.
            at_rest: of :meth:`at_rest`, computed once for as many frames as share it; computed here if None.

        Returns:
            A batch of B times N Gaussians, ready to render.
        """
        at_rest = at_rest or self.at_rest()
        head = self._head_in(drive, at_rest) if at_rest.compiled is None else at_rest.compiled(drive)
        if at_rest.body is None:
            return head
        return joined(head, at_rest.body.torso.deform(drive, at_rest.body.at_rest))

    def _head_in(self, drive: Drive, at_rest: AtRest) -> Gaussians:
        offsets = self.deformation(at_rest.spatial, self.deformation.tokens_of(drive))
        raw = at_rest.raw or self.model.at_rest(at_rest.features)
        return self.model.activated(raw, offsets.attributes, at_rest.moving)
