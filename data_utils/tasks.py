"""The nine tasks that turn a video into a dataset folder: what each reads, writes and does."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from arguments.atomic import atomic_path
from arguments.dataset_folder import DatasetFolder
from arguments.errors import EGSTalkerError
from data_utils import audio_features, wholeness
from data_utils.face_mesh import action_unit_45, eye_opening, load_or_detect, to_68
from data_utils.face_parsing import PARSERS
from data_utils.frame_files import read_rgb, write_image
from data_utils.frames import write_frames
from data_utils.soundtrack import write_audio
from data_utils.source import Source
from data_utils.staging import staged_folder
from data_utils.transforms import write_transforms
from data_utils.video import FPS, read_audio
from data_utils.wholeness import Artefact

POSE_FORMAT = 2  # of angles and units in track_params.pt and transforms; a dataset of an older one is tracked anew


@dataclass(frozen=True)
class Preparation:
    """One run over one dataset: where, from what and with what."""

    folder: DatasetFolder
    source: Source | None  # None: a dataset whose video is gone
    extractor: str
    parser: str
    tracker: str
    done: Callable[[int], None] = field(default=lambda frames: None)  # called with numbers of frames finished

    @property
    def num_frames(self) -> int:
        return wholeness.count_frames(self.folder)

    def need_source(self) -> Source:
        """The video. Raises EGSTalkerError where it is gone."""
        if self.source is None:
            raise EGSTalkerError(f"the video that {self.folder.root} was made from is gone; put it beside the folder")
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


def _audio(run: Preparation) -> None:
    source = run.need_source()
    _ = source.crop  # a video without a usable face is refused before anything is replaced
    num_frames = write_audio(source, run.folder)
    run.folder.update_record(format=1, source=source.identity, num_frames=num_frames)
    run.done(num_frames)


def _features(run: Preparation) -> None:
    samples = read_audio(run.folder.audio, audio_features.SAMPLE_RATE)
    rows = audio_features.extract(run.extractor, samples, run.num_frames)
    if not np.isfinite(rows).all():
        raise EGSTalkerError(f"features {run.extractor} of {run.folder.audio} are not finite; check the sound track")
    for target in (run.folder.audio_features_ds, run.folder.audio_features):
        with atomic_path(target) as path:
            np.save(path, rows)
    run.folder.update_record(extractor=run.extractor)
    run.done(len(rows))


def _frames(run: Preparation) -> None:
    source = run.need_source()
    num_frames = write_frames(source, run.folder, run.done)
    crop = source.crop
    run.folder.update_record(
        format=1, source=source.identity, num_frames=num_frames, crop=[crop.x, crop.y, crop.side], size=crop.size
    )


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
    points = load_or_detect(run.folder).points
    for i, landmarks in enumerate(to_68(points)):
        with atomic_path(run.folder.landmarks(i)) as path:
            path.write_text("".join(f"{x:.3f} {y:.3f}\n" for x, y in landmarks))
    _write_action_units(run.folder, action_unit_45(eye_opening(points)))
    run.done(len(points))


def _write_action_units(folder: DatasetFolder, blinks: np.ndarray) -> None:
    """Write au.csv unless somebody else did (OpenFace's is kept)."""
    if folder.action_units.is_file() and _sha256(folder) != folder.read_record().get("action_units"):
        folder.action_units.touch()
        return
    rows = [f"{i + 1}, {i / FPS:.3f}, {blink:.3f}\n" for i, blink in enumerate(blinks)]
    with atomic_path(folder.action_units) as path:
        path.write_text("frame, timestamp, AU45_r\n" + "".join(rows))
    folder.update_record(action_units=_sha256(folder))


def _sha256(folder: DatasetFolder) -> str:
    return hashlib.sha256(folder.action_units.read_bytes()).hexdigest()


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
    return {"source": run.source.identity["sha256"]} if run.source else {}


TASKS = (
    Task(
        1, "audio", _audio, (), (wholeness.AUDIO, wholeness.AUDIO_TRAIN, wholeness.AUDIO_NOVEL), settings=_from_source
    ),
    Task(
        2,
        "audio features",
        _features,
        (wholeness.AUDIO,),
        (wholeness.FEATURES, wholeness.FEATURES_DS),
        settings=lambda run: {"extractor": run.extractor},
    ),
    Task(3, "frames", _frames, (), (wholeness.FRAMES, wholeness.VIDEO), settings=_from_source),
    Task(
        4,
        "face parsing",
        _parsing,
        (wholeness.FRAMES,),
        (wholeness.PARSING,),
        settings=lambda run: {"parser": run.parser},
    ),
    Task(5, "background", _background, (wholeness.FRAMES, wholeness.PARSING), (wholeness.BACKGROUND,)),
    Task(
        6,
        "torso and ground truth",
        _torso,
        (wholeness.FRAMES, wholeness.PARSING, wholeness.BACKGROUND),
        (wholeness.TORSO, wholeness.GROUND_TRUTH),
    ),
    Task(7, "landmarks", _landmarks, (wholeness.FRAMES,), (wholeness.LANDMARKS, wholeness.ACTION_UNITS)),
    Task(
        8,
        "tracking",
        _tracking,
        (wholeness.FRAMES,),
        (wholeness.TRACK,),
        settings=lambda run: {"tracker": run.tracker, "format": POSE_FORMAT},
    ),
    Task(
        9,
        "transforms",
        _transforms,
        (wholeness.FRAMES, wholeness.TRACK),
        (wholeness.TRANSFORMS_TRAIN, wholeness.TRANSFORMS_VAL),
        settings=lambda run: {"format": POSE_FORMAT},
    ),
)
