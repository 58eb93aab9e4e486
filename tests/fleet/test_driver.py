"""What the driver gives away, when, and what it makes of what comes back; the machines are a list of answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fleet.driver import Driver, Options
from fleet.failures import Failure
from fleet.farm import Farm, Receipt, driving
from fleet.gpu_share import gpu_share
from fleet.manifest import ASKED, BEGUN, FAILED, INPUT, MACHINE, Record, latest
from fleet.needs import Capacity, MachineKind, Needs
from fleet.settings import Settings
from fleet.stages import MEMORY, Figures
from fleet.work import Order, Outcome, run_stage
from tests.fleet.fake_checkout import make_checkout, make_videos

TWO_CORES = Capacity({MachineKind(2): 1})


@dataclass
class Machines:
    """Do everything at once, but for what ``answers`` says otherwise."""

    farm: Farm
    capacity: Capacity = TWO_CORES
    answers: Callable[[Order], Failure | None] = field(default=lambda order: None)
    given: list[str] = field(default_factory=list)
    needs: list[Needs] = field(default_factory=list)
    most: int = 0
    tasks: list[Order] = field(default_factory=list)
    figures: dict[str, Figures] = field(default_factory=dict)

    def submit(self, order: Order, needs: Needs) -> None:
        self.given.append(f"{order.stage} {order.source.name}")
        self.needs.append(needs)
        self.tasks.append(order)
        self.most = max(self.most, len(self.tasks))

    def wait(self, seconds: float) -> list[tuple[Order, Outcome | Failure]]:
        if not self.tasks:
            return []
        order = self.tasks.pop(0)
        failure = self.answers(order)
        if failure is not None:
            return [(order, failure)]
        figures = self.figures.get(order.stage, {})
        self.farm.write_receipt(order.source.name, Receipt(order.stage, 1.0, figures=figures))
        return [(order, Outcome(1.0, "here", figures))]

    def cancel(self, seconds: float) -> None:
        self.tasks.clear()


@pytest.fixture
def farm(tmp_path: Path) -> Farm:
    farm = Farm(str(tmp_path / "farm"))
    farm.take_settings(Settings())
    farm.add(sorted(make_videos(tmp_path / "videos", anna={}, bert={}, carl={}).iterdir()))
    return farm


def drive(farm: Farm, machines: Machines, **options) -> tuple[int, list[str]]:
    lines: list[str] = []
    with driving(farm) as manifest:
        driver = Driver(farm, manifest, machines, Options(first_wait=0.01, **options), lines.append)
        return driver.run(farm.sources()), lines


def states(farm: Farm) -> dict[tuple[str, str], str]:
    return {key: record.state for key, record in latest(farm.records()).items()}


def test_heads_that_are_begun_come_before_those_that_are_not(farm):
    machines = Machines(farm)
    assert drive(farm, machines)[0] == 0
    assert machines.given == [
        "preprocess anna", "preprocess bert", "train anna", "train bert", "metrics anna", "metrics bert",
        "preprocess carl", "train carl", "metrics carl",
    ]  # fmt: skip
    assert machines.most == 2
    assert set(states(farm).values()) == {"done"}


def preprocess(farm: Farm, folder: Path) -> None:
    """Anna's dataset, really there."""
    checkout = str(make_checkout(folder / "checkout"))
    order = Order(str(farm.store.local), "", farm.sources()[0], "preprocess", farm.settings(), 1, False, checkout)
    assert run_stage(order).failure is None


def test_what_somebody_has_removed_is_made_again(farm, tmp_path):
    preprocess(farm, tmp_path)
    (tmp_path / "farm/heads/anna/dataset/aud.npy").unlink()
    machines = Machines(farm)
    assert drive(farm, machines)[0] == 0
    assert machines.given.count("preprocess anna") == 1


