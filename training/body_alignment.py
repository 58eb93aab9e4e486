"""The body's motion, measured again by what the learnt torso looks like.

Corners that are followed tell it to half a pixel. Once there is a torso, its picture is laid over the frame: the motion
is changed as takes most of the difference away, by Gauss and Newton's method with the gradients of both pictures
(Benhimane and Malis, "Homography-based 2D visual tracking and servoing", 2007), damped as Levenberg and Marquardt do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from gaussian_renderer.render import render
from gaussian_renderer.spherical_harmonics import rgb_to_constant, view_colors
from scene.cameras import Camera
from scene.drive import BODY
from scene.gaussians import Gaussians
from scene.head import GaussianHead
from scene.torso import Torso, TorsoAtRest, joined
from training.frame_store import FrameStore

SEEN = 0.1  # share of a pixel that is the body's, from which on it counts
LEAST = 500  # such pixels of a frame
STEEP = 0.01  # of the grey levels a pixel: what is flatter tells no motion
QUIET = 0.2  # of the grey levels: differences that are not errors yet
USUAL = 0.5  # standard deviations of the clip, that the corners' motion is taken to be wrong by
PRIOR = 0.0005  # of what the pictures say of a motion, that this counts
MARGIN = 0.06  # of the picture's height, that the body rises at most
DAMPING, MORE, LESS = 0.01, 10.0, 0.25  # of the normal equations' diagonal; after a step that failed; after another


@torch.no_grad()
def aligned(
    head: GaussianHead,
    torso: Torso,
    store: FrameStore,
    frames: Sequence[int],
    body: Float[Tensor, "N 12"],
    batch: int,
    rounds: int,
    done: Callable[[int], None] = lambda frames: None,
) -> Float[Tensor, "N 12"]:
    """The body's motion in every frame of a clip, measured again in some.

    Args:
        head: learnt.
        torso: learnt with it.
        store: the whole pictures of the clip.
        frames: in which the person is seen.
        body: the motion as it is known, on the device; of other frames it stays.
        batch: frames at once.
        rounds: of the method, each from the best that there has been.
        done: told how many frames are finished.
    """
    better, at_rest, torso_at_rest = body.clone(), head.eval().at_rest(), torso.at_rest()
    lens = store.camera[0]
    spread, top = body.std(0).clamp(min=1e-9), _top(torso, torso_at_rest, store.camera)
    fields = _fields(torso, lens.crop(0, top, lens.width, lens.height - top))
    for start in range(0, len(frames), batch):
        shown = list(frames[start : start + batch])
        pictures = store.batch(shown, frames[start + batch : start + 2 * batch])
        camera = pictures.drive.camera
        heads, camera = head.deform(pictures.drive, at_rest), camera.crop(0, top, camera.width, camera.height - top)
        true, room = (_grey(part[:, top:]) for part in (pictures.image, pictures.background))
        before = _Before(torso, torso_at_rest, heads, camera, true, room, fields, spread)
        codes = better[pictures.index]
        best, damping = before.compared(codes), torch.full_like(codes[:, 0], DAMPING)
        for _ in range(rounds):
            trial = codes + best.step(damping)
            found = before.compared(trial)
            won = found.errors < best.errors
            codes, best = torch.where(won[:, None], trial, codes), found.where(won, best)
            damping = damping * torch.where(won, LESS, MORE)
        better[pictures.index] = codes
        done(len(shown))
    return better


@dataclass(frozen=True)
class Comparison:
    """Of B rendered pictures with the frames."""

    errors: Float[Tensor, "B"]
    normal: Float[Tensor, "B 12 12"]
    """Of the Gauss-Newton method, with what is known before the pictures are looked at."""
    slope: Float[Tensor, "B 12"]

    def step(self, damping: Float[Tensor, "B"]) -> Float[Tensor, "B 12"]:
        """How motions should change (Levenberg and Marquardt)."""
        diagonal = self.normal.diagonal(dim1=1, dim2=2)
        return torch.linalg.solve(self.normal + torch.diag_embed(damping[:, None] * diagonal + 1e-9), self.slope)

    def where(self, chosen: Bool[Tensor, "B"], other: Comparison) -> Comparison:
        """These where ``chosen``, else the ``other``."""
        return Comparison(
            torch.where(chosen, self.errors, other.errors),
            torch.where(chosen[:, None, None], self.normal, other.normal),
            torch.where(chosen[:, None], self.slope, other.slope),
        )


@dataclass(frozen=True)
class _Before:
    """What B pictures are compared with, whatever the body does."""

    torso: Torso
    at_rest: TorsoAtRest
    heads: Gaussians
    camera: Camera
    true: Float[Tensor, "B H W"]
    """Brightness of the frames, 0..1."""
    room: Float[Tensor, "B H W"]
    """The same without the person."""
    fields: Float[Tensor, "2 12 H W"]
    """How far pixels move, across and down, with each of the numbers of a body's motion."""
    spread: Float[Tensor, "12"]

    def compared(self, codes: Float[Tensor, "B 12"]) -> Comparison:
        """Render the torsos that have moved so, and compare them."""
        shown, share = self._rendered(codes)
        slopes = (_slopes(shown) + _slopes(self.true)) / 2
        count = len(codes)
        found = Comparison(codes.new_zeros(count), codes.new_zeros(count, BODY, BODY), torch.zeros_like(codes))
        for k in range(count):
            rows, columns = (share[k] > SEEN).nonzero(as_tuple=True)
            if len(rows) < LEAST:
                continue
            weight = share[k, rows, columns]
            apart, slope = (self.true - shown)[k, rows, columns], slopes[k, :, rows, columns]
            found.errors[k] = (weight * torch.log1p((apart / QUIET) ** 2)).sum() / weight.sum()
            edges = slope.abs().amax(0) > STEEP
            rows, columns, weight, apart, slope = (
                *(rows[edges], columns[edges], weight[edges]),
                *(apart[edges], weight[edges] * slope[:, edges]),
            )
            across, down = self.fields[:, :, rows, columns]
            motion = across * slope[0] + down * slope[1]  # what each number would change, [12, P]
            trust = weight / (1 + (apart / QUIET) ** 2)
            normal = (trust * motion) @ motion.T
            prior = PRIOR * (normal.diagonal() * self.spread**2).mean() / (USUAL * self.spread) ** 2
            found.normal[k] = normal + torch.diag(prior)
            found.slope[k] = motion @ (trust * apart)
        return found

    def _rendered(self, codes: Float[Tensor, "B 12"]) -> tuple[Float[Tensor, "B H W"], Float[Tensor, "B H W"]]:
        """Brightness, and how much of each pixel moves with the body, as two colours of one picture."""
        both = joined(self.heads, self.torso.moved(self.camera.viewmats, codes, self.at_rest))
        grey = view_colors(both, self.camera.positions).mean(-1)
        share = torch.cat([grey.new_zeros(self.heads.count), 1 - self.at_rest.attached[:, 0]]).expand_as(grey)
        colours = rgb_to_constant(torch.stack([grey, share, share], dim=-1))[..., None, :]
        behind = torch.stack([self.room, torch.zeros_like(self.room), torch.zeros_like(self.room)], dim=-1)
        picture = render(replace(both, colors=colours), self.camera, behind).image
        return _smoothed(picture[..., 0]), picture[..., 1]


