"""Farms on Ray, with programs that take a moment: drivers and workers are killed, and nothing whole is done twice."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from arguments.errors import EGSTalkerError
from fleet.cluster import RayCluster
from fleet.farm import Farm
from fleet.overview import rows_of
from tests.fleet.fake_checkout import alive, make_checkout, make_videos, runs, workers
from tests.fleet.test_leash import wait_for

pytest.importorskip("ray")
pytestmark = pytest.mark.slow
PROC = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc")
STAGES = ("preprocess", "train", "metrics")
BROKEN = {"carl": {"error": "no face in it"}, "dora": {"error": "it is silent", "in": "train"}}


class Drivers:
    """Starts drivers over one farm."""

    def __init__(self, folder: Path) -> None:
        self.checkout, self.folder = make_checkout(folder / "checkout"), folder
        self.farm, self.scratch = str(folder / "farm"), str(folder / "scratch")
        self.log = folder / "driver.txt"

    def start(self, *, attempts: int = 8, videos: str = "videos") -> subprocess.Popen:
        words = [self.farm, videos and str(self.folder / videos), str(self.checkout), str(attempts), self.scratch]
        with self.log.open("ab") as log:
            return subprocess.Popen([sys.executable, "-m", "tests.fleet.drive", *words], stdout=log, stderr=log)

    def states(self) -> dict[str, str]:
        return {row.source.name: row.why or row.state for row in rows_of(Farm(self.farm, self.scratch))}


@pytest.fixture
def drivers(tmp_path: Path) -> Drivers:
    return Drivers(tmp_path)


def test_all_heads_are_made_and_the_broken_ones_are_told_in_one_line(drivers):
    make_videos(drivers.folder / "videos", anna={}, bert={"die_once_in": "train"}, **BROKEN)
    assert drivers.start().wait(120) == 1
    wanted = {"anna": "whole", "bert": "whole", "carl": "no face in it", "dora": "it is silent"}
    assert drivers.states() == wanted
    assert Counter(runs(drivers.checkout, "begun"))["train bert"] == 2  # a signal is the machine's fault
    assert Counter(runs(drivers.checkout, "begun"))["train dora"] == 1
    said = drivers.log.read_text()
    assert "carl: preprocess: FAILED: no face in it" in said
    assert "Traceback" not in said
    before = runs(drivers.checkout, "begun")
    assert drivers.start().wait(120) == 1  # nothing to do: what failed by its input is not tried again
    assert runs(drivers.checkout, "begun") == before
    head = Path(drivers.farm) / "heads/anna"
    shutil.rmtree(head / "dataset")  # somebody cleans up, and then wants to measure anew
    (head / "done/metrics.json").unlink()
    assert drivers.start().wait(120) == 1
    assert drivers.states() == wanted
    assert runs(drivers.checkout, "begun")[len(before) :] == ["preprocess anna", "metrics anna"]


@PROC
def test_a_driver_that_is_killed_costs_the_stages_at_work_alone(drivers):
    heads = {f"head{number}": {"seconds": 0.5} for number in range(5)}
    make_videos(drivers.folder / "videos", **heads, **BROKEN)
    chance = random.Random(3)
    for _ in range(3):
        driver = drivers.start()
        more = len(runs(drivers.checkout, "begun")) + 1
        wait_for(
            lambda more=more, driver=driver: len(runs(drivers.checkout, "begun")) >= more or driver.poll() is not None,
            60,
        )
        time.sleep(chance.uniform(0.0, 1.5))
        driver.kill()
        driver.wait()
        wait_for(lambda: not alive(drivers.checkout), 30)
    assert drivers.start().wait(120) == 1
    assert drivers.states() == {**dict.fromkeys(heads, "whole"), "carl": "no face in it", "dora": "it is silent"}
    done = Counter(runs(drivers.checkout))
    assert {f"{stage} {head}" for stage in STAGES for head in heads} <= set(done)
    # What a killed driver's worker had ended without a receipt yet may be done again: at most what was at work.
    assert sum(done.values()) - len(done) <= 3 * 2


@PROC
def test_killed_workers_cost_a_try_each(drivers):
    heads = {f"head{number}": {"seconds": 0.8} for number in range(3)}
    make_videos(drivers.folder / "videos", **heads)
    driver, killed = drivers.start(attempts=20), 0
    while driver.poll() is None:
        if alive(drivers.checkout) and killed < 3:
            time.sleep(0.3)
            there = workers(drivers.checkout)
            if there:
                os.kill(there[0], signal.SIGKILL)
                killed += 1
        time.sleep(1.0)
    assert driver.returncode == 0
    assert killed == 3
    assert drivers.states() == dict.fromkeys(heads, "whole")
    assert "the worker died; again in" in drivers.log.read_text()


@PROC
def test_a_driver_that_is_asked_to_end_leaves_nothing_behind_and_refuses_no_other(drivers):
    make_videos(drivers.folder / "videos", anna={"seconds": 30.0})
    driver = drivers.start()
    wait_for(lambda: runs(drivers.checkout, "begun"), 60)
    second = drivers.start()
    assert second.wait(60) == 1
    assert "is being written by another run" in drivers.log.read_text()
    driver.terminate()
    assert driver.wait(60) == 128 + signal.SIGTERM
    assert not alive(drivers.checkout)
    assert drivers.log.read_text().endswith("stopped; run the same command again to go on\n")
    assert drivers.states() == {"anna": "at work"}


def test_what_failed_by_its_input_is_tried_again_when_somebody_asks(drivers):
    make_videos(drivers.folder / "videos", carl={"error": "no face in it"})
    assert drivers.start().wait(120) == 1
    fixed = make_checkout(drivers.folder / "fixed")
    (fixed / "data_utils/process.py").write_text(
        (fixed / "data_utils/process.py").read_text().replace('"error" in says', "False")
    )
    program = (
        "import sys; from fleet.farm import Farm; from fleet.driver import Options; from fleet.heads import retry\n"
        "print(retry(Farm(sys.argv[1]), [], Options(), print, checkout=sys.argv[2]))"
    )
    command = [sys.executable, "-c", program, drivers.farm, str(fixed)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1] == "0"
    assert drivers.states() == {"carl": "whole"}


@PROC
def test_a_farm_in_an_object_store_goes_on_as_well(drivers):
    drivers.farm = f"file://{drivers.folder}/bucket/farm"
    heads = {f"head{number}": {"seconds": 0.3} for number in range(3)}
    make_videos(drivers.folder / "videos", **heads)
    driver = drivers.start()
    wait_for(lambda: "train head0" in runs(drivers.checkout), 60)
    driver.kill()
    driver.wait()
    wait_for(lambda: not alive(drivers.checkout), 30)
    shutil.rmtree(drivers.scratch)  # another machine goes on, which has no videos
    shutil.rmtree(drivers.folder / "videos")
    assert drivers.start(videos="").wait(120) == 0
    assert drivers.states() == dict.fromkeys(heads, "whole")
    done = Counter(runs(drivers.checkout))
    assert sum(done.values()) - len(done) <= 2
    assert (drivers.folder / "bucket/farm/report.html").is_file()


def test_an_address_that_is_no_clusters_is_one_line(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "ray://head:10001")
    with pytest.raises(EGSTalkerError, match="RAY_ADDRESS=ray://head:10001: give HOST:PORT"):
        RayCluster()


def test_on_a_cluster_of_two_kinds_of_machine_tasks_come_where_they_belong():
    command = [sys.executable, "-m", "tests.fleet.two_machines"]
    told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout)
    assert told == {
        "places": [["learn", "card"], ["learn", "card"], ["prepare", "cpu"], ["prepare", "cpu"]],
        "most": {"prepare": 1, "learn": 2},
        "address": "127.0.0.1",
        "said": ["Ray has 3 cores, 1 GPUs"],
    }
