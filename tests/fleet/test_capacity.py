"""What machines have, as Ray tells it, and what they bear."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

import pytest

from arguments.errors import EGSTalkerError
from fleet.cluster import RayCluster, started_cluster
from fleet.needs import Capacity, MachineKind, Needs

CPU_NODE = ("role", "cpu")
MIXED = Capacity({MachineKind(64, 2.0, "T4"): 1, MachineKind(8, labels=(CPU_NODE,)): 2})
PREPARE, LEARN = Needs(4, 0.0, (CPU_NODE,)), Needs(16, 1.0)


def node(cores: float, gpus: float = 0.0, alive: bool = True, **labels: str) -> dict[str, object]:
    resources = {"CPU": cores, "memory": 1e9} | ({"GPU": gpus} if gpus else {})
    return {"Alive": alive, "Resources": resources, "Labels": labels or None}


def test_machines_are_told_apart_by_what_tasks_ask_for():
    card, name = "ray.io/accelerator-type", "ray.io/node-id"
    nodes = [
        *(node(64), node(4, 1.0, **{card: "L4"}), node(512, 8.0, alive=False, **{card: "H100"})),
        *(node(8, 2.0, **{card: "T4", name: "1"}), node(8, 2.0, **{card: "T4", name: "2"}), node(2, role="cpu")),
        *(node(0, 4.0), node(0)),  # what has no cores, as a head may have none, takes no task
    ]
    cluster = RayCluster.__new__(RayCluster)
    cluster._ray = SimpleNamespace(nodes=lambda: nodes)
    there = cluster._look()
    assert len(there.machines) == 4 and (there.cores, there.gpus, there.cards) == (86, 5.0, ["L4", "T4"])
    assert there.cores_of_card == 4
    assert [there.most_cores(needs) for needs in (Needs(1), Needs(1, 0.5), PREPARE)] == [64, 4, 2]
    assert there.has(CPU_NODE) and not there.has(("role", "gpu"))


def test_a_task_finds_room_where_it_may_go_and_takes_none_elsewhere():
    def most(needs: Needs, **others: int) -> int:
        taken = Counter({PREPARE: others.get("prepare", 0), LEARN: others.get("learn", 0)})
        count = 0
        while MIXED.bears(needs, taken):
            count, taken[needs] = count + 1, taken[needs] + 1
        return count

    assert most(PREPARE) == most(PREPARE, learn=2) == 4  # of 80 cores in all 16 are for it
    assert most(LEARN) == most(LEARN, prepare=4) == 2
    assert most(Needs(4), prepare=4) == 16 and most(Needs(4), prepare=4, learn=2) == 8
    assert most(Needs(4), prepare=5) == 15  # Ray has one that waits, a machine has gone
    assert most(Needs(40, 0.1), prepare=4) == 1


def test_what_others_will_need_is_kept():
    small = Capacity({MachineKind(8, 1.0): 1})
    taken, kept = Counter({Needs(1): 4}), Counter({Needs(4, 1.0): 1})
    assert small.bears(Needs(1), taken) and not small.bears(Needs(1), taken, kept=kept)
    assert small.bears(Needs(4, 1.0), taken)


def test_where_no_machine_is_one_for_it_a_single_task_waits_for_one():
    away = Needs(1, 0.0, (("role", "other"),))
    assert MIXED.bears(away, Counter({PREPARE: 4, LEARN: 2}))
    assert not MIXED.bears(away, Counter({PREPARE: 4, away: 1}))
    assert MIXED.most_cores(away) == 64
    assert Capacity({}).bears(away, Counter()) and Capacity({}).most_cores(away) == 1


def test_on_this_machine_alone_there_are_no_labels_to_choose_by(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "local")
    with pytest.raises(EGSTalkerError, match="--cpu_nodes is for a cluster"), started_cluster(print, CPU_NODE):
        pytest.fail("it has started")


def test_a_label_that_no_machine_has_is_told(monkeypatch):
    said: list[str] = []
    there = SimpleNamespace(capacity=MIXED, dashboard="", close=lambda: said.append("closed"))
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    monkeypatch.setattr("fleet.cluster.RayCluster", lambda: there)
    for label in (("role", "cpus"), CPU_NODE, None):
        with started_cluster(said.append, label):
            pass
    has = "Ray has 80 cores, 2 GPUs"
    waits = "no machine of it has the label role=cpus yet; what asks for it waits for one"
    assert said == [has, waits, "closed", has, "closed", has, "closed"]
