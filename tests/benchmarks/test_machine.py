"""The one table of a machine: every figure of it comes from the project's own commands, beside that which was kept."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from arguments.errors import EGSTalkerError
from arguments.settings import load_config
from benchmarks import machine, machine_figures
from benchmarks.figures import Figure
from tests.tiny_head import make_dataset

CONFIG = """
ModelSettings = dict(initial_gaussians=100, feature_dim=8, heads=2, agents=4, plane_levels=2, plane_log2_entries=6)
TrainingSettings = dict(coarse_iterations=2, iterations=3, batch=2, min_gaussians=50, motion_frames=2)
"""
REPORT = """<testsuite time="2"><testcase classname="tests.test_a" name="test_b"><failure /></testcase></testsuite>"""


@pytest.mark.slow
def test_everything_is_measured(tmp_path, monkeypatch, capfd):
    dataset, out = make_dataset(tmp_path / "set").root, tmp_path / "out put"
    (tmp_path / "c.py").write_text(CONFIG)
    monkeypatch.setitem(machine_figures.GAUSSIANS, "cpu", 300)
    monkeypatch.setattr(machine_figures, "SIZE", 64)
    asked = f"--device cpu -s {dataset} --configs {tmp_path / 'c.py'} --reference {tmp_path / 'none.json'}".split()
    monkeypatch.setattr(sys, "argv", ["machine", *asked, "--output_dir", str(out)])
    assert not machine.main()
    figures = json.loads((out / "machine.json").read_text())["figures"]
    step = "training step, 300 Gaussians, 64 x 64, batch 2"
    expected = [f"rasterization, 300 Gaussians, 64 x 64, batch {batch}" for batch in (1, 4)]
    expected += [step, "training step: peak memory", "training", "the head, batch 1", "the head, batch 4"]
    expected += ["Gaussians of the head", "composite_psnr", "end_to_end_fps"]
    assert set(expected) <= set(figures) and all(figures[name]["value"] > 0 for name in expected)
    assert {figure["noise"] for figure in figures.values()} == {None}
    printed = capfd.readouterr()
    assert printed.out == (out / "machine.md").read_text()
    assert "$ python train.py" in printed.err


def test_a_command_that_fails_is_named(capfd):
    with pytest.raises(EGSTalkerError, match=r"metrics\.py --model_path nowhere failed"):
        machine_figures.run("metrics.py", "--model_path", "nowhere")
    assert "required" in capfd.readouterr().err


def test_each_training_has_another_seed_and_all_else_as_it_was(tmp_path):
    (tmp_path / "c.py").write_text(CONFIG.replace("motion_frames=2", "motion_frames=2, seed=5"))
    model, training = load_config(tmp_path / "c.py")
    (tmp_path / "seeded.py").write_text(machine_figures.seeded(tmp_path / "c.py", 2))
    there = load_config(tmp_path / "seeded.py")
    assert there[0] == model and there[1].seed == 7
    (tmp_path / "seeded.py").write_text(machine_figures.seeded(tmp_path / "c.py", 0))
    assert load_config(tmp_path / "seeded.py") == (model, training)


def test_scores_that_are_undefined_are_left_out():
    sets = {"val": {"head_psnr": 31.5, "mouth_correlation": None, "frames": 3}, "val_torso": {"neck_psnr": 28.0}}
    expected = [Figure("head_psnr", 31.5, "dB", "higher"), Figure("neck_psnr", 28.0, "dB", "higher")]
    assert machine_figures.scores(sets) == expected
    assert machine_figures.scores({}) == []


class Bench:
    """machine.py on made-up figures: ``speeds`` and ``psnrs`` are what its runs will bring, one after the other."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.monkeypatch = folder, monkeypatch
        self.speeds: list[float] = []
        self.psnrs: list[float] = []
        (folder / "set").mkdir()
        (folder / "set/transforms_train.json").write_text("{}")
        (folder / "c.py").write_text(CONFIG)
        monkeypatch.setattr(
            machine, "speeds", lambda _: [Figure("rendering", self.speeds.pop(0), "frames/s", "higher")]
        )
        monkeypatch.setattr(machine, "training", lambda *_: [Figure("psnr", self.psnrs.pop(0), "dB", "higher")])

    def run(self, *options: str, speeds: list[float], psnrs: list[float]) -> int:
        self.speeds, self.psnrs = speeds, psnrs
        asked = ["--device", "cpu", "-s", self.folder / "set", "--configs", self.folder / "c.py"]
        asked += ["--output_dir", self.folder / "out", "--reference", self.folder / "reference.json", *options]
        self.monkeypatch.setattr(sys, "argv", ["machine", *map(str, asked)])
        code = machine.main()
        assert code or not (self.speeds or self.psnrs)
        return code

    def row(self, name: str) -> list[str]:
        """Its cells in machine.md."""
        lines = (self.folder / "out/machine.md").read_text().splitlines()
        (line,) = (line for line in lines if line.startswith(f"| {name} |"))
        return [cell.strip() for cell in line.strip("|").split("|")][1:]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path, monkeypatch)


