"""A farm on machines that are not there: nothing is lost and nothing is done twice, whatever goes wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.scale import ROOT, ROWS, drive, table
from benchmarks.simulated_cluster import Faults, Machines, SimulatedCluster, StageTimes
from fleet.driver import Options
from fleet.farm import Farm
from fleet.manifest import DONE, FAILED, INPUT, SKIPPED, latest
from fleet.settings import Settings

FAULTS = Faults(bad_videos=0.1, worker_hours=1.0, machine_hours=0.3, repair=300.0, full_at=1000.0, killed_at=2000.0)
TWO_MACHINES = Machines(gpus=4, gpus_each=2, cores_each=8)


def farm_of(folder: Path, count: int) -> Farm:
    """In an object store on the disk."""
    (folder / "videos").mkdir()
    files = [folder / f"videos/v{number}.mp4" for number in range(count)]
    for file in files:
        file.write_text(file.name)
    farm = Farm(f"file://{folder}/farm", str(folder / "driver"))
    farm.take_settings(Settings(export=("head",)))
    farm.add(files)
    return farm


def test_every_head_is_whole_or_refused_and_no_stage_is_done_twice(tmp_path):
    farm = farm_of(tmp_path, 60)
    cluster = SimulatedCluster(farm, TWO_MACHINES, StageTimes(), FAULTS)
    row = drive(farm, cluster, Options(gpu_share=0.5))
    bad = {source.name for source in farm.sources() if cluster.is_bad(source.name)}
    assert {"the machine was lost", "the worker died", "the disk is full"} <= set(cluster.happened)
    assert (row["whole"], row["bad"], row["gave_up"]) == (60 - len(bad), len(bad), 0)
    assert 0 < len(bad) < 20
    done = Counter((one.name, one.stage) for one in farm.records() if one.state in (DONE, SKIPPED))
    assert set(done.values()) == {1}
    assert len(done) == 4 * row["whole"]
    assert {
        name for (name, _), one in latest(farm.records()).items() if (one.state, one.kind) == (FAILED, INPUT)
    } == bad
    assert 0 < row["useful_percent"] < 100 and 0 < row["card_percent"] <= 100


def test_no_machine_has_more_at_work_than_it_bears(tmp_path):
    farm = farm_of(tmp_path, 20)
    cluster = SimulatedCluster(farm, TWO_MACHINES, StageTimes(), FAULTS)
    wait, least = cluster.wait, []

    def watched(seconds):
        least.extend((node.cores, node.gpus) for node in cluster.nodes)
        return wait(seconds)

    cluster.wait = watched
    drive(farm, cluster, Options(gpu_share=0.5))
    assert min(cores for cores, _ in least) == 0
    assert min(gpus for _, gpus in least) >= 0
    assert {(node.cores, node.gpus) for node in cluster.nodes} == {(8, 2)}


def test_without_faults_cards_wait_for_cores_alone(tmp_path):
    """40 heads, two cards: the trainings one after the other and little more."""
    farm = farm_of(tmp_path, 40)
    calm = Faults(bad_videos=0.0, worker_hours=1e12, machine_hours=1e12)
    exact = StageTimes(minutes=(4.0, 4.0), spread=0.0, stragglers=0.0)
    cluster = SimulatedCluster(farm, Machines(2, 2, 64), exact, calm)
    row = drive(farm, cluster, Options(cores=1, gpu_share=1.0))
    first = exact.preprocess * 6000
    on_cards = 40 * (exact.train + exact.metrics * 6000) / 2
    assert row["hours"] * 3600 == pytest.approx(first + on_cards, abs=exact.train)
    assert row["tries_again"] == 0 and row["useful_percent"] == 100


def test_the_command_prints_a_table_and_keeps_its_figures(tmp_path):
    file = tmp_path / "rows.json"
    command = [sys.executable, "-m", "benchmarks.scale", "12:8", "20:8", "--json", str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = json.loads(file.read_text())
    assert done.stdout.strip() == table(rows)
    assert [row["videos"] for row in rows] == [12, 20]
    assert all(row[key] is not None for row in rows for key in ROWS)
    wrong = subprocess.run([*command[:3], "many"], cwd=ROOT, capture_output=True, text=True)
    assert wrong.returncode == 1 and wrong.stderr.count("\n") == 1
