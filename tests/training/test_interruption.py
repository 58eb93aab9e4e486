"""A training that is told to end, at any point of an iteration, goes on as if it had not been."""

from __future__ import annotations

import inspect
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import FrameType

import pytest
import torch
from torch import Tensor

from arguments.errors import EGSTalkerError, Interrupted, door
from arguments.model_folder import ModelFolder
from arguments.settings import TrainingSettings
from scene.head_files import checkpoints, load_head, read_record
from tests.tiny_head import MOTION, make_dataset
from training.checkpoints import load_training_state
from training.dataset import TalkingHeadDataset
from training.log import training_log
from training.loop import train
from training.options import TrainOptions
from training.reporter import Reporter
from training.stop_signals import StopSignals, stop_signals
from training.trainer import Trainer

ROOM = str(Path(__file__).resolve().parents[2] / "training")
TRAINING = TrainingSettings(
    coarse_iterations=1,
    iterations=500,
    batch=1,
    min_gaussians=30,
    max_gaussians=70,
    densify_from=0,
    densify_every=1,
    densify_until_share=1.0,
    densify_gradient=0.0,
    gate_from_share=0.02,
    validation_frames=1,
    motion_frames=2,
)
Line = tuple[str, int]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("data") / "set").root


def options(folder: Path, model_path: Path, **changes) -> TrainOptions:
    model = replace(MOTION, initial_gaussians=60)
    return TrainOptions(folder, model_path, model, replace(TRAINING, **changes))


@contextmanager
def at_each_line(act) -> Iterator[None]:
    """Inside the context, ``act`` is told of each line of training/ that is about to run within an iteration."""
    iterating, iterate = 0, inspect.unwrap(Trainer.iterate).__code__

    def trace(frame: FrameType, event: str, _):
        nonlocal iterating
        code = frame.f_code
        if not code.co_filename.startswith(ROOM):
            return None
        within = code is iterate
        if event == "call":
            iterating += within
        elif event == "return":
            iterating -= within
        elif event == "line" and iterating:
            act((Path(code.co_filename).name, frame.f_lineno))
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)


def flat(value: object, name: str = "") -> dict[str, object]:
    """Every tensor and number of a checkpoint's state, by where it is."""
    if isinstance(value, dict):
        return {k: v for key, part in value.items() for k, v in flat(part, f"{name}/{key}").items()}
    if isinstance(value, (list, tuple)):
        return {k: v for i, part in enumerate(value) for k, v in flat(part, f"{name}/{i}").items()}
    return {name: value}


def assert_same_state(path: Path, other: Path) -> None:
    """The latest checkpoints of two model folders are equal, bit for bit."""
    last, others = checkpoints(path)[-1], checkpoints(other)[-1]
    assert last.progress == others.progress
    found, expected = (
        flat({"head": load_head(p)[0].state_dict(), "state": load_training_state(c.folder)})
        for p, c in ((path, last), (other, others))
    )
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        equal = torch.equal(found[name], value) if isinstance(value, Tensor) else found[name] == value
        assert equal, name


class StopAfter(StopSignals):
    """Stops a trainer after so many iterations of both stages."""

    def __init__(self, trainer: Trainer, iterations: int) -> None:
        super().__init__()
        self.trainer, self.iterations = trainer, iterations

    def check(self) -> None:
        if self.trainer.done == self.iterations:
            raise Interrupted(signal.SIGTERM, "enough")


def run(trainer: Trainer, iterations: int) -> None:
    """Train until so many iterations are done, and save."""
    with Reporter(trainer.folder.root, 500, trainer.done, None) as reporter, pytest.raises(Interrupted):
        trainer.run(reporter, StopAfter(trainer, iterations))


def test_a_signal_at_any_point_of_an_iteration_changes_nothing(folder, tmp_path):
    lines: list[Line] = []
    trainer = Trainer(options(folder, tmp_path / "seen"), TalkingHeadDataset(folder))
    run(trainer, 2)
    with at_each_line(lines.append):
        run(trainer, 3)
    assert {"trainer.py", "step.py", "densification.py", "optimizer.py"} <= {file for file, _ in lines}

    path, passed = tmp_path / "m", 0

    def strike(_: Line) -> None:
        nonlocal passed
        passed += 1
        if passed > first:
            signal.raise_signal(signal.SIGTERM)

    for first in range(0, len(lines), len(lines) // 6):  # each run goes on from the last one's checkpoint
        passed = 0
        with pytest.raises(Interrupted), at_each_line(strike):
            train(options(folder, path))
        assert passed > first
    whole = Trainer(options(folder, tmp_path / "whole"), TalkingHeadDataset(folder))
    run(whole, 7)
    assert_same_state(path, tmp_path / "whole")


def test_signals_are_answered_as_before_once_the_training_is_over():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    with stop_signals():
        assert signal.getsignal(signal.SIGTERM) != before[1]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before


def test_an_ignored_signal_stays_ignored(monkeypatch):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_signals() as signals, signals.deferred():
            signal.raise_signal(signal.SIGHUP)
            signals.check()
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [
        (signal.SIGINT, 130, "interrupted; run the same command again to go on"),
        (signal.SIGTERM, 143, "ended by SIGTERM; run the same command again to go on"),
        (signal.SIGHUP, 129, "ended by SIGHUP; run the same command again to go on"),
    ],
)
def test_each_signal_has_its_line_and_exit_code(capsys, number, code, said):
    @door
    def main() -> None:
        with stop_signals() as signals, signals.deferred():
            signal.raise_signal(number)
            signals.check()

    assert main() == code
    assert capsys.readouterr().err == said + "\n"


