"""Preprocessing killed in any of its nine tasks ends as if nothing had happened."""

import json
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch

from arguments.dataset_folder import DatasetFolder
from data_utils.wholeness import count_frames
from media.images import numbered, read_rgb
from tests.environment import all_cores

pytestmark = pytest.mark.skipif(not hasattr(os, "killpg"), reason="no process groups on this system")


# Preprocesses once a line of its input, each time in a process of its own, which kills itself and its workers just
# before a file or folder of the given name appears. The libraries are loaded once, for all of these processes.
SUICIDAL = """
import fnmatch, json, os, signal, sys
from data_utils.process import main

def watch(name):
    def event(event, arguments):
        if event == "os.rename" and fnmatch.fnmatch(os.path.basename(arguments[1]), name):
            os.killpg(0, signal.SIGKILL)
    sys.addaudithook(event)

if __name__ == "__main__":
    import mediapipe, torch, data_utils.preprocess, data_utils.face_tracking
    for line in sys.stdin:
        name, *sys.argv[1:] = json.loads(line)
        child = os.fork()
        if not child:
            os.setsid()
            watch(name)
            os.dup2(2, 1)
            os._exit(main())
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def command(repository, video, *more):
    return [sys.executable, "-u", str(repository / "data_utils" / "process.py"), str(video), *more]


@pytest.fixture(autouse=True)
def cores():
    """Those that the data set was made on: an encoder's bits depend on its threads."""
    with all_cores():
        yield


@pytest.fixture
def killed_before(tmp_path, repository):
    """``killed_before(name, video, ...)``: preprocess, die before ``name`` (a file's or folder's, of the dataset)."""
    script, said = tmp_path / "suicidal.py", tmp_path / "said.txt"
    script.write_text(SUICIDAL)
    with (
        said.open("w") as errors,
        subprocess.Popen(
            [sys.executable, str(script)],
            cwd=repository,
            env={**os.environ, "PYTHONPATH": str(repository)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as server,
    ):

        def kill(*arguments):
            server.stdin.write(json.dumps([str(argument) for argument in arguments]) + "\n")
            server.stdin.flush()
            assert server.stdout.readline() == f"{-signal.SIGKILL}\n", said.read_text()

        yield kill


def content(folder):
    """What each file says; containers that carry names and times of writing are unpacked.

    The page on the clip is left out: the program writes it before the tasks, and ``dataset`` was made without it.
    """
    values = {}
    for path in sorted(path for path in folder.root.rglob("*") if path.is_file() and path != folder.clip_report):
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


def test_killed_in_every_task_and_resumed_the_dataset_is_the_same(
    dataset, talking_head, tmp_path, repository, killed_before
):
    video = tmp_path / "head.mp4"
    shutil.copy2(talking_head, video)
    folder = DatasetFolder(tmp_path / "head")
    # In the midst of pictures being written, and before each task's first artefact.
    for name in (
        *("aud_train.wav", "aud_ds.npy", "30.jpg", "ori_imgs", "parsing", "bc.jpg", "gt_imgs"),
        *("30.lms", "track_params.pt", "transforms_train.json"),
    ):
        killed_before(name, video)
        assert_nothing_is_half_written(folder)
    resumed = subprocess.run(command(repository, video), capture_output=True, text=True)
    assert (resumed.returncode, _remarks(resumed.stderr)) == (0, [])
    assert_same(folder, dataset)


def test_tasks_killed_while_they_replace_their_files_leave_the_old_or_the_new(
    dataset, talking_head, tmp_path, repository, killed_before
):
    video = tmp_path / "head.mp4"
    shutil.copy2(talking_head, video)
    folder = DatasetFolder(shutil.copytree(dataset.root, tmp_path / "head"))
    tasks = folder.read_record()["tasks"]
    folder.update_record(tasks={number: {"made": "otherwise"} for number in tasks})
    # Before each task's last artefact, and between the two renames by which a folder is replaced.
    for task, name in (
        *((1, "aud.wav"), (2, "aud.npy"), (3, "video.mp4"), (4, "parsing"), (4, ".parsing.*.old.part"), (5, "bc.jpg")),
        *((6, "torso_imgs"), (7, "au.csv"), (8, "tracking_report.png"), (9, "transforms_val.json")),
    ):
        killed_before(name, video, "--task", task)
        assert_nothing_is_half_written(folder)
        for path in dataset.root.iterdir():  # what was whole before is still there
            assert (folder.root / path.name).exists() or list(folder.root.glob(f".{path.name}.*.old.part"))
    resumed = subprocess.run(command(repository, video), capture_output=True, text=True)
    assert (resumed.returncode, _remarks(resumed.stderr)) == (0, [])
    assert_same(folder, dataset)


def _remarks(said):
    """What was said but for how far a slow machine is."""
    return [line for line in said.splitlines() if not line.startswith("[")]


def assert_same(folder, other):
    values, expected = content(folder), content(other)
    assert values.keys() == expected.keys()
    assert [name for name in expected if values[name] != expected[name]] == []
