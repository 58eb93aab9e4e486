"""A whole way on a GPU: training, resuming, speaking."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from arguments.settings import TrainingSettings
from gaussian_renderer.devices import choose_device
from media.video import read_frames
from scene.head_files import load_head
from synthesis.film import speak
from synthesis.signal import motion_of
from synthesis.torso import own_torso
from tests.tiny_head import MOTION, SETTINGS, make_dataset, make_head, speech_like, write_wav
from training.dataset import TalkingHeadDataset
from training.frame_store import FrameStore
from training.loop import train
from training.options import TrainOptions
from training.trainer import Trainer

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")]
KINDS = {"motion": MOTION, "audio": SETTINGS, "cross": replace(MOTION, attention="cross")}


def test_a_head_is_learnt_and_speaks(tmp_path):
    pytest.importorskip("gsplat")
    folder = make_dataset(tmp_path / "set", num_frames=44)
    training = TrainingSettings(
        coarse_iterations=60, iterations=60, batch=4, densify_from=20, densify_every=25, validate_every=30,
        checkpoint_every=30, gate_from_share=0.3, min_gaussians=10, torso_gaussians=300,
    )  # fmt: skip
    options = TrainOptions(folder.root, tmp_path / "m", MOTION, training, device="cuda", torso=True)
    train(options)
    train(replace(options, training=replace(training, iterations=80)))
    head, _, iteration = load_head(tmp_path / "m", device="cuda")
    assert iteration == 80
    sound = write_wav(tmp_path / "a.wav", speech_like(1.0))
    motion = motion_of(head, tmp_path / "m")
    torso = own_torso(tmp_path / "m", "cuda")
    assert torso is not None
    assert speak(head, TalkingHeadDataset(folder.root), sound, tmp_path / "a.mp4", motion=motion, torso=torso) == 25
    assert len(list(read_frames(tmp_path / "a.mp4"))) == 25


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="there is one GPU")
def test_a_head_speaks_on_another_gpu_than_the_first(tmp_path):
    pytest.importorskip("gsplat")
    dataset = TalkingHeadDataset(make_dataset(tmp_path / "set").root)
    sound = write_wav(tmp_path / "a.wav", speech_like(1.0))
    try:
        head = make_head().to(choose_device("cuda:1"))
        assert speak(head, dataset, sound, tmp_path / "a.mp4") == 25
    finally:
        choose_device("cuda")


def test_frames_that_do_not_fit_the_gpu_are_sent_in_time(tmp_path, monkeypatch):
    dataset = TalkingHeadDataset(make_dataset(tmp_path / "set", num_frames=22).root)
    resident = FrameStore(dataset, dataset.audio, 4, "cuda")
    monkeypatch.setattr("training.frame_store.DEVICE_SHARE", 0.0)
    sent = FrameStore(dataset, dataset.audio, 4, "cuda")
    assert resident.resident and not sent.resident
    for start in (0, 5, 10):
        indices, following = range(start, start + 5), range(start + 5, start + 10)
        ours, theirs = sent.batch(indices, following), resident.batch(indices)
        assert torch.equal(ours.image, theirs.image) and torch.equal(ours.background, theirs.background)


@pytest.mark.parametrize("kind", KINDS)
def test_recorded_steps_learn_what_plain_ones_do(tmp_path, kind, caplog):
    pytest.importorskip("gsplat")
    dataset = TalkingHeadDataset(make_dataset(tmp_path / "set", num_frames=44).root)
    training = TrainingSettings(batch=4, densify_from=4, densify_every=5, min_gaussians=10, gate_from_share=0.5)
    losses = []
    for records in (True, False):
        trainer = Trainer(
            TrainOptions(dataset.folder.root, tmp_path / str(records), KINDS[kind], training, "cuda"), dataset
        )
        trainer.head.train()
        trainer.step._records = records
        found = []
        for stage in ("coarse", "fine"):
            for iteration in range(12):
                torch.manual_seed(iteration)
                found.append(float(trainer.iterate(stage, iteration, 12)["loss"]))
        losses.append(found)
    assert not caplog.records  # that it cannot be recorded
    assert losses[0] == pytest.approx(losses[1], rel=0.02)


def test_what_ran_on_one_thread_is_recorded_on_another():
    from concurrent.futures import ThreadPoolExecutor

    from kernels.cuda.graph import Recording

    weights = torch.randn(64, 64, device="cuda")
    wanted = weights @ weights  # the libraries are there now, for this thread

    def product(other: torch.Tensor) -> torch.Tensor:
        return other @ weights

    with ThreadPoolExecutor(1) as pool:
        torch.testing.assert_close(pool.submit(Recording(product), weights).result(), wanted)
