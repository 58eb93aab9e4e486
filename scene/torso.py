"""The learnt torso: Gaussians of neck, shoulders and clothes in the head's own space.

At rest they are the torso of one frame of the clip. From there a Gaussian moves with the body, as far as it does not
hang on the head: its share of the head's motion falls smoothly from the jaw to the collar (linear blend skinning,
Magnenat-Thalmann et al. 1988). The body moves in the picture's plane, as an affine map and in modes that were measured
in every frame of the clip (:mod:`motion.body_motion`). What is left (folds, breath, the shadow of the chin) is a smooth
field over the Gaussians that answers linearly to the pose of head and body.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from kernels.columns import LOG_SCALES
from kernels.conventions import SH_C0
from scene.drive import BODY, MODES, Drive
from scene.gaussians import Gaussians
from scene.rigid_motion import rotation_matrix

_CAUSES = 6 + BODY  # of a Gaussian's answer: turn and shift of the head, and the body's motion
_ANSWERS = 3 + 3  # position and colour
_FREQUENCIES = (0.5, 1.0, 2.0, 4.0)  # periods a decimetre of what the field tells places apart by
_WIDTH = 64  # of its hidden layers
_FARTHEST = 2.5  # standard deviations of the clip, beyond which poses change nothing more than how all of it lies
_SHIFT_UNIT = 0.05  # decimetres that the field's outputs of one move a Gaussian by
_COLOUR_UNIT = 0.1
_LONGEST = 0.7  # logarithm of how much longer than its geometric mean a Gaussian's longest axis is at most


@dataclass(frozen=True)
class TorsoAtRest:
    """What does not depend on the frame."""

    means: Float[Tensor, "M 3"]
    quats: Float[Tensor, "M 4"]
    scales: Float[Tensor, "M 3"]
    opacities: Float[Tensor, "M"]
    colours: Float[Tensor, "M 3"]
    """Constant terms of spherical harmonics."""
    answers: Float[Tensor, "18 M*6"]
    """What of position (decimetres) and colour each cause adds."""
    modes: Float[Tensor, "6 M*2"]
    """How far (over the depth) each mode of the body moves a Gaussian in the picture."""
    attached: Float[Tensor, "M 1"]
    """How much of the head's motion a Gaussian goes along with, 0..1."""


