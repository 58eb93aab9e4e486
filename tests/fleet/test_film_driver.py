"""Which films go out together, and what becomes of those that fail; the machines are a list of answers."""

from __future__ import annotations

import csv
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from arguments.errors import EGSTalkerError
from fleet.driver import Options
from fleet.failures import Failure
from fleet.film_driver import FilmDriver, parts_of
from fleet.film_folder import Film, FilmFolder
from fleet.film_table import as_text, rows_of, write_table
from fleet.film_work import FilmOrder
from fleet.gpu_share import film_share
from fleet.manifest import DONE, FAILED, INPUT, MACHINE, SKIPPED, Manifest, Record, latest, read_manifest
from fleet.needs import Capacity, MachineKind, Needs
from fleet.pairs import Pair
from fleet.work import Outcome
from tests.fleet.test_pairs import make_model
from tests.tiny_video import write_video

TWO_MACHINES = Capacity({MachineKind(2): 2})
DEATH = Failure(MACHINE, "the program was ended by SIGSEGV")


def films_in(*orders: FilmOrder) -> list[tuple[str, ...]]:
    """Of each film the head, the model, its name, its sound and its target."""
    return [(one.head, one.model, *film) for order in orders for one in order.heads for film in one.films]


@dataclass
class Machines:
    """Make films at once; those whose sound says so are a bad sound, or end their program."""

    capacity: Capacity = TWO_MACHINES
    result: Callable[[FilmOrder], Failure | None] = field(default=lambda order: None)
    orders: list[FilmOrder] = field(default_factory=list)
    needs: list[Needs] = field(default_factory=list)
    tasks: list[FilmOrder] = field(default_factory=list)

    def submit(self, order: FilmOrder, needs: Needs) -> None:
        self.orders.append(order)
        self.needs.append(needs)
        self.tasks.append(order)

    def wait(self, seconds: float) -> list[tuple[FilmOrder, Outcome | Failure]]:
        if not self.tasks:
            return []
        order = self.tasks.pop(0)
        failure = self.result(order)
        if failure is not None:
            return [(order, Outcome(1.0, "here", {}, failure))]
        with closing(Manifest(order.manifest)) as manifest:
            for head, model, name, sound, target in films_in(order):
                says = Path(sound).read_text()
                Path(target).parent.mkdir(exist_ok=True)
                if says == "kill":
                    (Path(target).parent / f".{name}.999999.part.mp4").touch()
                    return [(order, Outcome(1.0, "here", {}, DEATH))]
                if says == "bad":
                    manifest.add(Record(head, name, FAILED, why="it is no sound", kind=INPUT))
                    continue
                Path(target).write_text(f"{model} says {says} with seed {order.seed}")
                manifest.add(Record(head, name, DONE, seconds=2.0, place="here", frames=75.0))
        return [(order, Outcome(1.0, "here", {}))]

    def cancel(self, seconds: float) -> None:
        self.tasks.clear()


class Films:
    """A folder of films of two heads and some sounds, and what was said of it."""

    def __init__(self, root: Path, **sounds: str) -> None:
        self.folder, self.root, self.lines = FilmFolder(str(root / "films")), root, [""]
        self.pairs = []
        for head in ("anna", "bert"):
            model = make_model(root / "heads" / head)
            weights = model / "checkpoints/fine-00007"
            weights.mkdir()
            (weights / "head.safetensors").write_text(head)
            (weights / "state.json").write_text("{}")
            for name, says in sounds.items():
                (root / f"{name}.wav").write_text(says)
                self.pairs.append(Pair(model, root / f"{name}.wav"))

    def run(self, machines: Machines, seed: int = 0, **options) -> int:
        self.lines = []
        films = self.folder.ask(self.pairs, seed)
        with closing(Manifest(self.folder.manifest)) as manifest:
            spread = Options(first_wait=0.01, **options)
            return FilmDriver(self.folder, manifest, machines, spread, seed, self.lines.append).run(films)

    def states(self) -> dict[str, str]:
        records = latest(read_manifest(self.folder.manifest))
        return {f"{head}/{name}": record.state for (head, name), record in records.items()}


def films_of(**counts: int) -> list[Film]:
    return [Film(head, f"s{i}", head, f"s{i}.wav") for head, count in counts.items() for i in range(count)]


