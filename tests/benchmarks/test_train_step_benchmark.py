"""The training benchmark's dataset, rows and table."""

from __future__ import annotations

import json
import sys

from benchmarks import train_step
from benchmarks.head_dataset import write_head_dataset
from scene.dataset import TalkingHeadDataset
from scene.initialization import initial_cloud


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