class Torso(nn.Module):
    """M Gaussians of neck, shoulders and clothes.

    Args:
        count: M.

    Example:
        >>> torso = Torso(100)
        >>> views = torch.eye(4).repeat(2, 1, 1)
        >>> views[:, 2, 3] = 10.0
        >>> torso.moved(views, torch.zeros(2, BODY), torso.at_rest()).means.shape
        torch.Size([2, 100, 3])
    """

    rest_pose: Tensor
    """Head to camera [4, 4] (OpenCV) in the frame whose torso is the one at rest."""
    middle: Tensor
    """Of the body in the picture at rest [2]: x and y over the depth; about it the body turns and grows."""
    bumps: Tensor
    """Of which the body's modes are made [G, 3]: place in the picture from the middle, and width."""
    modes: Tensor
    """Their heights [6, G, 2]."""
    causes_mean: Tensor
    causes_spread: Tensor
    prior: Tensor
    """Logit [M] of :attr:`TorsoAtRest.attached` that the place in the picture suggests."""

    def __init__(self, count: int, bumps: int = 1) -> None:
        """``bumps``: G."""
        super().__init__()
        self.means = nn.Parameter(torch.zeros(count, 3))
        self.log_scales = nn.Parameter(torch.full((count, 3), -4.0))
        self.quats = nn.Parameter(torch.tensor([1.0, 0, 0, 0]).repeat(count, 1))
        self.logit_opacities = nn.Parameter(torch.full((count,), 2.0))
        self.sh_dc = nn.Parameter(torch.zeros(count, 3))
        places = 3 * (1 + 2 * len(_FREQUENCIES))
        last = nn.Linear(_WIDTH, 1 + _CAUSES * _ANSWERS)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.field = nn.Sequential(
            *(nn.Linear(places, _WIDTH), nn.SiLU()),
            *(nn.Linear(_WIDTH, _WIDTH), nn.SiLU()),
            last,
        )
        rest = torch.eye(4)
        rest[2, 3] = 10.0
        self.register_buffer("rest_pose", rest)
        self.register_buffer("middle", torch.zeros(2))
        self.register_buffer("bumps", torch.ones(bumps, 3))
        self.register_buffer("modes", torch.zeros(MODES, bumps, 2))
        self.register_buffer("causes_mean", torch.zeros(_CAUSES))
        self.register_buffer("causes_spread", torch.ones(_CAUSES))
        self.register_buffer("prior", torch.zeros(count))

    @property
    def count(self) -> int:
        """Number of Gaussians."""
        return len(self.means)

    @torch.no_grad()
    def start_from(
        self,
        points: Float[Tensor, "M 3"],
        colours: Float[Tensor, "M 3"],
        spacing: Float[Tensor, "M"],
        attached: Float[Tensor, "M"],
    ) -> None:
        """Start from a point cloud.

        Args:
            points: positions at rest, decimetres in the head's frame.
            colours: 0..1.
            spacing: mean distance to the nearest neighbours, decimetres.
            attached: how much each goes along with the head, 0..1.
        """
        self.means.copy_(points)
        self.sh_dc.copy_((colours - 0.5) / SH_C0)
        self.log_scales.copy_((spacing * 0.6).clamp(1e-3, 0.3).log()[:, None].expand(-1, 3))
        self.prior.copy_(torch.logit(attached, 1e-3))

    @torch.no_grad()
    def set_clip(
        self,
        viewmats: Float[Tensor, "N 4 4"],
        body: Float[Tensor, "N 12"],
        rest: int,
        middle: Float[Tensor, "2"],
        learnt: Sequence[int],
    ) -> None:
        """Learn what is usual for the person, before anything else is learnt.

        Args:
            viewmats: head to camera in the frames of a clip.
            body: motion of the body in them, against the frame at rest.
            rest: the frame whose torso is the one at rest.
            middle: of the body in it, x and y over the depth.
            learnt: the frames that tell what is usual.
        """
        self.rest_pose.copy_(viewmats[rest])
        self.middle.copy_(middle)
        causes = torch.cat([self._pose_of(viewmats), body], dim=-1)[list(learnt)]
        self.causes_mean.copy_(causes.mean(0))
        self.causes_spread.copy_(causes.std(0).clamp(min=1e-4))

    @torch.no_grad()
    def set_modes(self, bumps: Float[Tensor, "G 3"], modes: Float[Tensor, "6 G 2"]) -> None:
        """Learn what the modes of the body's motion mean (:class:`motion.body_motion.BodyMotion`)."""
        self.bumps.copy_(bumps)
        self.modes.copy_(modes)

    def at_rest(self) -> TorsoAtRest:
        """Everything that frames share."""
        waves = [2 * torch.pi * frequency * self.means for frequency in _FREQUENCIES]
        places = torch.cat([self.means, *(wave.sin() for wave in waves), *(wave.cos() for wave in waves)], dim=-1)
        attached, answers = self.field(places.detach()).split((1, _CAUSES * _ANSWERS), dim=-1)
        units = answers.new_tensor([_SHIFT_UNIT] * 3 + [_COLOUR_UNIT] * 3)
        answers = answers.unflatten(1, (_CAUSES, _ANSWERS)) * units
        return TorsoAtRest(
            self.means,
            functional.normalize(self.quats, dim=-1),
            self._log_scales().exp(),
            self.logit_opacities.sigmoid(),
            self.sh_dc,
            answers.transpose(0, 1).flatten(1),
            self._modes_at(self.means.detach()),
            (self.prior[:, None] + attached).sigmoid(),
        )

    def static(self) -> Gaussians:
        """The torso at rest, unbatched."""
        at_rest = self.at_rest()
        colours = at_rest.colours[:, None]
        return Gaussians(at_rest.means, at_rest.quats, at_rest.scales, at_rest.opacities, colours)

    def deform(self, drive: Drive, at_rest: TorsoAtRest) -> Gaussians:
        """The torso in each frame of a drive."""
        return self.moved(drive.camera.viewmats, drive.body, at_rest)

    def moved(self, viewmats: Float[Tensor, "B 4 4"], body: Float[Tensor, "B 12"], at_rest: TorsoAtRest) -> Gaussians:
        """The torso in each of B frames, in the head's frame there, ready to render.

        Args:
            viewmats: head to camera (OpenCV).
            body: how the body has moved in the picture since the frame at rest.
            at_rest: of :meth:`at_rest`.
        """
        causes = torch.cat([self._pose_of(viewmats), body], dim=-1)
        usual = ((causes - self.causes_mean) / self.causes_spread).clamp(-_FARTHEST, _FARTHEST)
        shift, colour = (usual @ at_rest.answers).unflatten(1, (self.count, _ANSWERS)).split(3, dim=-1)
        points = at_rest.means + shift
        rotation, position = viewmats[:, :3, :3], viewmats[:, :3, 3]
        first, start = self.rest_pose[:3, :3], self.rest_pose[:3, 3]
        modes = (body[:, 6:] @ at_rest.modes).unflatten(1, (self.count, 2))
        in_camera = self._with_body(points @ first.T + start, body[:, :6], modes)
        with_body = (in_camera - position[:, None]) @ rotation
        turn = _quaternion(rotation.transpose(1, 2) @ _roll(body) @ first)[:, None]
        upright = torch.zeros_like(turn)
        upright[..., 0] = 1
        turns = functional.normalize(torch.lerp(turn, upright, at_rest.attached), dim=-1)
        return Gaussians(
            means=torch.lerp(with_body, points, at_rest.attached),
            quats=_product(turns, at_rest.quats),
            scales=at_rest.scales.expand(len(body), -1, -1),
            opacities=at_rest.opacities.expand(len(body), -1),
            colors=(at_rest.colours + colour)[..., None, :],
        )

    def _pose_of(self, viewmats: Float[Tensor, "B 4 4"]) -> Float[Tensor, "B 6"]:
        """How the head has turned (axis times the angle's sine) and moved (decimetres) since the frame at rest."""
        turned = viewmats[:, :3, :3] @ self.rest_pose[:3, :3].T
        apart = turned - turned.transpose(1, 2)
        turn = torch.stack([apart[:, 2, 1], apart[:, 0, 2], apart[:, 1, 0]], dim=-1) / 2
        return torch.cat([turn, viewmats[:, :3, 3] - self.rest_pose[:3, 3]], dim=-1)

    def _log_scales(self) -> Float[Tensor, "M 3"]:
        """Needles that stick out when the neck turns are not needed to show cloth."""
        mean = self.log_scales.detach().mean(dim=1, keepdim=True)
        return self.log_scales.clamp(*LOG_SCALES).minimum(mean + _LONGEST)

    def modes_at(self, places: Float[Tensor, "P 2"]) -> Float[Tensor, "6 P 2"]:
        """The modes' fields at places of the picture at rest, which count from the body's middle."""
        away = (places[:, None] - self.bumps[:, :2]).square().sum(-1)
        heights = torch.exp(-away / (2 * self.bumps[:, 2] ** 2))
        return torch.einsum("pg,kgd->kpd", heights, self.modes)

    def _modes_at(self, points: Float[Tensor, "M 3"]) -> Float[Tensor, "6 M*2"]:
        """The modes' fields at points of the head's frame at rest."""
        x, y, depth = (points @ self.rest_pose[:3, :3].T + self.rest_pose[:3, 3]).unbind(-1)
        return self.modes_at(torch.stack([x / depth, y / depth], dim=-1) - self.middle).flatten(1)

    def _with_body(
        self, points: Float[Tensor, "B M 3"], body: Float[Tensor, "B 6"], modes: Float[Tensor, "B M 2"]
    ) -> Float[Tensor, "B M 3"]:
        """Points of the camera's space as the body moves them: in the picture, not in depth."""
        shift, change = body[:, None, :2], body[:, 2:].unflatten(1, (2, 2))
        plane, depth = points[..., :2], points[..., 2:]
        from_middle = plane - depth * self.middle
        moved = plane + from_middle @ change.transpose(1, 2) + depth * (shift + modes)
        return torch.cat([moved, depth.expand_as(moved[..., :1])], dim=-1)


