"""A data set folder and a model folder a few kilobytes large, for tests of what reads them."""

from __future__ import annotations

import json
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from arguments.dataset_folder import DatasetFolder, num_train_frames
from arguments.model_folder import ModelFolder
from arguments.settings import ModelSettings, TrainingSettings
from data_utils.audio_features import extract
from media.images import write_image
from motion.model_motion import ModelMotion, learn_from_clip, measure_clip
from scene.head import GaussianHead
from scene.head_files import ModelRecord, Progress, write_record
from scene.kept_clip import keep_clip
from scene.reference_clip import ReferenceClip
from scene.torso_files import save_torso
from training.checkpoints import save_checkpoint
from training.dataset import TalkingHeadDataset, WholePerson
from training.torso import measure_body, new_torso

SIZE, FOCAL = 64, 120.0
MOTION = ModelSettings(
    sh_degree=0, plane_levels=2, plane_finest_resolution=32, plane_log2_entries=8, feature_dim=8, heads=2, agents=4,
    lower_codes=2, upper_codes=1,
)  # fmt: skip
"""Of a head that expression codes drive, in the usual way."""
SETTINGS = replace(MOTION, drive="audio")
"""Of a head that audio features drive: it needs no speech model."""


@contextmanager
def quick_speech_models(steps: int = 2) -> Iterator[None]:
    """Within the context, speech models take so many steps to learn, and their reports are not drawn."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("motion.speech_training._steps", lambda rows, **_: steps)
        patch.setattr("training.speech.write_motion_report", lambda *_: None)
        yield


def speech_like(seconds: float, rate: int = 16_000, seed: int = 0) -> np.ndarray:
    """Noise whose loudness comes and goes, float32."""
    time = np.arange(round(seconds * rate)) / rate
    noise = np.random.default_rng(seed).normal(0, 0.1, len(time))
    return (noise * (0.6 + 0.4 * np.sin(9 * time))).astype(np.float32)


def write_wav(path: Path, samples: np.ndarray, rate: int = 16_000) -> Path:
    """Mono 16-bit PCM."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples.clip(-1, 1) * 32767).round().astype("<i2").tobytes())
    return path


def make_dataset(root: Path, num_frames: int = 22) -> DatasetFolder:
    """A whole data set: a disc of a head that slides to the right over a grey wall, above a red torso.

    Its lips open as the sound grows loud.
    """
    folder = DatasetFolder(root)
    for path in (folder.frames, folder.parsing, folder.torso, folder.ground_truth):
        path.mkdir(parents=True)
    samples = speech_like(num_frames / 25)
    write_wav(folder.audio, samples)
    np.save(folder.audio_features, extract("log_mel", samples, num_frames))
    blinks = np.where(np.arange(num_frames) % 7 == 3, 4.0, 0.2)
    rows = [f"{i + 1}, {i / 25:.2f}, {blink:.2f}" for i, blink in enumerate(blinks)]
    folder.action_units.write_text("\n".join(["frame, timestamp, AU45_r", *rows]) + "\n")
    wall = np.full((SIZE, SIZE, 3), 128, np.uint8)
    write_image(folder.background, wall)
    y, x = np.mgrid[:SIZE, :SIZE]
    opening = 1.5 + 1.5 * np.sin(9 / 25 * np.arange(num_frames))  # pixels
    entries = []
    for i in range(num_frames):
        head = (x - 28 - 0.3 * i) ** 2 + (y - 28) ** 2 < 18**2
        torso = (y > 48) & ~head
        picture = wall.copy()
        picture[torso] = (150, 30, 30)
        torso_image = np.dstack([picture, np.where(y > 44, 255, 0).astype(np.uint8)])
        torso_image[y > 44, :3] = (150, 30, 30)
        picture[head] = (200, 160, 140)
        parsing = np.full((SIZE, SIZE, 3), 255, np.uint8)
        parsing[torso] = (255, 0, 0)
        parsing[head] = (0, 0, 255)
        write_image(folder.frame(i), picture)
        write_image(folder.ground_truth_image(i), picture)
        write_image(folder.parsing_map(i), parsing)
        write_image(folder.torso_image(i), torso_image)
        landmarks = np.full((68, 2), (28 + 0.3 * i, 28.0))
        landmarks[36:42] += np.random.default_rng(1).uniform((-9, -6), (-4, -4), (6, 2))
        landmarks[42:48] += np.random.default_rng(2).uniform((4, -6), (9, -4), (6, 2))
        landmarks[48:] += np.random.default_rng(0).uniform((-6, 6), (6, 10), (20, 2))
        landmarks[61:64, 1], landmarks[65:68, 1] = 36 - opening[i], 36 + opening[i]
        np.savetxt(folder.landmarks(i), landmarks)
        pose = np.eye(4)
        pose[:3, 3] = (-0.02 * i, 0.0, 6.0)
        entries.append({"img_id": i, "aud_id": i, "transform_matrix": pose.tolist()})
    cut = num_train_frames(num_frames)
    for path, frames in ((folder.transforms_train, entries[:cut]), (folder.transforms_val, entries[cut:])):
        path.write_text(json.dumps({"focal_len": FOCAL, "cx": SIZE / 2, "cy": SIZE / 2, "frames": frames}))
    generator = torch.Generator().manual_seed(0)
    vertices = 0.5 * torch.randn(1, 5, 3, generator=generator) + 0.02 * torch.randn(
        num_frames, 5, 3, generator=generator
    )
    vertices[:, 0, 1] -= 0.05 * torch.from_numpy(opening).float()
    torch.save({"focal": torch.tensor([FOCAL]), "vertices": vertices}, folder.track_params)
    folder.update_record(format=1, extractor="log_mel", size=SIZE, num_frames=num_frames)
    return folder


