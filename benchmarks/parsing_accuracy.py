"""How much a dataset's parsing maps and clean background are like the truth's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from arguments.dataset_folder import DatasetFolder
from benchmarks.sample_truth import SampleTruth
from data_utils.face_parsing.classes import BACKGROUND, HEAD, NECK, TORSO, to_classes
from media.images import read_rgb
from sample.parts import COVER

EVERY = 5  # frames; neighbours are alike


@dataclass(frozen=True)
class ParsingAccuracy:
    """Intersection over union, mean of the frames that show the person; what a hand hides is left out."""

    head_iou: float
    body_iou: float  # of neck and torso together
    background_levels: float | None  # of 255, that the clean background is off by where it was seen; None: no truth


def parsing_accuracy(folder: DatasetFolder, truth: SampleTruth) -> ParsingAccuracy:
    """Compare a dataset's parsing maps and background with the truth."""
    head, body = [], []
    seen = np.zeros((truth.size, truth.size), bool)
    for i in np.flatnonzero(truth.present)[::EVERY]:
        true, made = truth.labels(i), to_classes(read_rgb(folder.parsing_map(i)))
        known = true != COVER
        seen |= true == BACKGROUND
        head.append(_overlap(made == HEAD, true == HEAD, known))
        body.append(_overlap(np.isin(made, (NECK, TORSO)), np.isin(true, (NECK, TORSO)), known))
    room = truth.room()
    levels = None
    if room is not None:
        levels = float(np.abs(read_rgb(folder.background).astype(float) - room)[seen].mean())
    return ParsingAccuracy(float(np.mean(head)), float(np.mean(body)), levels)


def _overlap(made: np.ndarray, true: np.ndarray, known: np.ndarray) -> float:
    return float((made & true & known).sum() / max(1, ((made | true) & known).sum()))