def joined(head: Gaussians, torso: Gaussians) -> Gaussians:
    """Both as one, to be rendered by their depth; ``torso`` has constant colours, ``head`` of any degree.

    Both have the same leading dimensions.
    """
    colours = functional.pad(torso.colors, (0, 0, 0, head.colors.shape[-2] - torso.colors.shape[-2]))
    pairs = zip(_fields(head), (*_fields(torso)[:-1], colours), strict=True)
    means, quats, scales, opacities, colors = (torch.cat(pair, dim=len(head.batch_shape)) for pair in pairs)
    return Gaussians(means, quats, scales, opacities, colors)


def _fields(gaussians: Gaussians) -> tuple[Tensor, ...]:
    return gaussians.means, gaussians.quats, gaussians.scales, gaussians.opacities, gaussians.colors


def _roll(body: Float[Tensor, "B 12"]) -> Float[Tensor, "B 3 3"]:
    """How far the body's motion turns things in the picture, as a rotation of the camera's space about its axis."""
    half = torch.atan2(body[:, 4] - body[:, 3], 2 + body[:, 2] + body[:, 5]) / 2
    zero = torch.zeros_like(half)
    return rotation_matrix(torch.stack([half.cos(), zero, zero, half.sin()], dim=-1))


def _quaternion(rotation: Float[Tensor, "B 3 3"]) -> Float[Tensor, "B 4"]:
    """Unit quaternions, scalar first, of rotations by less than 180 degrees."""
    trace = rotation.diagonal(dim1=1, dim2=2).sum(-1)
    scalar = (1 + trace).clamp(min=1e-8).sqrt() / 2
    apart = rotation - rotation.transpose(1, 2)
    vector = torch.stack([apart[:, 2, 1], apart[:, 0, 2], apart[:, 1, 0]], dim=-1) / (4 * scalar[:, None])
    return functional.normalize(torch.cat([scalar[:, None], vector], dim=-1), dim=-1)


def _product(first: Float[Tensor, "B M 4"], second: Float[Tensor, "M 4"]) -> Float[Tensor, "B M 4"]:
    """Hamilton's products of quaternions, scalar first: the rotation ``second``, followed by ``first``."""
    scalar, vector = first[..., :1], first[..., 1:]
    other, turned = second[..., :1].expand_as(scalar), second[..., 1:].expand_as(vector)
    return torch.cat(
        [
            scalar * other - (vector * turned).sum(-1, keepdim=True),
            scalar * turned + other * vector + torch.cross(vector, turned, dim=-1),
        ],
        dim=-1,
    )
