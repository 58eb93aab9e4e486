"""Whether a model and a dataset belong together."""

from __future__ import annotations

import logging
from pathlib import Path

from arguments.errors import EGSTalkerError
from scene.head import GaussianHead
from scene.head_files import ModelRecord
from scene.reference_clip import ReferenceClip

logger = logging.getLogger(__name__)


def check_pair(head: GaussianHead, clip: ReferenceClip) -> None:
    """Raises EGSTalkerError where the model was trained on another kind of audio features than the data set's."""
    if tuple(head.feature_shape) != clip.feature_shape:
        raise EGSTalkerError(
            f"the model takes audio features of shape {tuple(head.feature_shape)} a frame and those of "
            f"{clip.folder.root} are {clip.feature_shape}; give the data set that the model was trained on, or "
            "train again"
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
