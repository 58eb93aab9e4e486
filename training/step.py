"""One step of the optimizer, in parts: deform the head, rasterize it, compare, go back the same way, learn.

Where several processes learn one head, the mean of their gradients is taken before the last part.

Only the rasterizer waits for the device, to know how many tiles its Gaussians touch. On an NVIDIA GPU the other parts
are recorded once and replayed (:class:`kernels.cuda.graph.Recording`): they are hundreds of kernels, too small for a
host to launch them as fast as the device runs them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torch.optim import Adam

from arguments.device import on_gpu
from arguments.settings import TrainingSettings
from gaussian_renderer.render import render
from kernels.cuda.graph import CannotRecordError, GraphMemory, Recording
from scene.gaussians import Gaussians
from scene.head import GaussianHead
from training.deformed_gaussians import deformed_gaussians
from training.densification import GradientStatistics
from training.frame_batch import FrameBatch
from training.frame_store import FrameStore
from training.group import Group
from training.losses import Perceptual, image_losses, psnr_of
from training.motion_guide import MotionGuide
from training.optimizer import step
from training.pose_corrections import PoseCorrections

logger = logging.getLogger(__name__)

MIN_SAMPLED = 1000  # Gaussians
Mark = Callable[[str], None]


@dataclass(frozen=True)
class StepInputs:
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
class Deformed:
    """The head in a batch of frames, without its history."""

    frames: FrameBatch
    gaussians: Gaussians


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
        group: Group,
    ) -> None:
        self.group = group
        self.head, self.poses, self.optimizer, self.statistics = head, poses, optimizer, statistics
        self.store, self.guide, self.perceptual, self.settings = store, guide, perceptual, settings
        self._records = on_gpu(store.device)
        self._memory: GraphMemory | None = None
        self.whole = True
        """Whether head, poses, optimizer and statistics are those of one iteration: an error amid a change leaves it
        False, and whoever counts the iteration sets it again."""
        self.forget()

    def forget(self) -> None:
        """Parameters were replaced: nothing that was recorded is valid any longer."""
        self._kind: tuple[bool, bool, int] | None = None
        self._moving: Tensor | None = None
        self._recorded: _Parts | None = None

    def __call__(
        self, inputs: StepInputs, *, fine: bool, gated: bool, moving: Int[Tensor, "M"], mark: Mark
    ) -> dict[str, Tensor]:
        """Learn from one batch; loss and PSNR (dB) come back on the device, valid until the next step.

        ``moving``: the Gaussians that are deformed, ascending. ``mark`` is told the name of each part as it ends.
        """
        kind = (fine, gated, len(inputs.frames))
        if kind != self._kind or moving is not self._moving:  # the first of a kind runs as it is: all gets compiled
            self._kind, self._moving, self._recorded = kind, moving, None
        elif self._records:
            try:
                self._memory = self._memory or GraphMemory()
                self._recorded = self._recorded or _recorded(_Work(self, fine, moving), self._memory)
                return self._run(self._recorded, inputs, mark)
            except CannotRecordError as error:
                logger.warning("this GPU cannot record CUDA graphs (%s): training goes on without, slower", error)
                self._records, self._recorded = False, None
        return self._run(_plain(_Work(self, fine, moving)), inputs, mark)

    def _run(self, parts: _Parts, inputs: StepInputs, mark: Mark) -> dict[str, Tensor]:
        deformed = parts.deform(*(getattr(inputs, field.name) for field in fields(inputs)))
        mark("deform")
        leaves = deformed.gaussians.map(lambda tensor, _: tensor.detach().requires_grad_())
        output = render(leaves, deformed.frames.drive.camera, deformed.frames.background)
        mark("render")
        compared = parts.compare(output.image.detach(), output.alpha.detach())
        mark("loss")
        wanted = [*_tensors(leaves), output.means2d]
        gradients = torch.autograd.grad([output.image, output.alpha], wanted, [compared.to_image, compared.to_alpha])
        self.whole = False
        learnt = parts.go_back(*gradients, output.radii)
        mark("backward")
        if self.group.size > 1:
            self.group.mean([*learnt, compared.loss, compared.psnr])
            mark("exchange")
        parts.learn()
        mark("optimizer")
        return {"loss": compared.loss, "psnr": compared.psnr}


class _Work:
    """What the parts of a step do. Each takes up what the one before left here.

    No history outlives a step: it would disturb the recording of the next.
    """

    def __init__(self, step: Step, fine: bool, moving: Int[Tensor, "M"]) -> None:
        self.step, self.fine, self.moving = step, fine, moving
        self.history: list[Tensor] = []

    def deform(self, *parts: Tensor) -> Deformed:
        inputs, whole = StepInputs(*parts), self.step
        head, settings = whole.head, whole.settings
        frames = whole.store.frames(inputs.frames, inputs.pictures)
        at_rest, vertices = head.at_rest_with(whole.guide.at_rest[inputs.vertices], self.moving)
        tokens = head.deformation.tokens_of(whole.store.drive(torch.cat([inputs.frames, inputs.guiding])))
        batch = len(inputs.frames)
        moves = head.deformation(vertices, tokens[batch:]).attributes.means
        guiding = whole.guide.loss(moves, inputs.guiding, inputs.vertices)
        extra = inputs.guidance * settings.motion_weight * guiding
        offsets = sampled = None
        if self.fine:
            sampled = self._sampled(head.num_gaussians)
            offsets = head.deformation(at_rest.spatial, tokens[:batch], self._sampled(len(self.moving)))
            extra = extra + settings.gate_weight * at_rest.gates.mean()
        motion = whole.poses(inputs.frames - whole.guide.first_frame)
        raw = head.model.at_rest(at_rest.features, sampled)
        positions = frames.drive.camera.positions
        gaussians, moved = deformed_gaussians(head.model, raw, offsets, self.moving, motion, positions)
        extra = extra + settings.offset_weight * moved
        self.history = [extra, *_tensors(gaussians)]
        self.frames, self.extra = frames, extra.detach()
        return Deformed(frames, gaussians.detach())

    def compare(self, image: Float[Tensor, "B H W 3"], alpha: Float[Tensor, "B H W 1"]) -> Compared:
        image, alpha = image.detach().requires_grad_(), alpha.detach().requires_grad_()
        loss = image_losses(image, alpha, self.frames, self.step.settings, self.step.perceptual).total()
        to_image, to_alpha = torch.autograd.grad(loss, [image, alpha])
        return Compared(loss.detach() + self.extra, psnr_of(image, self.frames.image), to_image, to_alpha)

    def go_back(self, *gradients: Tensor) -> list[Tensor]:
        """From the gradients of deformed Gaussians, of their centres on the screen, and their radii there, to those of
        all parameters that have one."""
        *to_fields, to_centres, radii = gradients
        camera = self.frames.drive.camera
        self.step.statistics.add(to_centres, radii, camera.width, camera.height)
        parameters = [p for group in self.step.optimizer.param_groups for p in group["params"]]
        history, self.history = self.history, []
        to_history = [torch.ones_like(self.extra), *to_fields]
        gradients_of_all = torch.autograd.grad(history, parameters, to_history, allow_unused=True)
        for parameter, gradient in zip(parameters, gradients_of_all, strict=True):
            parameter.grad = None if gradient is None else gradient.contiguous()
        return [parameter.grad for parameter in parameters if parameter.grad is not None]

    def learn(self) -> None:
        step(self.step.optimizer)
        self.step.poses.remove_drift()

    def _sampled(self, total: int) -> Int[Tensor, "S"] | None:
        """A random share of so many Gaussians, from whose gradient a decoder learns for all of them; None for all."""
        count = min(total, max(MIN_SAMPLED, round(total * self.step.settings.learner_share)))
        return None if count == total else torch.randperm(total, device=self.moving.device)[:count]


@dataclass(frozen=True)
class _Parts:
    """The parts of a step, in their order; the rasterizer comes after the first, and its way back after the second."""

    deform: Callable[..., Deformed]
    compare: Callable[[Tensor, Tensor], Compared]
    go_back: Callable[..., list[Tensor]]
    learn: Callable[[], None]


def _plain(work: _Work) -> _Parts:
    return _Parts(work.deform, work.compare, work.go_back, work.learn)


def _recorded(work: _Work, memory: GraphMemory) -> _Parts:
    first, second = Recording(work.deform, memory), Recording(work.compare, memory)
    return _Parts(first, second, Recording(work.go_back, memory), Recording(work.learn, memory))


def _tensors(gaussians: Gaussians) -> list[Tensor]:
    return [getattr(gaussians, field.name) for field in fields(gaussians)]
