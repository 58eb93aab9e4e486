"""The preprocessing benchmark's rows and the memory that it reports."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import numpy as np
import pytest

from benchmarks import preprocess
from benchmarks.process_memory import PeakMemory
from data_utils.tasks import TASKS
from sample import make_sample

on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells shared pages apart")


def test_prints_a_table_and_writes_a_row_for_each_task_and_one_for_all(tmp_path, monkeypatch, capsys):
    video = tmp_path / "head.mp4"
    make_sample(video, seconds=2.1, size=128)
    target = tmp_path / "rows.json"
    monkeypatch.setattr(sys, "argv", ["preprocess", str(video), "--json", str(target)])
    begun = time.perf_counter()
    assert preprocess.main() == 0
    passed = time.perf_counter() - begun
    rows = json.loads(target.read_text())
    assert [row["task"] for row in rows] == [*(task.name for task in TASKS), "all"]
    *tasks, total = rows
    assert total["seconds"] == pytest.approx(sum(row["seconds"] for row in tasks), abs=0.01)
    assert 0.5 * passed < total["seconds"] < passed
    assert total["frames"] == 52
    assert total["frames_per_second"] == pytest.approx(52 / total["seconds"], abs=0.06)
    assert total["seconds_for_8000_frames"] == pytest.approx(total["seconds"] * 8000 / 52, abs=0.2)
    assert total["peak_memory_gib"] == max(row["peak_memory_gib"] for row in tasks)
    assert not sys.platform.startswith("linux") or 0.05 < total["peak_memory_gib"] < 4
    assert len(capsys.readouterr().out.splitlines()) == 12
    assert not (tmp_path / "head").exists()  # nothing is left beside the video


def test_a_missing_video_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["preprocess", str(tmp_path / "none.mp4")])
    assert preprocess.main() == 1
    assert capsys.readouterr().err.count("\n") == 1


@on_linux
def test_memory_counts_children_and_forgets_a_peak_once_taken():
    with PeakMemory(every=0.02) as peak:
        alone = peak.take()
        hungry = "import time; block = b'x' * 150_000_000; print('ready', flush=True); time.sleep(30)"
        with subprocess.Popen([sys.executable, "-c", hungry], stdout=subprocess.PIPE) as child:
            child.stdout.readline()
            time.sleep(0.2)
            with_child = peak.take()
            child.kill()
        peak.take()
        assert with_child > alone + 140_000_000
        assert peak.take() < alone + 60_000_000


@on_linux
def test_memory_that_came_and_went_is_the_peak():
    with PeakMemory(every=0.02) as peak:
        before = peak.take()
        block = np.ones(25_000_000)
        time.sleep(0.2)
        del block
        assert peak.take() > before + 180_000_000
