"""A checkout whose programs do in a moment what the real ones do in minutes, and write down that they did.

A video is a JSON object that says how its programs behave: ``{"seconds": 0.2, "error": "no face in it"}``.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fleet.work import LEASH

PROGRAM = """
import json, os, pathlib, signal, sys, time
sys.path.insert(0, {repository!r})
def note(stage, what):
    file = os.open({runs!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(file, f"{{stage}} {{name}} {{what}} {{os.getpid()}}\\n".encode())
    os.close(file)
def begin(stage, video):
    says = json.loads(video.read_text()) if video.exists() else {{}}  # on another machine
    note(stage, "begun")
    time.sleep(says.get("seconds", 0.0))
    once = pathlib.Path({runs!r}).with_name(f"once-{{stage}}-{{name}}")
    if stage == says.get("die_once_in") and not once.exists():
        once.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if stage == says.get("in", "preprocess") and "error" in says:
        sys.exit("error: " + says["error"])
"""

PREPROCESS = """
video = pathlib.Path(sys.argv[1]); name = video.parent.name
begin("preprocess", video)
root = video.with_suffix("")
for file in ("aud.wav aud.npy ori_imgs/0.jpg parsing/0.png bc.jpg torso_imgs/0.png gt_imgs/0.jpg ori_imgs/0.lms au.csv"
             " track_params.pt transforms_train.json transforms_val.json").split():
    (root / file).parent.mkdir(parents=True, exist_ok=True)
    (root / file).write_text(name)
(root / "dataset.json").write_text('{"num_frames": 1}')
note("preprocess", "done")
"""

TRAIN = """
data, model = pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[4]); name = data.parent.name
begin("train", data.parent / "dataset.mp4")
assert (data / "aud.wav").read_text() == name
folder = model / "checkpoints/fine-00007"
folder.mkdir(parents=True, exist_ok=True)
(model / "settings.json").write_text(json.dumps({"training": {"iterations": 7}}))
(folder / "head.safetensors").write_text(name)
(folder / "state.json").write_text(json.dumps({"stage": "fine", "iteration": 7, "gaussians": len(name)}))
note("train", "done")
"""

METRICS = """
data, model = pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[4]); name = data.parent.name
begin("metrics", data.parent / "dataset.mp4")
(model / "metrics.json").write_text(json.dumps({"val": {"head_psnr": 30.0 + len(name), "lpips": None}}))
note("metrics", "done")
"""

EXPORT = """
model, target = pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[4]); name = model.parent.name
note("export", "begun")
target.parent.mkdir(exist_ok=True)
target.write_text(name)
note("export", "done")
"""


def make_checkout(root: Path) -> Path:
    """The checkout, in ``root``; what its programs do is in ``root/runs.txt``."""
    start = PROGRAM.format(repository=str(Path(__file__).resolve().parent.parent.parent), runs=str(root / "runs.txt"))
    programs = {"data_utils/process.py": PREPROCESS, "train.py": TRAIN, "metrics.py": METRICS, "export.py": EXPORT}
    for path, program in programs.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(start + program)
    (root / "arguments").mkdir()
    (root / "arguments/args.py").write_text("")
    return root


def make_videos(folder: Path, **behaviour: dict[str, Any]) -> Path:
    """A folder of videos, each of which behaves as its entry says."""
    folder.mkdir(exist_ok=True)
    for name, says in behaviour.items():
        (folder / f"{name}.mp4").write_text(json.dumps({"name": name, **says}))
    return folder


def runs(checkout: Path, what: str = "done") -> list[str]:
    """What has been done, such as "train anna", in order."""
    file = checkout / "runs.txt"
    lines = [line.split() for line in file.read_text().splitlines()] if file.exists() else []
    return [f"{stage} {name}" for stage, name, state, _ in lines if state == what]


def alive(checkout: Path) -> list[int]:
    """Processes of its programs that are still there."""
    return [pid for pid, words in _processes() if any(word.startswith(str(checkout)) for word in words)]


def workers(checkout: Path) -> list[int]:
    """The workers that have its programs on a leash."""
    of_leash = [words for _, words in _processes() if str(LEASH) in words]
    return [int(words[2]) for words in of_leash if any(word.startswith(str(checkout)) for word in words)]


def _processes() -> Iterator[tuple[int, list[str]]]:
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if words[0] == sys.executable and words[1:2] != ["-m"]:  # of a driver's words the checkout is one, too
                yield int(folder.name), words
