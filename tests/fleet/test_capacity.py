"""What machines have, as Ray tells it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from fleet.cluster import RayCluster
from fleet.needs import Capacity


def node(cores: float, gpus: float = 0.0, card: str = "", alive: bool = True) -> dict[str, object]:
    resources = {"CPU": cores, "memory": 1e9} | ({"GPU": gpus} if gpus else {})
    return {"Alive": alive, "Resources": resources, "Labels": {"ray.io/accelerator-type": card} if card else None}


def test_machines_with_cards_are_told_from_others():
    nodes = [node(64), node(8, 2.0, "T4"), node(8, 2.0, "T4"), node(4, 1.0, "L4"), node(512, 8.0, "H100", alive=False)]
    cluster = RayCluster.__new__(RayCluster)
    cluster._ray = SimpleNamespace(nodes=lambda: nodes)
    there = cluster._look()
    assert there == Capacity(84, 5.0, 64, ("L4", "T4"), ((4, 1.0), (8, 2.0)))
    assert there.cores_of_card == 4 and there.most_cores(on_card=True) == 4 and there.most_cores(on_card=False) == 64


@pytest.mark.parametrize(("gpus", "of_card"), [(0.0, 0.0), (2.0, 8.0)])
def test_without_more_that_is_known_all_machines_are_alike(gpus, of_card):
    there = Capacity(16, gpus, 16)
    assert there.cores_of_card == of_card and there.most_cores(on_card=True) == 16
