"""The 10 ms grid under all features that we compute ourselves: four pieces to a video frame."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from arguments.clock import SAMPLE_RATE
from arguments.device import CPU

HOP = 160  # samples, 10 ms
HOPS_PER_FRAME = 4  # 40 ms of video
_CHUNK_FRAMES = 1500  # a minute: an hour of sound then needs no more memory than its samples and features

assert HOP * 100 == SAMPLE_RATE


def windows(samples: np.ndarray, start: int, stop: int, width: int, device: str = CPU) -> Float[Tensor, "M {width}"]:
    """A window around every piece of the rows start..stop, with silence beyond the recording's ends.

    Args:
        samples: mono [T] at 16 kHz; may lie on disk.
        start, stop: video frames; pieces 4 start to 4 stop.
        width: samples of a window, even; it is centred in its piece.
        device: of the result.

    Returns:
        [4 (stop - start), width] float32, a view that must not be written to.
    """
    margin = (width - HOP) // 2
    first = start * HOPS_PER_FRAME * HOP - margin
    last = stop * HOPS_PER_FRAME * HOP + margin
    piece = samples[max(first, 0) : max(last, 0)]
    padded = np.pad(piece, (max(-first, 0), last - max(first, 0) - len(piece)))
    return torch.from_numpy(padded.astype(np.float32, copy=False)).to(device).unfold(0, width, HOP)


def halves(values: Float[Tensor, "M C"]) -> Float[np.ndarray, "N Cx2"]:
    """Means of a row's earlier two pieces, then of its later two: [4 N, C] to [N, 2 C]."""
    pairs = values.reshape(-1, 2, HOPS_PER_FRAME // 2, values.shape[1]).mean(2)
    return pairs.flatten(1).cpu().numpy()


def chunks(num_frames: int) -> Iterator[tuple[int, int]]:
    """Rows 0..num_frames in runs of a minute, as (start, stop)."""
    return ((start, min(start + _CHUNK_FRAMES, num_frames)) for start in range(0, num_frames, _CHUNK_FRAMES))
