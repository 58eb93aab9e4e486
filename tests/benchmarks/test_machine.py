"""The one table of a machine: every figure of it comes from the project's own commands."""

from __future__ import annotations

import json
import sys

import pytest

from arguments.errors import EGSTalkerError
from benchmarks import machine
from tests.tiny_head import make_dataset

CONFIG = """
ModelSettings = dict(initial_gaussians=100, feature_dim=8, heads=2, agents=4, plane_levels=2, plane_log2_entries=6)
TrainingSettings = dict(coarse_iterations=2, iterations=3, batch=2, min_gaussians=50, motion_frames=2)
"""


@pytest.mark.slow
def test_everything_is_measured(tmp_path, monkeypatch, capsys):
    dataset, out = make_dataset(tmp_path / "set").root, tmp_path / "out put"
    (tmp_path / "c.py").write_text(CONFIG)
    monkeypatch.setitem(machine.GAUSSIANS, "cpu", 300)
    monkeypatch.setattr(machine, "SIZE", 64)
    asked = f"--device cpu -s {dataset} --configs {tmp_path / 'c.py'}".split()
    monkeypatch.setattr(sys, "argv", ["machine", *asked, "--output_dir", str(out)])
    assert not machine.main()
    figures = json.loads((out / "machine.json").read_text())["figures"]
    assert len(figures) == 8 and all(figures.values())
    assert "rasterization, 300 Gaussians, 64 x 64 (frames/s)" in figures
    assert float(figures["training step, batch 2, same size (iterations/s)"]) > 0
    assert (out / "machine.md").read_text() in capsys.readouterr().out


def test_a_command_that_fails_is_named(capfd):
    with pytest.raises(EGSTalkerError, match=r"metrics\.py --model_path nowhere failed"):
        machine.run("metrics.py", "--model_path", "nowhere")
    assert "required" in capfd.readouterr().err
