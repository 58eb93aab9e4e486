"""Everything that is measured of a trained head on one split of its data set."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from arguments.errors import EGSTalkerError, one_line
from evaluation.blinking import LEAST_SECONDS, rate_of_clip, rate_of_film
from evaluation.origin import Origin
from evaluation.scores import Scores
from evaluation.scoring import score_video
from evaluation.speed import end_to_end_fps, render_fps
from evaluation.truth import read_true_frame
from imaging.lpips import LPIPS, MODELS, load_lpips, why_absent
from media.video import read_frames
from motion.model_motion import ModelMotion
from scene.head import GaussianHead
from scene.reference_clip import ReferenceClip
from synthesis.film import speak
from synthesis.pairing import check_pair
from synthesis.rendering import Watch, synthesise
from synthesis.script import script_of_frames
from synthesis.signal import own_signal
from synthesis.torso import LearntTorso, with_torso


def evaluate_split(
    head: GaussianHead,
    clip: ReferenceClip,
    frames: range,
    *,
    origin: Origin,
    motion: ModelMotion | None = None,
    torso: LearntTorso | None = None,
    signal: Float[Tensor, "N *D"] | None = None,
    batch: int | None = None,
    models: Path = MODELS,
    watch: Watch = lambda frames, total: frames,
) -> Scores:
    """Render the frames of a split, compare them with the truth, and measure the speed.

    Frames in which the person was away are left out: there is nothing to be right about.

    Args:
        frames: of the split, numbers in the data set.
        origin: what the scores are made from: these, as ``Origin.of`` says.
        motion: of a head that is driven by codes.
        torso: of the model; the truth's unless given.
        signal: what drives the face in every frame of the clip; what its sound says, unless given.
        batch: frames rendered at once.
        models: folder of LPIPS' weights.
        watch: a progress bar over the frames.

    Raises:
        EGSTalkerError: the model does not fit the data set, or a file of it is missing or damaged.
    """
    check_pair(head, clip, motion)
    signal = own_signal(motion, clip) if signal is None else signal
    device = next(head.parameters()).device
    lpips: LPIPS | None = load_lpips(models)
    shown = clip.usable(frames)
    script = script_of_frames(clip, shown, signal)
    renders = synthesise(head, clip, with_torso(script, torso, clip), batch=batch)
    scores = score_video(
        watch(renders, len(shown)),
        (read_true_frame(clip.folder, i) for i in shown),
        lpips=lpips.to(device) if lpips else None,
        lpips_absent=why_absent(models),
        torso=torso is not None,
    )
    lost, speed = len(frames) - len(shown), render_fps(head, clip, frames, signal, torso=torso)
    given = dict.fromkeys(("own_blink_rate", "blink_rate_truth"), "the head is given the true blinks")
    reasons = {**scores.reasons, **given}
    scores = dataclasses.replace(scores, lost_frames=lost, render_fps=speed, reasons=reasons)
    scores = dataclasses.replace(scores, made_from=origin.of_head_alone() if torso is None else origin)
    try:
        return dataclasses.replace(
            scores, end_to_end_fps=end_to_end_fps(head, clip, frames, motion=motion, torso=torso, batch=batch)
        )
    except EGSTalkerError as error:  # a data set of another program may lack the sound or the extractor
        return dataclasses.replace(scores, reasons={**scores.reasons, "end_to_end_fps": one_line(error)})


def evaluate_speech(
    head: GaussianHead,
    clip: ReferenceClip,
    sound: Path,
    target: Path,
    *,
    origin: Origin,
    motion: ModelMotion | None = None,
    batch: int | None = None,
    watch: Watch = lambda frames, total: frames,
) -> Scores:
    """What can be measured of speech of another recording, which has no truth: blinks and speed. Writes the video too.

    ``origin``: what the scores are made from, as ``Origin.of`` says.
    """
    begun = time.perf_counter()
    count = speak(head, clip, sound, target, motion=motion, batch=batch, watch=watch)
    seconds = time.perf_counter() - begun
    reasons = dict.fromkeys(Scores().as_dict(), "no true picture exists for another recording")
    reasons["own_blink_rate"] = f"the film is shorter than {LEAST_SECONDS} seconds, or FaceMesh sees no face in it"
    scores = Scores(
        own_blink_rate=rate_of_film(read_frames(target)),
        blink_rate_truth=rate_of_clip(clip),
        render_fps=render_fps(head, clip, range(clip.num_frames), own_signal(motion, clip)),
        end_to_end_fps=count / seconds,
        frames=count,
        made_from=origin,
    )
    undefined = [name for name, value in scores.as_dict().items() if value is None]
    return dataclasses.replace(scores, reasons={name: reasons[name] for name in undefined})
