"""Makes the sample: acts, renders, and writes the video with its truth beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from arguments.atomic import atomic_path
from arguments.clock import FPS
from arguments.errors import EGSTalkerError
from media.video_writer import VideoWriter
from sample.background import paint_background
from sample.character import Character, Expression
from sample.performance import Performance, perform
from sample.renderer import render
from sample.voice import SAMPLE_RATE

FOCAL = 830 / 384  # of the picture's side


@dataclass(frozen=True)
class Sample:
    """Frames yet to be drawn, with all that is known about them."""

    performance: Performance
    character: Character
    size: int
    background: NDArray[np.float32]  # [size, size, 3] linear

    @property
    def focal(self) -> float:
        """Focal length in pixels."""
        return FOCAL * self.size

    def draw(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Frame ``index``: picture [size, size, 3] uint8 RGB and labels [size, size] uint8."""
        p, c = self.performance, self.character
        vertices, normals = c.pose(p.expressions[index], p.rotation[index], p.translation[index], p.stand[index])
        grain = np.random.default_rng([7, index]).standard_normal((self.size, self.size), np.float32)
        looks = (c.albedo, c.occlusion, c.gloss, c.faces, c.labels)
        return render(vertices, normals, *looks, self.focal, self.background, 0.8 * grain)

    def frames(self, workers: int = 2) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
        """All frames in order, a few drawn ahead by ``workers`` threads."""
        count = len(self.performance.expressions)
        with ThreadPoolExecutor(workers) as pool:
            ahead = 2 * workers
            waiting = [pool.submit(self.draw, i) for i in range(min(ahead, count))]
            for i in range(count):
                yield waiting.pop(0).result()
                if i + ahead < count:
                    waiting.append(pool.submit(self.draw, i + ahead))


def prepare(seconds: float = 24.0, size: int = 384, seed: int = 0) -> Sample:
    """Everything of a sample but the drawing (about three seconds). Raises EGSTalkerError for unusable numbers."""
    frames = round(seconds * FPS)
    if not 25 <= frames <= 25 * 600:
        raise EGSTalkerError(f"a sample of {seconds:g} s cannot be made; choose 1 to 600 seconds")
    if not 128 <= size <= 1024 or size % 2:
        raise EGSTalkerError(f"a sample of {size} pixels cannot be made; choose an even size from 128 to 1024")
    return Sample(perform(frames, seed), Character(), size, paint_background(size))


def make_sample(
    path: Path | str,
    seconds: float = 24.0,
    size: int = 384,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write the video to ``path`` and its truth beside it as ``<stem>_truth.npz``; return the truth's path.

    The video is H.264 + AAC at 25 fps, size x size. The truth holds rotation [N, 3, 3] and translation [N, 3] (dm, head
    frame -> OpenGL camera), focal (pixels, centre in the picture's middle), mouth_open [N] and eye_open [N] (0..1) and
    mask [N, size, size] uint8 (0 background, 1 head with hair and ears, 2 neck, 3 torso). The same arguments make the
    same frames and sound. ``progress`` is called with (frames done, frames). Raises EGSTalkerError for bad numbers.
    """
    path = Path(path)
    if path.suffix.lower() != ".mp4":
        raise EGSTalkerError(f"{path} does not end in .mp4; give the sample such a name")
    sample = prepare(seconds, size, seed)
    truth_path = path.with_name(f"{path.stem}_truth.npz")
    with atomic_path(truth_path) as truth_part:
        masks = _write_video(path, sample, progress)
        np.savez_compressed(truth_part, mask=masks, **truth(sample))
    return truth_path


def truth(sample: Sample) -> dict[str, NDArray]:
    """The arrays that describe each frame, masks aside."""
    p, widest = sample.performance, sample.character.lip_gap(Expression(jaw=1.0))
    return {
        "rotation": p.rotation,
        "translation": p.translation,
        "focal": np.array(sample.focal),
        "mouth_open": np.array([sample.character.lip_gap(e) / widest for e in p.expressions]),
        "eye_open": np.array([e.eye_open for e in p.expressions]),
    }


def _write_video(path: Path, sample: Sample, progress: Callable[[int, int], None] | None) -> NDArray[np.uint8]:
    count = len(sample.performance.expressions)
    masks = np.empty((count, sample.size, sample.size), np.uint8)
    size, sound = sample.size, sample.performance.sound
    with VideoWriter(path, size, size, audio=sound, audio_rate=SAMPLE_RATE, crf=14, preset="medium") as video:
        for i, (picture, labels) in enumerate(sample.frames()):
            masks[i] = labels
            video.write(picture)
            if progress:
                progress(i + 1, count)
    return masks
