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
from sample.behaviour import USUAL, Behaviour
from sample.character import Character, Expression
from sample.hand import hand
from sample.looks import PLAIN, Looks
from sample.parts import COVER, Part, linear
from sample.performance import Performance, perform
from sample.renderer import render, vertex_normals
from sample.voice import SAMPLE_RATE

Mesh = tuple[NDArray, NDArray, NDArray, NDArray, NDArray, NDArray, NDArray]  # as render() takes it
FOCAL = 830 / 384  # of the picture's side
HIDDEN = 0.02  # share of the face behind a hand from which on a frame counts as covered


@dataclass(frozen=True)
class Sample:
    """Frames yet to be drawn, with all that is known about them."""

    performance: Performance
    character: Character
    size: int
    background: NDArray[np.float32]  # [size, size, 3] linear
    behaviour: Behaviour = USUAL
    hand: Part | None = None

    @property
    def focal(self) -> float:
        """Focal length in pixels."""
        return FOCAL * self.size

    def draw(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Frame ``index``: picture [size, size, 3] uint8 RGB and labels [size, size] uint8."""
        p, c = self.performance, self.character
        vertices, normals = c.pose(p.expressions[index], p.rotation[index], p.translation[index], p.stand[index])
        grain = np.random.default_rng([7, index]).standard_normal((self.size, self.size), np.float32)
        mesh = (vertices, normals, c.albedo, c.occlusion, c.gloss, c.faces, c.labels)
        if self.hand is not None and p.hand is not None and p.hand.raised[index]:
            mesh = self._with_hand(index, mesh)
        return render(*mesh, self.focal, self.background, 0.8 * grain)

    def covered(self, index: int, labels: NDArray[np.uint8]) -> bool:
        """Whether something hides a part of the face in the frame ``index``, whose labels are given."""
        p, c = self.performance, self.character
        vertices, normals = c.pose(p.expressions[index], p.rotation[index], p.translation[index], p.stand[index])
        face = c.face[np.einsum("vk,vk->v", normals[c.face], vertices[c.face]) < 0]  # what looks at the camera
        x, y, z = vertices[face].T
        u = np.clip(self.size / 2 - self.focal * x / z, 0, self.size - 1).astype(int)
        v = np.clip(self.size / 2 + self.focal * y / z, 0, self.size - 1).astype(int)
        return bool((labels[v, u] == COVER).mean() > HIDDEN)

    def _with_hand(self, index: int, mesh: Mesh) -> Mesh:
        """The figure's arrays with the hand's behind them."""
        path, part, count = self.performance.hand, self.hand, len(mesh[0])
        assert path is not None and part is not None
        placed = (part.vertices @ path.rotation[index].T + path.translation[index]).astype(np.float32)
        ones = np.ones(len(placed), np.float32)
        looks = (part.albedo, part.occlusion * ones, ones[:, None] * np.array(part.gloss, np.float32))
        hand = (placed, vertex_normals(placed, part.faces), *looks, part.faces + count, part.label * ones)
        vertices, normals, albedo, occlusion, gloss, faces, labels = (
            np.concatenate([figure, own.astype(figure.dtype)]) for figure, own in zip(mesh, hand, strict=True)
        )
        return vertices, normals, albedo, occlusion, gloss, faces, labels

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


def prepare(
    seconds: float = 24.0, size: int = 384, seed: int = 0, looks: Looks = PLAIN, behaviour: Behaviour = USUAL
) -> Sample:
    """Everything of a sample but the drawing (about three seconds). Raises EGSTalkerError for unusable numbers."""
    if not 1 <= round(seconds * FPS) / FPS <= 600:
        raise EGSTalkerError(f"a sample of {seconds:g} s cannot be made; choose 1 to 600 seconds")
    if not 128 <= size <= 1024 or size % 2:
        raise EGSTalkerError(f"a sample of {size} pixels cannot be made; choose an even size from 128 to 1024")
    performance = perform(round(seconds * behaviour.rate), seed, behaviour)
    arm = hand(linear(222, 160, 134) * looks.skin_tint, linear(38, 92, 104)) if behaviour.hand else None
    return Sample(
        performance, Character(looks, behind=behaviour.turns == "wide"), size, paint_background(size), behaviour, arm
    )


def make_sample(
    path: Path | str,
    seconds: float = 24.0,
    size: int = 384,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
    *,
    looks: Looks = PLAIN,
    behaviour: Behaviour = USUAL,
) -> Path:
    """Write the video to ``path`` and its truth beside it as ``<stem>_truth.npz``; return the truth's path.

    The video is H.264 + AAC at the behaviour's frame rate (25 fps), size x size. The truth holds rotation [N, 3, 3] and
    translation [N, 3] (dm, head frame -> OpenGL camera), focal (pixels, centre in the picture's middle), mouth_open [N]
    and eye_open [N] (0..1), times [N] (s), mask [N, size, size] uint8 (0 background, 1 head with hair and ears, 2 neck,
    3 torso, 4 a hand before them) and covered [N] bool (the hand hides a part of the face). The same arguments make the
    same frames and sound. ``progress`` is called with (frames done, frames). Raises EGSTalkerError for bad numbers.
    """
    path = Path(path)
    if path.suffix.lower() != ".mp4":
        raise EGSTalkerError(f"{path} does not end in .mp4; give the sample such a name")
    sample = prepare(seconds, size, seed, looks, behaviour)
    truth_path = path.with_name(f"{path.stem}_truth.npz")
    with atomic_path(truth_path) as truth_part:
        masks, covered = _write_video(path, sample, progress)
        np.savez_compressed(truth_part, mask=masks, covered=covered, **truth(sample))
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
        "times": p.times,
    }


def _write_video(
    path: Path, sample: Sample, progress: Callable[[int, int], None] | None
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """The frames into the video; returns their labels [N, size, size], and where the face is covered [N]."""
    count = len(sample.performance.expressions)
    masks = np.empty((count, sample.size, sample.size), np.uint8)
    covered = np.zeros(count, bool)
    size, sound = sample.size, sample.performance.sound
    rate, clock = SAMPLE_RATE, sample.behaviour.rate
    with VideoWriter(path, size, size, fps=clock, audio=sound, audio_rate=rate, crf=14, preset="medium") as video:
        for i, (picture, labels) in enumerate(sample.frames()):
            masks[i] = labels
            covered[i] = bool((labels == COVER).any()) and sample.covered(i, labels)
            video.write(picture)
            if progress:
                progress(i + 1, count)
    return masks, covered
