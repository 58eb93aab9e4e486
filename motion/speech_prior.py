"""What other people's mouths do while they speak: a beginning for a person who was heard for some seconds only.

A mouth is not known by a few seconds of speech, but mouths are alike: other people's recordings are learnt from beside
the person's own. Everybody counts in units of his own, the gap as all codes, and the features of the sound too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from arguments.dataset_folder import DatasetFolder
from arguments.errors import EGSTalkerError
from data_utils.action_units import STRONGEST
from data_utils.audio_features import EXTRACTORS, extract
from data_utils.audio_features.feature_file import read_clip_features, read_feature_file
from data_utils.blinks import read_blinks
from data_utils.clip_sound import read_clip_sound
from data_utils.transforms_file import read_transforms
from motion.expression_code import LEAST_DEVIATION, ExpressionCode
from motion.face_measures import FaceMeasures, measure_face

SAME_MESH = (
    0.15  # decimetres between the points of two mean faces: other people's differ by less, other meshes' by more
)
LEAST_FRAMES = 50  # of another person's recording: two seconds


@dataclass(frozen=True)
class PriorRecording:
    """Another person's speech and what the face did, N frames, in standard deviations about that person's means."""

    features: Float[np.ndarray, "N D"]
    codes: Float[np.ndarray, "N K"]
    known: Bool[np.ndarray, "K"]
    """Codes that mean the same for both people."""
    usable: Bool[np.ndarray, "N"]
    """Frames to learn from."""


def read_prior(
    folder: DatasetFolder, code: ExpressionCode, extractor: str | None, feature_shape: tuple[int, ...]
) -> PriorRecording:
    """Read another person's dataset: its sound, landmarks, track and blinks; no picture is needed.

    Args:
        folder: of the dataset.
        code: the person's own, in whose terms the other face is measured.
        extractor: of the person's own audio features; None where another program made them.
        feature_shape: of one frame of these.

    Raises:
        EGSTalkerError: a file is missing or damaged, it is too short, or its features are of another kind and cannot
            be made here.
    """
    num_frames = None
    if folder.transforms_train.is_file():  # of another program frames may be left out
        transforms = read_transforms(folder)
        folder, num_frames = transforms.folder, len(transforms)
    features = _features(folder, extractor, feature_shape, num_frames)
    num_frames = len(features)
    face = measure_face(folder, read_blinks(folder, num_frames).astype(np.float64) / STRONGEST)
    usable = np.ones(num_frames, bool)
    usable[[i for i in folder.lost_frames() if i < num_frames]] = False
    if usable.sum() < LEAST_FRAMES:
        raise EGSTalkerError(f"{folder.root} shows its person in {usable.sum()} frames: too few to learn speech from")
    return recording_of(face, features, usable, code)


def recording_of(
    face: FaceMeasures, features: Float[np.ndarray, "N D"], usable: Bool[np.ndarray, "N"], code: ExpressionCode
) -> PriorRecording:
    """Another person's face in the terms of ``code``: the gap, and lips and jaw where the meshes are the same."""
    centre = face.points[usable].mean(0)
    known = np.zeros(len(code), bool)
    known[0] = True
    codes = np.zeros((len(face), len(code)))
    if centre.shape == code.centre.shape and _apart(centre, code.centre) < SAME_MESH:
        codes = code.measure(FaceMeasures(face.points - centre + code.centre, face.gap, face.blink)).astype(np.float64)
        known[: 1 + len(code.lower)] = True
    codes[:, 0] = face.gap
    codes = _standardised(codes, usable)
    return PriorRecording(_standardised(features.astype(np.float64), usable), codes * known, known, usable)


def _features(
    folder: DatasetFolder, extractor: str | None, shape: tuple[int, ...], num_frames: int | None
) -> Float[np.ndarray, "N D"]:
    if not folder.audio_features.is_file():
        raise EGSTalkerError(f"there is no {folder.audio_features}: --speech_prior takes folders of datasets or models")
    theirs = folder.read_record().get("extractor")
    features = read_clip_features(folder, num_frames) if num_frames else read_feature_file(folder.audio_features)
    if theirs != extractor or features.shape[1:] != shape:
        here = extractor in EXTRACTORS and not EXTRACTORS[extractor].model and EXTRACTORS[extractor].shape == shape
        if not here or not folder.audio.is_file():
            raise EGSTalkerError(
                f"{folder.root} has audio features of {theirs or 'another program'}, and the clip those of "
                f"{extractor or 'another program'}: run preprocess.sh with --task 2 --asr on one of them"
            )
        features = extract(str(extractor), read_clip_sound(folder, len(features)), len(features))
    return features.reshape(len(features), -1)


def _apart(a: Float[np.ndarray, "P D"], b: Float[np.ndarray, "P D"]) -> float:
    """Mean distance of two faces' points once their middles lie together."""
    return float(np.linalg.norm((a - a.mean(0)) - (b - b.mean(0)), axis=1).mean())


def _standardised(values: Float[np.ndarray, "N F"], usable: Bool[np.ndarray, "N"]) -> Float[np.ndarray, "N F"]:
    return (values - values[usable].mean(0)) / values[usable].std(0).clip(LEAST_DEVIATION)