@pytest.mark.parametrize(
    ("counts", "workers", "starting", "sizes"),
    [
        ({"a": 20, "b": 20, "c": 20}, 1, 3, [30, 30]),
        ({"a": 20, "b": 20, "c": 20}, 2, 3, [30, 30]),  # all workers end together
        ({"a": 20, "b": 20, "c": 20}, 1, 100, [60]),  # to start another program takes longer than its films
        ({"a": 3000, "b": 3000}, 2, 100, [1000] * 6),
        ({"a": 3000, "b": 3000}, 4, 100, [750] * 8),
        ({"a": 3, "b": 1}, 8, 3, [1] * 4),
        ({}, 3, 3, []),
    ],
)
def test_parts_end_together_and_are_worth_the_start_of_a_program(counts, workers, starting, sizes):
    films = films_of(**counts)
    parts = parts_of(films[::-1], workers, starting)
    assert [len(part.films) for part in parts] == sizes
    heads = [film.head for part in parts for film in part.films]
    assert heads == sorted(heads)  # each is loaded as rarely as that allows
    assert sorted(film.name + film.head for part in parts for film in part.films) == sorted(
        film.name + film.head for film in films
    )


def test_a_program_makes_films_of_many_heads(tmp_path):
    films = Films(tmp_path, one="1", two="2", three="3")
    machines = Machines(Capacity({MachineKind(2): 1}))
    assert films.run(machines) == 0
    (order,) = machines.orders
    assert [(ours.head, len(ours.films)) for ours in order.heads] == [("anna", 3), ("bert", 3)]
    assert order.title == "anna and 1 more"
    order.command()
    assert FilmOrder.from_json(order.json.read_bytes()) == order


def test_all_films_are_made_and_a_bad_sound_costs_its_own_alone(tmp_path):
    films = Films(tmp_path, one="1", two="bad", three="3")
    machines = Machines()
    assert films.run(machines) == 2
    assert (tmp_path / "films/anna/one.mp4").read_text() == f"{tmp_path}/heads/anna says 1 with seed 0"
    assert films.states() == {
        f"{head}/{name}": FAILED if name == "two" else DONE
        for head in ("anna", "bert")
        for name in ("one", "two", "three")
    }
    assert len(machines.orders) == 2 and {need.cores for need in machines.needs} == {2}
    assert any("anna: two: FAILED: it is no sound" in line for line in films.lines)
    assert list(films.folder.logs.iterdir()) == []
    again = Machines()
    assert films.run(again) == 2
    assert [film[2] for film in films_in(*again.orders)] == ["two", "two"]  # what failed, and nothing that is whole


def test_films_that_end_their_program_are_alone_in_the_end(tmp_path):
    films = Films(tmp_path, **{f"s{i}": "kill" if i == 5 else str(i) for i in range(9)})
    machines = Machines()
    assert films.run(machines, attempts=3) == 2
    failed = {name for name, state in films.states().items() if state == FAILED}
    assert failed == {"anna/s5", "bert/s5"}
    assert len(list((tmp_path / "films/bert").iterdir())) == 8  # and nothing of what was killed
    assert [row.why for row in rows_of(films.folder) if row.why] == [DEATH.why] * 2


def test_what_no_program_can_do_fails_at_once(tmp_path):
    films = Films(tmp_path, one="1", two="2")
    machines = Machines(result=lambda order: Failure(INPUT, "there is no device") if order.title == "anna" else None)
    assert films.run(machines) == 2 and len(machines.orders) == 2
    assert "anna: 2 films: 0 whole, 2 failed" in as_text(rows_of(films.folder))


def test_a_changed_sound_head_or_seed_makes_those_films_anew_and_others_not(tmp_path):
    films = Films(tmp_path, one="1", two="2")
    assert films.run(Machines()) == 0
    (tmp_path / "one.wav").write_text("11")
    machines = Machines()
    assert films.run(machines) == 0
    assert [film[2] for film in films_in(*machines.orders)] == ["one", "one"]
    assert "says 11" in (tmp_path / "films/anna/one.mp4").read_text()
    weights = tmp_path / "heads/anna/checkpoints/fine-00007/head.safetensors"
    weights.write_text("trained further")
    machines = Machines()
    assert films.run(machines) == 0 and {film[0] for film in films_in(*machines.orders)} == {"anna"}
    machines = Machines()
    assert films.run(machines, seed=1) == 0 and len(films_in(*machines.orders)) == 4


