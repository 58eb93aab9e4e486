"""ori_imgs/ and video.mp4: the cropped clip at 25 fps, as pictures and as a film."""

from __future__ import annotations

import logging
import shutil
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, nullcontext
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from arguments.atomic import atomic_path, staged_folder
from arguments.dataset_folder import DatasetFolder
from data_utils.face_mesh import FaceMeshTrack, detect_in_files, jobs_of, save
from data_utils.source import Source
from data_utils.timeline import spans
from media.images import write_image
from media.sound import iter_audio
from media.video import read_frames
from media.video_writer import VideoWriter

logger = logging.getLogger(__name__)

_IN_FLIGHT = 16  # pictures being encoded while the next are decoded
_SOUND_RATE = 48000  # Hz, of video.mp4
_CRF, _PRESET = 14, "superfast"  # of video.mp4: near lossless, as it may be all that is kept of the source


def write_frames(source: Source, folder: DatasetFolder, done: Callable[[int], None] = lambda frames: None) -> int:
    """Write every frame as ori_imgs/i.jpg, video.mp4 and face_mesh.npz. Returns the number of frames.

    The face is sought in all frames before anything that stood there before is replaced. A source that stands in for
    the original is video.mp4 itself, and stays as it is.

    Raises:
        EGSTalkerError: the source will not do, or the face is lost in more than a fifth of the frames.
    """
    num_frames = source.info.num_frames
    film = nullcontext() if source.stands_in else atomic_path(folder.video)
    with film as video, staged_folder(folder.frames) as pictures:
        paths = [pictures / f"{i}.jpg" for i in range(num_frames)]
        with closing(_written(source, video, paths, done)) as ready:
            track = detect_in_files(paths, ready=ready)
        if source.path == folder.video and not source.stands_in:  # given in the folder: it stays, under another name
            shutil.copy2(source.path, folder.root / "source.mp4")
    save(track, folder)
    for remark in track.remarks:
        logger.warning(remark)
    outside = leaves_picture(track, source.crop.size)
    if outside.any():
        logger.warning(
            "the face is partly outside the picture, whose place the training part decides, at %s", spans(outside)
        )
    return num_frames


def leaves_picture(track: FaceMeshTrack, size: int) -> Bool[np.ndarray, "N"]:
    """The frames in which part of the face is outside the picture.

    Args:
        track: of N frames.
        size: side of the square picture, pixels.

    Returns:
        bool [N]; False where the face is lost.
    """
    beyond = (track.points[..., :2] < 0) | (track.points[..., :2] > size)
    return track.found & beyond.any(axis=(1, 2))


def _written(
    source: Source, video: Path | None, paths: list[Path], done: Callable[[int], None]
) -> Generator[range, None, None]:
    """Write pictures, and a film where ``video`` names one; yields ranges of pictures once they are there, so that the
    face is sought meanwhile."""
    crop = source.crop
    frames = read_frames(source.path, len(paths))
    with ThreadPoolExecutor(2) as encoders, _film(source, video) if video else nullcontext() as film:
        for job in jobs_of(len(paths)):
            waiting: deque[Future[None]] = deque()
            for i in job:
                frame = crop(next(frames))
                waiting.append(encoders.submit(write_image, paths[i], frame))
                if film:
                    film.write(frame)
                if len(waiting) > _IN_FLIGHT:
                    waiting.popleft().result()
                done(1)
            for picture in waiting:
                picture.result()
            yield job


def _film(source: Source, video: Path) -> VideoWriter:
    sound = iter_audio(source.path, _SOUND_RATE, origin=source.info.start, track=source.track.number)
    size = source.crop.size
    return VideoWriter(video, size, size, audio=sound, audio_rate=_SOUND_RATE, crf=_CRF, preset=_PRESET)
