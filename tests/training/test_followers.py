"""Several processes learn one head together, as one alone would, and end together whatever happens to one of them."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import distributed

from arguments.errors import EGSTalkerError
from arguments.model_folder import ModelFolder
from arguments.settings import TrainingSettings
from scene.head_files import checkpoints, load_head
from scene.torso_files import load_torso
from tests.tiny_head import MOTION, SETTINGS, make_dataset
from training.checkpoints import load_training_state
from training.followers import Followers, check_cards
from training.group import Group
from training.loop import learn_torso, train
from training.options import TrainOptions

MODEL = replace(MOTION, initial_gaussians=120, motion_noise=0.0)
TRAINING = TrainingSettings(
    coarse_iterations=8,
    iterations=8,
    coarse_batch=2,
    batch=2,
    min_gaussians=50,
    max_gaussians=150,
    densify_from=4,
    densify_every=6,
    densify_gradient=0.0,
    split_scale=0.5,
    checkpoint_every=4,
    validation_frames=2,
    motion_frames=4,
    torso_iterations=6,
    torso_batch=2,
    torso_gaussians=60,
    torso_rounds=1,
)
RATES = {"model.means": TRAINING.means_lr, "model.sh_dc": TRAINING.colors_lr, "model.log_scales": TRAINING.scales_lr}
STUCK = 60.0  # seconds, of a program that ought to have ended


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("data") / "set").root


def options(dataset: Path, model_path: Path, processes: int = 2, **changes: object) -> TrainOptions:
    training = replace(TRAINING, **changes)  # type: ignore[arg-type]
    return TrainOptions(dataset, model_path, MODEL, training, speech=False, processes=processes)


@pytest.fixture(scope="module")
def together(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "together"
    train(replace(options(dataset, path), torso=True))
    return path


@pytest.fixture(scope="module")
def alone(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "alone"
    train(replace(options(dataset, path, processes=1), torso=True))
    return path


def assert_alike(ours: torch.nn.Module, theirs: torch.nn.Module, share: float = 0.0) -> None:
    """They are apart by no more than a share of how far a training moves: in the median, and but for the rotations of
    round Gaussians, as Adam makes whole steps of what is nothing but rounding."""
    found, expected = ours.state_dict(), theirs.state_dict()
    assert found.keys() == expected.keys()
    for name, value in found.items():
        if value.numel() and not name.endswith("quats"):
            moved = RATES.get(name, TRAINING.network_lr) * (TRAINING.coarse_iterations + TRAINING.iterations)
            assert (value.float() - expected[name].float()).abs().median() <= share * moved + 1e-6, name


def test_two_processes_learn_the_head_that_one_learns_alone(together: Path, alone: Path) -> None:
    """Clones, too: the cloud has grown, and by the same Gaussians."""
    (ours, _, _), (theirs, _, _) = load_head(together), load_head(alone)
    assert ours.num_gaussians == theirs.num_gaussians > MODEL.initial_gaussians
    assert_alike(ours, theirs, 0.001)
    states = [load_training_state(checkpoints(path)[-1].folder) for path in (together, alone)]
    assert states[1]["seen"].any()
    assert torch.allclose(states[0]["seen"], states[1]["seen"])
    assert torch.allclose(states[0]["total"], states[1]["total"], rtol=0.02, atol=1e-4)


def test_two_processes_learn_the_torso_that_one_learns_alone(together: Path, alone: Path) -> None:
    ours, theirs = load_torso(together), load_torso(alone)
    assert ours is not None and theirs is not None
    assert_alike(ours, theirs, 0.001)


def test_a_torso_is_learnt_again_by_two(dataset: Path, together: Path, tmp_path: Path) -> None:
    path = tmp_path / "m"
    shutil.copytree(together, path)
    ModelFolder(path).torso.unlink()
    learn_torso(options(dataset, path))
    ours, theirs = load_torso(path), load_torso(together)
    assert ours is not None and theirs is not None
    assert_alike(ours, theirs)


def test_a_run_goes_on_as_if_it_had_not_been_stopped(dataset: Path, together: Path, tmp_path: Path) -> None:
    path = tmp_path / "m"
    shutil.copytree(together, path)
    shutil.rmtree(path / "checkpoints" / "fine-00008")
    train(options(dataset, path))
    assert_alike(load_head(path)[0], load_head(together)[0])


CODE = """
import sys
from dataclasses import replace
from pathlib import Path
from arguments.errors import door
from tests.training.test_followers import options
from training.loop import train

