"""What a model folder knows of its person's motion: expression code, codes of the clip, blinks, idle motion, speech."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from torch import Tensor

from arguments.atomic import atomic_path
from arguments.clock import FPS, SAMPLES_PER_FRAME
from arguments.dataset_folder import DatasetFolder
from arguments.errors import EGSTalkerError
from arguments.model_folder import ModelFolder
from data_utils.audio_features import EXTRACTORS, extract
from data_utils.audio_features.feature_file import read_clip_features
from data_utils.clip_sound import read_clip_sound
from data_utils.voice import speech_share
from motion.blinks import BlinkModel
from motion.expression_code import ExpressionCode
from motion.face_measures import FaceMeasures, closed_gap, measure_face
from motion.idle import IdleMotion
from motion.phone_openness import USUAL_GAPS
from motion.sound_variants import sound_variants
from motion.speech_model import SpeechModel, SpeechModelSettings
from motion.speech_prior import read_prior
from motion.speech_training import Expectation, Recording, learn_speech, speech_of_phones

LEAST_SPEECH = 4 * FPS  # frames of it from which on a person's own lips are learnt
BLINKS, IDLE = "blinks.", "idle."  # begin the names of their arrays in the file of the code


@dataclass(frozen=True)
class ModelMotion:
    """How a model's face moves.

    Attributes:
        code: what the numbers mean.
        measured: codes [N, K] of the clip's frames.
        train: how many of them are the training part.
        speech: from sound to codes; None until it is learnt.
        blinks: how the person blinks; None where the folder does not say.
        idle: how the codes wander by themselves; None where the folder does not say.
    """

    code: ExpressionCode
    measured: Float[Tensor, "N K"]
    train: int
    speech: SpeechModel | None = None
    blinks: BlinkModel | None = None
    idle: IdleMotion | None = None

    @classmethod
    def of_clip(
        cls, face: FaceMeasures, frames: Int[np.ndarray, "M"], train: int, *, lower: int, upper: int
    ) -> ModelMotion:
        """Fit code, blinks and idle motion to some ``frames`` of a clip's face and measure all."""
        code = ExpressionCode.fit(face, frames, lower=lower, upper=upper)
        learnt = np.zeros(len(face), bool)
        learnt[frames] = True
        blinks = BlinkModel.fit(face.blink[:train], learnt[:train])
        measured = code.measure(face)
        idle = IdleMotion.fit(measured[:train].astype(np.float64), learnt[:train])
        return cls(code, torch.from_numpy(measured), train, blinks=blinks, idle=idle)

    def closed_below(self) -> float:
        """The gap's code below which the clip's lips are closed."""
        gap = self.code.gap(self.measured[: self.train].double().numpy())
        return float((closed_gap(gap) - self.code.mean[0]) / self.code.deviation[0])

    def save_code(self, folder: ModelFolder) -> None:
        """Write code, measured codes, blinks and idle motion."""
        arrays = {"measured": self.measured.numpy(), "train": np.array(self.train), **self.code.arrays()}
        for prefix, part in ((BLINKS, self.blinks), (IDLE, self.idle)):
            if part is not None:
                arrays.update({prefix + name: value for name, value in part.arrays().items()})
        folder.expression_code.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(folder.expression_code) as path:
            save_file(arrays, path)

    @classmethod
    def load(cls, folder: ModelFolder, *, needs_speech: bool = True) -> ModelMotion:
        """Read a model's motion. Raises EGSTalkerError where a file is missing or damaged."""
        path = folder.expression_code
        try:
            arrays = load_file(path)
            measured, train = torch.from_numpy(arrays.pop("measured")), int(arrays.pop("train"))
            code = ExpressionCode.from_arrays(arrays)
            of_blinks, of_idle = _part(arrays, BLINKS), _part(arrays, IDLE)
            blinks = BlinkModel.from_arrays(of_blinks) if of_blinks else None
            idle = IdleMotion.from_arrays(of_idle) if of_idle else None
            if idle is not None and len(idle.middle) != len(code):
                raise ValueError("idle motion of other codes")
            if measured.ndim != 2 or measured.shape[1] != len(code) or not measured.isfinite().all():
                raise ValueError("measured codes")
            if not 0 < train <= len(measured):
                raise ValueError("training part")
        except FileNotFoundError:
            raise EGSTalkerError(f"there is no {path}; train again into another --model_path") from None
        except (SafetensorError, OSError, KeyError, ValueError, TypeError) as error:
            raise EGSTalkerError(f"{path} is damaged; train again into another --model_path") from error
        there = needs_speech or folder.speech_model.is_file()
        return cls(code, measured, train, SpeechModel.load(folder.speech_model) if there else None, blinks, idle)


