"""Learning what a face does from what is heard, and what to expect of it, by leaving parts of the clip out in turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from arguments.device import on_gpu
from data_utils.sound_lag import sound_lag
from motion.phone_openness import USUAL_OPENNESS
from motion.speech_model import CLAMP, SpeechModel, SpeechModelSettings
from motion.speech_network import LOOK_BACK, REACH, SpeechNetwork, padded
from motion.speech_prior import PriorRecording

FOLDS = 5  # parts of the clip that are left out in turn
FOLD_MEMBERS = 2  # networks for each
MEMBERS = 4  # networks that are kept, which learn from everything
APART = 12  # rows beside a left-out part that nothing is learnt from either
WIDTHS = ((0, 32), (1000, 64))  # of the networks, from so many rows of clean speech on
NOISE = 1.2  # on the standardised features while learning: without, noise in the sound moves lips more
BATCH, LENGTH = 8, 48  # stretches a step and their rows
RATE, DECAY = 3e-3, 0.05
GAP_WEIGHT = 2.0  # of the gap's error, times what it explains of the lips
FULL = 0.4  # correlation from which on the gap gets its full spread back
STRAIGHT = 0.5  # share of a straight line in the gap's curve
CLOSURES = (0.0, 0.25, 0.5, 0.75, 1.0)
PRIOR_ROWS = 100  # of the person's speech for which as much is learnt from other people's
CALM_FRAMES = 12  # of silence in the clip that say what the person's pause is


@dataclass(frozen=True)
class Recording:
    """Speech and what the face did, row by row."""

    features: Float[np.ndarray, "N D"]
    codes: Float[np.ndarray, "N K"]
    usable: Bool[np.ndarray, "N"]
    """Rows to learn from."""
    place: Float[np.ndarray, "N"]
    """Where in the clip a row comes from, 0..1."""


@dataclass(frozen=True)
class Expectation:
    """What a speech model does in parts of the clip that it has not learnt from."""

    correlation: Float[np.ndarray, "K"]
    spread: float
    """Of the gap, over the true one."""
    velocity: float
    """Correlation of the gap's change from frame to frame."""
    closures_kept: float
    closures_false: float
    lag: int
    """Frames by which the lips come after their sound: :func:`data_utils.sound_lag.sound_lag`; 0 if not known."""
    codes: Float[np.ndarray, "N K"]
    """The predictions for every row of the clean recording."""

    def closed_lips(self) -> str:
        """What becomes of moments with closed lips, in words."""
        if np.isnan(self.closures_kept):
            return "no closed lips in the clip"
        false = 0.0 if np.isnan(self.closures_false) else self.closures_false
        return f"closed lips kept {self.closures_kept:.0%}, false {false:.0%}"


def learn_speech(
    recordings: Sequence[Recording],
    settings: Callable[[int, int], SpeechModelSettings],
    *,
    importance: Float[np.ndarray, "K"],
    closed_below: float,
    activity: Float[np.ndarray, "N"] | None,
    priors: Sequence[PriorRecording] = (),
    seed: int = 0,
    device: str = "cpu",
    done: Callable[[int, int], None] = lambda step, steps: None,
) -> tuple[SpeechModel, Expectation]:
    """Learn a speech model from one clip.

    Args:
        recordings: the clip as it is, then its variants (:mod:`motion.sound_variants`).
        settings: from members and width to the model's settings.
        importance: how much each code moves the lips.
        closed_below: the gap's code below which lips are closed.
        activity: share of speech in each row of the clip; not known if None.
        priors: other people's recordings, which are learnt from the more the shorter the clip is.
        seed: of everything random.
        device: where the networks learn.
        done: told the step and the number of steps.
    """
    clean = recordings[0]
    rows = int(clean.usable.sum())
    width = next(width for least, width in reversed(WIDTHS) if rows >= least)
    model = SpeechModel(settings(MEMBERS, width))
    flat = torch.from_numpy(clean.features).float()
    seen = torch.from_numpy(clean.usable)
    model.mean.copy_(flat[seen].mean(0))
    model.deviation.copy_(flat[seen].std(0).clamp(min=1e-3))
    networks = _fit(recordings, priors, model, importance, rows, width, seed, device, done)
    model.network.load_state_dict(networks.member(slice(FOLDS * FOLD_MEMBERS, None)).state_dict())
    model.eval()
    raw = _left_out(networks, model, clean)
    truth = torch.from_numpy(clean.codes).float()
    _set_range(model, raw[seen], truth[seen])
    _set_pauses(model, truth, seen, activity, closed_below)
    shaped = model.shaped(raw)
    if model.settings.phones_from >= 0:
        _set_closure(model, shaped, flat, truth, seen, closed_below)
        shaped = model.closed(shaped, flat)
    if activity is not None:
        shaped = model.with_pauses(shaped, torch.from_numpy(activity).float())
    lag = sound_lag(clean.features, clean.codes[:, 0], clean.usable) or 0
    expected = expectation(shaped.numpy(), clean.codes, clean.usable, closed_below, lag)
    model.correlation.copy_(torch.from_numpy(expected.correlation))
    return model, expected


