"""Where a training computes."""

from __future__ import annotations

import pytest
import torch

from arguments.errors import EGSTalkerError
from gaussian_renderer import devices
from gaussian_renderer.devices import choose_device


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
