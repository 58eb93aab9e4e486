"""The torso is learnt after the head, with the head before it: what the two show together is held against the frames.

The head no longer changes. What of the torso is hidden by it in every frame keeps the colours that it starts with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.optim import Adam

from arguments.model_folder import ModelFolder
from arguments.settings import TrainingSettings
from data_utils.progress import progress
from gaussian_renderer.render import render
from motion.body_motion import BodyMotion, learn_body_motion
from motion.model_motion import ModelMotion
from scene.gaussians import Gaussians
from scene.head import AtRest, GaussianHead
from scene.head_files import load_head
from scene.kept_clip import keep_clip
from scene.torso import Torso, joined
from scene.torso_files import save_torso
from training.body_alignment import aligned
from training.dataset import TalkingHeadDataset, WholePerson
from training.frame_batch import FrameBatch
from training.frame_store import FrameStore
from training.group import Group
from training.log import say
from training.losses import Perceptual, image_losses
from training.options import TrainOptions
from training.perceptual import perceptual_of
from training.sampling import frames_of_iteration
from training.torso_cloud import torso_cloud
from training.validation import validate

RATES = {
    "means": 5e-4,
    "sh_dc": 5e-3,
    "logit_opacities": 3e-2,
    "log_scales": 5e-3,
    "quats": 2e-3,
}
FIELD_RATE = 2e-3
FINAL_RATE = 0.05  # of the rates at the beginning
STILL_WEIGHT = 1e-3  # of the field's squared outputs: it is for what poses alone do not explain


def measure_body(dataset: WholePerson) -> BodyMotion:
    """How the body moves in a dataset's clip; learnt from its training frames."""
    return learn_body_motion(
        dataset.folder,
        _poses(dataset),
        dataset.camera.intrinsics[0].double().numpy(),
        dataset.usable_mask(range(dataset.num_frames)),
        _learnt(dataset),
    )


def new_torso(dataset: WholePerson, body: BodyMotion, count: int, seed: int = 0) -> Torso:
    """A torso as the frame at rest shows it, of ``count`` Gaussians.

    Raises EGSTalkerError where there is none in the picture.
    """
    torch.manual_seed(seed)
    cloud = torso_cloud(dataset, body.rest, count, seed)
    torso = Torso(count, len(body.bumps))
    parts = (cloud.points, cloud.colours, cloud.spacing, cloud.attached)
    torso.start_from(*(torch.from_numpy(part) for part in parts))
    measured, middle = torch.from_numpy(body.measured).float(), torch.from_numpy(body.middle).float()
    torso.set_modes(torch.from_numpy(body.bumps).float(), torch.from_numpy(body.modes).float())
    torso.set_clip(dataset.camera.viewmats, measured, body.rest, middle, dataset.learnt)
    return torso


def learn_torso_of(options: TrainOptions, dataset: TalkingHeadDataset, group: Group) -> None:
    """Learn the torso of a model, whose head is finished, and write it into its folder; what is there stays until then.

    Args:
        options: of the training; its device is that of this process.
        dataset: of their source path.
        group: the processes that learn it together, each by this call; the leader writes.

    Raises what :func:`learn_torso` does.
    """
    folder, settings, device = ModelFolder(options.model_path), options.training, options.device
    head, record, iteration = load_head(options.model_path, device=device)
    codes = record.model.drive == "motion"
    signal = ModelMotion.load(folder, needs_speech=False).measured if codes else dataset.audio
    person = WholePerson(options.source_path)
    body = measure_body(person)
    store = whole_frames(head, signal, person, body, device)
    perceptual = perceptual_of(settings.perceptual, device)
    torso, body = learn_torso(head, store, person, body, settings, perceptual, group)
    if not group.leads:
        return
    picture = folder.torso_validation
    psnr = validate(head, store, settings.validation_frames, moving=True, picture=picture, torso=torso)
    say(f"torso: held-out PSNR of the whole picture {psnr:.2f} dB ({picture})")
    folder.torso.unlink(missing_ok=True)  # it goes with the motion that is replaced now
    body.save(folder)
    keep_clip(folder, person)
    save_torso(folder, torso, iteration)


def whole_frames(
    head: GaussianHead, signal: Float[Tensor, "N *D"], dataset: WholePerson, body: BodyMotion, device: str
) -> FrameStore:
    """A clip's frames uncut, each with the motion of its body."""
    measured = torch.from_numpy(body.measured).float()
    return FrameStore(dataset, signal, head.settings.signal_window, device, body=measured)


