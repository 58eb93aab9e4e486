"""The benchmark of many films counts what it says."""

from __future__ import annotations

import numpy as np
import pytest

from arguments.errors import EGSTalkerError
from benchmarks.films import Timed, by_fleet, check, table, voice
from fleet.manifest import DONE, Record


def test_sounds_are_as_long_as_they_are_said_to_be_and_all_different():
    one, other = voice(0.5, 0), voice(0.5, 1)
    assert len(one) == 8000 and np.abs(one).max() < 1 and np.abs(one).mean() > 0.01
    assert not np.array_equal(one, other) and np.array_equal(one, voice(0.5, 0))


def test_times_are_those_to_a_heads_first_film_and_of_each_further_one():
    ends = {"a": (105.0, 106.0, 108.0), "b": (114.0, 115.0, 116.0)}
    records = tuple(
        Record(head, str(i), DONE, when) for head, all_ends in ends.items() for i, when in enumerate(all_ends)
    )
    row = Timed("so", 6, 18.0, records).row(100.0)
    assert row["films_an_hour"] == 1200 and row["first"] == 5.5 and row["each"] == 1.25
    loop = Timed("otherwise", 6, 36.0).row(100.0)
    assert "first" not in loop
    lines = table({"loop": loop, "fleet": row, "ratio": 2.0, "device": "cpu"}).splitlines()
    assert lines[-1] == "2.00 times as many, on cpu" and "first film takes 5.5 s" in lines[-2]


def test_films_that_are_missing_are_noticed(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/.one.1.part.mp4").touch()
    (tmp_path / "a/two.mp4").touch()
    check(tmp_path, 1)
    with pytest.raises(EGSTalkerError, match="1 films of 2 were made"):
        check(tmp_path, 2)


def test_without_ray_it_says_so(tmp_path, monkeypatch):
    film = tmp_path / "out/a/s.mp4"
    monkeypatch.setattr("benchmarks.films.has_ray", lambda: False)
    monkeypatch.setattr("benchmarks.films.run", lambda command: film.parent.mkdir() or film.touch())
    assert "without Ray" in by_fleet([tmp_path / "a.head"], [tmp_path / "s.wav"], tmp_path / "out", "cpu").how
