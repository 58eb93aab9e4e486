"""The preprocessing benchmark's rows and the memory that it reports."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading

import numpy as np
import pytest

from benchmarks import preprocess
from benchmarks.process_memory import PeakMemory
from data_utils.preprocess import Outcome
from data_utils.tasks import TASKS

on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells shared pages apart")


def test_prints_a_table_and_writes_a_row_for_each_task_and_one_for_all(tmp_path, talking_head, monkeypatch, capsys):
    video = shutil.copy2(talking_head, tmp_path)
    target = tmp_path / "rows.json"
    monkeypatch.setattr(sys, "argv", ["preprocess", str(video), "--json", str(target)])
    assert preprocess.main() == 0
    rows = json.loads(target.read_text())
    assert [row["task"] for row in rows] == [*(task.name for task in TASKS), "all"]
    *tasks, total = rows
    assert all(row["seconds"] > 0 for row in rows) and total["frames"] == 60
    assert total["peak_memory_gib"] == max(row["peak_memory_gib"] for row in tasks)
    assert not sys.platform.startswith("linux") or 0.05 < total["peak_memory_gib"] < 4
    assert len(capsys.readouterr().out.splitlines()) == 12
    assert not (tmp_path / "head").exists()  # nothing is left beside the video


def test_rows_are_what_the_tasks_took(tmp_path, monkeypatch):
    took = {"audio": 0.5, "frames": 2.0, "tracking": 10.0}
    tasks = [task for task in TASKS if task.name in took]

    def outcomes(folder, source, tracker):
        return (Outcome(task, took[task.name], 250, skipped=False) for task in tasks)

    monkeypatch.setattr("data_utils.preprocess.preprocess", outcomes)
    *rows, total = preprocess.measure(tmp_path / "head.mp4", tmp_path / "head", "mediapipe")
    assert [(row["task"], row["seconds"], row["frames_per_second"]) for row in rows] == [
        *(("audio", 0.5, 500.0), ("frames", 2.0, 125.0), ("tracking", 10.0, 25.0)),
    ]
    assert (total["task"], total["seconds"], total["frames_per_second"]) == ("all", 12.5, 20.0)
    assert (total["frames"], total["seconds_for_8000_frames"]) == (250, 400.0)


def test_a_missing_video_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["preprocess", str(tmp_path / "none.mp4")])
    assert preprocess.main() == 1
    assert capsys.readouterr().err.count("\n") == 1


@on_linux
def test_memory_counts_children_and_forgets_a_peak_once_taken():
    with PeakMemory() as peak:
        alone = peak.take()
        hungry = "import sys; block = b'x' * 150_000_000; print('ready', flush=True); sys.stdin.read()"
        command = [sys.executable, "-c", hungry]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
            child.stdout.readline()
            with_child = peak.take()
            child.communicate()
        peak.take()
        assert with_child > alone + 140_000_000
        assert peak.take() < alone + 60_000_000


@on_linux
def test_memory_that_came_and_went_is_the_peak(monkeypatch):
    looked = threading.Event()
    look = PeakMemory._look

    def noticed(self):
        look(self)
        looked.set()

    monkeypatch.setattr(PeakMemory, "_look", noticed)
    with PeakMemory(every=0.02) as peak:
        before = peak.take()
        block = np.ones(25_000_000)
        for _ in range(2):  # the look that is under way may have begun before the block was there
            looked.clear()
            looked.wait()
        del block
        assert peak.take() > before + 180_000_000