def speech_of_phones(
    clean: Recording,
    settings: SpeechModelSettings,
    *,
    usual_gaps: Float[np.ndarray, "7"],
    closed_below: float,
    activity: Float[np.ndarray, "N"] | None,
) -> tuple[SpeechModel, Expectation]:
    """The speech model of a person who was hardly heard: lips part as phones usually part them.

    Args:
        clean: the clip as it is.
        settings: of the model, with ``by_phones``.
        usual_gaps: codes of the gaps :data:`motion.phone_openness.USUAL_GAPS`. Lips open no wider than the person's
            were seen to, and a standard deviation.
        closed_below, activity: as in :func:`learn_speech`.
    """
    model = SpeechModel(settings).eval()
    truth, seen = torch.from_numpy(clean.codes).float(), torch.from_numpy(clean.usable)
    _set_pauses(model, truth, seen, activity, closed_below)
    widest = float(truth[seen, 0].max()) + 1
    ranks, known = np.linspace(0, 1, model.QUANTILES), np.linspace(0, 1, len(USUAL_OPENNESS))
    said, done = (np.interp(ranks, known, values) for values in (USUAL_OPENNESS, usual_gaps.clip(max=widest)))
    model.curve.copy_(torch.from_numpy(np.stack([said, done])))
    model.correlation.zero_()
    flat = torch.from_numpy(clean.features).float()
    codes = model(flat, None if activity is None else torch.from_numpy(activity).float())
    lag = sound_lag(clean.features, clean.codes[:, 0], clean.usable) or 0
    return model, expectation(codes.numpy(), clean.codes, clean.usable, closed_below, lag)


def expectation(
    said: Float[np.ndarray, "N K"],
    codes: Float[np.ndarray, "N K"],
    usable: Bool[np.ndarray, "N"],
    closed_below: float,
    lag: int,
) -> Expectation:
    """How predicted codes agree with measured ones in the usable rows."""
    a, b = said[usable], codes[usable]
    shut, kept = b[:, 0] < closed_below, a[:, 0] < closed_below
    return Expectation(
        np.array([_correlation(a[:, k], b[:, k]) for k in range(b.shape[1])]),
        float(a[:, 0].std() / max(b[:, 0].std(), 1e-6)),
        _correlation(np.diff(a[:, 0]), np.diff(b[:, 0])),
        float(kept[shut].mean()) if shut.any() else float("nan"),
        float((~shut)[kept].mean()) if kept.any() else float("nan"),
        lag,
        said,
    )


def _steps(rows: int, *, varied: bool) -> int:
    """Steps of learning, from so many rows of the clip."""
    return int(np.clip(375 + rows / 8, 375, 900) * (1.5 if varied else 1.0))


def _folds(place: Float[np.ndarray, "N"], rows: int) -> Bool[np.ndarray, "FOLDS N"]:
    """For each fold, the rows that are learnt from."""
    apart = APART / max(rows, 1)
    edges = np.linspace(0, 1, FOLDS + 1)
    return np.stack([(place < a - apart) | (place > b + apart) for a, b in pairwise(edges)])


def prior_share(rows: int) -> float:
    """Share of what is learnt from that is other people's, where a person has so many rows of speech.

    Two newsreaders of different languages, each the other's prior, correlation of the gap in what was not learnt from:
    5 s of own speech .50 alone and .57 with a share of .3 or .5; 10 s .59 and .63; a minute .716 and .714. Learning
    from others first and from the person after that is no better.
    """
    return PRIOR_ROWS / (PRIOR_ROWS + rows)