def test_names_stay_with_their_sounds_when_others_come(tmp_path):
    films = Films(tmp_path, one="1")
    assert films.run(Machines()) == 0
    other = tmp_path / "earlier/one.wav"
    other.parent.mkdir()
    other.write_text("another")
    films.pairs = [Pair(tmp_path / "heads/anna", other), *films.pairs]
    machines = Machines()
    assert films.run(machines) == 0
    assert [film[2] for film in films_in(*machines.orders)] == ["one-2"]
    assert "says 1 " in (tmp_path / "films/anna/one.mp4").read_text()


def test_what_a_killed_drivers_programs_have_done_is_kept(tmp_path):
    films = Films(tmp_path, one="1", two="2")
    films.folder.ask(films.pairs, 0)
    films.folder.logs.mkdir()
    (tmp_path / "films/anna").mkdir()
    (tmp_path / "films/anna/one.mp4").write_text("whole")
    (tmp_path / "films/anna/.one.999998.part.mp4").write_text("half")
    (tmp_path / "films/anna/.two.999999.part.mp4").write_text("half")
    with closing(Manifest(films.folder.logs / "anna-1.jsonl")) as manifest:
        manifest.add(Record("anna", "one", DONE, seconds=2.0, frames=50.0))
    machines = Machines()
    assert films.run(machines) == 0
    assert [film[::2][:2] for film in films_in(*machines.orders)] == [("anna", "two"), ("bert", "one"), ("bert", "two")]
    assert sorted(path.name for path in (tmp_path / "films/anna").iterdir()) == ["one.mp4", "two.mp4"]
    assert next(row.frames for row in rows_of(films.folder) if row.film.name == "one") == 50


def lengths(films: Films) -> dict[str, tuple[float, float]]:
    """Of anna's films: their frames, and how long they took."""
    return {row.film.name: (row.frames, row.made_in) for row in rows_of(films.folder) if row.film.head == "anna"}


def make_unseen(films: Films, name: str, num_frames: int) -> None:
    """A film that is whole, of which all that knew were killed before they wrote so."""
    write_video(films.root / f"films/anna/{name}.mp4", np.arange(num_frames) / 25, audio=np.zeros(num_frames * 640))


def test_a_film_of_which_nothing_is_written_down_is_as_long_as_its_file(tmp_path):
    films = Films(tmp_path, one="1", two="2", three="3")
    films.folder.ask(films.pairs, 0)
    (tmp_path / "films/anna").mkdir()
    make_unseen(films, "one", 13)
    (tmp_path / "films/anna/two.mp4").write_text("no film")
    assert films.run(Machines()) == 0
    assert lengths(films) == {"one": (13, 0), "two": (0, 0), "three": (75, 2)}
    assert [line for line in films.lines if "anna: two: its length is not known: " in line]
    lines = write_table(films.folder).read_text().splitlines()
    assert [line.split(",")[:6] for line in lines if line.startswith("anna,one,")] == [
        ["anna", "one", "whole", "0.52", "13", ""]
    ]
    assert films.run(Machines()) == 0 and len(films.lines) == 1  # it is looked at once


def test_a_program_that_is_killed_between_a_film_and_its_line_has_made_it(tmp_path):
    films = Films(tmp_path, one="1", two="2")

    def killed(order: FilmOrder) -> Failure | None:
        if order.title != "anna" or films.folder.root.joinpath("anna").exists():
            return None
        (tmp_path / "films/anna").mkdir()
        make_unseen(films, "one", 13)
        return DEATH

    machines = Machines(result=killed)
    assert films.run(machines) == 0
    assert sorted(film[2] for film in films_in(*machines.orders) if film[0] == "anna") == ["one", "two", "two"]
    assert films.states()["anna/one"] == SKIPPED and lengths(films) == {"one": (13, 0), "two": (75, 2)}


def test_a_film_that_is_made_anew_unseen_is_not_as_long_as_the_one_before(tmp_path):
    films = Films(tmp_path, one="1")
    assert films.run(Machines()) == 0 and lengths(films) == {"one": (75, 2)}
    (tmp_path / "one.wav").write_text("11")
    assert films.run(Machines(result=lambda order: Failure(INPUT, "there is no device"))) == 2
    make_unseen(films, "one", 13)
    assert films.run(Machines()) == 0 and lengths(films) == {"one": (13, 0)}


