"""One step of the optimizer, in parts: pose the head, rasterize it, compare, go back the same way, learn.

Only the rasterizer waits for the device, to know how many tiles its Gaussians touch. On an NVIDIA GPU the other parts
are recorded once and replayed (:class:`scene.cuda_graph.Recording`): they are hundreds of kernels, too small for a host
to launch them as fast as the device runs them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TypeVar

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torch.optim import Adam

from arguments.settings import TrainingSettings
from gaussian_renderer.render import render
from scene.cuda_graph import CannotRecordError, Recording
from scene.frame_store import FrameStore
from scene.frames import FrameBatch
from scene.gaussians import Gaussians
from scene.head import GaussianHead
from training.densification import GradientStatistics
from training.losses import Perceptual, image_losses, offset_loss, psnr_of
from training.motion_guide import MotionGuide
from training.optimizer import step
from training.poses import PoseCorrections
from training.posing import posed

logger = logging.getLogger(__name__)

MIN_LEARNERS = 1000  # Gaussians
Mark = Callable[[str], None]
T = TypeVar("T")


@dataclass(frozen=True)
class Orders:
    """What the host decides about one iteration, on the device."""

    frames: Int[Tensor, "B"]
    """Numbers of the data set's frames that are rendered."""
    pictures: UInt8[Tensor, "B H W 7"]
    """Their bytes."""
    guiding: Int[Tensor, "G"]
    """Frames whose tracked vertices guide the deformation."""
    vertices: Int[Tensor, "P"]
    """Those vertices."""
    guidance: Float[Tensor, ""]
    """Weight of the guide, 1 to 0.2 over the fine stage: pictures take over."""


@dataclass(frozen=True)
class Posed:
    """The head in a batch of frames, with its history for gradients."""

    frames: FrameBatch
    gaussians: Gaussians
    extra: Float[Tensor, ""]
    """The objective's terms that no picture is needed for."""


@dataclass(frozen=True)
class Compared:
    """What the pictures say."""

    loss: Float[Tensor, ""]
    psnr: Float[Tensor, ""]
    to_image: Float[Tensor, "B H W 3"]
    """Gradient of the loss."""
    to_alpha: Float[Tensor, "B H W 1"]


class Step:
    """Steps of one head's training, all of one kind until :meth:`forget`."""

    def __init__(
        self,
        head: GaussianHead,
        poses: PoseCorrections,
        optimizer: Adam,
        statistics: GradientStatistics,
        store: FrameStore,
        guide: MotionGuide,
        perceptual: Perceptual,
        settings: TrainingSettings,
    ) -> None:
        self.head, self.poses, self.optimizer, self.statistics = head, poses, optimizer, statistics
        self.store, self.guide, self.perceptual, self.settings = store, guide, perceptual, settings
        self._records = store.device.type == "cuda"
        self.forget()

    def forget(self) -> None:
        """Parameters were replaced: nothing that was recorded is valid any longer."""
        self._kind: tuple[bool, bool, int] | None = None
        self._moving: Tensor | None = None
        self._parts: _Parts | None = None

    def __call__(
        self, orders: Orders, *, fine: bool, gated: bool, moving: Int[Tensor, "M"], mark: Mark
    ) -> dict[str, Tensor]:
        """Learn from one batch; loss and PSNR (dB) come back on the device, valid until the next step.

        ``moving``: the Gaussians that are deformed, ascending. ``mark`` is told the name of each part as it ends.
        """
        kind = (fine, gated, len(orders.frames))
        if kind != self._kind or moving is not self._moving:  # the first of a kind runs as it is: all gets compiled
            self._kind, self._moving, self._parts = kind, moving, None
            return _Parts(self, fine, moving).run(orders, mark)
        if self._parts is None:
            self._parts = _Parts(self, fine, moving, record=self._records)
        try:
            return self._parts.run(orders, mark)
        except CannotRecordError as error:
            logger.warning("this GPU cannot record CUDA graphs (%s): training goes on without, slower", error)
            self._records, self._parts = False, _Parts(self, fine, moving)
            return self._parts.run(orders, mark)


