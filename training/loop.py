"""The training loop: a static head first (coarse), then one that audio moves (fine)."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch.optim import Adam

from arguments.errors import EGSTalkerError
from arguments.settings import ModelSettings, TrainingSettings
from evaluation.lpips import load_lpips
from gaussian_renderer.render import render
from scene.dataset import TalkingHeadDataset
from scene.frame_store import FrameStore
from scene.head import GaussianHead
from scene.initialization import initial_cloud
from training.checkpoints import (
    Checkpoint,
    ModelRecord,
    Progress,
    checkpoints,
    forget_training_state,
    load_training_state,
    load_weights,
    read_record,
    save_checkpoint,
    write_record,
)
from training.densification import GradientStatistics, densify
from training.losses import (
    Perceptual,
    image_losses,
    motion_loss,
    motion_weights,
    multi_scale_gradients,
    offset_loss,
    psnr_of,
)
from training.optimizer import make_optimizer, set_rates, step
from training.poses import PoseCorrections
from training.reporter import Reporter
from training.sampling import frames_of_iteration
from training.validation import validate

MOTION_VERTICES = 468  # at most so many tracked vertices guide the deformation
MIN_LEARNERS = 1000  # Gaussians
MOVING_STEP = 256  # Gaussians
LOOK_EVERY = 25  # iterations between two looks at open gates, and on a GPU at the loss: each waits for the device
BLINK_PREFERENCE = 10.0  # a frame of closed eyes guides it so many times more often, being so much rarer


@dataclass(frozen=True)
class TrainOptions:
    """What a user asks for."""

    source_path: Path
    model_path: Path
    model: ModelSettings
    training: TrainingSettings
    device: str = "cpu"
    use_wandb: bool = False
    test_iterations: tuple[int, ...] = ()
    """Fine iterations to validate after, besides every ``validate_every``-th."""
    save_iterations: tuple[int, ...] = ()
    """Fine iterations to save after, besides every ``checkpoint_every``-th."""


def train(options: TrainOptions) -> GaussianHead:
    """Train, or go on where an earlier run of the same settings stopped; returns the head.

    Raises EGSTalkerError for an unusable dataset, or a model folder that holds another model.
    """
    dataset = TalkingHeadDataset(options.source_path)
    trainer = Trainer(options, dataset)
    totals = {"coarse": trainer.coarse_iterations, "fine": options.training.iterations}
    done = trainer.progress.iteration + (totals["coarse"] if trainer.progress.stage == "fine" else 0)
    wandb_settings = dataclasses.asdict(options.training) if options.use_wandb else None
    with Reporter(options.model_path, sum(totals.values()), done, wandb_settings) as reporter:
        try:
            for stage in ("coarse", "fine"):
                trainer.run_stage(stage, totals[stage], reporter)
        except KeyboardInterrupt:
            trainer.save()
            raise
    return trainer.head


class Trainer:
    """The state of a training and its steps."""

    def __init__(self, options: TrainOptions, dataset: TalkingHeadDataset) -> None:
        self.options, self.dataset, self.settings = options, dataset, options.training
        self.coarse_iterations = options.training.coarse_iterations if options.model.static_init else 0
        self.store = FrameStore(dataset, options.model.audio_window, options.device)
        self.perceptual = _perceptual(options.device)
        self.statistics = GradientStatistics()
        self.moving: torch.Tensor | None = None
        self.look_every = LOOK_EVERY if options.device == "cuda" else 1
        resumed = self._resumable()
        if resumed is None:
            self.head = self._new_head()
            self.progress = Progress("coarse", 0)
        else:
            self.head = load_weights(resumed.path, read_record(options.model_path), options.device)
            self.progress = resumed.progress
        self.poses = PoseCorrections(len(dataset.train)).to(options.device)
        self.optimizer: Adam = make_optimizer(self.head, self.poses, self.settings)
        if resumed is not None:
            state = load_training_state(resumed.path)
            self.poses.values.data.copy_(state["poses"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.statistics = GradientStatistics(*(state[name].to(options.device) for name in ("total", "seen")))
        self._prepare_motion()

    def run_stage(self, stage: str, total: int, reporter: Reporter) -> None:
        """Do what is left of a stage."""
        if (stage == "coarse" and self.progress.stage == "fine") or total == 0:
            return
        if stage != self.progress.stage:
            self.progress = replace(self.progress, stage=stage, iteration=0)
        self.head.train()
        while self.progress.iteration < total:
            iteration = self.progress.iteration
            offset = self.coarse_iterations if stage == "fine" else 0
            torch.manual_seed(self.settings.seed * 1_000_003 + offset + iteration)
            found = self.iterate(stage, iteration, total)
            self.progress = replace(self.progress, iteration=iteration + 1)
            values: dict[str, float] = {}
            if (iteration + 1) % self.look_every == 0 or self._stops_after(stage, iteration + 1, total):
                values = {name: float(value) for name, value in found.items()}
                if not math.isfinite(values["loss"]):
                    raise EGSTalkerError(
                        f"the training diverged at {stage} iteration {iteration + 1}; "
                        "train again into another --model_path with lower learning rates"
                    )
            reporter.step(stage, iteration + 1, self.head.num_gaussians, values)
            self._after(stage, iteration + 1, total, values, reporter)

    def iterate(
        self, stage: str, iteration: int, total: int, mark: Callable[[str], None] = lambda name: None
    ) -> dict[str, torch.Tensor | int]:
        """One step of the optimizer; what comes back is still on the device, for nothing here waits for it.

        ``mark`` is told the name of each part as it ends, for those who time them.
        """
        settings, fine = self.settings, stage == "fine"
        batch = settings.batch if fine else settings.coarse_batch
        indices = frames_of_iteration(self.dataset.train, iteration, batch, settings.seed + fine)
        following = frames_of_iteration(self.dataset.train, iteration + 1, batch, settings.seed + fine)
        frames = self.store.batch(indices, following)
        mark("data")
        gated = fine and iteration >= settings.gate_from_share * total
        self.head.deformation.let_gates_count(gated)
        set_rates(self.optimizer, settings.final_lr_ratio ** (iteration / total) if fine else 1.0)
        guides = torch.randperm(len(self.mean_vertices), device=self.options.device)[: settings.motion_points]
        at_rest, vertex_state = self.head.at_rest_with(self.mean_vertices[guides], self._moving(gated, iteration))
        guide = 1 - 0.8 * iteration / total if fine else 1.0  # pictures take over from the tracked vertices
        guiding = torch.multinomial(self.motion_chances, settings.motion_frames, replacement=True)
        seen = torch.cat([frames.index, guiding + self.dataset.train.start])
        tokens = self.head.deformation.tokens_of(self.store.drive(seen))
        moves = self.head.deformation(vertex_state, tokens[batch:]).means
        tracked = self.tracked_moves[guiding][:, guides]
        extra = guide * settings.motion_weight * motion_loss(moves, tracked, self.vertex_weights[guides])
        if fine:
            offsets = self.head.deformation(at_rest.spatial, tokens[:batch], self._learners(len(at_rest.moving)))
            learners = self._learners(self.head.num_gaussians)
            gaussians = self.head.model.gaussians(at_rest.features, offsets, at_rest.moving, learners)
            extra = extra + settings.offset_weight * offset_loss(offsets)
            extra = extra + settings.gate_weight * at_rest.gates.mean()
        else:
            gaussians = self.head.model.gaussians(at_rest.features)
        if settings.poses_lr > 0:
            gaussians = self.poses(gaussians, frames.index - self.dataset.train.start)
        mark("deform")
        output = render(gaussians, frames.drive.camera, frames.background)
        densifying = (fine and iteration < total * settings.densify_until_share) or not fine
        if densifying:
            output.means2d.retain_grad()
        mark("render")
        losses = image_losses(output, frames, settings, self.perceptual)
        loss = losses.total() + extra
        mark("loss")
        loss.backward()
        mark("backward")
        if densifying and output.means2d.grad is not None:
            camera = frames.drive.camera
            self.statistics.add(output.means2d.grad, output.radii, camera.width, camera.height)
        step(self.optimizer)
        self.poses.remove_drift()
        mark("optimizer")
        everything = iteration + (self.coarse_iterations if fine else 0)
        if densifying and everything >= settings.densify_from and (everything + 1) % settings.densify_every == 0:
            densify(self.head, self.optimizer, self.statistics, settings)
            self.moving = None
        return {"loss": loss.detach(), "psnr": psnr_of(output.image, frames.image), "moving": len(at_rest.moving)}

    def save(self) -> None:
        """Write a checkpoint of where the training is."""
        state = {
            "optimizer": self.optimizer.state_dict(),
            "poses": self.poses.values.detach().cpu(),
            "total": self.statistics.total.cpu(),
            "seen": self.statistics.seen.cpu(),
        }
        name = f"{self.progress.stage}-{self.progress.iteration:05d}"
        save_checkpoint(self.options.model_path / "checkpoints" / name, self.head, state, self.progress)
        forget_training_state(self.options.model_path)

    def _stops_after(self, stage: str, iteration: int, total: int) -> bool:
        """Whether something is validated or saved after this iteration."""
        settings, options = self.settings, self.options
        asked = stage == "fine" and iteration in (*options.test_iterations, *options.save_iterations)
        due = iteration % settings.validate_every == 0 or iteration % settings.checkpoint_every == 0
        return asked or due or iteration == total

    def _after(self, stage: str, iteration: int, total: int, values: dict[str, float], reporter: Reporter) -> None:
        """Validate, save and log, where it is time."""
        settings, options, last = self.settings, self.options, iteration == total
        fine = stage == "fine"
        if last or iteration % settings.validate_every == 0 or (fine and iteration in options.test_iterations):
            picture = options.model_path / "validation" / f"{stage}-{iteration:05d}.png"
            psnr = validate(self.head, self.store, settings.validation_frames, moving=fine, picture=picture)
            entry = {"stage": stage, "gaussians": self.head.num_gaussians, **values, "val_psnr": psnr}
            reporter.record(entry)
            reporter.say(f"{stage} {iteration}: held-out head PSNR {psnr:.2f} dB ({picture})")
            if fine and psnr > (self.progress.best_psnr or float("-inf")):
                self.progress = replace(self.progress, best_psnr=psnr)
                save_checkpoint(options.model_path / "best", self.head, None, self.progress)
        elif iteration % 50 == 0:
            reporter.record({"stage": stage, "gaussians": self.head.num_gaussians, **values})
        if last or iteration % settings.checkpoint_every == 0 or (fine and iteration in options.save_iterations):
            self.save()

    def _moving(self, gated: bool, iteration: int) -> torch.Tensor:
        """The Gaussians whose gates are open, and some more up to a round number: memory of few sizes is used again.

        They are looked for now and then only: gates close slowly, and looking waits for the device.
        """
        if not gated:
            return torch.arange(self.head.num_gaussians, device=self.options.device)
        if iteration % LOOK_EVERY == 0 or self.moving is None:
            with torch.no_grad():
                gates = self.head.deformation.field(self.head.planes(self.head.model.means)).gates[:, 0]
            wanted = -(-int(gates.count_nonzero()) // MOVING_STEP) * MOVING_STEP
            self.moving = (gates > 0).int().argsort(descending=True, stable=True)[:wanted]
        return self.moving

    def _learners(self, total: int) -> torch.Tensor | None:
        """A random share of so many Gaussians, from which a network learns for all of them; None for all."""
        count = min(total, max(MIN_LEARNERS, round(total * self.settings.learner_share)))
        return None if count == total else torch.randperm(total, device=self.options.device)[:count]

    def _prepare_motion(self) -> None:
        frames = slice(self.dataset.train.start, self.dataset.train.stop)
        vertices = self.dataset.vertices[frames]
        count = vertices.shape[1]
        rows = torch.linspace(0, count - 1, min(count, MOTION_VERTICES)).round().long()
        vertices = vertices[:, rows].to(self.options.device)
        self.mean_vertices = vertices.median(dim=0).values
        self.tracked_moves = vertices - self.mean_vertices
        self.vertex_weights = motion_weights(self.tracked_moves)
        self.motion_chances = (1 + BLINK_PREFERENCE * self.dataset.eyes[frames]).to(self.options.device)

    def _new_head(self) -> GaussianHead:
        options, dataset = self.options, self.dataset
        torch.manual_seed(options.training.seed)
        cloud = initial_cloud(dataset, options.model.initial_gaussians, options.training.seed)
        head = GaussianHead(len(cloud.points), dataset.feature_shape, options.model)
        head.model.start_from(*(torch.from_numpy(part) for part in (cloud.points, cloud.colors, cloud.spacing)))
        head.deformation.tokens.audio.set_statistics(dataset.audio[dataset.train.start : dataset.train.stop])
        write_record(options.model_path, self._record())
        return head.to(options.device)

    def _record(self) -> ModelRecord:
        dataset, options = self.dataset, self.options
        extractor = dataset.folder.read_record().get("extractor")
        source = str(options.source_path.resolve())
        poses = hashlib.sha256(dataset.folder.transforms_train.read_bytes()).hexdigest()
        return ModelRecord(
            options.model, options.training, dataset.feature_shape, extractor, source, len(dataset.train), poses
        )

    def _resumable(self) -> Checkpoint | None:
        """The checkpoint to go on from; None for a fresh start."""
        path = self.options.model_path
        there = checkpoints(path)
        if not there:
            return None
        old, new = read_record(path), self._record()
        training = replace(old.training, iterations=new.training.iterations)
        if replace(old, training=training, dataset=new.dataset) != new:
            raise EGSTalkerError(
                f"{path} holds a model of other settings or another dataset; give another --model_path or delete it"
            )
        write_record(path, new)
        return there[-1]


def _perceptual(device: str) -> Perceptual:
    """VGG features where their weights are, multi-scale gradients elsewhere."""
    network = load_lpips(net="vgg")
    if network is None:
        return multi_scale_gradients
    network = network.to(device)
    return lambda image, truth: network(image.clamp(0, 1), truth).mean()
