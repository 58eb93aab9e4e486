"""The training loop: a static head first (coarse), then one that moves (fine)."""

from __future__ import annotations

import dataclasses
import math
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch.optim import Adam

from arguments.device import CPU, GPU, by_device, kind_of
from arguments.digest import sha256
from arguments.errors import EGSTalkerError, one_line
from arguments.model_folder import ModelFolder
from arguments.settings import ModelSettings, TrainingSettings
from arguments.version import VERSION
from imaging.lpips import load_lpips
from motion.model_motion import ModelMotion, measure_clip
from scene.head import GaussianHead
from scene.head_files import (
    Checkpoint,
    ModelRecord,
    Progress,
    checkpoints,
    load_head,
    load_weights,
    read_record,
    write_record,
)
from scene.torso_files import learnt_with
from training.checkpoints import forget_training_state, load_training_state, save_checkpoint
from training.dataset import TalkingHeadDataset
from training.densification import GradientStatistics, densify
from training.frame_store import FrameStore, on_device
from training.initialization import initial_cloud
from training.log import say
from training.losses import Perceptual, multi_scale_gradients
from training.motion_guide import MotionGuide
from training.optimizer import load_state, make_optimizer, set_rates
from training.pose_corrections import PoseCorrections
from training.reporter import Reporter
from training.sampling import frames_of_iteration, with_closed_eyes_often
from training.speech import learn_speech_of
from training.step import Mark, Step, StepInputs
from training.stop_signals import AtOnce, StopSignals, stop_signals
from training.torso import learn_torso_of
from training.torso_cloud import NoTorsoError
from training.validation import validate

MOVING_STEP = {CPU: 256, GPU: 1024}  # Gaussians
MOVING_EVERY = {CPU: 25, GPU: 100}  # iterations between two looks at the gates; a step is recorded anew then
LOOK_EVERY = 25  # iterations between two looks at the loss on a GPU: each waits for the device
# Settings that may change from run to run of one training: the head does not depend on them, but for its length.
FREE_SETTINGS = (
    *("iterations", "checkpoint_every", "checkpoint_minutes", "validate_every", "validation_frames"),
    *("torso_iterations", "torso_batch", "torso_rounds", "torso_gaussians"),
)


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
    speech_prior: tuple[Path, ...] = ()
    """Other people's datasets, or models, from which the speech model learns what mouths have in common."""
    speech: bool = True
    """Whether a speech model is learnt, too; without one the head follows measured codes alone."""
    torso: bool = False
    """Whether a torso is learnt, too; without one films borrow the clip's."""


def train(options: TrainOptions) -> GaussianHead:
    """Train, or go on where an earlier run of the same settings stopped; returns the head.

    What ends it early, a signal or an error, leaves a checkpoint of the last whole iteration.

    Raises:
        EGSTalkerError: the dataset is unusable, the model folder holds another model, or the training diverges.
        Interrupted: Ctrl-C, SIGTERM or SIGHUP.
    """
    with stop_signals() as signals:
        trainer = Trainer(options, TalkingHeadDataset(options.source_path))
        total = sum(trainer.totals.values())
        if trainer.done >= total:
            trainer.learn_speech()
        else:
            settings = {"model": dataclasses.asdict(options.model), "training": dataclasses.asdict(options.training)}
            wandb_settings = settings if options.use_wandb else None
            reporter = Reporter(options.model_path, total, trainer.done, wandb_settings)
            trainer.learn_speech()
            with reporter, signals.deferred():
                trainer.run(reporter, signals)
        head, signal, progress = trainer.head, trainer.signal, trainer.progress
        del trainer  # and the frames that it keeps: the torso's are larger
        if options.torso and progress.stage == "fine":
            try:
                _learn_torso(options, head, signal, progress.iteration)
            except NoTorsoError as error:  # a head alone is a model, too
                say(f"{one_line(error)}; films will show the dataset's pictures")
        say(_finished(options, progress.iteration))
    return head


def _learn_torso(
    options: TrainOptions, head: GaussianHead, signal: torch.Tensor, iteration: int, *, again: bool = False
) -> None:
    """``again``: also where there is one of this head."""
    folder, training, device = ModelFolder(options.model_path), options.training, options.device
    if learnt_with(folder) == iteration and not again:
        return
    perceptual = _perceptual(training.perceptual, device)
    learn_torso_of(folder, head, signal, options.source_path, iteration, training, perceptual, device)


def learn_torso(options: TrainOptions) -> None:
    """Learn the torso of a model folder again: with other settings, or of a model that has none.

    Raises:
        EGSTalkerError: there is no model that moves, or it learnt from another dataset.
    """
    folder = ModelFolder(options.model_path)
    head, record, iteration = load_head(options.model_path, device=options.device)
    if iteration == 0:
        raise EGSTalkerError(f"{options.model_path} has learnt a head at rest so far; ./train.sh goes on")
    dataset = TalkingHeadDataset(options.source_path)
    _check_poses(options, record, dataset)
    codes = record.model.drive == "motion"
    signal = ModelMotion.load(folder, needs_speech=False).measured if codes else dataset.audio
    _learn_torso(options, head, signal, iteration, again=True)