def _fit(
    recordings: Sequence[Recording],
    priors: Sequence[PriorRecording],
    model: SpeechModel,
    importance: Float[np.ndarray, "K"],
    rows: int,
    width: int,
    seed: int,
    device: str,
    done: Callable[[int, int], None],
) -> SpeechNetwork:
    """Networks that learnt without each fold, FOLD_MEMBERS of each, then MEMBERS that learnt from everything."""
    features, codes, weights = [], [], []
    for recording in recordings:  # one after the other, so far apart that none hears its neighbour
        around = ((LENGTH + REACH, LENGTH + REACH), (0, 0))
        flat = model.standardised(torch.from_numpy(recording.features).float()).numpy()
        features.append(np.pad(flat, around, mode="edge"))
        codes.append(np.pad(recording.codes, around))
        folds = _folds(recording.place, rows) & recording.usable
        everyone = np.concatenate([np.repeat(folds, FOLD_MEMBERS, 0), np.repeat(recording.usable[None], MEMBERS, 0)])
        weights.append(np.pad(everyone, ((0, 0), around[0])))
    own, known = sum(map(len, features)), np.ones((sum(map(len, features)), codes[0].shape[1]))
    for prior in priors:
        features.append(np.pad(prior.features.clip(-CLAMP, CLAMP), around, mode="edge"))
        codes.append(np.pad(prior.codes, around))
        weights.append(np.tile(np.pad(prior.usable, around[0]), (len(weights[0]), 1)))
        known = np.concatenate([known, np.tile(prior.known, (len(codes[-1]), 1))])
    heard = torch.from_numpy(np.concatenate(features)).float().to(device)
    truth = torch.from_numpy(np.concatenate(codes)).float().to(device)
    weight = torch.from_numpy(np.concatenate(weights, axis=1)).float().to(device)
    told = torch.from_numpy(known).float().to(device)
    worth = torch.from_numpy(importance / importance.mean()).float().to(device)
    worth[0] *= GAP_WEIGHT
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[device] if on_gpu(device) else []):
        torch.manual_seed(seed)
        members = len(weight)
        network = SpeechNetwork(members, heard.shape[1], truth.shape[1], width=width).to(device).train()
        steps = _steps(len(recordings[0].codes), varied=len(recordings) > 1)
        optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY, betas=(0.9, 0.98))
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps, pct_start=0.1)
        mine = BATCH - (round(BATCH * prior_share(rows)) if priors else 0)
        begins, ends = torch.zeros(BATCH, 1), torch.full((BATCH, 1), own)
        ends[: (mine + 1) // 2] = len(features[0])  # half of the person's is the clip as it is
        begins[mine:], ends[mine:] = own, len(heard)
        ranges = ends - begins - LENGTH - 2 * REACH
        for step in range(steps):
            first = (begins + torch.rand(members, BATCH, 1, generator=generator) * ranges).long().to(device)
            there = first + torch.arange(LENGTH + 2 * REACH, device=device)
            said = network(heard[there] + NOISE * torch.randn(*there.shape, heard.shape[1], device=device))
            now = there[..., LOOK_BACK : LOOK_BACK + LENGTH]
            error = (functional.mse_loss(said, truth[now], reduction="none") * worth * told[now]).sum(-1)
            counts = torch.gather(weight, 1, now.flatten(1)).view_as(error)
            loss = (error * counts).sum((1, 2)) / counts.sum((1, 2)).clamp(min=1)
            optimizer.zero_grad()
            loss.sum().backward()
            optimizer.step()
            schedule.step()
            done(step + 1, steps)
    return network.cpu().eval()


@torch.no_grad()
def _left_out(networks: SpeechNetwork, model: SpeechModel, clean: Recording) -> Float[Tensor, "N K"]:
    """For every row of the clip what the networks say that have not learnt from its part.

    The mean of FOLD_MEMBERS networks varies more than that of MEMBERS, by what they differ among themselves: it is
    drawn together by so much.
    """
    rows = padded(model.standardised(torch.from_numpy(clean.features).float()))
    said = networks.member(slice(0, FOLDS * FOLD_MEMBERS))(rows.expand(FOLDS * FOLD_MEMBERS, 1, -1, -1))[:, 0]
    fold = torch.from_numpy((clean.place * FOLDS).astype(np.int64).clip(0, FOLDS - 1))
    said = said.unflatten(0, (FOLDS, FOLD_MEMBERS))[fold, :, torch.arange(len(fold))]
    mean, apart = said.mean(1), said.var(1).mean(0)
    left = (1 - apart * (1 / FOLD_MEMBERS - 1 / MEMBERS) / mean.var(0).clamp(min=1e-6)).clamp(min=0.25)
    return torch.lerp(mean.mean(0), mean, left.sqrt())


def _set_range(model: SpeechModel, raw: Float[Tensor, "M K"], truth: Float[Tensor, "M K"]) -> None:
    """Give the codes a spread: the gap the person's, if it is predicted well.

    The gap's curve lies half way between the one that gives it the person's distribution too and a straight line, which
    follows better what was said.

    The others lie half way, as factors go, between the person's spread and what errs least (that, times the
    correlation); what cannot be heard stays at its mean.
    """
    agreed = torch.tensor([_correlation(raw[:, k].numpy(), truth[:, k].numpy()) for k in range(raw.shape[1])])
    sure = (agreed / FULL).clamp(0, 1)
    ratio = (truth.std(0) / raw.std(0).clamp(min=1e-6)).clamp(max=3.0)
    model.gain.copy_(ratio * agreed.clamp(min=0).sqrt())
    ranks = torch.linspace(0.003, 0.997, model.QUANTILES)
    said, done = torch.quantile(raw[:, 0], ranks), torch.quantile(truth[:, 0], ranks)
    line = truth[:, 0].mean() + ratio[0] * (said - raw[:, 0].mean())
    done = torch.lerp(done, line.clamp(truth[:, 0].min(), truth[:, 0].max()), STRAIGHT)
    model.curve.copy_(torch.stack([said, torch.lerp(said, done, sure[0])]))


def _set_pauses(
    model: SpeechModel,
    truth: Float[Tensor, "N K"],
    seen: Bool[Tensor, "N"],
    activity: Float[np.ndarray, "N"] | None,
    closed_below: float,
) -> None:
    """The person's pause, lips at rest, and where the gap is shut."""
    lowest = truth[:, 0] <= torch.quantile(truth[seen, 0], 0.05)
    shut = (truth[:, 0] < closed_below) & seen
    shut = shut if int(shut.sum()) >= 5 else lowest & seen
    model.shut.copy_(torch.quantile(truth[shut, 0], 0.25))
    model.rest.copy_(truth[shut].mean(0))
    model.rest[0] = model.shut
    model.pause.copy_(model.rest)
    if activity is not None:
        silent = torch.from_numpy(np.convolve(activity, np.ones(5), mode="same") == 0)
        if int((silent & seen).sum()) >= CALM_FRAMES:
            model.pause.copy_(truth[silent & seen].median(0).values)


def _set_closure(
    model: SpeechModel,
    shaped: Float[Tensor, "N K"],
    flat: Float[Tensor, "N D"],
    truth: Float[Tensor, "N K"],
    seen: Bool[Tensor, "N"],
    closed_below: float,
) -> None:
    """How far phones close the lips: what keeps most closures for the fewest false ones, and costs no correlation."""
    true = truth[seen, 0].numpy()
    shut = true < closed_below
    best, chosen, plain = -1.0, 0.0, None
    for strength in CLOSURES:
        model.closure.fill_(strength)
        said = model.closed(shaped, flat)[seen, 0].numpy()
        kept = said < closed_below
        agreed = 2 * float((kept & shut).sum()) / max(int(kept.sum()) + int(shut.sum()), 1)
        correlation = _correlation(said, true)
        plain = correlation if plain is None else plain
        if agreed > best and correlation > plain - 0.01:
            best, chosen = agreed, strength
    model.closure.fill_(chosen)


def _correlation(a: Float[np.ndarray, "N"], b: Float[np.ndarray, "N"]) -> float:
    """Pearson's; 0 where one of the two does not change."""
    if len(a) == 0:
        return 0.0
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).sum() / max(np.sqrt((a * a).sum() * (b * b).sum()), 1e-12))
