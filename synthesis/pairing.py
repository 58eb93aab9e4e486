"""Whether a model and a dataset belong together."""

from __future__ import annotations

import logging
from pathlib import Path

from arguments.errors import EGSTalkerError
from motion.model_motion import ModelMotion
from scene.clip import Clip
from scene.head import GaussianHead
from scene.head_files import ModelRecord
from scene.reference_clip import ReferenceClip

logger = logging.getLogger(__name__)


def check_pair(head: GaussianHead, clip: Clip, motion: ModelMotion | None) -> None:
    """Whether a head can be driven by a clip's audio features.

    Raises:
        EGSTalkerError: the model, or its speech model, learnt with another kind of features than the data set's.
        ValueError: the head is driven by codes, and ``motion`` is not given.
    """
    if (head.settings.drive == "motion") != (motion is not None):
        raise ValueError("a head that is driven by codes comes with its motion, another without")
    if motion is None:
        check_features(clip.feature_shape, clip, None, wanted=tuple(head.feature_shape))
    else:
        check_features(clip.feature_shape, clip, motion)


def check_features(
    shape: tuple[int, ...], clip: Clip, motion: ModelMotion | None, *, wanted: tuple[int, ...] | None = None
) -> None:
    """Raises EGSTalkerError where features of ``shape`` a frame are not those that the model learnt with."""
    if motion is not None and motion.speech is not None:
        wanted = motion.speech.settings.feature_shape
    wanted = wanted or clip.feature_shape
    if shape == wanted:
        return
    again = "learn its speech again with ./train.sh and --only speech" if motion is not None else "train again"
    raise EGSTalkerError(
        f"the model takes audio features of shape {wanted} a frame and these, of {clip.root} or given, are "
        f"{shape}; make them with the extractor that the model learnt with, or {again}"
    )


def check_own_clip(record: ModelRecord, clip: ReferenceClip, model_path: Path, *, force: bool | None = None) -> None:
    """Refuse what another dataset lends a model, unless that is meant; say it where the poses are not those it learnt.

    A dataset is the model's own where its training poses are those that the model recorded, wherever it lies; and,
    tracked again, where it still lies in the recorded folder and has as many frames to train on. Of a model that
    recorded no poses nothing but the number of frames is known.

    Args:
        record: the model's settings.json.
        clip: what is to lend it poses, torso and blinks, or truth.
        model_path: the model's folder, for the message.
        force: whether another dataset is meant; None where the caller has no such option.

    Raises:
        EGSTalkerError: it is another dataset, and that is not meant.
    """
    if record.poses == clip.poses_digest():
        return
    as_long = record.num_train_frames == len(clip.train)
    if as_long and not record.poses:
        return
    root = clip.folder.root
    if as_long and Path(record.dataset) == root.resolve():
        logger.warning(
            "%s was tracked again since %s learnt from it: its poses are not those that the model knows; train again "
            "into another --model_path if the head sits badly",
            *(root, model_path),
        )
        return
    if not force:
        cure = "" if force is None else ", or --force if it is meant"
        raise EGSTalkerError(
            f"{model_path} learnt from {record.dataset}, and {root} is another dataset; give the model's own{cure}"
        )
    logger.warning("%s learnt from %s; %s is another dataset, as you meant", model_path, record.dataset, root)