def learn_speech(options: TrainOptions) -> None:
    """Learn the speech model of a model folder again: for other features, or another take of the same.

    Raises:
        EGSTalkerError: there is no model, or it has no use for one.
    """
    folder, dataset = ModelFolder(options.model_path), TalkingHeadDataset(options.source_path)
    record = read_record(options.model_path)
    if record.model.drive != "motion":
        raise EGSTalkerError(f"{options.model_path} is driven by audio features: it has no speech model to learn")
    _check_poses(options, record, dataset)
    motion = ModelMotion.load(folder, needs_speech=False)
    priors, seed = options.speech_prior, record.training.seed
    learn_speech_of(folder, motion, dataset, priors=priors, seed=seed, device=options.device)


def _check_poses(options: TrainOptions, record: ModelRecord, dataset: TalkingHeadDataset) -> None:
    if record.poses not in ("", dataset.poses_digest()):
        raise EGSTalkerError(f"{options.model_path} learnt from {record.dataset}, and {options.source_path} is another")


def _finished(options: TrainOptions, iteration: int) -> str:
    """The line that ends a training, or says that there was nothing left to do."""
    asked = options.training.iterations
    if iteration > asked:
        return (
            f"{options.model_path} has {iteration} fine iterations, more than the {asked} asked for: nothing to do; "
            f"--iterations above {iteration} goes on, another --model_path begins anew"
        )
    return f"{options.model_path} is finished: {iteration} fine iterations; --iterations above {iteration} goes on"


class Trainer:
    """The state of a training and its steps."""

    def __init__(self, options: TrainOptions, dataset: TalkingHeadDataset) -> None:
        self.options, self.dataset, self.settings = options, dataset, options.training
        self.folder = ModelFolder(options.model_path)
        perceptual = _perceptual(self.settings.perceptual, options.device)
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
            self.head, self.poses, self.optimizer, self.statistics, self.store, self.guide, perceptual, self.settings
        )

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
        except BaseException:
            try:
                self._rescue()
            except OSError as error:  # the reason for which the training ends is what the user has to know
                reporter.say(f"no checkpoint could be written ({one_line(error)}); the one before it stays")
            raise

    def _run_stage(self, stage: str, total: int, reporter: Reporter, signals: StopSignals) -> None:
        if (stage == "coarse" and self.progress.stage == "fine") or total == 0:
            return
        if stage != self.progress.stage:
            self.progress = replace(self.progress, stage=stage, iteration=0)
        self.head.train()
        while self.progress.iteration < total:
            signals.check()
            iteration = self.progress.iteration
            torch.manual_seed(self.settings.seed * 1_000_003 + self.done)
            figures = self.iterate(stage, iteration, total)
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
            densify(self.head, self.optimizer, self.statistics, settings)
            self.moving = None
            self.step.forget()
        return {**figures, "moving": len(moving)}

    def _inputs(self, fine: bool, iteration: int, total: int) -> StepInputs:
        """What an iteration sees; a function of the seed and its number, so that a resumed run sees the same."""
        settings, train = self.settings, self.dataset.train
        batch = settings.batch if fine else settings.coarse_batch
        seed = settings.seed + fine
        shown = frames_of_iteration(self.shown, iteration, batch, seed)
        following = frames_of_iteration(self.shown, iteration + 1, batch, seed)
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
            "moving": None if self.moving is None else self.moving.cpu(),
            "gated": self.gated,
        }
        checkpoint = self.folder.checkpoint(self.progress.stage, self.progress.iteration)
        save_checkpoint(checkpoint, self.head, state, self.progress)
        forget_training_state(self.options.model_path)
        self._saved, self._saved_at = self.done, time.monotonic()

    def _rescue(self) -> None:
        """Save what was learnt since the last checkpoint, unless an iteration is half done or values are not finite."""
        finite = all(torch.isfinite(value).all() for value in self.head.state_dict().values())
        if self.step.whole and finite and self.done > self._saved:
            self.save()

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
        head = GaussianHead(len(cloud.points), tuple(self.signal.shape[1:]), options.model)
        head.model.start_from(*(torch.from_numpy(part) for part in (cloud.points, cloud.colors, cloud.spacing)))
        head.deformation.tokens.signal.set_statistics(self.signal[dataset.learnt])
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
        """The expression code and the clip's codes: fitted and written for a fresh start, read to go on."""
        if resumed:
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
        learnt = latest.progress.iteration if latest.progress.stage == "fine" else 0
        iterations = max(new.training.iterations, learnt)
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


def _perceptual(kind: str, device: str) -> Perceptual:
    """The perceptual term that the settings name. Raises EGSTalkerError where its weights are not there."""
    if kind == "gradients":
        return multi_scale_gradients
    network = load_lpips(net="vgg")
    if network is None:
        raise EGSTalkerError(
            'perceptual = "vgg" needs weights that are not here; ./download_models.sh fetches them, '
            'or set perceptual = "gradients"'
        )
    network = network.to(device)
    return lambda image, truth: network(image.clamp(0, 1), truth).mean()
