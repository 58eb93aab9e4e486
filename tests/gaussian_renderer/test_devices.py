"""Where a training computes."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import pytest
import torch

from arguments.errors import EGSTalkerError, door
from gaussian_renderer import devices
from gaussian_renderer.devices import choose_device
from tests.tiny_head import make_dataset


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("data") / "set").root


@pytest.mark.parametrize(
    ("gpu", "rasterizer", "expected"),
    [(False, False, "cpu"), (True, False, "cpu"), (False, True, "cpu"), (True, True, "cuda")],
)
def test_a_gpu_is_taken_where_it_is_there_and_something_renders_on_it(monkeypatch, gpu, rasterizer, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: int(gpu))
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: None)
    monkeypatch.setattr(devices, "backend_for", lambda device: "any" if rasterizer else None)
    assert choose_device(None) == expected
    assert choose_device("cpu") == "cpu"
    if expected == "cuda":
        assert choose_device("cuda") == "cuda"
    else:
        with pytest.raises(EGSTalkerError, match="use --device cpu"):
            choose_device("cuda")


@pytest.fixture
def two_gpus(monkeypatch) -> list[str]:
    """Two cards that something renders on; which became the current one."""
    current: list[str] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", current.append)
    monkeypatch.setattr(devices, "backend_for", lambda device: "any")
    return current


@pytest.mark.parametrize(("name", "card"), [("cuda", "cuda:0"), ("cuda:0", "cuda:0"), ("cuda:1", "cuda:1")])
def test_one_of_several_gpus_becomes_the_current_one(two_gpus, name, card):
    assert choose_device(name) == name
    assert two_gpus == [card]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("cuda:2", "there is no cuda:2 here; there is cuda:0 to cuda:1"),
        ("gpu", "--device is cpu, cuda or, of several GPUs, cuda:1 and so on, not 'gpu'"),
        ("cuda:", "not 'cuda:'"),
        ("CPU", "not 'CPU'"),
    ],
)
def test_what_is_no_device_here_is_refused_in_one_line(two_gpus, name, said):
    with pytest.raises(EGSTalkerError) as refused:
        choose_device(name)
    assert said in str(refused.value) and "\n" not in str(refused.value)
    assert two_gpus == []


@pytest.mark.parametrize(
    "command",
    [
        "train -s {data} --model_path {model}",
        "predict --audio_path {data}/aud.wav --reference_path {data} --model_path {model}",
        "render -s {data} --model_path {model}",
        "metrics -s {data} --model_path {model}",
        "benchmarks.render",
        "benchmarks.train_step",
        "benchmarks.ablations -s {data} --output_dir {model}",
        "benchmarks.machine --output_dir {model}",
    ],
)
def test_every_command_refuses_what_is_no_device(command, data, tmp_path, monkeypatch, capsys):
    module, *arguments = command.format(data=data, model=tmp_path / "m").split()
    monkeypatch.setattr(sys, "argv", [module, *arguments, "--device", "gpu"])
    assert door(import_module(module).main)() == 1
    assert capsys.readouterr().err == "error: --device is cpu, cuda or, of several GPUs, cuda:1 and so on, not 'gpu'\n"
