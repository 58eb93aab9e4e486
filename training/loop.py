"""The training loop: a static head first (coarse), then one that audio moves (fine)."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch.optim import Adam

from arguments.device import CPU, GPU, by_device, kind_of
from arguments.errors import EGSTalkerError
from arguments.model_folder import ModelFolder
from arguments.settings import ModelSettings, TrainingSettings
from imaging.lpips import load_lpips
from scene.head import GaussianHead
from scene.head_files import (
    Checkpoint,
    ModelRecord,
    Progress,
    checkpoints,
    load_weights,
    read_record,
    write_record,
)
from training.checkpoints import forget_training_state, load_training_state, save_checkpoint
from training.dataset import TalkingHeadDataset
from training.densification import GradientStatistics, densify
from training.frame_store import FrameStore, on_device
from training.initialization import initial_cloud
from training.losses import Perceptual, multi_scale_gradients
from training.motion_guide import MotionGuide
from training.optimizer import load_state, make_optimizer, set_rates
from training.pose_corrections import PoseCorrections
from training.reporter import Reporter
from training.sampling import frames_of_iteration
from training.step import Mark, Step, StepInputs
from training.validation import validate

MOVING_STEP = {CPU: 256, GPU: 1024}  # Gaussians
MOVING_EVERY = {CPU: 25, GPU: 100}  # iterations between two looks at the gates; a step is recorded anew then
LOOK_EVERY = 25  # iterations between two looks at the loss on a GPU: each waits for the device


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
        self.folder = ModelFolder(options.model_path)
        self.coarse_iterations = options.training.coarse_iterations if options.model.static_init else 0
        self.store = FrameStore(dataset, options.model.audio_window, options.device)
        self.statistics = GradientStatistics()
        self.moving: torch.Tensor | None = None
        self.gated = False
        self.look_every = by_device(options.device, cpu=1, gpu=LOOK_EVERY)
        resumed = self._resumable()
        if resumed is None:
            self.head = self._new_head()
            self.progress = Progress("coarse", 0)
        else:
            self.head = load_weights(resumed.folder, read_record(options.model_path), options.device)
            self.progress = resumed.progress
        self.poses = PoseCorrections(len(dataset.train), dataset.learnt).to(options.device)
        self.optimizer: Adam = make_optimizer(self.head, self.poses, self.settings)
        if resumed is not None:
            state = load_training_state(resumed.folder)
            try:
                self.poses.values.data.copy_(state["poses"])
                load_state(self.optimizer, state["optimizer"])
                self.statistics = GradientStatistics(*(state[name].to(options.device) for name in ("total", "seen")))
            except (ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
                raise EGSTalkerError(
                    f"{resumed.folder.training_state} does not fit its head; "
                    f"delete {resumed.folder.root} to resume from the one before"
                ) from error
        self.guide = MotionGuide(dataset, options.device)
        perceptual = _perceptual(options.device)
        self.step = Step(
            self.head, self.poses, self.optimizer, self.statistics, self.store, self.guide, perceptual, self.settings
        )

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
        self, stage: str, iteration: int, total: int, mark: Mark = lambda name: None
    ) -> dict[str, torch.Tensor | int]:
        """One step of the optimizer; what comes back is still on the device, for nothing here waits for it.

        ``mark`` is told the name of each part as it ends, for those who time them.
        """
        settings, fine = self.settings, stage == "fine"
        inputs = self._inputs(fine, iteration, total)
        mark("data")
        gated = fine and iteration >= settings.gate_from_share * total
        self.head.deformation.let_gates_count(gated)
        set_rates(self.optimizer, settings.final_lr_ratio ** (iteration / total) if fine else 1.0)
        moving = self._moving(gated, iteration)
        found = self.step(inputs, fine=fine, gated=gated, moving=moving, mark=mark)
        densifying = not fine or iteration < total * settings.densify_until_share
        everything = iteration + (self.coarse_iterations if fine else 0)
        if densifying and everything >= settings.densify_from and (everything + 1) % settings.densify_every == 0:
            densify(self.head, self.optimizer, self.statistics, settings)
            self.moving = None
            self.step.forget()
        return {**found, "moving": len(moving)}

    def _inputs(self, fine: bool, iteration: int, total: int) -> StepInputs:
        """What an iteration sees; a function of the seed and its number, so that a resumed run sees the same."""
        settings, train = self.settings, self.dataset.train
        batch = settings.batch if fine else settings.coarse_batch
        seed = settings.seed + fine
        shown = frames_of_iteration(self.dataset.learnt, iteration, batch, seed)
        following = frames_of_iteration(self.dataset.learnt, iteration + 1, batch, seed)
        chance = np.random.default_rng((settings.seed, fine, iteration))
        guiding = train.start + chance.choice(len(train), settings.motion_frames, p=self.guide.chances.numpy())
        vertices = chance.permutation(len(self.guide.at_rest))[: settings.motion_points]
        numbers = on_device([*shown, *guiding.tolist(), *vertices.tolist()], self.store.device)
        frames, guiding, vertices = numbers.split([len(shown), len(guiding), len(vertices)])
        guidance = 1 - 0.8 * iteration / total if fine else 1.0
        return StepInputs(
            frames,
            self.store.pictures(frames, shown, following),
            guiding,
            vertices,
            torch.full((), guidance, device=self.store.device),
        )

    def save(self) -> None:
        """Write a checkpoint of where the training is."""
        state = {
            "optimizer": self.optimizer.state_dict(),
            "poses": self.poses.values.detach().cpu(),
            "total": self.statistics.total.cpu(),
            "seen": self.statistics.seen.cpu(),
        }
        checkpoint = self.folder.checkpoint(self.progress.stage, self.progress.iteration)
        save_checkpoint(checkpoint, self.head, state, self.progress)
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
            picture = self.folder.validation(stage, iteration)
            psnr = validate(self.head, self.store, settings.validation_frames, moving=fine, picture=picture)
            entry = {"stage": stage, "gaussians": self.head.num_gaussians, **values, "val_psnr": psnr}
            reporter.record(entry)
            reporter.say(f"{stage} {iteration}: held-out head PSNR {psnr:.2f} dB ({picture})")
            if fine and psnr > (self.progress.best_psnr or float("-inf")):
                self.progress = replace(self.progress, best_psnr=psnr)
                save_checkpoint(self.folder.best, self.head, None, self.progress)
        elif iteration % 50 == 0:
            reporter.record({"stage": stage, "gaussians": self.head.num_gaussians, **values})
        if last or iteration % settings.checkpoint_every == 0 or (fine and iteration in options.save_iterations):
            self.save()

    def _moving(self, gated: bool, iteration: int) -> torch.Tensor:
        """The Gaussians whose gates are open, ascending, and some more up to a round number: few sizes of memory are
        used again and again.

        They are looked for now and then only: gates close slowly, and looking waits for the device.
        """
        if (
            self.moving is None
            or gated != self.gated
            or (gated and iteration % MOVING_EVERY[kind_of(self.options.device)] == 0)
        ):
            moving = torch.arange(self.head.num_gaussians, device=self.options.device)
            if gated:
                with torch.no_grad():
                    gates = self.head.deformation.field(self.head.planes(self.head.model.means)).gates[:, 0]
                step = MOVING_STEP[kind_of(self.options.device)]
                wanted = -(-int(gates.count_nonzero()) // step) * step
                moving = (gates > 0).int().argsort(descending=True, stable=True)[:wanted].sort().values
            if self.moving is None or not torch.equal(moving, self.moving):
                self.moving = moving
            self.gated = gated
        return self.moving

    def _new_head(self) -> GaussianHead:
        options, dataset = self.options, self.dataset
        torch.manual_seed(options.training.seed)
        cloud = initial_cloud(dataset, options.model.initial_gaussians, options.training.seed)
        head = GaussianHead(len(cloud.points), dataset.feature_shape, options.model)
        head.model.start_from(*(torch.from_numpy(part) for part in (cloud.points, cloud.colors, cloud.spacing)))
        head.deformation.tokens.audio.set_statistics(dataset.audio[dataset.learnt])
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