class _Parts:
    """The parts of a step, recorded or not."""

    def __init__(self, step: Step, fine: bool, moving: Int[Tensor, "M"], record: bool = False) -> None:
        self.step, self.fine, self.moving = step, fine, moving
        pool = torch.cuda.graph_pool_handle() if record else None

        def part(function: Callable[..., T]) -> Callable[..., T]:
            return Recording(function, pool) if record else function

        self.pose, self.compare = part(self._pose), part(self._compare)
        self.go_back, self.learn = part(self._go_back), part(self._learn)

    def run(self, orders: Orders, mark: Mark) -> dict[str, Tensor]:
        self.posed = self.pose(*(getattr(orders, field.name) for field in fields(orders)))
        mark("deform")
        frames, gaussians = self.posed.frames, self.posed.gaussians
        leaves = gaussians.map(lambda tensor, _: tensor.detach().requires_grad_())
        output = render(leaves, frames.drive.camera, frames.background)
        mark("render")
        compared = self.compare(output.image.detach(), output.alpha.detach())
        mark("loss")
        wanted = [*_tensors(leaves), output.means2d]
        found = torch.autograd.grad([output.image, output.alpha], wanted, [compared.to_image, compared.to_alpha])
        self.go_back(*found, output.radii)
        mark("backward")
        self.learn()
        mark("optimizer")
        return {"loss": compared.loss, "psnr": compared.psnr}

    def _pose(self, *parts: Tensor) -> Posed:
        orders, whole = Orders(*parts), self.step
        head, settings = whole.head, whole.settings
        frames = whole.store.frames(orders.frames, orders.pictures)
        at_rest, vertices = head.at_rest_with(whole.guide.at_rest[orders.vertices], self.moving)
        tokens = head.deformation.tokens_of(whole.store.drive(torch.cat([orders.frames, orders.guiding])))
        batch = len(orders.frames)
        moves = head.deformation(vertices, tokens[batch:]).means
        guiding = whole.guide.loss(moves, orders.guiding, orders.vertices)
        extra = orders.guidance * settings.motion_weight * guiding
        offsets = learners = None
        if self.fine:
            learners = self._learners(head.num_gaussians)
            offsets = head.deformation(at_rest.spatial, tokens[:batch], self._learners(len(self.moving)))
            extra = extra + settings.offset_weight * offset_loss(offsets)
            extra = extra + settings.gate_weight * at_rest.gates.mean()
        motion = whole.poses(orders.frames - whole.guide.first_frame)
        raw = head.model.at_rest(at_rest.features, learners)
        positions = frames.drive.camera.positions
        return Posed(frames, posed(head.model, raw, offsets, self.moving, motion, positions), extra)

    def _learners(self, total: int) -> Int[Tensor, "L"] | None:
        """A random share of so many Gaussians, from which a network learns for all of them; None for all."""
        count = min(total, max(MIN_LEARNERS, round(total * self.step.settings.learner_share)))
        return None if count == total else torch.randperm(total, device=self.moving.device)[:count]

    def _compare(self, image: Float[Tensor, "B H W 3"], alpha: Float[Tensor, "B H W 1"]) -> Compared:
        frames = self.posed.frames
        image, alpha = image.detach().requires_grad_(), alpha.detach().requires_grad_()
        loss = image_losses(image, alpha, frames, self.step.settings, self.step.perceptual).total()
        to_image, to_alpha = torch.autograd.grad(loss, [image, alpha])
        total = (loss + self.posed.extra).detach()
        return Compared(total, psnr_of(image, frames.image), to_image, to_alpha)

    def _go_back(self, *gradients: Tensor) -> None:
        """From the gradients of posed Gaussians, of their centres on the screen, and their radii there."""
        *to_fields, to_centres, radii = gradients
        camera = self.posed.frames.drive.camera
        self.step.statistics.add(to_centres, radii, camera.width, camera.height)
        outputs = [self.posed.extra, *_tensors(self.posed.gaussians)]
        parameters = [p for group in self.step.optimizer.param_groups for p in group["params"]]
        to_outputs = [torch.ones_like(self.posed.extra), *to_fields]
        found = torch.autograd.grad(outputs, parameters, to_outputs, allow_unused=True)
        for parameter, gradient in zip(parameters, found, strict=True):
            parameter.grad = gradient

    def _learn(self) -> None:
        step(self.step.optimizer)
        self.step.poses.remove_drift()


def _tensors(gaussians: Gaussians) -> list[Tensor]:
    return [getattr(gaussians, field.name) for field in fields(gaussians)]