def learn_torso(
    head: GaussianHead,
    store: FrameStore,
    dataset: WholePerson,
    body: BodyMotion,
    settings: TrainingSettings,
    perceptual: Perceptual,
    group: Group,
) -> tuple[Torso, BodyMotion]:
    """Learn the torso that goes with a head, and measure the body's motion again by it.

    Args:
        head: learnt, on a device.
        store: of :func:`whole_frames`, there; its frames then have the new motion.
        dataset: of that clip.
        body: of :func:`measure_body`.
        settings: how long, with how many Gaussians, and the losses' weights.
        perceptual: as for the head.
        group: the processes that learn it together.

    Raises:
        EGSTalkerError: there is no torso in the pictures, or a file is missing or damaged.
    """
    torso = new_torso(dataset, body, settings.torso_gaussians, settings.seed).to(store.device)
    motion = torch.from_numpy(body.measured).float().to(store.device)
    group.same([*torso.state_dict().values(), motion])
    store.set_body(motion)
    optimizer, total = _optimizer(torso), min(settings.torso_iterations, settings.iterations)
    frames, seed = group.rounded(settings.torso_batch), settings.seed
    schedule = [frames_of_iteration(dataset.learnt, k, frames, seed) for k in range(total + 1)]
    watch = progress if group.leads else _unseen
    settings = replace(settings, lips_weight=0.0, eyes_weight=0.0)  # what there is to learn is elsewhere
    head.eval()
    with torch.no_grad():
        at_rest = head.at_rest()

    def measured(frames: Sequence[int]) -> Float[Tensor, "N 12"]:
        rounds, batch, ours = settings.torso_rounds, settings.torso_batch, group.part(frames)
        with watch("the body's motion", len(ours)) as done:
            found = aligned(head, torso, store, ours, motion, batch=batch, rounds=rounds, done=done)
        changed = torch.zeros_like(motion)
        changed[ours] = found[ours]
        group.sum([changed])
        return motion.index_copy(0, torch.tensor(frames, device=motion.device), changed[frames])

    with watch("torso", total, unit="iteration") as done:
        for iteration, (shown, following) in enumerate(pairwise(schedule)):
            if settings.torso_rounds and iteration == total // 2:
                motion = measured(sorted({i for frames in schedule[iteration:] for i in frames}))
                store.set_body(motion)
            for rates in optimizer.param_groups:
                rates["lr"] = rates["initial_lr"] * FINAL_RATE ** (iteration / total)
            batch = store.batch(group.part(shown), group.part(following))
            loss = _loss(torso, _heads(head, batch, at_rest), batch, settings, perceptual)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            group.mean([one.grad for one in torso.parameters() if one.grad is not None])
            optimizer.step()
            done(1)
    if settings.torso_rounds:
        motion = measured(dataset.usable(range(dataset.num_frames)))
        store.set_body(motion)
        body = body.measured_again(motion.double().cpu().numpy(), _poses(dataset), _learnt(dataset))
    return torso.eval(), body


@torch.no_grad()
def _heads(head: GaussianHead, batch: FrameBatch, at_rest: AtRest) -> Gaussians:
    return head.deform(batch.drive, at_rest)


def _loss(
    torso: Torso,
    heads: Gaussians,
    batch: FrameBatch,
    settings: TrainingSettings,
    perceptual: Perceptual,
) -> Float[Tensor, ""]:
    at_rest = torso.at_rest()
    output = render(joined(heads, torso.deform(batch.drive, at_rest)), batch.drive.camera, batch.background)
    still = STILL_WEIGHT * at_rest.answers.square().mean() / _ANSWER_UNIT
    return image_losses(output.image, output.alpha, batch, settings, perceptual).total() + still


@contextmanager
def _unseen(title: str, total: int, *, unit: str = "") -> Iterator[Callable[[int], None]]:
    yield lambda count: None


_ANSWER_UNIT = 0.05**2  # decimetres squared


def _optimizer(torso: Torso) -> Adam:
    groups = [{"params": [getattr(torso, name)], "lr": rate} for name, rate in RATES.items()]
    groups.append({"params": list(torso.field.parameters()), "lr": FIELD_RATE})
    for group in groups:
        group["initial_lr"] = group["lr"]
    return Adam(groups, betas=(0.9, 0.99), eps=1e-15)


def _poses(dataset: WholePerson) -> Float[np.ndarray, "N 4 4"]:
    return dataset.camera.viewmats.double().numpy()


def _learnt(dataset: WholePerson) -> Bool[np.ndarray, "N"]:
    mask = np.zeros(dataset.num_frames, bool)
    mask[dataset.learnt] = True
    return mask
