"""The rendering benchmark's rows and table."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

import pytest
import torch

from arguments.errors import EGSTalkerError
from benchmarks import render
from benchmarks.head_cloud import head_camera, head_cloud
from gaussian_renderer.render import render as render_picture
from tests.tiny_head import SETTINGS, make_dataset, make_head, make_model
from training.dataset import TalkingHeadDataset


def test_head_cloud_is_a_closed_head_in_the_middle_of_the_picture():
    alpha = render_picture(head_cloud(3000), head_camera(64, 2)).alpha[1, ..., 0]
    assert alpha[28:36, 28:36].min() > 0.9
    assert max(alpha[0].max(), alpha[:, :4].max()) < 0.02
    assert 0.2 < alpha.mean() < 0.6


def test_a_call_is_timed_for_as_long_and_as_often_as_is_asked():
    calls: list[float] = []
    cpu = torch.device("cpu")
    begun = time.perf_counter()
    render.milliseconds(lambda: calls.append(time.perf_counter()), cpu, render.Often(2, 0.05))
    assert len(calls) > 20 and calls[-1] - begun > 0.02
    calls.clear()
    render.milliseconds(lambda: calls.append(0.0), cpu, render.Often(7, 0))
    assert len(calls) == 7


@pytest.mark.parametrize("words", ["--repeats 0", "--seconds nan", "--seconds inf", "--seconds -1"])
def test_a_number_of_times_that_is_none_is_refused(words, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["render", *words.split()])
    with pytest.raises(EGSTalkerError, match="--repeats is at least 1, --seconds from 0 to 3600"):
        render.main()


def test_prints_a_table_and_writes_the_rows(tmp_path, monkeypatch, capsys):
    target = tmp_path / "rows.json"
    options = "--gaussians 500 1000 --sizes 32 --batches 2 --repeats 2 --seconds 0 --degree 1 --json"
    monkeypatch.setattr(sys, "argv", ["render", *options.split(), str(target)])
    render.main()
    rows = json.loads(target.read_text())
    assert [(row["gaussians"], row["size"], row["batch"]) for row in rows] == [(500, 32, 2), (1000, 32, 2)]
    assert list(rows[0]["stages"]) == ["colors", "project", "sort", "bin", "blend", "forward", "backward", "encode"]
    assert all(milliseconds > 0 for row in rows for milliseconds in row["stages"].values())
    assert rows[0]["fps"] == pytest.approx(2000 / rows[0]["stages"]["forward"])
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_a_trained_heads_speed_counts_its_deformation(tmp_path, monkeypatch):
    model = make_model(tmp_path / "m", make_dataset(tmp_path / "set"))
    target = tmp_path / "rows.json"
    options = f"--model_path {model} --sizes 32 48 --batches 2 --repeats 2 --seconds 0 --json {target}"
    monkeypatch.setattr(sys, "argv", ["render", *options.split()])
    render.main()
    rows = json.loads(target.read_text())
    assert [(row["gaussians"], row["size"], row["batch"]) for row in rows] == [(150, 32, 2), (150, 48, 2)]
    spent = rows[0]["stages"]["deform"] + rows[0]["stages"]["forward"]
    assert rows[0]["fps"] == pytest.approx(2000 / spent)


def test_a_trained_head_is_measured_on_its_own_held_out_frames(tmp_path, monkeypatch):
    folder = make_dataset(tmp_path / "set")
    dataset, head = TalkingHeadDataset(folder.root), make_head()
    drive = render.held_out_drive(head, dataset, dataset.audio, 32, 3)
    expected = dataset.drive(dataset.audio, torch.tensor([20, 21, 20]), SETTINGS.signal_window)
    assert torch.equal(drive.signal, expected.signal) and torch.equal(drive.eye, expected.eye)
    assert torch.equal(drive.camera.viewmats, expected.camera.viewmats)
    points = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(drive.camera.project(points), expected.camera.project(points) / 2, atol=1e-4)

    model, target = make_model(tmp_path / "m", folder), tmp_path / "rows.json"
    options = f"--model_path {model} --source_path {folder.root} --batches 1 3 --repeats 2 --seconds 0 --json {target}"
    monkeypatch.setattr(sys, "argv", ["render", *options.split()])
    render.main()
    rows = json.loads(target.read_text())
    assert [(row["gaussians"], row["size"], row["batch"]) for row in rows] == [(150, 64, 1), (150, 64, 3)]
    stages = rows[1]["stages"]
    assert list(stages) == ["deform", "colors", "project", "sort", "bin", "blend", "forward", "backward", "encode"]
    assert list(rows[1])[-1] == "fps"
    assert rows[1]["fps"] == pytest.approx(3000 / (stages["deform"] + stages["forward"]))


@pytest.fixture
def refusal(monkeypatch) -> Callable[[str], str]:
    def call(options: str) -> str:
        monkeypatch.setattr(sys, "argv", ["render", *options.split()])
        with pytest.raises(EGSTalkerError) as refused:
            render.main()
        return str(refused.value)

    return call


def test_a_missing_gpu_is_said(refusal, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert refusal("--device cuda") == "there is no CUDA device here; use --device cpu"


def test_a_model_and_a_dataset_that_do_not_fit_are_refused(refusal, tmp_path):
    assert "give its --model_path too" in refusal(f"--source_path {tmp_path}")
    assert "there is no model" in refusal(f"--model_path {tmp_path}")
    folder = make_dataset(tmp_path / "set")
    model = make_model(tmp_path / "m", folder, make_head(feature_shape=(768,)))
    assert "audio features of shape (768,)" in refusal(f"--model_path {model} --source_path {folder.root}")


def test_medians_come_with_half_the_distance_between_the_quartiles():
    spread = render.Spread([5.0, 1.0, 2.0, 3.0, 4.0])
    assert (spread, spread.around) == (3.0, 1.0)
    assert render.Spread([2.0]).around == 0


def test_compiled_code_is_compared_with_one_core_and_with_its_twin(tmp_path, monkeypatch, capsys):
    target = tmp_path / "rows.json"
    monkeypatch.setattr(render, "TWIN_PAIRS", 700 * 32 * 32)
    options = f"--compare --gaussians 500 1000 --sizes 32 --repeats 2 --seconds 0 --json {target}"
    monkeypatch.setattr(sys, "argv", ["render", *options.split()])
    render.main()
    small, large = json.loads(target.read_text())
    assert list(small["stages"]) == ["rasterize", "one core", "plain torch"]
    assert list(large["stages"]) == ["rasterize", "one core"]
    assert capsys.readouterr().out.splitlines()[2].endswith(" -")

    model = make_model(tmp_path / "m", make_dataset(tmp_path / "set"))
    options = f"--compare --model_path {model} --sizes 32 --repeats 2 --seconds 0 --json {target}"
    monkeypatch.setattr(sys, "argv", ["render", *options.split()])
    render.main()
    (row,) = json.loads(target.read_text())
    assert list(row["stages"]) == ["deform", "one core", "plain torch"]


def test_one_core_is_one_and_only_for_the_call():
    seen: list[int] = []
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        render._on_one_core(lambda: seen.append(torch.get_num_threads()))()
        assert (seen, torch.get_num_threads()) == ([1], 2)
    finally:
        torch.set_num_threads(before)
