"""The real programs, on a short sample video: what the stages run, and what they take for whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.farm import Farm
from fleet.settings import Settings, with_configuration
from fleet.work import ROOT, Order, run_stage

CONFIGURATION = """
ModelSettings = dict(initial_gaussians=800, sh_degree=0, plane_levels=4, plane_finest_resolution=32, feature_dim=8,
                     plane_log2_entries=10, heads=2, agents=4)
TrainingSettings = dict(coarse_iterations=4, coarse_batch=1, batch=1, motion_points=32, max_gaussians=900)
"""


@pytest.mark.slow
def test_a_video_becomes_a_head_that_is_measured_and_exported(talking_head, tmp_path: Path):
    (tmp_path / "tiny.py").write_text(CONFIGURATION)
    (tmp_path / "short.mp4").write_bytes(talking_head.read_bytes()[:9000])
    settings = Settings(
        str(tmp_path / "tiny.py"),
        train_options=("--iterations", "6", "--torso", "frames"),
        metrics_options=("--batch", "2"),
        export=("ply",),
    )
    settings = with_configuration(settings, ROOT)
    farm = Farm(str(tmp_path / "farm"))
    broken, whole = sorted(
        farm.add([talking_head, tmp_path / "short.mp4"]), key=lambda source: source.name, reverse=True
    )

    def do(source, stage):
        return run_stage(Order(str(farm.store.local), "", source, stage, settings, 2, False, ""))

    failure = do(broken, "preprocess").failure
    assert failure is not None and failure.kind == "input"
    assert "cannot be read as video or audio" in failure.why
    outcomes = {stage: do(whole, stage) for stage in ("preprocess", "train", "metrics", "export")}
    assert {stage: outcome.failure for stage, outcome in outcomes.items()} == dict.fromkeys(outcomes)
    assert outcomes["preprocess"].figures == {"frames": 60.0}
    assert outcomes["train"].figures["iterations"] == 6
    assert 10 < outcomes["metrics"].figures["head_psnr"] < 40
    head = farm.head(whole)
    assert head.exported("ply").stat().st_size > 10_000
    assert (head.root / "picture.jpg").read_bytes()[:2] == b"\xff\xd8"
    assert do(whole, "train").skipped
