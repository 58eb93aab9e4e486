"""What a training says of itself."""

from __future__ import annotations

import json
import sys
import time

import numpy as np
import pytest

import training.reporter
from arguments.errors import EGSTalkerError
from training.reporter import Reporter


def refuse(constant: str):
    raise ValueError(f"{constant} is no JSON")


def lines_of(path):
    lines = (path / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line, parse_constant=refuse) for line in lines]


def test_a_log_without_terminal_is_plain_lines_with_rate_and_time_left(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(training.reporter, "SECONDS_BETWEEN_LINES", 0.0)
    with Reporter(tmp_path, 10, 0, None) as reporter:
        for i in range(3):
            reporter.step("fine", i + 1, 123, {"loss": 0.5, "psnr": 30.0})
        reporter.say("hello")
    said = capsys.readouterr().err.splitlines()
    assert said[-1] == "hello"
    assert said[0].startswith("fine 1 (1/10) loss 0.5 psnr 30 gaussians 123")
    assert said[0].endswith("s left")
    assert "it/s" in said[0]
    assert "\x1b" not in "".join(said)


def test_a_fast_training_says_a_line_every_ten_seconds_and_one_at_its_end(tmp_path, capsys, monkeypatch):
    seconds = iter(np.arange(0, 1000, 0.5))  # the clock, at each look
    monkeypatch.setattr(training.reporter.time, "monotonic", lambda: next(seconds))
    with Reporter(tmp_path, 45, 0, None) as reporter:
        for i in range(45):
            reporter.step("fine", i + 1, 123, {"loss": 0.5})
    said = capsys.readouterr().err.splitlines()
    assert [line.split()[1] for line in said] == ["20", "40", "45"]
    assert "2.00 it/s" in said[0] and said[0].endswith(" 12 s left")  # 25 more at two a second


def test_shown_figures_are_smoothed(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(training.reporter, "SECONDS_BETWEEN_LINES", 0.0)
    with Reporter(tmp_path, 2, 0, None) as reporter:
        reporter.step("fine", 1, 9, {"loss": 1.0})
        reporter.step("fine", 2, 9, {"loss": 3.0})
    assert "loss 1.1 " in capsys.readouterr().err.splitlines()[-1]  # 0.95 * 1 + 0.05 * 3


def test_a_terminal_gets_a_bar_instead_of_lines(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(training.reporter, "SECONDS_BETWEEN_LINES", 0.0)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    with Reporter(tmp_path, 3, 1, None) as reporter:
        reporter.step("fine", 1, 123, {"loss": 0.5})
        reporter.say("hello")
        reporter.step("fine", 2, 123, {"loss": 0.5})
    captured = capsys.readouterr()
    assert "hello" in captured.err and "3/3" in captured.err and "gaussians 123" in captured.err
    assert "(2/3)" not in captured.err
    assert captured.out == ""


def test_each_record_is_a_line_of_json(tmp_path):
    with Reporter(tmp_path, 10, 4, None) as reporter:
        reporter.step("fine", 1, 9, {"loss": 1.0})
        reporter.record({"stage": "fine", "loss": 1.0})
    assert lines_of(tmp_path) == [{"iteration": 5, "stage": "fine", "loss": 1.0}]


def test_a_resumed_run_forgets_what_it_will_do_again(tmp_path):
    log = tmp_path / "metrics.jsonl"
    log.write_text("".join(json.dumps({"iteration": i}) + "\n" for i in (50, 100, 150)) + '{"iterat')
    with Reporter(tmp_path, 200, 100, None) as reporter:
        reporter.step("fine", 1, 9, {})
        reporter.record({})
    assert [line["iteration"] for line in lines_of(tmp_path)] == [50, 100, 101]


def test_wandb_offline_needs_no_account(tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    with Reporter(tmp_path, 2, 0, {"made_up_setting": 2}) as reporter:
        reporter.step("fine", 1, 9, {"loss": 1.0})
        reporter.record({"stage": "fine", "made_up_figure": 1.0})
    runs = list((tmp_path / "wandb").glob("offline-run-*/*.wandb"))
    assert len(runs) == 1
    deadline = time.monotonic() + 30  # wandb's own process writes it, in its own time
    while b"made_up_figure" not in runs[0].read_bytes() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert b"made_up_figure" in runs[0].read_bytes() and b"made_up_setting" in runs[0].read_bytes()
    assert lines_of(tmp_path) == [{"iteration": 1, "stage": "fine", "made_up_figure": 1.0}]


def test_a_resumed_training_goes_on_with_its_run_at_wandb(tmp_path, monkeypatch):
    wandb = pytest.importorskip("wandb")
    begun: list[dict] = []
    monkeypatch.setattr(wandb, "init", lambda **options: begun.append(options))
    for name in ("m", "m", "other"):
        (tmp_path / name).mkdir(exist_ok=True)
        Reporter(tmp_path / name, 2, 0, {"training": {"batch": 8}})
    first, second, other = begun
    assert first["id"] == second["id"] == (tmp_path / "m" / "wandb_run.txt").read_text().strip()
    assert other["id"] != first["id"]
    assert first["resume"] == "allow" and first["config"] == {"training": {"batch": 8}}


def test_a_missing_wandb_is_said_before_anything_else_happens(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(EGSTalkerError, match="pip install wandb"):
        Reporter(tmp_path, 2, 0, {})
    Reporter(tmp_path, 2, 0, None)