def _top(torso: Torso, at_rest: TorsoAtRest, camera: Camera) -> int:
    """The row above which there is no body in any frame: pictures are not looked at there."""
    own = at_rest.means[at_rest.attached[:, 0] < 0.5]
    if len(own) == 0:
        return 0
    rest = Camera(torso.rest_pose[None], camera.intrinsics[:1], camera.width, camera.height)
    highest = float(rest.project(own)[0, :, 1].quantile(0.01))
    return int(min(max(highest - MARGIN * camera.height, 0), camera.height - 16))


def _fields(torso: Torso, camera: Camera) -> Float[Tensor, "2 12 H W"]:
    """How far the pixels of a picture move, in pixels, with each of the numbers of a body's motion near its rest."""
    lens, device = camera.intrinsics[0], torso.middle.device
    rows, columns = (torch.arange(size, device=device) for size in (camera.height, camera.width))
    pixels = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1)
    focal = lens.diagonal()[:2]
    away = (pixels + 0.5 - lens[:2, 2]) / focal - torso.middle
    fields = away.new_zeros(2, BODY, *away.shape[:2])
    for axis in range(2):
        fields[axis, axis] = 1
        fields[axis, 2 + 2 * axis : 4 + 2 * axis] = away.movedim(-1, 0)
    for line, places in enumerate(away):
        fields[:, 6:, line] = torso.modes_at(places).movedim(-1, 0)
    return fields * focal[:, None, None, None]


def _grey(pictures: Float[Tensor, "B H W 3"]) -> Float[Tensor, "B H W"]:
    return _smoothed(pictures.mean(-1))


def _smoothed(grey: Float[Tensor, "B H W"]) -> Float[Tensor, "B H W"]:
    """Gradients then reach a little further."""
    return functional.avg_pool2d(functional.pad(grey[:, None], (1, 1, 1, 1), mode="replicate"), 3, 1)[:, 0]


def _slopes(grey: Float[Tensor, "B H W"]) -> Float[Tensor, "B 2 H W"]:
    """How brightness changes when what is shown moves by a pixel to the right, and down."""
    along = functional.pad(grey[:, None], (1, 1, 0, 0), mode="replicate")[:, 0]
    down = functional.pad(grey[:, None], (0, 0, 1, 1), mode="replicate")[:, 0]
    return torch.stack([along[..., :-2] - along[..., 2:], down[:, :-2] - down[:, 2:]], dim=1) / 2