def test_before_the_first_iteration_a_signal_ends_the_command_where_it_comes():
    with pytest.raises(Interrupted, match="ended by SIGTERM"), stop_signals():
        signal.raise_signal(signal.SIGTERM)


def strike_in(monkeypatch: pytest.MonkeyPatch, place: str, error: BaseException | None = None) -> None:
    """Once ``place`` was run for the third time, raise ``error``, or send Ctrl-C twice."""
    module, name = place.rsplit(".", 1)
    original, calls = getattr(import_module(module), name), []

    def struck(*arguments, **named):
        result = original(*arguments, **named)
        calls.append(None)
        if len(calls) == 3:
            if error is not None:
                raise error
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
        return result

    monkeypatch.setattr(place, struck)


def test_a_second_ctrl_c_ends_at_once_and_saves_nothing(folder, tmp_path, monkeypatch):
    strike_in(monkeypatch, "training.step.step")
    with pytest.raises(Interrupted, match="at once, without saving"):
        train(options(folder, tmp_path / "m", checkpoint_every=2))
    assert [c.folder.root.name for c in checkpoints(tmp_path / "m")] == ["coarse-00001"]


def test_an_error_before_anything_changed_saves_the_iterations_until_then(folder, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        strike_in(patch, "training.step.render", FileNotFoundError("a picture is missing"))
        with pytest.raises(FileNotFoundError):
            train(options(folder, tmp_path / "m"))
    assert checkpoints(tmp_path / "m")[-1].folder.root.name == "fine-00001"
    train(options(folder, tmp_path / "m", iterations=3))
    train(options(folder, tmp_path / "whole", iterations=3))
    assert_same_state(tmp_path / "m", tmp_path / "whole")


@pytest.mark.parametrize("place", ["training.step.step", "training.trainer.densify"])
def test_an_error_amid_a_change_saves_nothing(folder, tmp_path, monkeypatch, place):
    strike_in(monkeypatch, place, RuntimeError("a defect"))
    with pytest.raises(RuntimeError, match="a defect"):
        train(options(folder, tmp_path / "m"))
    assert [c.folder.root.name for c in checkpoints(tmp_path / "m")] == ["coarse-00001"]


def test_a_head_that_is_not_finite_is_not_saved_by_an_error(folder, tmp_path, monkeypatch):
    trainer = Trainer(options(folder, tmp_path / "m"), TalkingHeadDataset(folder))
    run(trainer, 3)
    strike_in(monkeypatch, "training.step.render", RuntimeError("a defect"))
    with torch.no_grad():
        trainer.head.model.means[0] = torch.nan
    trainer.progress = replace(trainer.progress, iteration=9)
    with Reporter(tmp_path / "m", 500, 9, None) as reporter, pytest.raises((RuntimeError, EGSTalkerError)):
        trainer.run(reporter, StopSignals())
    assert checkpoints(tmp_path / "m")[-1].progress.iteration == 2


def test_a_full_disk_is_said_and_the_first_error_kept(folder, tmp_path, monkeypatch, capsys):
    strike_in(monkeypatch, "training.step.render", FileNotFoundError("a picture is missing"))
    trainer = Trainer(options(folder, tmp_path / "m"), TalkingHeadDataset(folder))

    def full(**_):
        if trainer.progress.stage == "fine":
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(trainer, "save", full)
    with Reporter(tmp_path / "m", 500, 0, None) as reporter, pytest.raises(FileNotFoundError):
        trainer.run(reporter, StopSignals())
    assert "no checkpoint could be written" in capsys.readouterr().err


def test_a_checkpoint_is_written_when_its_minutes_are_over(folder, tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("training.trainer.time.monotonic", lambda: now[0])
    iterate = Trainer.iterate

    def a_minute_long(*arguments):
        now[0] += 60
        return iterate(*arguments)

    monkeypatch.setattr(Trainer, "iterate", a_minute_long)
    asked = options(folder, tmp_path / "m", iterations=12)
    train(replace(asked, training=replace(asked.training, checkpoint_minutes=5)))
    iterations = [c.progress.iteration for c in checkpoints(tmp_path / "m")]
    assert iterations == [1, 5, 10, 12]
    train(replace(asked, model_path=tmp_path / "never", training=replace(asked.training, checkpoint_minutes=0)))
    assert [c.progress.iteration for c in checkpoints(tmp_path / "never")] == [1, 12]


def test_a_finished_training_says_so_and_fewer_iterations_than_were_done_too(folder, tmp_path, capsys):
    train(options(folder, tmp_path / "m", iterations=4))
    assert "is finished: 4 fine iterations; --iterations above 4 goes on" in capsys.readouterr().err
    train(options(folder, tmp_path / "m", iterations=4))
    assert capsys.readouterr().err.count("is finished: 4 fine iterations") == 1
    train(options(folder, tmp_path / "m", iterations=2))
    assert "has 4 fine iterations, more than the 2 asked for: nothing to do" in capsys.readouterr().err
    assert read_record(tmp_path / "m").training.iterations == 4


def test_the_log_says_how_a_training_ended(tmp_path):
    folder_of_model = ModelFolder(tmp_path)
    folder_of_model.settings.write_text("{}")
    with (
        pytest.raises(Interrupted),
        training_log(folder_of_model, None),
        stop_signals() as signals,
        signals.deferred(),
    ):
        signal.raise_signal(signal.SIGTERM)
        signals.check()
    assert "ended by SIGTERM" in folder_of_model.training_log.read_text()