def _part(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name[len(prefix) :]: value for name, value in arrays.items() if name.startswith(prefix)}


def measure_clip(folder: DatasetFolder, eyes: Float[Tensor, "N"]) -> FaceMeasures:
    """The face in a dataset's frames; ``eyes``: blink intensity, 0..1."""
    return measure_face(folder, eyes.double().numpy())


def learn_from_clip(
    motion: ModelMotion,
    folder: DatasetFolder,
    usable: Bool[np.ndarray, "N"],
    *,
    priors: Sequence[DatasetFolder] = (),
    seed: int,
    device: str = "cpu",
    done: Callable[[int, int], None] = lambda step, steps: None,
) -> tuple[SpeechModel, Expectation]:
    """Learn a speech model from a dataset's training part.

    Where the dataset's extractor is here its sound is heard as other rooms, microphones and voices would give it too;
    features of another program are taken as they are.

    Args:
        motion: whose code it speaks.
        folder: of the dataset.
        usable: frames to learn from.
        priors: other people's datasets, from which what mouths have in common is learnt.
        seed: of everything random.
        device: where the networks learn.
        done: told the step and the number of steps.
    """
    train = motion.train
    name = folder.read_record().get("extractor")
    extractor = name if isinstance(name, str) else None
    features = read_clip_features(folder, len(motion.measured))[:train]
    codes, places = motion.measured[:train].double().numpy(), np.arange(train) / train
    shape, flat = tuple(features.shape[1:]), features.reshape(train, -1)
    phones_from = EXTRACTORS[extractor].phones_from if extractor in EXTRACTORS else -1
    recordings = [Recording(flat, codes, usable[:train], places)]
    activity = None
    if folder.audio.is_file():
        samples = read_clip_sound(folder, train)
        activity = speech_share(samples, train)
        if extractor in EXTRACTORS and not EXTRACTORS[extractor].model:
            for variant in sound_variants(samples, seed):
                count = len(variant.samples) // SAMPLES_PER_FRAME
                at = np.arange(count) * variant.speed
                recordings.append(
                    Recording(
                        extract(extractor, variant.samples, count, device).reshape(count, -1),
                        np.stack([np.interp(at, np.arange(train), column) for column in codes.T], axis=1),
                        usable[at.round().astype(int).clip(0, train - 1)],
                        np.clip(at / train, 0, 1),
                    )
                )
    speaking = train if activity is None else int((usable[:train] & (activity > 0.5)).sum())
    if phones_from >= 0 and not priors and speaking < LEAST_SPEECH:
        return speech_of_phones(
            recordings[0],
            SpeechModelSettings(extractor, shape, codes.shape[1], 1, 1, phones_from, by_phones=True),
            usual_gaps=(np.array(USUAL_GAPS) - motion.code.mean[0]) / motion.code.deviation[0],
            closed_below=motion.closed_below(),
            activity=activity,
        )
    return learn_speech(
        recordings,
        lambda members, width: SpeechModelSettings(extractor, shape, codes.shape[1], members, width, phones_from),
        importance=motion.code.importance(),
        closed_below=motion.closed_below(),
        activity=activity,
        priors=[read_prior(other, motion.code, extractor, shape) for other in priors],
        seed=seed,
        device=device,
        done=done,
    )
