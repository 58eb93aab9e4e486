"""Films of real, small heads: by the program that a worker runs, and by the whole command on Ray."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fleet.film_work import FilmOrder, FilmsOfHead
from fleet.manifest import DONE, FAILED, INPUT, read_manifest
from fleet.work import ROOT
from media.video import read_frames
from scene.head_file import pack
from tests.fleet.test_leash import wait_for
from tests.tiny_head import make_dataset, make_whole_model, speech_like, write_wav
from training.dataset import WholePerson

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def heads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("heads")
    clip = WholePerson(make_dataset(tmp_path_factory.mktemp("data") / "set", num_frames=66).root)
    make_whole_model(folder / "anna", clip, 200)
    pack(folder / "anna", folder / "bert.head")
    return folder


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    folder = tmp_path / "sounds"
    folder.mkdir()
    for name, seconds in (("one", 1.0), ("two", 0.6)):
        write_wav(folder / f"{name}.wav", speech_like(seconds))
    (folder / "bad.wav").write_bytes(b"no sound")
    return folder


def frames(film: Path) -> int:
    return sum(1 for _ in read_frames(film))


def order_of(tmp_path: Path, model: Path, *sounds: Path) -> FilmOrder:
    films = tuple((one.stem, str(one), str(tmp_path / f"films/{one.stem}.mp4")) for one in sounds)
    return FilmOrder(str(tmp_path / "order"), (FilmsOfHead("anna", str(model), films),), 0, 1, gpu=False)


def test_a_worker_makes_films_and_writes_down_each(heads, sounds, tmp_path):
    order = order_of(tmp_path, heads / "bert.head", *sorted(sounds.iterdir()))
    outcome = order.carry_out()
    assert outcome.failure is None and outcome.seconds > 0
    records = {record.stage: record for record in read_manifest(order.manifest)}
    assert {name: record.state for name, record in records.items()} == {"bad": FAILED, "one": DONE, "two": DONE}
    assert records["bad"].kind == INPUT and records["one"].frames == 25 and records["two"].seconds > 0
    assert frames(tmp_path / "films/one.mp4") == 25
    assert len(list((tmp_path / "films").iterdir())) == 2


def test_a_head_that_is_damaged_costs_its_own_films_alone(heads, sounds, tmp_path):
    damaged = tmp_path / "damaged.head"
    damaged.write_bytes(b"no head")
    (tmp_path / "films").mkdir()
    (tmp_path / "films/two.mp4").write_text("made earlier")
    bad, good = order_of(tmp_path, damaged, sounds / "one.wav", sounds / "two.wav"), order_of(tmp_path, heads / "anna")
    films = (("two", str(sounds / "two.wav"), str(tmp_path / "films/bert/two.mp4")),)
    order = replace(bad, heads=(*bad.heads, replace(good.heads[0], head="bert", films=films)))
    assert order.carry_out().failure is None
    one, two = read_manifest(order.manifest)
    assert (one.name, one.stage, one.state, one.kind) == ("anna", "one", FAILED, INPUT)
    assert "is no head, or damaged" in one.why and f"anna: {one.why}" in order.log.read_text()
    assert (two.name, two.stage, two.state) == ("bert", "two", DONE) and frames(tmp_path / "films/bert/two.mp4") == 15


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_program_that_is_ended_half_way_leaves_no_half_film_and_goes_on(heads, sounds, tmp_path, number):
    write_wav(sounds / "long.wav", np.tile(speech_like(5.0), 24))
    order = order_of(tmp_path, heads / "anna", sounds / "two.wav", sounds / "long.wav")
    program = subprocess.Popen(
        order.command(), cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.DEVNULL
    )
    wait_for(lambda: read_manifest(order.manifest) and list((tmp_path / "films").glob(".long.*")), 60)
    program.send_signal(number)
    assert program.wait(20) == (-number if number == signal.SIGKILL else 128 + number)
    assert [path.name for path in (tmp_path / "films").glob("[!.]*.mp4")] == ["two.mp4"]
    assert (number == signal.SIGKILL) == bool(list((tmp_path / "films").glob(".long.*")))
    before = (tmp_path / "films/two.mp4").stat().st_mtime_ns
    write_wav(sounds / "long.wav", speech_like(0.4))
    assert order.carry_out().failure is None
    assert frames(tmp_path / "films/long.mp4") == 10
    assert (tmp_path / "films/two.mp4").stat().st_mtime_ns == before


def test_the_command_makes_all_films_goes_on_where_it_was_killed_and_reports(heads, sounds, tmp_path):
    pytest.importorskip("ray")
    write_wav(sounds / "zoo.wav", np.tile(speech_like(5.0), 24))  # long enough to be killed in
    out = tmp_path / "films"
    command = [sys.executable, str(ROOT / "fleet.py")]
    films = [*command, "films", str(heads), str(sounds), "--out", str(out), "--gpu_share", "0"]
    with (tmp_path / "said.txt").open("ab") as said:
        driver = subprocess.Popen(films, stdout=said, stderr=said)
        wait_for(lambda: list(out.glob("*/[!.]*.mp4")), 120)
        driver.kill()
        driver.wait()
        early = {path: path.stat().st_mtime_ns for path in out.glob("*/[!.]*.mp4")}
        logs = (out / "logs").glob
        wait_for(lambda: any("ended by SIGTERM" in log.read_text() for log in logs("*.log")), 30)  # asked, not killed
        assert subprocess.run(films, stdout=said, stderr=said, check=False).returncode == 1
    assert sorted(str(path.relative_to(out)) for path in out.glob("*/*.mp4")) == [
        f"{head}/{name}.mp4" for head in ("anna", "bert") for name in ("one", "two", "zoo")
    ]
    assert 0 < len(early) < 6
    assert {path: path.stat().st_mtime_ns for path in early} == early
    assert [frames(out / "bert" / f"{name}.mp4") for name in ("one", "two")] == [25, 15]
    lines = (tmp_path / "said.txt").read_text()
    assert "bad: FAILED: " in lines and "films an hour" in lines and "Traceback" not in lines
    told = subprocess.run([*command, "report", str(out)], capture_output=True, text=True, check=True).stdout
    assert "all: 8 films: 6 whole, 2 failed, 0 waiting; 243 s of film" in told
    assert (out / "films.csv").read_text().count("\n") == 9


def test_a_driver_in_the_background_that_is_asked_to_end_leaves_no_half_film(heads, sounds, tmp_path):
    pytest.importorskip("ray")
    write_wav(sounds / "one.wav", np.tile(speech_like(5.0), 60))
    out = tmp_path / "films"
    words = ["films", str(heads / "anna"), str(sounds / "one.wav"), "--out", str(out), "--gpu_share", "0"]
    driver = subprocess.Popen(
        [sys.executable, str(ROOT / "fleet.py"), *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),  # as a shell starts what it does not wait for
    )
    wait_for(lambda: list(out.glob("anna/.one.*")), 120)
    driver.terminate()
    assert driver.wait(25) == 128 + signal.SIGTERM
    assert list((out / "anna").iterdir()) == []