def test_of_many_heads_that_are_begun_files_are_not_looked_at(farm, tmp_path, monkeypatch):
    preprocess(farm, tmp_path)
    (tmp_path / "farm/heads/anna/dataset/aud.npy").unlink()
    monkeypatch.setattr("fleet.standing.MOST_LOOKED_AT", 0)
    machines = Machines(farm)
    drive(farm, machines)
    assert machines.given.count("preprocess anna") == 0


def test_what_is_whole_is_not_given_away(farm, tmp_path):
    preprocess(farm, tmp_path)
    machines = Machines(farm)
    drive(farm, machines)
    assert machines.given.count("preprocess anna") == 0
    assert states(farm)["anna", "preprocess"] == "skipped"
    again = Machines(farm)
    before = farm.records()
    _, lines = drive(farm, again)
    assert again.given == []
    assert lines == ["3 heads: 3 whole, 0 failed before, 0 to do in 0 stages"]
    assert farm.records() == before


def test_bad_input_is_not_tried_again_until_somebody_asks(farm):
    machines = Machines(farm, answers=lambda order: Failure(INPUT, "no face") if order.source.name == "bert" else None)
    failed, lines = drive(farm, machines)
    assert failed == 1
    assert machines.given.count("preprocess bert") == 1
    assert any("bert: preprocess: FAILED: no face" in line for line in lines)
    assert drive(farm, Machines(farm))[0] == 1
    with driving(farm) as manifest:
        manifest.add(Record("bert", "preprocess", ASKED))
    machines = Machines(farm)
    assert drive(farm, machines)[0] == 0
    assert machines.given[0] == "preprocess bert"


def test_a_machines_failure_is_tried_again_so_often(farm):
    tries: list[str] = []

    def answers(order: Order) -> Failure | None:
        tries.append(order.source.name)
        bad = order.source.name == "carl" or tries.count(order.source.name) < 3
        return Failure(MACHINE, "the disk is full") if order.stage == "preprocess" and bad else None

    machines = Machines(farm, answers=answers)
    failed, lines = drive(farm, machines, attempts=4)
    assert failed == 1
    assert (machines.given.count("preprocess anna"), machines.given.count("preprocess carl")) == (3, 4)
    assert states(farm)["carl", "preprocess"] == FAILED
    assert sum("again in" in line for line in lines) == 2 + 2 + 3
    assert drive(farm, Machines(farm))[0] == 0  # another start tries it again


def test_a_lost_worker_is_hardly_held_against_a_stage(farm):
    tries: list[str] = []

    def answers(order: Order) -> Failure | None:
        tries.append(order.source.name)
        return Failure(MACHINE, "the worker died", lost=True) if tries.count(order.source.name) <= 9 else None

    failed, lines = drive(farm, Machines(farm, answers=answers), attempts=3)
    assert failed == 0
    assert sum("the worker died; again in 0 s" in line for line in lines) == 27
    tries.clear()
    bad = Machines(farm, answers=lambda order: Failure(MACHINE, "the worker died", lost=True))
    farm.store.write("heads/anna/done/metrics.json", b"")
    assert drive(farm, bad, attempts=3)[0] == 1
    assert len(bad.given) == 12


def test_a_trainings_share_of_a_card_is_what_was_measured(farm):
    machines = Machines(farm, Capacity({MachineKind(32, 1.0, "H100"): 2}))
    drive(farm, machines)
    shares = {given.split()[0]: needs.gpu for given, needs in zip(machines.given, machines.needs, strict=True)}
    assert shares == {"preprocess": 0.0, "train": pytest.approx(1 / 3), "metrics": pytest.approx(1 / 3)}
    assert gpu_share("arguments/args.py", ["H100", "T4"]) == 1.0
    assert gpu_share("mine.py", ["H100"]) == 1.0
    assert gpu_share("arguments/args.py", []) == 1.0


