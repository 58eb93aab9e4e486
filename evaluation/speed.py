"""How fast a head is: the rendering alone, and the whole way from a sound file to a video file."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from arguments.clock import FPS, SAMPLE_RATE, SAMPLES_PER_FRAME
from arguments.device import CPU, GPU, kind_of
from media.sound import iter_audio, write_wav
from motion.model_motion import ModelMotion
from scene.backdrop import Backdrops
from scene.head import GaussianHead
from scene.reference_clip import ReferenceClip
from synthesis.film import speak
from synthesis.rendering import drive_of, render_drive
from synthesis.script import script_of_split
from synthesis.speech import extractor_of, speech_features
from synthesis.torso import LearntTorso, with_torso

MIN_FRAMES = 50
SPOKEN_FRAMES = {CPU: 250, GPU: 1500}  # ten seconds and a minute: what is done once weighs as in real use
MIN_BATCHES = 10
MAX_SECONDS = 10.0  # of measuring the rendering
WARM_UP = 3  # batches: code is compiled and recorded, caches are filled
DISTINCT = 32  # frames whose inputs are kept at hand


@torch.no_grad()
def render_fps(
    head: GaussianHead,
    clip: ReferenceClip,
    frames: range,
    signal: Float[Tensor, "N *D"],
    *,
    torso: LearntTorso | None = None,
    batch: int = 1,
) -> float:
    """Frames a second of deformation and rasterization at full picture size, ``batch`` frames at a time.

    What drives the frames and their backgrounds lie ready on the device, the clock stops when the last picture is
    done there, and what is the same in all frames (``head.at_rest``) is computed before, as in a video.
    """
    device = next(head.parameters()).device
    shown = frames[: max(DISTINCT, batch)]
    script = with_torso(script_of_split(clip, shown, signal), torso, clip)
    backdrops = Backdrops(clip.folder, size=(clip.width, clip.height))
    inputs = []
    for start in range(0, len(shown), batch):
        chosen = slice(start, start + batch)
        behind = [backdrops[i] if torso is None else backdrops.background for i in shown[chosen]]
        pictures = np.stack(behind)
        inputs.append((drive_of(head, clip, script, chosen), torch.from_numpy(pictures).to(device).float() / 255))
    at_rest = head.at_rest(None if torso is None else torso.torso)
    for _ in range(WARM_UP):
        render_drive(head, *inputs[0], at_rest)[0, 0, 0, 0].item()
    begun, done = time.perf_counter(), 0
    while done < max(MIN_FRAMES, MIN_BATCHES * batch) and time.perf_counter() - begun < MAX_SECONDS:
        drive, background = inputs[done // batch % len(inputs)]
        picture = render_drive(head, drive, background, at_rest)
        picture[0, 0, 0, 0].item()  # waits for the device
        done += len(drive)
    return done / (time.perf_counter() - begun)


def end_to_end_fps(
    head: GaussianHead,
    clip: ReferenceClip,
    frames: range,
    *,
    motion: ModelMotion | None = None,
    torso: LearntTorso | None = None,
    batch: int | None = None,
) -> float:
    """Frames a second from a WAV file to a finished mp4: features, deformation, rasterization, encoding and writing.

    The sound is ``SPOKEN_FRAMES`` of the data set's own, from the split's beginning or, at the clip's end, before it;
    models and compiled code are loaded before the clock starts.

    Raises:
        EGSTalkerError: aud.wav is missing, or the extractor of the features is not here.
    """
    count = min(SPOKEN_FRAMES[kind_of(next(head.parameters()))], clip.num_frames)
    first = min(frames.start, clip.num_frames - count)
    with tempfile.TemporaryDirectory() as folder:
        sound, video = Path(folder) / "sound.wav", Path(folder) / "video.mp4"
        _cut_sound(clip.folder.audio, sound, first, count)
        speech_features(sound, extractor_of(clip, motion), Path(folder))  # loads the extractor
        begun = time.perf_counter()
        done = speak(head, clip, sound, video, motion=motion, torso=torso, batch=batch)
        return done / (time.perf_counter() - begun)


def _cut_sound(source: Path, target: Path, first: int, count: int) -> None:
    """Write ``count`` video frames of sound from frame ``first`` on as a WAV file."""
    samples = np.zeros(0, dtype=np.float32)
    wanted = count * SAMPLES_PER_FRAME
    for block in iter_audio(source, SAMPLE_RATE, origin=first / FPS):
        samples = np.concatenate([samples, block])
        if len(samples) >= wanted:
            break
    write_wav(target, samples[:wanted])