def test_figures_are_kept_with_their_noise_and_later_ones_compared(bench, capsys, monkeypatch):
    monkeypatch.setattr(machine, "commit_of", lambda _: "0123456789ab")
    assert bench.run("--runs", "3", "--trainings", "2", "--keep", speeds=[100, 104, 90], psnrs=[30.0, 30.5]) == 0
    assert bench.row("rendering") == ["100 frames/s", "14"]
    assert "Not in" in capsys.readouterr().out
    monkeypatch.setattr(machine, "commit_of", lambda _: "fedcba987654 + changes")
    assert bench.run(speeds=[70], psnrs=[31.5]) == 0
    assert bench.row("commit") == ["fedcba987654 + changes", "", "0123456789ab", "", ""]
    assert bench.row("rendering") == ["70 frames/s", "14", "100 frames/s", "-30.0 %", "worse"]
    assert bench.row("psnr") == ["31.50 dB", "0.5000", "30.25 dB", "+4.1 %", "better"]
    assert capsys.readouterr().out == (bench.folder / "out/machine.md").read_text()
    assert json.loads((bench.folder / "out/machine.json").read_text())["flags"] == {
        "rendering": "worse",
        "psnr": "better",
    }
    assert bench.run("--strict", speeds=[70], psnrs=[30.0]) == 1
    assert bench.run("--strict", speeds=[120], psnrs=[30.0]) == 0


def test_a_failed_test_is_in_the_table_and_counts_when_strict(bench):
    (bench.folder / "junit.xml").write_text(REPORT)
    asked = ("--tests", str(bench.folder / "junit.xml"))
    assert bench.run(*asked, speeds=[100], psnrs=[30.0]) == 0
    assert bench.row("tests failed") == ["1", "0"] and bench.row("tests passed") == ["0", "0"]
    assert "failed: tests.test_a::test_b\n" in (bench.folder / "out/machine.md").read_text()
    assert bench.run(*asked, "--strict", speeds=[100], psnrs=[30.0]) == 1


@pytest.mark.parametrize("runs", [[], ["--runs", "3", "--trainings", "1"], ["--trainings", "3"]])
def test_figures_without_noise_are_not_kept(bench, capsys, runs):
    assert bench.run("--keep", *runs, speeds=[1], psnrs=[1]) == 1
    assert capsys.readouterr().err.startswith("error: --keep needs the figures' noise: give --runs 2 or more")
    assert not (bench.folder / "reference.json").exists()


def test_a_machine_that_is_not_in_the_reference_is_told_which_are(bench, capsys, monkeypatch):
    monkeypatch.setattr(machine, "hardware", lambda _: "An old GPU")
    bench.run("--runs", "2", "--keep", speeds=[1, 2], psnrs=[1, 2])
    assert "It has: nothing yet. --keep" in capsys.readouterr().out
    monkeypatch.setattr(machine, "hardware", lambda _: "A new GPU")
    assert bench.run("--strict", speeds=[0.1], psnrs=[0.1]) == 0
    printed = capsys.readouterr().out
    assert "Not in" in printed and "A new GPU: set with c.py, 3 iterations. It has: An old GPU: set with" in printed


def test_what_is_wrong_is_told_before_anything_is_measured(bench, capsys):
    for path, text, said in [
        ("reference.json", "{}", "is no table of reference figures"),
        ("c.py", "x = 1", "only `Group = dict(name=literal, ...)`"),
    ]:
        before = (bench.folder / path).read_text() if (bench.folder / path).exists() else "[]"
        (bench.folder / path).write_text(text)
        assert bench.run(speeds=[1], psnrs=[1]) == 1 and bench.speeds == [1]
        assert said in capsys.readouterr().err
        (bench.folder / path).write_text(before)
    (bench.folder / "set/transforms_train.json").unlink()
    assert bench.run(speeds=[1], psnrs=[1]) == 1
    assert "there is no dataset in" in capsys.readouterr().err


def test_a_dataset_of_a_strange_name_is_kept_and_found(bench):
    strange = shutil.copytree(bench.folder / "set", bench.folder / "a|b\n\x1b[2J\udcff")
    asked = ("-s", str(strange), "--runs", "2")
    assert bench.run(*asked, "--keep", speeds=[1, 2], psnrs=[1, 2]) == 0
    assert bench.run(*asked, speeds=[5, 5], psnrs=[1, 2]) == 0
    assert bench.row("rendering")[-1] == "better"
    assert "a\\|b??[2J?" in (bench.folder / "out/machine.md").read_text()


def test_a_dataset_that_would_be_removed_is_refused(bench, capsys):
    kept = shutil.copytree(bench.folder / "set", bench.folder / "out/machine_work/sample")
    assert bench.run("-s", str(kept), speeds=[1], psnrs=[1]) == 1
    assert "copy the dataset elsewhere" in capsys.readouterr().err and (kept / "transforms_train.json").is_file()


def test_what_else_lies_in_the_output_folder_stays(bench):
    mine = bench.folder / "out/sample/mine"
    mine.mkdir(parents=True)
    bench.run(speeds=[1], psnrs=[1])
    assert mine.is_dir()


@pytest.mark.skipif(shutil.which("git") is None, reason="there is no git")
def test_the_commit_is_told_and_whether_the_tree_differs(tmp_path):
    def git(*words: str) -> str:
        command = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b", *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    (tmp_path / "benchmarks").mkdir()
    for name in ("code.py", "benchmarks/reference.json"):
        (tmp_path / name).write_text("[]")
    assert machine.commit_of(tmp_path) == "unknown"
    git("init", "-q")
    assert machine.commit_of(tmp_path) == "unknown"  # without a commit
    git("add", ".")
    git("commit", "-q", "-m", "x")
    commit = git("rev-parse", "HEAD")[:12]
    (tmp_path / "machine.md").write_text("a table")
    (tmp_path / "benchmarks/reference.json").write_text("[ ]")
    assert machine.commit_of(tmp_path) == commit
    assert machine.commit_of(tmp_path / "benchmarks") == "unknown"  # a copy within another's checkout
    (tmp_path / "code.py").write_text("changed")
    assert machine.commit_of(tmp_path) == f"{commit} + changes"


def test_the_commit_is_unknown_without_git(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert machine.commit_of(machine.ROOT) == "unknown"
