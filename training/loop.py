"""A whole training: the speech model, the head, the torso; and each of the last two again."""

from __future__ import annotations

import dataclasses

from arguments.device import on_gpu
from arguments.errors import EGSTalkerError, one_line
from arguments.model_folder import ModelFolder
from arguments.usage import note_usage
from motion.model_motion import ModelMotion
from scene.head import GaussianHead
from scene.head_files import ModelRecord, chosen_checkpoint, read_record
from scene.torso_files import learnt_with
from training.dataset import TalkingHeadDataset
from training.followers import Followers
from training.log import say
from training.options import TrainOptions
from training.reporter import Reporter
from training.speech import learn_speech_of
from training.stop_signals import stop_signals
from training.torso import learn_torso_of
from training.torso_cloud import NoTorsoError
from training.trainer import Trainer


def train(options: TrainOptions) -> GaussianHead:
    """Train, or go on where an earlier run of the same settings stopped; returns the head.

    What ends it early, a signal or an error, leaves a checkpoint of the last whole iteration.

    Raises:
        EGSTalkerError: the dataset is unusable, the model folder holds another model, or the training diverges.
        Interrupted: Ctrl-C, SIGTERM or SIGHUP.
    """
    with stop_signals() as signals, Followers(options) as followers:
        dataset = TalkingHeadDataset(options.source_path)
        trainer = Trainer(options, dataset, followers.group, followers.tell)
        total = sum(trainer.totals.values())
        if trainer.done >= total:
            trainer.learn_speech()
        else:
            settings = {"model": dataclasses.asdict(options.model), "training": dataclasses.asdict(options.training)}
            wandb_settings = settings if options.use_wandb else None
            reporter = Reporter(options.model_path, total, trainer.done, wandb_settings)
            trainer.learn_speech()
            followers.begin(trainer)
            with reporter, signals.deferred():
                trainer.run(reporter, signals)
        head, progress = trainer.head, trainer.progress
        del trainer  # and the frames that it keeps: the torso's are larger
        folder = ModelFolder(options.model_path)
        if options.torso and progress.stage == "fine" and learnt_with(folder) != progress.iteration:
            try:
                _learn_torso(options, dataset, followers)
            except NoTorsoError as error:  # a head alone is a model, too
                say(f"{one_line(error)}; films will show the dataset's pictures")
        if on_gpu(options.device):
            note_usage(folder)
        say(_finished(options, progress.iteration))
    return head


def learn_torso(options: TrainOptions) -> None:
    """Learn the torso of a model folder again: with other settings, or of a model that has none.

    Raises:
        EGSTalkerError: there is no model that moves, or it learnt from another dataset.
    """
    record = read_record(options.model_path)
    if chosen_checkpoint(options.model_path).progress.fine == 0:
        raise EGSTalkerError(f"{options.model_path} has learnt a head at rest so far; ./train.sh goes on")
    dataset = TalkingHeadDataset(options.source_path)
    _check_poses(options, record, dataset)
    with Followers(options) as followers:
        _learn_torso(options, dataset, followers)


def _learn_torso(options: TrainOptions, dataset: TalkingHeadDataset, followers: Followers) -> None:
    followers.meet()
    followers.tell("torso")
    learn_torso_of(options, dataset, followers.group)


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
