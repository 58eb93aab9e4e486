"""The rendering benchmark's rows and table."""

from __future__ import annotations

import json
import sys

import pytest

from benchmarks import render
from benchmarks.head_cloud import head_camera, head_cloud
from gaussian_renderer.render import render as render_picture
from tests.tiny_head import make_dataset, make_model


def test_head_cloud_is_a_closed_head_in_the_middle_of_the_picture():
    alpha = render_picture(head_cloud(3000), head_camera(64, 2)).alpha[1, ..., 0]
    assert alpha[28:36, 28:36].min() > 0.9
    assert max(alpha[0].max(), alpha[:, :4].max()) < 0.02
    assert 0.2 < alpha.mean() < 0.6


def test_prints_a_table_and_writes_the_rows(tmp_path, monkeypatch, capsys):
    target = tmp_path / "rows.json"
    options = "--gaussians 500 1000 --sizes 32 --batches 2 --repeats 2 --degree 1 --json"
    monkeypatch.setattr(sys, "argv", ["render", *options.split(), str(target)])
    render.main()
    rows = json.loads(target.read_text())
    assert [(row["gaussians"], row["size"], row["batch"]) for row in rows] == [(500, 32, 2), (1000, 32, 2)]
    assert list(rows[0]["stages"]) == ["colors", "project", "bin", "blend", "forward", "backward"]
    assert all(milliseconds > 0 for row in rows for milliseconds in row["stages"].values())
    assert rows[0]["fps"] == pytest.approx(2000 / rows[0]["stages"]["forward"])
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_a_trained_heads_speed_counts_its_deformation(tmp_path, monkeypatch):
    model = make_model(tmp_path / "m", make_dataset(tmp_path / "set"))
    target = tmp_path / "rows.json"
    options = f"--model_path {model} --sizes 32 48 --batches 2 --repeats 2 --json {target}"
    monkeypatch.setattr(sys, "argv", ["render", *options.split()])
    render.main()
    rows = json.loads(target.read_text())
    assert [(row["gaussians"], row["size"], row["batch"]) for row in rows] == [(150, 32, 2), (150, 48, 2)]
    spent = rows[0]["stages"]["deform"] + rows[0]["stages"]["forward"]
    assert rows[0]["fps"] == pytest.approx(2000 / spent)
