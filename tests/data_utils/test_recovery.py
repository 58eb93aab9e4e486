"""Preprocessing killed at random moments of each of its nine tasks ends as if nothing had happened."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from arguments.dataset_folder import DatasetFolder
from data_utils.frame_files import numbered, read_rgb
from data_utils.tasks import TASKS
from data_utils.wholeness import count_frames

pytestmark = pytest.mark.skipif(not hasattr(os, "killpg"), reason="no process groups on this system")


def command(repository, video, *more):
    return [sys.executable, "-u", str(repository / "data_utils" / "process.py"), str(video), *more]


def kill_during(task, delay, arguments):
    """Kill a run with all its workers ``delay`` seconds after ``task`` began; whether it was still going."""
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True) as run:
        try:
            for line in io.TextIOWrapper(run.stdout):
                if line.startswith(f"[{task - 1}/9]") or (task == 1 and line.startswith("tracker")):
                    break
            time.sleep(delay)
            alive = run.poll() is None
        finally:
            os.killpg(run.pid, signal.SIGKILL)
        return alive


def content(folder):
    """What each file says; containers that carry names and times of writing are unpacked."""
    values = {}
    for path in sorted(path for path in folder.root.rglob("*") if path.is_file()):
        name = str(path.relative_to(folder.root))
        if path.suffix == ".pt":
            loaded = torch.load(path, weights_only=True)
            values[name] = {key: value.numpy().tobytes() for key, value in loaded.items()}
        elif path.suffix == ".npz":
            with np.load(path) as arrays:
                values[name] = {key: arrays[key].tobytes() for key in arrays.files}
        elif path.suffix == ".json":
            values[name] = json.loads(path.read_text())
        else:
            values[name] = path.read_bytes()
    return values


def assert_nothing_is_half_written(folder):
    """Every file that has its own name, rather than a temporary one, is whole."""
    for path in folder.root.rglob("*"):
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder.root).parts):
            if path.suffix in (".jpg", ".png"):
                read_rgb(path)
            elif path.suffix == ".json":
                json.loads(path.read_text())
            elif path.suffix == ".npy":
                np.load(path)
            elif path.suffix == ".pt":
                torch.load(path, weights_only=True)
            assert path.stat().st_size > 0
    for inner, suffix in (("parsing", ".png"), ("torso_imgs", ".png"), ("gt_imgs", ".jpg"), ("ori_imgs", ".jpg")):
        files = numbered(folder.root / inner, suffix)
        assert len(files) in (0, count_frames(folder))


def test_killed_in_every_task_and_resumed_the_dataset_is_the_same(dataset, talking_head, tmp_path, repository):
    video = tmp_path / "head.mp4"
    shutil.copy2(talking_head, video)
    folder = DatasetFolder(tmp_path / "head")
    moments = np.random.default_rng(20251121)
    hit = [
        kill_during(task.number, moments.uniform(0, 0.8), command(repository, video, "--tracker", "mediapipe"))
        for task in TASKS
        if assert_nothing_is_half_written(folder) is None
    ]
    assert sum(hit) >= 7  # a task may be over sooner
    assert_nothing_is_half_written(folder)
    done = subprocess.run(command(repository, video), capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert content(folder) == content(dataset)


@pytest.mark.parametrize("task", [task.number for task in TASKS])
def test_a_task_killed_while_it_replaces_its_files_leaves_a_whole_dataset(
    task, dataset, talking_head, tmp_path, repository
):
    folder = DatasetFolder(shutil.copytree(dataset.root, tmp_path / "head"))
    shutil.copy2(talking_head, tmp_path / "head.mp4")
    record = folder.read_record()
    folder.update_record(tasks={**record["tasks"], str(task): {"made": "otherwise"}})
    arguments = command(repository, tmp_path / "head.mp4", "--task", str(task))
    delay = np.random.default_rng(task).uniform(0.3, 2.5)
    with subprocess.Popen(
        arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as run:
        time.sleep(delay)
        os.killpg(run.pid, signal.SIGKILL)
    assert_nothing_is_half_written(folder)
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert "frames in" in done.stdout or delay > 1
    found, expected = content(folder), content(dataset)
    assert found.keys() == expected.keys()
    for name in expected:
        assert found[name] == expected[name], name