def test_once_a_training_has_ended_as_many_go_on_a_card_as_fit():
    assert [gpu_share("mine.py", ["T4"], memory) for memory in (0.01, 0.29, 0.31, 0.46, 1.0)] == [
        *(pytest.approx(1 / 3), pytest.approx(1 / 3), 0.5, 1.0, 1.0)
    ]
    assert gpu_share("arguments/args.py", ["H100"], 0.4) == 0.5  # a long clip's


def test_the_farm_learns_what_its_trainings_take(farm):
    machines = Machines(farm, Capacity({MachineKind(64, 1.0, "T4"): 1}), figures={"train": {MEMORY: 0.4}})
    drive(farm, machines)
    trained = [needs.gpu for given, needs in zip(machines.given, machines.needs, strict=True) if "train" in given]
    assert trained[0] == 1.0 and trained[-1] == 0.5
    machines = Machines(farm, Capacity({MachineKind(64, 1.0, "T4"): 1}))
    farm.store.write("heads/anna/done/metrics.json", b"")
    drive(farm, machines)  # another start knows it from the receipts
    assert [needs.gpu for needs in machines.needs] == [0.0, 0.5, 0.5]


def test_no_more_goes_out_than_the_cards_bear(farm):
    machines = Machines(farm, Capacity({MachineKind(64, 1.0, "T4"): 1}))
    sent: list[str] = []

    def answers(order: Order) -> None:
        sent.append(order.stage)
        assert sum(task.gpu for task in machines.tasks) + order.gpu <= 1

    machines.answers = answers
    drive(farm, machines)
    assert len(sent) == 9


@pytest.mark.parametrize(("there", "cores"), [(2, 1), (12, 4), (600, 8)])
def test_cores_are_shared_among_the_heads(farm, there, cores):
    machines = Machines(farm, Capacity({MachineKind(there, labels=(("role", "cpu"),)): 1}))
    drive(farm, machines, cpu_label=("role", "cpu"))
    assert machines.needs[0] == Needs(cores, 0.0, (("role", "cpu"),))
    small = Machines(farm, Capacity({MachineKind(2): 300}))
    farm.store.write("heads/anna/done/preprocess.json", b"")
    drive(farm, small)
    assert small.needs[0].cores == 2


def test_what_comes_back_together_goes_to_the_disk_together(farm, monkeypatch):
    """Of a slow disk each line would hold up all machines."""
    synced: list[int] = []
    monkeypatch.setattr("fleet.manifest.os.fsync", synced.append)

    class Together(Machines):
        def wait(self, seconds: float) -> list[tuple[Order, Outcome | Failure]]:
            return [one for _ in range(len(self.tasks)) for one in super(Together, self).wait(seconds)]

    assert drive(farm, Together(farm, Capacity({MachineKind(3): 1})))[0] == 0
    assert len(farm.records()) == 3 * 3 * 2
    assert len(synced) == 4  # all begun; ended and begun, twice; ended


def test_a_stage_is_begun_on_the_disk_before_it_is_given_away(farm):
    class Watched(Machines):
        def submit(self, order: Order, needs: Needs) -> None:
            assert states(self.farm)[order.source.name, order.stage] == BEGUN
            super().submit(order, needs)

    assert drive(farm, Watched(farm))[0] == 0


def test_where_nothing_ends_well_any_more_all_wait_longer(farm, monkeypatch):
    monkeypatch.setattr("fleet.driver.TROUBLE", 4)
    full = Failure(MACHINE, "the disk is full")
    now = [0.0]
    given: list[float] = []

    class Clocked(Machines):
        def submit(self, order: Order, needs: Needs) -> None:
            given.append(now[0])
            super().submit(order, needs)

        def wait(self, seconds: float) -> list[tuple[Order, Outcome | Failure]]:
            ended = super().wait(seconds)
            now[0] += 0.0 if ended else seconds
            return ended

    machines = Clocked(farm, Capacity({MachineKind(3): 1}), answers=lambda order: full if now[0] < 15 else None)
    with driving(farm) as manifest:
        lines: list[str] = []
        driver = Driver(farm, manifest, machines, Options(attempts=4), lines.append, clock=lambda: now[0])
        assert driver.run(farm.sources()) == 0
    waits = [line.partition("again in ")[2] for line in lines if "again in" in line]
    assert waits == ["1 s", "1 s", "1 s", "2 s", "20 s", "20 s", "40 s"]
    assert max(given) > 20
    assert driver.in_a_row == 0


