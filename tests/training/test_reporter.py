"""What a training says of itself."""

from __future__ import annotations

import json

import pytest

import training.reporter
from training.reporter import Reporter


def lines_of(path):
    return [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]


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
    with Reporter(tmp_path, 2, 0, {"batch": 2}) as reporter:
        reporter.step("fine", 1, 9, {"loss": 1.0})
        reporter.record({"stage": "fine", "loss": 1.0})
    runs = list((tmp_path / "wandb").glob("offline-run-*/*.wandb"))
    assert len(runs) == 1
    assert runs[0].stat().st_size > 0
