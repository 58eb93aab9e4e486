"""The table of ablations: every variant is trained with its own settings, scored, and found again."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

import pytest

from arguments.settings import ModelSettings
from benchmarks import ablations
from tests.tiny_head import make_dataset, quick_speech_models

CONFIG = """
ModelSettings = dict(initial_gaussians=100, feature_dim=8, heads=2, agents=4, plane_levels=2, plane_log2_entries=6)
TrainingSettings = dict(coarse_iterations=2, iterations=3, batch=2, min_gaussians=50, motion_frames=2)
"""


@pytest.fixture(autouse=True)
def _quick_speech_models() -> Iterator[None]:
    with quick_speech_models():
        yield


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["ablations", *arguments])
    assert not ablations.main()


def test_variants_are_trained_scored_and_kept(tmp_path, monkeypatch, capsys):
    dataset, out = make_dataset(tmp_path / "set").root, tmp_path / "out"
    (tmp_path / "c.py").write_text(CONFIG)
    asked = ["-s", str(dataset), "--output_dir", str(out), "--configs", str(tmp_path / "c.py"), "--device", "cpu"]
    run(monkeypatch, *asked, "--only", "EGSTalker", "no static stage", "--skip_scores")
    settings = json.loads((out / "no_static_stage" / "settings.json").read_text())["model"]
    assert settings["static_init"] is False and settings["attention"] == "esaa"
    assert "training (s)" in capsys.readouterr().out
    trained = (out / "egstalker" / "training_time.json").stat().st_mtime_ns
    run(monkeypatch, *asked, "--only", "EGSTalker")
    assert (out / "egstalker" / "training_time.json").stat().st_mtime_ns == trained  # not trained again
    rows = {row["variant"]: row for row in json.loads((out / "ablations.json").read_text())["rows"]}
    assert list(rows) == ["EGSTalker", "no static stage"]
    assert rows["EGSTalker"]["head_psnr"] > 10 and rows["EGSTalker"]["gaussians"] >= 50
    assert "head_psnr" not in rows["no static stage"] and rows["no static stage"]["training_seconds"] > 0
    table = (out / "ablations.md").read_text().splitlines()
    assert len(table) == 4 and "| - |" in table[3]


def test_the_baseline_is_the_configuration_of_its_own():
    settings = ModelSettings(**ablations.VARIANTS["GaussianTalker modules"])
    from arguments.settings import load_config

    assert load_config("arguments/64_dim_1_transformer.py")[0] == settings
