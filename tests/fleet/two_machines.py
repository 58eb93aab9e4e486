"""A cluster of two kinds of machine, both here: prints, as JSON, what it has and where tasks have come to."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass
from typing import Any

from fleet.cluster import OWN_INSTANCE, started_cluster
from fleet.needs import Needs

LABEL = ("role", "cpu")
NEEDS = {"prepare": Needs(1, 0.0, (LABEL,)), "learn": Needs(1, 0.5)}


@dataclass(frozen=True)
class Where:
    """A task that tells which machine it is on."""

    name: str

    def carry_out(self) -> str:
        import ray

        return ray.get_runtime_context().get_node_id()


def main() -> None:
    os.environ.update(OWN_INSTANCE, RAY_AUTH_TOKEN=secrets.token_hex(32))  # on the loopback, and for this program alone
    from ray.cluster_utils import Cluster

    each = {"object_store_memory": 80 << 20, "include_dashboard": False}
    machines: Any = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "num_gpus": 1, **each})
    labelled = machines.add_node(num_cpus=1, labels=dict([LABEL]), **each)
    names = {machines.head_node.node_id: "card", labelled.node_id: "cpu"}
    os.environ["RAY_ADDRESS"] = machines.address
    said: list[str] = []
    with started_cluster(said.append, LABEL) as cluster:
        for name in ("prepare", "learn", "prepare", "learn"):
            cluster.submit(Where(name), NEEDS[name])
        ended: list[tuple[Where, str]] = []
        while len(ended) < 4:
            ended += cluster.wait(30)
        there = cluster.capacity
    machines.shutdown()
    places = sorted((order.name, names[node]) for order, node in ended)
    most = {name: there.most_cores(needs) for name, needs in NEEDS.items()}
    address = os.environ["RAY_ADDRESS"].partition(":")[0]
    print(json.dumps({"places": places, "most": most, "address": address, "said": said}))


if __name__ == "__main__":
    main()