def test_a_card_takes_as_many_programs_as_its_memory_and_its_cores_bear():
    programs = {
        ("H100",): [(1, 1), (4, 1), (5, 2), (16, 6), (64, 6)],
        ("A100", "L4"): [(4, 1), (8, 2), (64, 2)],  # the smaller one's
        ("A100",): [(8, 3), (64, 4)],
        ("T4",): [(64, 1)],
        ("H100", "Quadro"): [(64, 1)],  # not known
        (): [(64, 1)],
    }
    for cards, wanted in programs.items():
        assert [film_share(cards, cores) for cores, _ in wanted] == [1 / count for _, count in wanted], cards


def test_several_programs_share_a_card_and_its_cores(tmp_path):
    machines = Machines(Capacity({MachineKind(16, 1.0, "H100"): 2}))
    assert Films(tmp_path, one="1", two="2", three="3").run(machines) == 0
    assert machines.needs == [Needs(2, 1 / 6)] * 6
    assert [len(order.heads) for order in machines.orders] == [1] * 6


def test_where_other_machines_have_many_cores_a_program_asks_for_no_more_than_those_with_cards_have(tmp_path):
    there = Capacity({MachineKind(8, 2.0, "T4"): 1, MachineKind(4, 1.0, "T4"): 1, MachineKind(64): 1})
    machines = Machines(there)
    assert Films(tmp_path, one="1").run(machines) == 0
    assert set(machines.needs) == {Needs(4, 1.0)}
    machines = Machines(there)
    assert Films(tmp_path / "more", one="1").run(machines, cores=16) == 0
    assert set(machines.needs) == {Needs(4, 1.0)}


def test_gpus_take_an_order_each_with_their_share_of_the_cores(tmp_path):
    machines = Machines(Capacity({MachineKind(16, 2.0): 1}))
    assert Films(tmp_path, one="1").run(machines) == 0
    assert machines.needs == [Needs(8, 1.0)] * 2 and all(order.gpu for order in machines.orders)
    machines = Machines(Capacity({MachineKind(16, 2.0): 1}))
    assert Films(tmp_path / "other", one="1").run(machines, gpu_share=0.0, cores=3) == 0
    assert machines.needs == [Needs(3, 0.0)] * 2 and not any(order.gpu for order in machines.orders)


def test_the_table_has_a_line_for_each_film(tmp_path):
    films = Films(tmp_path, one="1", two="bad")
    films.run(Machines())
    with write_table(films.folder).open(newline="") as file:
        rows = {(row["head"], row["film"]): row for row in csv.DictReader(file)}
    assert len(rows) == 4
    assert rows["anna", "one"]["seconds"] == "3.00" and rows["anna", "one"]["frames"] == "75"
    assert rows["bert", "two"]["state"] == "failed" and rows["bert", "two"]["why"] == "it is no sound"
    assert as_text(rows_of(films.folder)).splitlines()[-1] == "all: 4 films: 2 whole, 2 failed, 0 waiting; 6 s of film"


def test_a_file_that_is_in_the_way_stays(tmp_path):
    films = Films(tmp_path, one="1")
    mine = tmp_path / "films/anna/one.mp4"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with pytest.raises(EGSTalkerError, match="is no film of this folder's list"):
        films.run(Machines())
    assert mine.read_text() == "mine"


@pytest.mark.parametrize("text", ["", "{}", '{"format": 2, "films": []}', '{"format": 1, "films": [{"head": ".."}]}'])
def test_a_damaged_list_is_one_line(tmp_path, text):
    films = Films(tmp_path, one="1")
    films.folder.root.mkdir()
    (films.folder.root / "films.json").write_text(text)
    with pytest.raises(EGSTalkerError, match=r"films\.json is damaged"):
        films.run(Machines())


def test_films_go_into_no_farm_no_file_and_no_object_store(tmp_path):
    (tmp_path / "farm.json").write_text("{}")
    for path, said in ((str(tmp_path), "is a farm of heads"), (__file__, "is not a folder"), ("s3://a/b", "a folder")):
        with pytest.raises(EGSTalkerError, match=said):
            FilmFolder(path)
