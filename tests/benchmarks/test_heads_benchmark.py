"""The benchmark of a farm's cards counts what it says."""

from __future__ import annotations

import pytest

from arguments.errors import EGSTalkerError
from benchmarks import heads
from benchmarks.heads import Timed, farm_of, table, timed
from fleet.manifest import AGAIN, DONE, Manifest, Record
from fleet.settings import Settings


def test_stages_are_told_by_their_mean_and_cards_beside_the_first():
    records = tuple(Record("a", "train", DONE, seconds=seconds) for seconds in (10.0, 30.0))
    records += (Record("a", "train", AGAIN, seconds=500.0),)
    rows = [Timed(1, 8, 200.0, records).row(), Timed(2, 8, 110.0, ()).row()]
    assert rows[0]["train"] == 20 and "metrics" not in rows[0] and rows[0]["heads_an_hour"] == 144
    first, second = table(rows).splitlines()
    assert "train 20.0 s a head" in first and "(0.55 of the time of 1)" in second


@pytest.fixture
def dataset(tmp_path):
    folder = tmp_path / "anna"
    folder.mkdir()
    (folder / "video.mp4").write_bytes(b"a video")
    return folder


def test_a_dataset_is_taken_again_and_is_preprocessed(tmp_path, dataset):
    farm = farm_of([dataset], 3, Settings(configs="arguments/demo.py"), tmp_path)
    names = [source.name for source in farm.sources()]
    assert names == ["anna-0", "anna-1", "anna-2"]
    assert all(farm.receipt(name, "preprocess") and not farm.receipt(name, "train") for name in names)
    assert (farm.head(farm.sources()[2]).dataset.root / "video.mp4").read_bytes() == b"a video"


def test_a_farm_sees_the_first_of_the_cards(tmp_path, dataset, monkeypatch):
    farm = farm_of([dataset], 1, Settings(), tmp_path)
    asked = []

    def run(*command, environment):
        asked.append((list(command[-2:]), environment[heads.CARDS]))
        manifest = Manifest(farm.manifest)
        manifest.add(Record("anna-0", "train", DONE, seconds=3.0))
        manifest.close()

    monkeypatch.setattr(heads, "run", run)
    monkeypatch.setenv(heads.CARDS, "5,7")
    assert timed(farm, 1, 1, ["--gpu_share", "0.5"]).row()["train"] == 3.0
    monkeypatch.delenv(heads.CARDS)
    timed(farm, 1, 2, ["--gpu_share", "0.5"])
    timed(farm, 1, 0, [])
    assert asked == [(["--gpu_share", "0.5"], "5"), (["--gpu_share", "0.5"], "0,1"), (["--gpu_share", "0"], "")]
    monkeypatch.setenv(heads.CARDS, "5")
    with pytest.raises(EGSTalkerError, match="is 5, which is not 2 cards"):
        timed(farm, 1, 2, [])


def test_a_head_that_fails_is_told():
    with pytest.raises(EGSTalkerError, match=r"fleet\.py status failed"):
        heads.run("fleet.py", "status")
