"""One head on its way: a static head first (coarse), then one that moves (fine)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch.optim import Adam

from arguments.device import CPU, GPU, by_device, kind_of
from arguments.digest import sha256
from arguments.errors import EGSTalkerError, Interrupted, one_line
from arguments.model_folder import ModelFolder
from arguments.version import VERSION
from motion.model_motion import ModelMotion, measure_clip
from scene.head import GaussianHead
from scene.head_files import Checkpoint, ModelRecord, Progress, checkpoints, load_weights, read_record, write_record
from training.checkpoints import forget_training_state, load_training_state, save_checkpoint
from training.dataset import TalkingHeadDataset
from training.densification import GradientStatistics, densify
from training.frame_store import FrameStore, on_device
from training.group import Group
from training.initialization import initial_cloud
from training.motion_guide import MotionGuide
from training.optimizer import load_state, make_optimizer, set_rates
from training.options import TrainOptions
from training.perceptual import perceptual_of
from training.pose_corrections import PoseCorrections
from training.reporter import Reporter
from training.sampling import frames_of_iteration, with_closed_eyes_often
from training.speech import learn_speech_of
from training.step import Mark, Step, StepInputs
from training.stop_signals import AtOnce, StopSignals
from training.validation import validate

MOVING_STEP = {CPU: 256, GPU: 1024}  # Gaussians
MOVING_EVERY = {CPU: 25, GPU: 100}  # iterations between two looks at the gates; a step is recorded anew then
LOOK_EVERY = 25  # iterations between two looks at the loss on a GPU: each waits for the device
# Settings that may change from run to run of one training: the head does not depend on them, but for its length.
FREE_SETTINGS = (
    *("iterations", "checkpoint_every", "checkpoint_minutes", "validate_every", "validation_frames"),
    *("torso_iterations", "torso_batch", "torso_rounds", "torso_gaussians"),
)


class Trainer:
    """The state of a training and its steps.

    Args:
        options: its device is that of this process.
        dataset: of their source path.
        group: the processes that learn the head together; whoever does not lead writes nothing, and does as the leader
            does: :meth:`share`, then :meth:`advance` and :meth:`gather` in the same order.
        tell: the leader's is told what the rest of the group has to do as well: which method, and with what.
    """

    def __init__(
        self,
        options: TrainOptions,
        dataset: TalkingHeadDataset,
        group: Group | None = None,
        tell: Callable[..., None] = lambda name, *arguments: None,
    ) -> None:
        self.options, self.dataset, self.settings = options, dataset, options.training
        self.group, self._tell = group or Group(), tell
        self.folder = ModelFolder(options.model_path)
        perceptual = perceptual_of(self.settings.perceptual, options.device)
        self.coarse_iterations = options.training.coarse_iterations if options.model.static_init else 0
        self.totals = {"coarse": self.coarse_iterations, "fine": options.training.iterations}
        self.statistics = GradientStatistics()
        self.moving: torch.Tensor | None = None
        self.gated = False
        closing = dataset.eyes[dataset.learnt].numpy()
        self.shown = with_closed_eyes_often(dataset.learnt, closing, self.settings.closed_eyes_share)
        self.look_every = by_device(options.device, cpu=1, gpu=LOOK_EVERY)
        resumed = self._resumable()
        self.motion = self._motion(resumed is not None) if options.model.drive == "motion" else None
        self.signal = dataset.audio if self.motion is None else self.motion.measured
        self.store = FrameStore(dataset, self.signal, options.model.signal_window, options.device)
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
                if state.get("moving") is not None:
                    self.moving, self.gated = state["moving"].to(options.device), bool(state["gated"])
            except (ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
                raise EGSTalkerError(
                    f"{resumed.folder.training_state} does not fit its head; "
                    f"delete {resumed.folder.root} to resume from the one before"
                ) from error
        self.guide = MotionGuide(dataset, options.device)
        self.step = Step(
            self.head,
            self.poses,
            self.optimizer,
            self.statistics,
            self.store,
            self.guide,
            perceptual,
            self.settings,
            self.group,
        )
        self.head.train()
        self._saved, self._saved_at = self.done, time.monotonic()

    @property
    def done(self) -> int:
        """Iterations of both stages."""
        return self.progress.iteration + (self.coarse_iterations if self.progress.stage == "fine" else 0)

    def run(self, reporter: Reporter, signals: StopSignals) -> None:
        """Do what is left of both stages; what ends that early leaves a checkpoint of the last whole iteration."""
        try:
            for stage, total in self.totals.items():
                self._run_stage(stage, total, reporter, signals)
        except AtOnce:
            raise
        except BaseException as error:
            try:
                self._rescue(together=isinstance(error, Interrupted))
            except OSError as full:  # the reason for which the training ends is what the user has to know
                reporter.say(f"no checkpoint could be written ({one_line(full)}); the one before it stays")
            raise

    def _run_stage(self, stage: str, total: int, reporter: Reporter, signals: StopSignals) -> None:
        if (stage == "coarse" and self.progress.stage == "fine") or total == 0:
            return
        iteration = self.progress.iteration if stage == self.progress.stage else 0
        while iteration < total:
            signals.check()
            self._tell("advance", stage, iteration, total)
            figures = self.advance(stage, iteration, total)
            iteration += 1
            validates, saves = self._validates(stage, iteration, total), self._saves(stage, iteration, total)
            values: dict[str, float] = {}
            if iteration % self.look_every == 0 or validates or saves:
                values = {name: float(value) for name, value in figures.items()}
                if not math.isfinite(values["loss"]):
                    raise EGSTalkerError(
                        f"the training diverged at {stage} iteration {iteration}; "
                        "train again into another --model_path with lower learning rates"
                    )
            self.progress = replace(self.progress, iteration=iteration)
            self.step.whole = True
            reporter.step(stage, iteration, self.head.num_gaussians, values)
            if validates:
                self._validate(stage, iteration, values, reporter)
            elif iteration % 50 == 0:
                reporter.record({"stage": stage, "gaussians": self.head.num_gaussians, **values})
            if saves:
                self.save()

    def advance(
        self, stage: str, iteration: int, total: int, mark: Mark = lambda name: None
    ) -> dict[str, torch.Tensor | int]:
        """:meth:`iterate`, with the random numbers that a resumed run draws, too."""
        self.progress = replace(self.progress, stage=stage, iteration=iteration)
        drawn = self.settings.seed * 1_000_003 + self.done
        torch.manual_seed(drawn * self.group.size + self.group.rank)
        return self.iterate(stage, iteration, total, mark)

    def share(self) -> None:
        """Begin from where the leader of the group is."""
        self.group.same([*self.head.state_dict().values(), self.poses.values.data])
        self._keep_what_the_leader_counts()

    def gather(self) -> None:
        """Let the leader have what all have seen since the last densification, and look whether all have one head.

        Raises:
            EGSTalkerError: they have not.
        """
        self.group.check_same(self.head.parameters())
        self.group.sum([self.statistics.total, self.statistics.seen])
        self._keep_what_the_leader_counts()

    def _keep_what_the_leader_counts(self) -> None:
        if not self.group.leads:
            self.statistics.total.zero_()
            self.statistics.seen.zero_()

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
        figures = self.step(inputs, fine=fine, gated=gated, moving=moving, mark=mark)
        densifying = not fine or iteration < total * settings.densify_until_share
        everything = iteration + (self.coarse_iterations if fine else 0)
        if densifying and everything >= settings.densify_from and (everything + 1) % settings.densify_every == 0:
            self.group.sum([self.statistics.total, self.statistics.seen])
            densify(self.head, self.optimizer, self.statistics, settings)
            self.group.same([self.head.model.means.data])  # halves are placed at random
            self.moving = None
            self.step.forget()
        return {**figures, "moving": len(moving)}

    def _inputs(self, fine: bool, iteration: int, total: int) -> StepInputs:
        """What an iteration sees here; a function of the seed and its number, so that a resumed run sees the same."""
        settings, train, group = self.settings, self.dataset.train, self.group
        batch = group.rounded(settings.batch if fine else settings.coarse_batch)
        seed = settings.seed + fine
        here, after = (frames_of_iteration(self.shown, k, batch, seed) for k in (iteration, iteration + 1))
        shown, following = group.part(here), group.part(after)
        chance = np.random.default_rng((settings.seed, fine, iteration))
        chosen = chance.choice(len(train), group.rounded(settings.motion_frames), p=self.guide.chances.numpy())
        guiding = group.part((train.start + chosen).tolist())
        vertices = chance.permutation(len(self.guide.at_rest))[: settings.motion_points]
        numbers = on_device([*shown, *guiding, *vertices.tolist()], self.store.device)
        which, guides, points = numbers.split([len(shown), len(guiding), len(vertices)])
        guidance = 1 - 0.8 * iteration / total if fine else 1.0
        return StepInputs(
            which,
            self.store.pictures(which, shown, following),
            guides,
            points,
            torch.full((), guidance, device=self.store.device),
        )

    def save(self, *, together: bool = True) -> None:
        """Write a checkpoint of where the training is; ``together``: the group is between two iterations."""
        if together:
            self._tell("gather")
            self.gather()
        state = {
            "optimizer": self.optimizer.state_dict(),
            "poses": self.poses.values.detach().cpu(),
            "total": self.statistics.total.cpu(),
            "seen": self.statistics.seen.cpu(),
            "moving": None if self.moving is None else self.moving.cpu(),
            "gated": self.gated,
        }
        checkpoint = self.folder.checkpoint(self.progress.stage, self.progress.iteration)
        save_checkpoint(checkpoint, self.head, state, self.progress)
        forget_training_state(self.options.model_path)
        self._saved, self._saved_at = self.done, time.monotonic()

    def _rescue(self, *, together: bool) -> None:
        """Save what was learnt since the last checkpoint, unless an iteration is half done or values are not finite."""
        finite = all(torch.isfinite(value).all() for value in self.head.state_dict().values())
        if self.step.whole and finite and self.done > self._saved:
            self.save(together=together)

    def _validates(self, stage: str, iteration: int, total: int) -> bool:
        """Whether the head is validated after this iteration."""
        asked = stage == "fine" and iteration in self.options.test_iterations
        return asked or iteration == total or iteration % self.settings.validate_every == 0

    def _saves(self, stage: str, iteration: int, total: int) -> bool:
        """Whether a checkpoint is written after this iteration."""
        settings = self.settings
        asked = stage == "fine" and iteration in self.options.save_iterations
        late = 0 < settings.checkpoint_minutes * 60 <= time.monotonic() - self._saved_at
        return asked or late or iteration == total or iteration % settings.checkpoint_every == 0

    def _validate(self, stage: str, iteration: int, values: dict[str, float], reporter: Reporter) -> None:
        """Measure the head on held-out frames and say how good it is."""
        picture, fine = self.folder.validation(stage, iteration), stage == "fine"
        psnr = validate(self.head, self.store, self.settings.validation_frames, moving=fine, picture=picture)
        reporter.record({"stage": stage, "gaussians": self.head.num_gaussians, **values, "val_psnr": psnr})
        reporter.say(f"{stage} {iteration}: held-out head PSNR {psnr:.2f} dB ({picture})")

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
                open_ = (gates > 0).int()
                self.group.same([open_])
                wanted = -(-int(open_.count_nonzero()) // step) * step
                moving = open_.argsort(descending=True, stable=True)[:wanted].sort().values
            if self.moving is None or not torch.equal(moving, self.moving):
                self.moving = moving
            self.gated = gated
        return self.moving

    def _new_head(self) -> GaussianHead:
        options, dataset = self.options, self.dataset
        torch.manual_seed(options.training.seed)
        cloud = initial_cloud(dataset, options.model.initial_gaussians, options.training.seed)
        head = GaussianHead(len(cloud.points), tuple(self.signal.shape[1:]), options.model)
        head.model.start_from(*(torch.from_numpy(part) for part in (cloud.points, cloud.colors, cloud.spacing)))
        head.deformation.tokens.signal.set_statistics(self.signal[dataset.learnt])
        if self.group.leads:
            write_record(options.model_path, self._record())
        return head.to(options.device)

    def _record(self) -> ModelRecord:
        dataset, options = self.dataset, self.options
        codes = options.model.drive == "motion"
        source = str(options.source_path.resolve())
        return ModelRecord(
            options.model,
            options.training,
            (1 + options.model.lower_codes + options.model.upper_codes,) if codes else dataset.feature_shape,
            None if codes else dataset.folder.read_record().get("extractor"),
            source,
            len(dataset.train),
            poses=dataset.poses_digest(),
            action_units=sha256(dataset.folder.action_units),
            features="" if codes else sha256(dataset.folder.audio_features),  # of codes, the speech model hears them
            version=VERSION,
            device=options.device,
        )

    def _motion(self, resumed: bool) -> ModelMotion:
        """The expression code and the clip's codes: fitted and written for a fresh start, read by whoever joins in."""
        if resumed or not self.group.leads:
            return ModelMotion.load(self.folder, needs_speech=False)
        model, dataset = self.options.model, self.dataset
        face = measure_clip(dataset.folder, dataset.eyes)
        learnt = np.array(dataset.learnt)
        motion = ModelMotion.of_clip(face, learnt, len(dataset.train), lower=model.lower_codes, upper=model.upper_codes)
        self.folder.speech_model.unlink(missing_ok=True)  # of a run that did not come to its first checkpoint
        motion.save_code(self.folder)
        return motion

    def learn_speech(self) -> None:
        """Learn the speech model that goes with the head, unless it is there or not wanted."""
        if self.options.speech and self.motion is not None and self.motion.speech is None:
            seed, device = self.settings.seed, self.options.device
            priors = self.options.speech_prior
            self.motion = learn_speech_of(
                self.folder, self.motion, self.dataset, priors=priors, seed=seed, device=device
            )

    def _resumable(self) -> Checkpoint | None:
        """The checkpoint to go on from; None for a fresh start."""
        path = self.options.model_path
        there = checkpoints(path)
        if not there:
            return None
        old, new, latest = read_record(path), self._record(), there[-1]
        _check_same(path, old, new)
        iterations = max(new.training.iterations, latest.progress.fine)
        if self.group.leads:
            write_record(path, replace(new, training=replace(new.training, iterations=iterations)))
        return latest


def _check_same(path: Path, old: ModelRecord, new: ModelRecord) -> None:
    """Raise EGSTalkerError where a training that the model folder records cannot go on as ``new``."""
    perceptual = old.training.perceptual
    if perceptual != new.training.perceptual:
        raise EGSTalkerError(
            f'{path} learns with perceptual = "{perceptual}", not "{new.training.perceptual}"; '
            "set that in the configuration, or give another --model_path"
        )
    training = replace(old.training, **{name: getattr(new.training, name) for name in FREE_SETTINGS})
    apart = {name: getattr(new, name) for name in ("dataset", "version", "device", "action_units", "features")}
    if replace(old, training=training, poses=old.poses or new.poses, **apart) != new:
        raise EGSTalkerError(
            f"{path} holds a model of other settings or another dataset; give another --model_path or delete it"
        )
    for name, file in (("action_units", "au.csv"), ("features", "aud.npy")):
        if getattr(old, name) not in ("", getattr(new, name)):  # older versions recorded none
            raise EGSTalkerError(
                f"{path} learnt with another {file} than {new.dataset} has now; "
                "bring that back, or give another --model_path"
            )
