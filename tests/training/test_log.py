"""training/log.py: what a training's log file receives."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from arguments.errors import EGSTalkerError
from arguments.model_folder import ModelFolder
from training.log import LOG, training_log
from training.reporter import Reporter


def model_folder(root: Path) -> ModelFolder:
    """A model folder with as much as a begun training leaves."""
    folder = ModelFolder(root)
    root.mkdir(exist_ok=True)
    folder.settings.write_text("{}")
    return folder


def test_every_line_is_appended_with_its_time_and_nothing_is_printed(tmp_path, capfd):
    folder = model_folder(tmp_path)
    path = folder.training_log
    path.write_text("before\n")
    with training_log(folder, None):
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
    folder = model_folder(tmp_path)
    with pytest.raises(type(raised)), training_log(folder, None):
        raise raised
    assert said in folder.training_log.read_text()
    assert "the training is done" not in folder.training_log.read_text()


def test_a_run_that_fails_before_there_is_a_model_leaves_neither_log_nor_link(tmp_path):
    link = tmp_path / "followed"
    with pytest.raises(EGSTalkerError), training_log(ModelFolder(tmp_path), str(link)):
        assert link.is_symlink()
        raise EGSTalkerError("no dataset")
    assert list(tmp_path.iterdir()) == [] and not LOG.handlers


def test_the_path_that_users_follow_leads_to_the_latest_trainings_log(tmp_path, capfd):
    link = tmp_path / "followed"
    for name in ("first", "second"):
        folder = model_folder(tmp_path / name)
        with training_log(folder, str(link)):
            LOG.info(name)
        assert link.resolve() == folder.training_log and name in link.read_text()
    assert "second" not in (tmp_path / "first" / "training.log").read_text()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["first", "followed", "second"]
    assert capfd.readouterr() == ("", "")


def test_a_file_that_cannot_be_replaced_gets_the_same_lines(tmp_path, monkeypatch):
    folder, mounted = model_folder(tmp_path / "m"), tmp_path / "mounted"
    mounted.touch()

    def busy(*_):
        raise OSError(errno.EBUSY, "Device or resource busy")

    monkeypatch.setattr(Path, "replace", busy)
    with training_log(folder, str(mounted)):
        LOG.info("a line")
    assert "a line" in mounted.read_text() and mounted.read_text() == folder.training_log.read_text()


def test_another_users_link_is_left_alone_and_the_training_goes_on(tmp_path, monkeypatch, capfd):
    folder, theirs = model_folder(tmp_path / "m"), tmp_path / "theirs"
    theirs.symlink_to(tmp_path / "their.log")

    def forbidden(*_):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "replace", forbidden)
    with training_log(folder, str(theirs)):
        LOG.info("a line")
    assert theirs.readlink() == tmp_path / "their.log"
    assert capfd.readouterr().err == (
        f"warning: {theirs} cannot be made a link to {folder.training_log} (Operation not permitted); "
        "follow that, or set TRAINING_LOG=FILE\n"
    )
    assert "a line" in folder.training_log.read_text()


def test_the_log_itself_may_be_what_is_followed(tmp_path):
    folder = model_folder(tmp_path)
    with training_log(folder, str(folder.training_log)):
        LOG.info("a line")
    assert not folder.training_log.is_symlink() and folder.training_log.read_text().count("a line") == 1


def test_a_reporter_says_into_the_log_what_it_says_on_the_screen(tmp_path, capsys):
    folder = model_folder(tmp_path)
    with training_log(folder, None), Reporter(tmp_path, total=2, done=0, wandb_settings=None) as reporter:
        reporter.step("fine", 1, 10, {"loss": 0.5})
        reporter.say("validated")
        reporter.step("fine", 2, 10, {"loss": 0.5})
    shown = capsys.readouterr().err.splitlines()
    kept = [line[20:] for line in folder.training_log.read_text().splitlines()]
    assert kept == [*shown, "the training is done"] and shown[0] == "validated" and "fine 2 (2/2)" in shown[1]
