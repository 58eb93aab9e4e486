"""training/log.py: what a training's log file receives."""

from __future__ import annotations

import pytest

from arguments.errors import EGSTalkerError
from training.log import LOG, training_log
from training.reporter import Reporter


def test_every_line_is_appended_with_its_time_and_nothing_is_printed(tmp_path, capfd):
    path = tmp_path / "a log"
    path.write_text("before\n")
    with training_log(str(path)):
        LOG.info("a %s", "line")
        assert path.read_text().endswith(" a line\n")  # at once, for those who follow it
    LOG.info("afterwards")
    lines = path.read_text().splitlines()
    assert [line[20:] or line for line in lines] == ["before", "a line", "the training is done"]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (EGSTalkerError("no dataset;\nmake one"), "error: no dataset; make one"),
        (KeyboardInterrupt(), "interrupted"),
        (RuntimeError("a defect"), "Traceback"),
    ],
)
def test_what_ends_a_training_is_the_last_thing_said(tmp_path, raised, said):
    with pytest.raises(type(raised)), training_log(str(tmp_path / "log")):
        raise raised
    assert said in (tmp_path / "log").read_text()
    assert "the training is done" not in (tmp_path / "log").read_text()


@pytest.mark.parametrize("path", [None, ""])
def test_without_a_file_nothing_is_kept(path, capfd):
    with training_log(path):
        LOG.info("a line")
    assert not LOG.handlers and capfd.readouterr() == ("", "")


def test_a_file_that_cannot_be_written_is_one_line(tmp_path):
    with pytest.raises(EGSTalkerError, match=r"cannot be written .*TRAINING_LOG"), training_log(str(tmp_path)):
        pass


def test_a_reporter_says_into_the_log_what_it_says_on_the_screen(tmp_path, capsys):
    with training_log(str(tmp_path / "log")), Reporter(tmp_path, total=2, done=0, wandb_settings=None) as reporter:
        reporter.step("fine", 1, 10, {"loss": 0.5})
        reporter.say("validated")
        reporter.step("fine", 2, 10, {"loss": 0.5})
    shown = capsys.readouterr().err.splitlines()
    kept = [line[20:] for line in (tmp_path / "log").read_text().splitlines()]
    assert kept == [*shown, "the training is done"] and shown[0] == "validated" and "fine 2 (2/2)" in shown[1]
