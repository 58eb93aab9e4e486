"""Videos whose every picture tells which one it is."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def write_video(
    path: Path,
    times: Sequence[float],
    *,
    audio: np.ndarray | None = None,
    audio_start: float = 0.0,
    rotation: int = 0,
    size: tuple[int, int] = (64, 48),
    pictures: Sequence[np.ndarray] | None = None,
) -> Path:
    """A video whose picture k, shown from ``times[k]`` s on, is grey of level 4 k; the left quarter is white.

    ``audio`` is mono at 16 kHz and begins at ``audio_start`` seconds. ``pictures`` are shown instead, where given: one
    for each time, RGB of ``size``.
    """
    with av.open(str(path), "w") as container:
        picture = container.add_stream("libx264", rate=25, options={"crf": "1", "bf": "0"})
        picture.width, picture.height = size
        picture.pix_fmt = "yuv420p"
        picture.time_base = picture.codec_context.time_base = Fraction(1, 12000)
        if rotation:
            picture.set_display_rotation(rotation)
        if audio is not None:
            sound = container.add_stream("pcm_s16le" if path.suffix == ".mov" else "aac", rate=16000, layout="mono")
        for k, time in enumerate(times):
            image = np.full((size[1], size[0], 3), 4 * k % 256, np.uint8)
            image[:, : size[0] // 4] = 255
            image = image if pictures is None else pictures[k]
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = round(time * 12000), Fraction(1, 12000)
            container.mux(picture.encode(frame))
        container.mux(picture.encode(None))
        if audio is not None:
            samples = (np.clip(audio, -1, 1) * 32767).astype(np.int16)[None]
            block = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
            block.sample_rate, block.pts, block.time_base = 16000, round(audio_start * 16000), Fraction(1, 16000)
            resampler = av.AudioResampler(format=sound.format, layout="mono", rate=16000, frame_size=1024)
            for piece in [*resampler.resample(block), *resampler.resample(None)]:
                container.mux(sound.encode(piece))
            container.mux(sound.encode(None))
    return path
