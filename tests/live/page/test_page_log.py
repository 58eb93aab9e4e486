"""How far a command is, read from what the commands themselves print when nobody looks at a terminal."""

from __future__ import annotations

import io
import time
from pathlib import Path

import pytest

from arguments.command_log import last_error
from data_utils import progress as plain
from live.page.log import TASK_NAMES, preprocess_progress, progress_of, qualities, training_progress

TRAINING = "fine 1038 (1238/1900) loss 0.03147 psnr 36.47 moving 12974 gaussians 12982 7.40 it/s 89 s left"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log.txt"


def test_a_task_that_is_at_work_is_read_from_its_own_plain_lines(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(plain, "PLAIN_EVERY", 0.0)
    stream = io.StringIO()
    with plain.progress("[3/9] frames", 600, stream) as done:
        time.sleep(0.01)
        done(150)
    now = preprocess_progress(stream.getvalue().splitlines())
    assert now.words == "task 3 of 9: frames, 150 of 600 frames"
    assert now.share == pytest.approx((2 + 0.25) / 9)
    assert now.left is not None
    assert now.rate.endswith("frames a second")


def test_a_task_that_is_done_leads_to_the_next():
    now = preprocess_progress(["tracker: mediapipe", "[4/9] face parsing: 600 frames in 9.1 s (66 a second)"])
    assert (now.words, now.share) == ("task 5 of 9: background", pytest.approx(4 / 9))
    assert preprocess_progress(["[9/9] transforms: whole already", "", "summary"]).share == 1.0
    assert preprocess_progress([]).share is None


def test_tasks_are_called_as_they_call_themselves():
    from data_utils.tasks import TASKS

    assert tuple(task.name for task in TASKS) == TASK_NAMES


def test_a_training_is_read_from_its_lines():
    now = training_progress(["coarse 1 (1/1900) loss 1", TRAINING, "fine 1000: held-out head PSNR 34.29 dB (x.png)"])
    assert now.words == "the head that moves: iteration 1238 of 1900"
    assert (now.share, now.left, now.rate) == (pytest.approx(1238 / 1900), 89.0, "7.40 iterations a second")
    torso = training_progress([TRAINING, "torso: 120 of 200 iterations, 2 a second, 40 s left"])
    assert torso.words == "neck and shoulders: 120 of 200 iterations"
    assert torso.left == 40.0


def test_the_line_of_the_reporter_is_one_that_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    from training.reporter import Reporter

    with Reporter(tmp_path, 1, 0, None) as reporter:
        reporter.step("coarse", 1, 12345, {"loss": 0.25, "psnr": 30.0})
    assert training_progress(capsys.readouterr().err.splitlines()).words == "the head at rest: iteration 1 of 1"


def test_only_the_command_that_was_begun_last_is_read(log: Path):
    log.write_text(f"== train\n{TRAINING}\n== metrics\nval: 12 of 55 frames, 4 a second, 11 s left\n")
    assert progress_of("metrics", log).words == "driven by its sound: 12 of 55 frames"
    log.write_text(f"== train\n{TRAINING}\n== train\n")
    assert progress_of("train", log).words == "starting"


def test_a_long_log_is_read_from_its_end(log: Path):
    log.write_text("== train\n" + "x" * 80 + "\n" * 200_000 + TRAINING + "\n")
    assert progress_of("train", log).left == 89.0


def test_an_error_is_the_line_that_the_command_ended_with(log: Path):
    log.write_text(
        "== preprocess\nerror: an old one\n== preprocess\nwarning: dark\nerror: no face in the video; cut it\n"
    )
    assert last_error(log) == "no face in the video; cut it"
    log.write_text("== train\nTraceback (most recent call last):\n  File ...\nValueError: seven\n")
    assert last_error(log) == "ValueError: seven"
    log.write_text("== train\nfine\n")
    assert last_error(log) == ""


@pytest.mark.slow
def test_the_page_of_a_clip_is_read_line_by_line(log: Path, talking_head: Path):
    from data_utils.clip_report.report import inspect_clip
    from data_utils.source import Source

    report = inspect_clip(Source(talking_head))
    log.write_text(f"== inspect\n{report.page()}\n")
    read = [(line.name, line.value, line.limit) for line in qualities(log)]
    said = {quality.name: quality for quality in report.qualities()}
    assert [(name, value) for name, value, _ in read] == [(name, quality.value) for name, quality in said.items()]
    assert read[0][2] == "lips learn little; film two minutes"  # and no option of a command
    assert all(limit == said[name].limit for name, _, limit in read[1:])
    assert len(read) == 10