@door
def main():
    train(options(Path(sys.argv[1]), Path(sys.argv[2]), iterations=100_000, checkpoint_every=5))

if __name__ == "__main__":
    sys.exit(main())
"""


@contextmanager
def training(dataset: Path, model: Path, script: Path, repository: Path) -> Iterator[subprocess.Popen[str]]:
    """A long training of two processes, that has written a checkpoint of its fine stage."""
    script.write_text(CODE)
    program = subprocess.Popen(
        [sys.executable, script, dataset, model],
        cwd=repository,
        env={**os.environ, "PYTHONPATH": str(repository)},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        until = time.monotonic() + 2 * STUCK
        while not any(one.progress.stage == "fine" for one in checkpoints(model)):
            assert program.poll() is None, program.communicate()[1]
            assert time.monotonic() < until
            time.sleep(0.1)
        yield program
    finally:
        if program.poll() is None:
            os.killpg(program.pid, signal.SIGKILL)
        program.wait()


def processes_of(session: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(path.parent.name))
    return found


def follower_of(program: subprocess.Popen[str]) -> int:
    """The process that trains with the program."""
    for pid in processes_of(program.pid):
        if pid != program.pid and b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes():
            return pid
    raise AssertionError("there is no other process")


def assert_all_end(program: subprocess.Popen[str]) -> None:
    until = time.monotonic() + STUCK
    while processes_of(program.pid):
        assert time.monotonic() < until
        time.sleep(0.1)


def test_ctrl_c_which_all_get_leaves_a_checkpoint_and_ends_all(dataset: Path, tmp_path: Path, repository: Path) -> None:
    with training(dataset, tmp_path / "m", tmp_path / "run.py", repository) as program:
        os.killpg(program.pid, signal.SIGINT)
        _, said = program.communicate(timeout=STUCK)
        assert program.returncode == 130, said
        assert "Traceback" not in said
        logged = max(int(one) for one in re.findall(r"fine (\d+) ", said) or [0])
        assert checkpoints(tmp_path / "m")[-1].progress.iteration >= logged
        assert_all_end(program)


def test_a_lost_process_ends_the_others_in_one_line(dataset: Path, tmp_path: Path, repository: Path) -> None:
    with training(dataset, tmp_path / "m", tmp_path / "run.py", repository) as program:
        os.kill(follower_of(program), signal.SIGKILL)
        _, said = program.communicate(timeout=STUCK)
        assert program.returncode == 1, said
        assert said.count("error: ") == 1 and "Traceback" not in said, said
        assert_all_end(program)


def test_a_lost_leader_takes_the_others_with_it(dataset: Path, tmp_path: Path, repository: Path) -> None:
    with training(dataset, tmp_path / "m", tmp_path / "run.py", repository) as program:
        os.kill(program.pid, signal.SIGKILL)
        program.wait()
        assert_all_end(program)


def test_a_leader_that_fails_leaves_all_the_same(dataset: Path, tmp_path: Path) -> None:
    """Else Gloo may abort the program as it ends."""
    followers = Followers(options(dataset, tmp_path / "m"))
    with pytest.raises(ValueError, match="something else"), followers:
        followers.meet()
        assert distributed.is_initialized()
        raise ValueError("something else")
    assert not distributed.is_initialized()


def test_what_another_process_cannot_load_is_told(tmp_path: Path) -> None:
    followers = Followers(TrainOptions(tmp_path / "none", tmp_path / "m", SETTINGS, TRAINING, processes=2))
    with pytest.raises(EGSTalkerError, match=r"cpu: .*none"), followers:
        followers.meet()


def test_there_are_as_many_cards_as_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.followers.gpu_count", lambda: 2)
    check_cards("cuda", 2)
    check_cards("cuda:1", 1)
    with pytest.raises(EGSTalkerError, match="only 2 GPUs"):
        check_cards("cuda", 3)
    with pytest.raises(EGSTalkerError, match="leave --device cuda:1 out"):
        check_cards("cuda:1", 2)


def test_shares_are_even_and_make_up_the_whole() -> None:
    groups = [Group(rank, 3) for rank in range(3)]
    assert groups[0].rounded(8) == 9 and Group().rounded(8) == 8
    parts = [group.part(list(range(9))) for group in groups]
    assert {len(part) for part in parts} == {3}
    assert sorted(one for part in parts for one in part) == list(range(9))