def test_a_long_manifest_is_copied_to_the_object_store_less_often(tmp_path):
    videos = sorted(make_videos(tmp_path / "videos", **{f"v{number}": {} for number in range(20)}).iterdir())
    copies = {}
    for size in (0, 50 << 20):
        farm = Farm(f"file://{tmp_path}/farm{size}", str(tmp_path / f"driver{size}"))
        farm.take_settings(Settings())
        farm.add(videos)
        now, copied = [0.0], []

        class Clocked(Machines):
            def wait(self, seconds: float) -> list[tuple[Order, Outcome | Failure]]:
                now[0] += 5.0  # noqa: B023
                return super().wait(seconds)

        def write(key: str, data: bytes, store=farm.store, copied=copied) -> None:
            copied.extend([key] if key == "manifest.jsonl" else [])
            type(store).write(store, key, data)

        farm.store.write = write
        with driving(farm) as manifest:
            farm.manifest.write_bytes(b" " * size + b"\n")
            Driver(farm, manifest, Clocked(farm), Options(), print, clock=lambda: now[0]).run(farm.sources())  # noqa: B023
        copies[size] = len(copied)
        assert farm.store.read("manifest.jsonl") == farm.manifest.read_bytes()
    assert copies == {0: 30 + 1, 50 << 20: 2 + 1}  # each 10 and each 200 of 300 seconds, and in the end


@pytest.mark.parametrize(("share", "cores"), [(1.0, 8), (0.25, 2), (0.01, 1)])
def test_a_stage_on_a_card_has_half_of_the_cores_that_go_with_it(tmp_path, share, cores):
    """Also where there are more heads than cores: a card that waits for one core is a waste."""
    farm = Farm(str(tmp_path / "farm"))
    farm.take_settings(Settings())
    farm.add(sorted(make_videos(tmp_path / "videos", **{f"v{number}": {} for number in range(40)}).iterdir()))
    machines = Machines(farm, Capacity({MachineKind(32, 2.0, "H100"): 1}))
    drive(farm, machines, gpu_share=share)
    needs = {given.split()[0]: one for given, one in zip(machines.given[:60], machines.needs, strict=False)}
    assert needs["preprocess"] == Needs(1)
    assert needs["train"] == Needs(cores, share)


@pytest.mark.parametrize(("asked", "cores"), [(None, 4), (16, 4), (3, 3)])
def test_a_stage_on_a_card_asks_for_no_more_cores_than_machines_with_cards_have(farm, asked, cores):
    machines = Machines(farm, Capacity({MachineKind(64): 1, MachineKind(4, 1.0, "T4"): 1}))
    drive(farm, machines, cores=asked)
    needs = {given.split()[0]: one for given, one in zip(machines.given, machines.needs, strict=True)}
    assert needs["preprocess"] == Needs(asked or 8)
    assert needs["train"] == Needs(cores, 1.0)


def test_a_card_without_work_gets_its_cores_before_more_is_prepared(tmp_path):
    farm = Farm(str(tmp_path / "farm"))
    farm.take_settings(Settings())
    farm.add(sorted(make_videos(tmp_path / "videos", **{f"v{number:02}": {} for number in range(20)}).iterdir()))
    machines = Machines(farm, Capacity({MachineKind(8, 1.0, "T4"): 1}))
    drive(farm, machines)
    assert machines.needs[8] == Needs(4, 1.0)
    assert machines.given[:10] == [*(f"preprocess v{number:02}" for number in range(8)), "train v00", "preprocess v08"]
    assert len(machines.given) == 60
