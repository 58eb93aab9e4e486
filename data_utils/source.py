"""The video that a dataset is made from: where it is, whether it will do, and how it is cropped.

Where the original is gone, the dataset's own video.mp4 stands in for it: cropped already, and a little worse.
"""

from __future__ import annotations

import dataclasses
import functools
import glob
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from arguments.clock import FPS, timestamp
from arguments.dataset_folder import DatasetFolder, num_train_frames
from arguments.digest import sha256
from arguments.errors import EGSTalkerError
from data_utils.crop import DEFAULT_SIZE, SAMPLES, SIZES, Crop, NoFaceError, choose_crop, first_face
from data_utils.track_choice import SILENCE, TrackChoice, choose_track
from media.container import has_pictures, video_suffixes
from media.sound import iter_audio
from media.video import MIN_SECONDS, VideoInfo, probe, read_stretch, sample_frames

logger = logging.getLogger(__name__)

_WORTH_A_WORD = 0.5  # seconds by which picture and sound may differ before the user is told


@dataclass(frozen=True)
class Source:
    """A video file, measured when first asked and then remembered."""

    path: Path
    stands_in: bool = False  # the dataset's own film, for an original that is gone
    wanted_track: int | None = None  # number of the audio track, from 1 on; None: by its flags and what it holds
    size: int = DEFAULT_SIZE  # pixels of the cropped square, where the source has as many

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 of the file."""
        return sha256(self.path)

    @functools.cached_property
    def track(self) -> TrackChoice:
        """The audio track that is taken. Raises EGSTalkerError where the wanted one is not there."""
        return choose_track(self.path, self.wanted_track)

    @property
    def identity(self) -> dict[str, Any]:
        """What dataset.json remembers the file by: name, size and SHA-256; of several audio tracks the taken one's
        number."""
        taken = {} if self.track.number is None else {"audio_track": self.track.number}
        return {"name": self.path.name, "size": self.path.stat().st_size, "sha256": self.digest, **taken}

    @functools.cached_property
    def info(self) -> VideoInfo:
        """The file's measures. A warning says what of picture or sound is left out, before anything else is.

        Raises:
            EGSTalkerError: unreadable, truncated, without picture or sound, silent, shorter than two seconds, or
                without the wanted track.
        """
        info = probe(self.path, self.track.number)
        if not info.has_audio:
            raise EGSTalkerError(f"{self.path} has no audio track; use a video in which the person is heard to speak")
        if info.num_frames < MIN_SECONDS * FPS:
            raise EGSTalkerError(
                f"{self.path} has {info.num_frames / FPS:.1f} s with picture and sound; use at least "
                f"{MIN_SECONDS:.0f} s (some minutes make a good head)"
            )
        sound = iter_audio(self.path, origin=info.start, seconds=info.seconds, track=self.track.number)
        if all(np.abs(block).max(initial=0) < SILENCE for block in sound):
            raise EGSTalkerError(f"{self.path} is silent; use a video in which the person is heard to speak")
        for remark in _left_out(info):
            logger.warning(remark)
        return info

    @functools.cached_property
    def crop(self) -> Crop:
        """The square around the head, as it moves in the training part; a stand-in is cropped already.

        Raises EGSTalkerError where no face, or too little of one, is seen.
        """
        if self.stands_in:
            return Crop(0, 0, self.info.width, self.info.width)
        fit_frames = num_train_frames(self.info.num_frames)
        samples = sample_frames(self.path, fit_frames, SAMPLES)
        try:
            return choose_crop(samples, fit_frames / FPS, self.size, self._learnt_part)
        except NoFaceError as error:
            later = self._face_after(fit_frames)
            if later is None:
                raise
            raise EGSTalkerError(
                f"no face in {self._learnt_part}, but from about {timestamp(later)} on: "
                "use a video that shows the face from the start, with sound throughout"
            ) from error

    @property
    def _learnt_part(self) -> str:
        """What of the video a head learns from, in words."""
        if self.info.seconds - self.info.num_frames / FPS > _WORTH_A_WORD:
            return f"the first {self.info.num_frames / FPS:.1f} s, all that has sound"
        return "the video"

    def _face_after(self, frame: int) -> float | None:
        """The second from which on pictures after ``frame`` show a face, with or without sound; None: they do not."""
        last = int(self.info.seconds * FPS) - 1
        numbers = np.unique(np.linspace(frame, max(frame, last), SAMPLES).round().astype(int)).tolist()
        pictures = {
            number: picture.rgb
            for wanted in numbers
            for number, picture in read_stretch(self.path, self.info, range(wanted, wanted + 1))
        }
        first = first_face(list(pictures.values())) if pictures else None
        return None if first is None else list(pictures)[first] / FPS


def _left_out(info: VideoInfo) -> list[str]:
    """What of a video is left out, or filled with silence, as its picture and sound are not of one length."""
    remarks, used = [], info.num_frames / FPS
    heard, shown = f"{info.audio_end:.1f}", f"{info.seconds:.1f}"
    if info.audio_start > _WORTH_A_WORD:
        remarks.append(f"the sound begins {info.audio_start:.1f} s after the picture; silence is put before it")
    if info.seconds - used > _WORTH_A_WORD:
        gone = f"the last {info.seconds - used:.1f} s of picture are left out"
        remarks.append(f"the sound ends after {heard} of {shown} s: {gone}")
    if info.audio_end - used > _WORTH_A_WORD:
        gone = f"the last {info.audio_end - used:.1f} s of sound are left out"
        remarks.append(f"the picture ends after {shown} of {heard} s: {gone}")
    return remarks


def with_track(source: Source, wanted: int | None, folder: DatasetFolder) -> Source:
    """The source with the audio track that is wanted or, where none is, that its dataset was made with."""
    recorded = None if source.stands_in else folder.read_record().get("source")
    if wanted is None and isinstance(recorded, dict) and recorded.get("sha256") == source.digest:
        number = recorded.get("audio_track")
        wanted = number if isinstance(number, int) else None
    return _changed(source, wanted_track=wanted)


def with_size(source: Source, size: int | None) -> Source:
    """The source whose square is scaled to ``size`` pixels; None: to the usual."""
    return _changed(source, size=size or DEFAULT_SIZE)


def _changed(source: Source, **values: Any) -> Source:
    """A source of other values: itself, with all that it remembers, where they are its own."""
    same = all(getattr(source, name) == value for name, value in values.items())
    return source if same else dataclasses.replace(source, **values)


def is_new(source: Source, folder: DatasetFolder) -> bool:
    """Whether a dataset has not been made from this video and audio track yet, nor from a film of its own."""
    recorded = folder.read_record().get("source")
    known = recorded if isinstance(recorded, dict) else {}
    return not source.stands_in and any(known.get(key) != source.identity.get(key) for key in ("sha256", "audio_track"))


def chosen_size(source: Source | None, wanted: int | None, folder: DatasetFolder) -> int | None:
    """The size of the frames that is wanted or, where none is, that was asked for when the dataset was made.

    Args:
        source: the dataset's video; None where it is gone.
        wanted: pixels of the square's side.
        folder: of the dataset.

    Returns:
        pixels; None where nobody has asked for any: the usual size.

    Raises:
        EGSTalkerError: the size is odd or out of range, or another one and the video is gone.
    """
    recorded = folder.read_record().get("asked_size")
    recorded = recorded if isinstance(recorded, int) else None
    if wanted is None:
        return recorded
    if wanted % 2 or not SIZES[0] <= wanted <= SIZES[1]:
        raise EGSTalkerError(f"--size is an even number from {SIZES[0]} to {SIZES[1]}, not {wanted}")
    if wanted != (recorded or DEFAULT_SIZE) and (source is None or source.stands_in):
        raise EGSTalkerError(
            f"frames of another size are cut from the video, which is gone; put it beside the folder as "
            f"{folder.root.name}.mp4, or leave out --size"
        )
    return wanted


def locate(path: Path | str) -> tuple[DatasetFolder, Source | None]:
    """The dataset folder of a command's argument, and its video if that is still there.

    Args:
        path: a video (its folder is the path without suffix), a dataset folder, or a dataset folder's own video.mp4.

    Raises:
        EGSTalkerError: nothing is there.
    """
    path = Path(path)
    if path.is_dir():
        source = _source_of(path)
        if source is None and not _is_dataset(path):
            raise EGSTalkerError(f"{path} is no dataset folder; give the path of a video, such as data/input.mp4")
        return DatasetFolder(path), source
    if path.name in ("video.mp4", "source.mp4") and _is_dataset(path.parent):
        return DatasetFolder(path.parent), _source_of(path.parent)
    root = path.with_suffix("")
    if root == path:
        raise EGSTalkerError(f"{path} is not a dataset folder and has no suffix; give a video such as data/input.mp4")
    if path.is_file():
        return DatasetFolder(root), Source(path)
    if _is_dataset(root):
        return DatasetFolder(root), _source_of(root)
    raise EGSTalkerError(f"{path} does not exist; give the path of a video, such as data/input.mp4")


def _source_of(root: Path) -> Source | None:
    folder = DatasetFolder(root)
    record = folder.read_record().get("source")
    name = record.get("name") if isinstance(record, dict) else None
    beside = [path for path in sorted(root.parent.glob(f"{glob.escape(root.name)}.*")) if path.stem == root.name]
    beside.sort(key=lambda path: path.name != name)
    originals = [path for path in beside if path.name == name or path.suffix.lower() in video_suffixes()]
    original = next((path for path in originals if path.is_file() and has_pictures(path)), root / "source.mp4")
    if original.is_file():
        return Source(original)
    return Source(folder.video, stands_in=bool(record)) if folder.video.is_file() else None


def _is_dataset(root: Path) -> bool:
    return any((root / name).exists() for name in ("dataset.json", "ori_imgs", "aud.wav", "transforms_train.json"))
