"""Many films of one head: it is loaded once, and frames are rendered together whichever film they are of.

Four stages run at once: a thread makes scripts of the next sounds, another gathers what the next batch takes, the
caller's renders, and a thread for each film in flight encodes. All queues between them are bounded, so memory does not
grow with the length of films or their number.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import tempfile
import threading
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from arguments.device import CPU, GPU, kind_of
from arguments.errors import EGSTalkerError, is_out_of_memory, one_line
from motion.model_motion import ModelMotion
from scene.clip import Clip
from scene.drive import Drive
from scene.head import GaussianHead
from scene.head_files import load_head
from scene.kept_clip import KeptClip
from synthesis.background import CLIP
from synthesis.film import make_writable, rest_remark, staged, write_video
from synthesis.pipeline import ahead, put
from synthesis.rendering import BATCHES, Behind, Reel, Shown, encoding_of, shown
from synthesis.script import Script
from synthesis.signal import motion_of
from synthesis.source import Source
from synthesis.torso import LearntTorso, torso_of

logger = logging.getLogger(__name__)

SIDE_BY_SIDE = {CPU: 1, GPU: 4}  # films whose frames fill a batch: a GPU is faster than one film's encoder
SCRIPTS_AHEAD = 2
FLUSHING = 2  # more films that may be encoded while others are rendered: an encoder holds back its last frames
_PATIENCE = 0.1  # seconds between looks at whether anybody still renders


@dataclass(frozen=True)
class Speaker:
    """A model, with all that its films take of it."""

    head: GaussianHead
    clip: Clip
    motion: ModelMotion | None = None
    torso: LearntTorso | None = None

    @classmethod
    def load(cls, model: Path, device: str = CPU) -> Speaker:
        """That of a model folder (of a head file: :func:`scene.head_file.opened`), as predict.py takes it by default.

        Raises:
            EGSTalkerError: something of it is missing or damaged.
        """
        head, _, iteration = load_head(model, None, device)
        if remark := rest_remark(model, iteration):
            logger.warning(remark)
        return cls(head, KeptClip(model), motion_of(head, model), torso_of(model, "learnt", device))


@dataclass(frozen=True)
class WantedFilm:
    """A film to be made."""

    sound: Path
    """What is said: any sound or video file."""
    target: Path
    """The .mp4."""
    seed: int = 0
    """Of everything random, as of predict.py."""


@dataclass(frozen=True)
class MadeFilm:
    """What has become of it."""

    wanted: WantedFilm
    frames: int = 0
    seconds: float = 0.0
    """From its first frames until it was whole; others were made meanwhile."""
    error: str = ""
    """One line, of a film that cannot be made."""


@torch.no_grad()
def make_films(
    speaker: Speaker, wanted: Sequence[WantedFilm], *, batch: int | None = None, side_by_side: int | None = None
) -> Generator[MadeFilm, None, None]:
    """Make the films that are not there yet, each as :func:`synthesis.film.speak` would; yields them as they end.

    A sound that cannot be used costs its own film alone. Where the caller stops early, what is not whole is not there.

    Args:
        speaker: who says it all.
        wanted: the films, of different targets.
        batch: frames rendered at once; by the device if None.
        side_by_side: films whose frames fill a batch together; by the device if None. Where one ends within a batch
            the next begins.

    Raises:
        EGSTalkerError: a folder cannot be written.
        OSError: a disk is full, or failing.
    """
    kind = kind_of(next(speaker.head.parameters()))
    batch, side_by_side = batch or BATCHES[kind], side_by_side or SIDE_BY_SIDE[kind]
    missing = [one for one in wanted if not one.target.exists()]
    for folder in {one.target.parent for one in missing}:
        make_writable(folder)
    ended: queue.SimpleQueue[MadeFilm | BaseException] = queue.SimpleQueue()
    stopped = threading.Event()
    at_rest = speaker.head.at_rest(None if speaker.torso is None else speaker.torso.torso)
    encode, count = encoding_of(speaker.head, speaker.clip, CLIP), 0
    with contextlib.ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="egstalker-films-")))
        encoders = stack.enter_context(ThreadPoolExecutor(side_by_side + FLUSHING))
        stack.callback(stopped.set)  # before the encoders are waited for
        films = ahead(_films(speaker, missing, work, 2 * side_by_side, ended, stopped), SCRIPTS_AHEAD)
        behind = Behind(next(speaker.head.parameters()).device)
        batches = stack.enter_context(contextlib.closing(ahead(_batches(films, batch, side_by_side, behind), 2)))
        for one in batches:
            begun = time.perf_counter()
            pictures, place = shown(speaker.head, one.drive, one.background, at_rest, encode), 0
            for film, length, is_last in one.owners:
                if not film.since:
                    film.since = begun
                    encoders.submit(film.write)
                film.give(pictures[place : place + length], is_last)
                place += length
            while not ended.empty():
                yield _checked(ended.get())
                count += 1
        while count < len(missing):
            yield _checked(ended.get())
            count += 1


class _Film:
    """A film in flight."""

    def __init__(
        self,
        wanted: WantedFilm,
        script: Script,
        reel: Reel,
        depth: int,
        ended: queue.SimpleQueue[MadeFilm | BaseException],
        stopped: threading.Event,
    ) -> None:
        self.reel, self.since = reel, 0.0  # when its first frames were rendered
        self.over = threading.Event()
        """Whole, or given up: it takes no more frames."""
        self._wanted, self._script = wanted, script
        self._ended, self._stopped = ended, stopped
        self._waiting: queue.Queue[UInt8[np.ndarray, "B ..."] | None] = queue.Queue(depth)

    def give(self, pictures: UInt8[np.ndarray, "B ..."], is_last: bool) -> None:
        """Hand over the next frames, as soon as there is room for them."""
        put(self._waiting, pictures, self.over)
        if is_last:
            put(self._waiting, None, self.over)

    def write(self) -> None:
        """Encode what is handed over; in a thread of its own."""
        try:
            frames = write_video(self._frames(), self._script, self._wanted.target)
            self._ended.put(MadeFilm(self._wanted, frames, time.perf_counter() - self.since))
        except BaseException as error:  # the caller's to raise, where it is not the film's alone
            self._ended.put(_result_of(error, self._wanted))
        finally:
            self.over.set()

    def _frames(self) -> Iterator[Shown]:
        while not self._stopped.is_set():
            try:
                pictures = self._waiting.get(timeout=_PATIENCE)
            except queue.Empty:
                continue
            if pictures is None:
                return
            yield from pictures
            del pictures
        raise EGSTalkerError("the film was given up")


@dataclass(frozen=True)
class _Batch:
    """Frames that are rendered together."""

    owners: list[tuple[_Film, int, bool]]
    """In their order: whose they are, how many, and whether they are its last."""
    drive: Drive
    background: Float[Tensor, "B H W C"]


def _films(
    speaker: Speaker,
    wanted: Sequence[WantedFilm],
    work: Path,
    depth: int,
    ended: queue.SimpleQueue[MadeFilm | BaseException],
    stopped: threading.Event,
) -> Iterator[_Film]:
    """Films whose script is made; of the others it is said what is wrong."""
    head, clip = speaker.head, speaker.clip
    for one in wanted:
        try:
            script = staged(
                head, clip, Source(one.sound), work, motion=speaker.motion, torso=speaker.torso, seed=one.seed
            )
        except Exception as error:
            result = _result_of(error, one)
            if not isinstance(result, MadeFilm):
                raise
            ended.put(result)
            continue
        yield _Film(one, script, Reel(head, clip, script), depth, ended, stopped)


def _batches(films: Generator[_Film, None, None], batch: int, side_by_side: int, behind: Behind) -> Iterator[_Batch]:
    """Batches that are full but for the last, of the frames of so many films, in turns."""
    share = -(-batch // side_by_side)
    at_work: deque[_Film] = deque()
    try:
        while True:
            owners, parts = [], []
            room = batch
            while room:
                while len(at_work) < side_by_side and (new := next(films, None)) is not None:
                    at_work.append(new)
                if not at_work:
                    break
                film = at_work.popleft()
                if not film.over.is_set():
                    parts.append(film.reel.take(min(share, room)))
                    length = len(parts[-1][0])
                    room -= length
                    owners.append((film, length, len(film.reel) == 0))
                if film.over.is_set() or len(film.reel) == 0:
                    film.reel.close()
                else:
                    at_work.append(film)
            if not owners:
                return
            drive = parts[0][0] if len(parts) == 1 else Drive.stack([drive for drive, _ in parts])
            yield _Batch(owners, drive, behind([picture for _, pictures in parts for picture in pictures]))
    finally:
        for film in at_work:
            film.reel.close()
        films.close()


def _result_of(error: BaseException, wanted: WantedFilm) -> MadeFilm | BaseException:
    """A film that failed by itself; of what others would fail by, too, the error."""
    is_alone = isinstance(error, Exception) and not isinstance(error, OSError) and not is_out_of_memory(error)
    return MadeFilm(wanted, error=one_line(error)) if is_alone else error


def _checked(result: MadeFilm | BaseException) -> MadeFilm:
    if isinstance(result, MadeFilm):
        return result
    raise result
