"""The nine tasks that turn a video into a dataset folder: what each reads, writes and does."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from arguments.atomic import atomic_path, staged_folder
from arguments.dataset_folder import DatasetFolder, num_train_frames
from arguments.digest import sha256
from arguments.errors import EGSTalkerError
from data_utils import wholeness
from data_utils.action_units import action_unit_45, write_action_units
from data_utils.audio_features import EXTRACTORS
from data_utils.audio_features.dataset_features import write_features
from data_utils.blinks import read_blinks
from data_utils.crop import DEFAULT_SIZE
from data_utils.face_mesh import eye_openings, load_or_detect, to_68
from data_utils.face_parsing import PARSERS
from data_utils.frame_extraction import write_frames
from data_utils.lost_frames import frames_to_fit
from data_utils.soundtrack import write_audio
from data_utils.source import Source
from data_utils.transforms import write_transforms
from data_utils.wholeness import READS, Artefact
from media.images import read_rgb, write_image

logger = logging.getLogger(__name__)

POSE_FORMAT = 2  # of angles and units in track_params.pt and transforms; a dataset of an older one is tracked anew


@dataclass(frozen=True)
class Preparation:
    """One run over one dataset: where, from what and with what."""

    folder: DatasetFolder
    source: Source | None  # None: a dataset whose video is gone
    extractor: str
    parser: str
    tracker: str
    size: int | None = None  # pixels of the frames that were asked for; None: the usual ones
    done: Callable[[int], None] = field(default=lambda frames: None)  # called with numbers of frames finished

    @property
    def num_frames(self) -> int:
        return wholeness.count_frames(self.folder)

    @property
    def has_original(self) -> bool:
        """Whether the video itself is there, rather than nothing or the film that was made from it."""
        return self.source is not None and not self.source.stands_in

    @property
    def identity(self) -> dict[str, Any]:
        """Of the video: as the file says or, where that is gone, as dataset.json remembers it; empty where neither."""
        if self.source is not None and not self.source.stands_in:
            return self.source.identity
        recorded = self.folder.read_record().get("source")
        return recorded if isinstance(recorded, dict) else {}

    def need_source(self) -> Source:
        """The video, or the film that was made from it.

        Raises:
            EGSTalkerError: both are gone, or the film is of another video than the one that was worked on last.
        """
        if self.source is not None and not self.source.stands_in:
            return self.source
        name = self.identity.get("name", "the video")
        film_of = self.folder.read_record().get("tasks", {}).get(str(wholeness.VIDEO.task), {}).get("source")
        if self.source is None or film_of != self.identity.get("sha256"):
            raise EGSTalkerError(
                f"{name}, which {self.folder.root} was made from, is gone; put it beside the folder as "
                f"{self.folder.root.name}{Path(name).suffix or '.mp4'}"
            )
        logger.warning("%s is gone; what is missing is made from %s, which lost a little", name, self.source.path)
        return self.source


@dataclass(frozen=True)
class Task:
    """One of the nine."""

    number: int
    name: str
    run: Callable[[Preparation], None]
    reads: tuple[Artefact, ...]
    writes: tuple[Artefact, ...]
    settings: Callable[[Preparation], dict[str, Any]] = lambda preparation: {}  # a change of these makes it run again

    def made_with(self, run: Preparation) -> dict[str, Any]:
        """What dataset.json remembers of how it was done: its settings and, of pictures and what is measured in them,
        an unusual size that was asked for."""
        sized = self.number >= wholeness.FRAMES.task and run.size not in (None, DEFAULT_SIZE)
        return {**self.settings(run), **({"size": run.size} if sized else {})}


def _audio(run: Preparation) -> None:
    source = run.need_source()
    _ = source.crop  # a video without a usable face is refused before anything is replaced
    num_frames = write_audio(source, run.folder)
    run.folder.update_record(format=1, source=run.identity, num_frames=num_frames)
    run.done(num_frames)


def _features(run: Preparation) -> None:
    run.done(write_features(run.folder, run.extractor, run.num_frames))


def _frames(run: Preparation) -> None:
    source = run.need_source()
    crop = source.crop
    if run.size and crop.size < run.size and run.has_original:
        logger.warning(
            "the square around the head has %d pixels a side: the frames have as many, not %d, as none are enlarged",
            *(crop.side, run.size),
        )
    num_frames = write_frames(source, run.folder, run.done)
    run.folder.update_record(format=1, source=run.identity, num_frames=num_frames, size=crop.size)
    run.folder.update_record(**({"asked_size": run.size} if run.size else {}))
    if run.has_original:
        run.folder.update_record(crop=[crop.x, crop.y, crop.side])


def _parsing(run: Preparation) -> None:
    with staged_folder(run.folder.parsing) as target:
        PARSERS[run.parser](run.folder, target, run.done)
    run.folder.update_record(parser=run.parser)


def _background(run: Preparation) -> None:
    from data_utils.background import clean_background

    write_image(run.folder.background, clean_background(run.folder, run.num_frames))
    run.done(run.num_frames)


def _torso(run: Preparation) -> None:
    from data_utils.torso import make_torso_images

    with staged_folder(run.folder.torso) as torso, staged_folder(run.folder.ground_truth) as truth:
        make_torso_images(run.folder, run.num_frames, torso, truth, run.done)


def _landmarks(run: Preparation) -> None:
    mesh = load_or_detect(run.folder)
    points, usable = mesh.points, frames_to_fit(mesh.found, num_train_frames(len(mesh.points)))
    for i, landmarks in enumerate(to_68(points)):
        with atomic_path(run.folder.landmarks(i)) as path:
            path.write_text("".join(f"{x:.3f} {y:.3f}\n" for x, y in landmarks))
    _write_action_units(run.folder, action_unit_45(eye_openings(points), usable))
    run.done(len(points))


def _write_action_units(folder: DatasetFolder, blinks: Float[np.ndarray, "N"]) -> None:
    """Write au.csv unless somebody else did (OpenFace's is kept, if it fits the clip)."""
    if folder.action_units.is_file() and sha256(folder.action_units) != folder.read_record().get("action_units"):
        read_blinks(folder, len(blinks))
        folder.action_units.touch()
        return
    write_action_units(folder.action_units, blinks)
    folder.update_record(action_units=sha256(folder.action_units))


def _tracking(run: Preparation) -> None:
    from data_utils.face_tracking import TRACKERS

    TRACKERS[run.tracker](run.folder)
    run.folder.update_record(tracker=run.tracker)
    run.done(run.num_frames)


def _transforms(run: Preparation) -> None:
    height, width = read_rgb(run.folder.frame(0)).shape[:2]
    write_transforms(run.folder, run.num_frames, (width, height))
    run.done(run.num_frames)


def _from_source(run: Preparation) -> dict[str, Any]:
    if "sha256" not in run.identity:
        return {}
    track = run.identity.get("audio_track", 1)
    return {"source": run.identity["sha256"], **({"audio_track": track} if track != 1 else {})}


TASKS = (
    Task(
        1,
        "audio",
        _audio,
        READS[1],
        (wholeness.AUDIO, wholeness.AUDIO_TRAIN, wholeness.AUDIO_NOVEL),
        settings=_from_source,
    ),
    Task(
        2,
        "audio features",
        _features,
        READS[2],
        (wholeness.FEATURES, wholeness.FEATURES_DS),
        settings=lambda run: {"extractor": run.extractor, "shape": list(EXTRACTORS[run.extractor].shape)},
    ),
    Task(3, "frames", _frames, READS[3], (wholeness.FRAMES, wholeness.VIDEO), settings=_from_source),
    Task(
        4,
        "face parsing",
        _parsing,
        READS[4],
        (wholeness.PARSING,),
        settings=lambda run: {"parser": run.parser},
    ),
    Task(5, "background", _background, READS[5], (wholeness.BACKGROUND,)),
    Task(
        6,
        "torso and ground truth",
        _torso,
        READS[6],
        (wholeness.TORSO, wholeness.GROUND_TRUTH),
    ),
    Task(7, "landmarks", _landmarks, READS[7], (wholeness.LANDMARKS, wholeness.ACTION_UNITS)),
    Task(
        8,
        "tracking",
        _tracking,
        READS[8],
        (wholeness.TRACK,),
        settings=lambda run: {"tracker": run.tracker, "format": POSE_FORMAT},
    ),
    Task(
        9,
        "transforms",
        _transforms,
        READS[9],
        (wholeness.TRANSFORMS_TRAIN, wholeness.TRANSFORMS_VAL),
        settings=lambda run: {"format": POSE_FORMAT},
    ),
)
