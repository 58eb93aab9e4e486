"""The training benchmark's dataset, rows and table."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from arguments.settings import TrainingSettings
from benchmarks import train_step
from benchmarks.head_dataset import write_head_dataset
from tests.tiny_head import SETTINGS
from training import step
from training.dataset import TalkingHeadDataset
from training.densification import GradientStatistics
from training.frame_store import FrameStore
from training.initialization import initial_cloud


def test_the_made_up_dataset_is_a_whole_one_with_a_head_in_the_middle(tmp_path):
    dataset = TalkingHeadDataset(write_head_dataset(tmp_path / "set", 64, 11).root)
    mask = dataset.head_mask(3)
    assert mask[28:36, 28:36].all()
    assert 0.2 < mask.mean() < 0.6
    assert len(initial_cloud(dataset, 500).points) == 500
    vertices = dataset.camera[3].project(dataset.vertices[3])[0]
    assert mask[vertices[:, 1].long(), vertices[:, 0].long()].mean() > 0.98


def test_prints_a_table_and_writes_the_rows(tmp_path, monkeypatch, capsys):
    config = tmp_path / "config.py"
    config.write_text(
        "ModelSettings = dict(plane_levels=2, plane_finest_resolution=32, feature_dim=8, heads=2, agents=4)"
    )
    target = tmp_path / "rows.json"
    options = f"--configs {config} --gaussians 200 --sizes 48 --batches 1 2 --repeats 2 --json {target}"
    monkeypatch.setattr(sys, "argv", ["train_step", *options.split()])
    train_step.main()
    rows = json.loads(target.read_text())
    assert [(row["gaussians"], row["size"], row["batch"]) for row in rows] == [(200, 48, 1), (200, 48, 2)]
    assert list(rows[0]["stages"]) == ["data", "deform", "render", "loss", "backward", "optimizer"]
    assert all(milliseconds > 0 for row in rows for milliseconds in row["stages"].values())
    assert rows[0]["iterations_per_second"] > 0
    assert 0 < rows[0]["peak_memory_gib"] < 64
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_each_stage_is_that_part_of_the_real_training_iteration(tmp_path, monkeypatch):
    parts = {
        "data": (FrameStore, "pictures"),
        "deform": (step, "deformed_gaussians"),
        "render": (step, "render"),
        "loss": (step, "image_losses"),
        "backward": (GradientStatistics, "add"),
        "optimizer": (step, "step"),
    }
    nap = 0.03
    for owner, name in parts.values():
        monkeypatch.setattr(owner, name, slowed(getattr(owner, name), nap))
    dataset = TalkingHeadDataset(write_head_dataset(tmp_path / "set", 48, 11).root)
    model = replace(SETTINGS, initial_gaussians=200)
    row = train_step.measure(dataset, model, TrainingSettings(batch=5, motion_frames=2), "cpu", 2, tmp_path / "m")
    assert list(row["stages"]) == list(parts)
    assert min(row["stages"].values()) > 1000 * nap  # a part in another's stage would leave one without its nap
    assert row["iterations_per_second"] < 1 / (6 * nap)


def slowed(function: Callable, seconds: float) -> Callable:
    def call(*arguments, **named):
        time.sleep(seconds)
        return function(*arguments, **named)

    return call


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux forgets the peak")
def test_a_rows_peak_memory_is_not_an_earlier_rows():
    before = train_step._resident_bytes()
    large = np.ones(40_000_000)
    assert train_step._resident_bytes() > before + 200_000_000
    del large
    train_step._forget_peak()
    assert train_step._resident_bytes() < before + 100_000_000
