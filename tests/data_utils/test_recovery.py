"""Preprocessing killed at random moments of each of its nine tasks ends as if nothing had happened."""

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
from data_utils.tasks import TASKS
from data_utils.wholeness import count_frames
from media.images import numbered, read_rgb

pytestmark = pytest.mark.skipif(not hasattr(os, "killpg"), reason="no process groups on this system")


def command(repository, video, *more):
    return [sys.executable, "-u", str(repository / "data_utils" / "process.py"), str(video), *more]


def killed(arguments, delay, begun=None):
    """Run and kill with all workers ``delay`` seconds after the line ``begun`` (or the start); whether it was alive."""
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True, text=True
    ) as run:
        if begun:
            next((line for line in run.stdout if line.startswith(begun)), None)
        time.sleep(delay)
        alive = run.poll() is None
        if alive:
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
    moments, alive = np.random.default_rng(8), 0
    for task in TASKS:
        before = "tracker" if task.number == 1 else f"[{task.number - 1}/9]"
        alive += killed(command(repository, video), moments.uniform(0, 0.6), before)
        assert_nothing_is_half_written(folder)
    assert alive >= 7  # a task may be over sooner
    resumed = subprocess.run(command(repository, video), capture_output=True, text=True, timeout=120)
    assert (resumed.returncode, resumed.stderr) == (0, "")
    assert_same(folder, dataset)


def test_tasks_killed_while_they_replace_their_files_leave_the_old_or_the_new(
    dataset, talking_head, tmp_path, repository
):
    video, moments = tmp_path / "head.mp4", np.random.default_rng(9)
    shutil.copy2(talking_head, video)
    folder = DatasetFolder(shutil.copytree(dataset.root, tmp_path / "head"))
    tasks = folder.read_record()["tasks"]
    folder.update_record(tasks={number: {"made": "otherwise"} for number in tasks})
    for task in TASKS:
        killed(command(repository, video, "--task", str(task.number)), moments.uniform(0.5, 2.5))
        assert_nothing_is_half_written(folder)
        for path in dataset.root.iterdir():  # what was whole before is still there
            assert (folder.root / path.name).exists() or list(folder.root.glob(f".{path.name}.old.part"))
    resumed = subprocess.run(command(repository, video), capture_output=True, text=True, timeout=120)
    assert (resumed.returncode, resumed.stderr) == (0, "")
    assert_same(folder, dataset)


def assert_same(folder, other):
    found, expected = content(folder), content(other)
    assert found.keys() == expected.keys()
    assert [name for name in expected if found[name] != expected[name]] == []