def make_head(
    count: int = 150, feature_shape: tuple[int, ...] = (162,), settings: ModelSettings = SETTINGS
) -> GaussianHead:
    """A ball of skin-coloured Gaussians, untrained."""
    torch.manual_seed(0)
    head = GaussianHead(count, feature_shape, settings)
    points = torch.nn.functional.normalize(torch.randn(count, 3), dim=-1) * 0.8
    head.model.start_from(points, torch.tensor([0.8, 0.6, 0.5]).expand(count, 3), torch.full((count,), 0.2))
    return head.eval()


def make_model(root: Path, dataset: DatasetFolder, head: GaussianHead | None = None, iteration: int = 500) -> Path:
    """A model folder with one checkpoint of the fine stage."""
    head = head or make_head()
    clip = ReferenceClip(dataset.root)
    of_clip = str(dataset.root.resolve()), len(clip.train), clip.poses_digest()
    write_record(root, ModelRecord(head.settings, TrainingSettings(), head.feature_shape, "log_mel", *of_clip))
    save_checkpoint(ModelFolder(root).checkpoint("fine", iteration), head, None, Progress("fine", iteration))
    return root


def make_moving_model(root: Path, dataset: DatasetFolder, steps: int = 2) -> Path:
    """A model folder of a head that expression codes drive, with its motion; its speech model has hardly learnt."""
    clip = TalkingHeadDataset(dataset.root)
    usable = np.zeros(clip.num_frames, dtype=bool)
    usable[clip.learnt] = True
    sizes = {"lower": MOTION.lower_codes, "upper": MOTION.upper_codes}
    motion = ModelMotion.of_clip(measure_clip(dataset, clip.eyes), np.flatnonzero(usable), len(clip.train), **sizes)
    make_model(root, dataset, make_head(feature_shape=(len(motion.code),), settings=MOTION))
    motion.save_code(ModelFolder(root))
    with quick_speech_models(steps):
        learn_from_clip(motion, dataset, usable, seed=0)[0].save(ModelFolder(root).speech_model)
    return root


def make_whole_model(root: Path, clip: WholePerson, torso: int) -> Path:
    """:func:`make_moving_model` with a torso of so many Gaussians, as it is before it learns, and what is kept of a
    clip."""
    folder = ModelFolder(make_moving_model(root, clip.folder))
    body = measure_body(clip)
    save_torso(folder, new_torso(clip, body, torso), 500)
    body.save(folder)
    keep_clip(folder, clip)
    return folder.root
