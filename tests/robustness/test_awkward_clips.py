"""Real recordings that are not as one would wish: each works, or is refused in one line."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def process(clips, tmp_path, repository):
    def run(name: str, *more: str) -> tuple[subprocess.CompletedProcess, Path]:
        video = Path(shutil.copy(clips / "awkward" / name, tmp_path))
        command = [sys.executable, str(repository / "data_utils" / "process.py"), str(video), *more]
        return subprocess.run(command, capture_output=True, text=True, timeout=300), video.with_suffix("")

    return run


@pytest.mark.parametrize(
    ("name", "warning", "says"),
    [
        ("no_face.mp4", "", "no face in the video"),
        ("very_short_no_audio.mp4", "", "has no audio track"),
        (
            "face_then_no_face_vfr_short_audio.mov",
            "the sound begins 2.4 s after the picture",
            "the face is away for about",
        ),
    ],
)
def test_is_refused_in_one_line_and_leaves_no_folder(process, name, warning, says):
    done, folder = process(name)
    assert done.returncode == 1
    *first, last = done.stderr.splitlines()
    assert last.startswith("error: ") and says in last
    assert [warning in line for line in first] == [True] * bool(warning), done.stderr
    assert not folder.exists()


def test_two_seconds_at_another_rate_become_frames(process):
    done, folder = process("very_short_2997fps.mp4", "--task", "3")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(list(folder.glob("ori_imgs/*.jpg"))) == 51


def test_one_of_two_people_is_followed_and_the_cut_is_said(process):
    done, folder = process("two_faces.mp4", "--task", "3")
    assert done.returncode == 0
    assert "other people are seen" in done.stderr and "the picture cuts at 0:02.6" in done.stderr
    assert json.loads((folder / "dataset.json").read_text())["lost_frames"] == list(range(64))
