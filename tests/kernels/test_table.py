"""kernels/table.py: which twin serves, and when the plain function does."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from pathlib import Path

import pytest
import torch

from arguments.device import CPU, GPU
from kernels import table
from kernels.table import TWINS, Twins, served, twin


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    twin.cache_clear()
    monkeypatch.delenv("CC", raising=False)
    yield
    twin.cache_clear()


@pytest.fixture
def with_triton(monkeypatch, tmp_path):
    """A machine with Triton, whose programs are those in ``tmp_path``; "math.sqrt" serves as a GPU's kernel."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(TWINS, "plain.sqrt", Twins(gpu="math"))


@pytest.mark.parametrize("name", ["gcc", "clang"])
def test_a_kernel_is_taken_where_there_is_a_compiler(with_triton, tmp_path, name):
    (tmp_path / name).touch(mode=0o755)
    assert twin("plain.sqrt", GPU)(4) == 2


def test_without_a_compiler_the_plain_implementation_serves(with_triton):
    assert twin("plain.sqrt", GPU) is None


def test_the_compiler_may_be_named(with_triton, monkeypatch):
    monkeypatch.setenv("CC", "/somewhere/cc")
    assert twin("plain.sqrt", GPU)(4) == 2


def test_without_triton_the_plain_implementation_serves(with_triton, monkeypatch):
    monkeypatch.setenv("CC", "/somewhere/cc")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert twin("plain.sqrt", GPU) is None


def test_every_name_in_the_table_is_a_function_and_has_its_twins():
    for name, twins in TWINS.items():
        module, _, function = name.rpartition(".")
        if function != "make_adam":  # torch.optim's constructor is the plain one
            assert callable(getattr(importlib.import_module(module), function)), name
        if twins.cpu:
            assert callable(twin(name, CPU)), name
        if twins.gpu:
            source = Path(importlib.util.find_spec(twins.gpu).origin)
            assert f"def {function}(" in source.read_text(), name


def test_a_served_function_has_the_signature_of_its_twin():
    for name, twins in TWINS.items():
        module, _, function = name.rpartition(".")
        plain = getattr(importlib.import_module(module), function, None)
        if twins.cpu and hasattr(plain, "__wrapped__"):
            names = list(inspect.signature(plain.__wrapped__).parameters)
            kernel = twin(name, CPU)
            assert list(inspect.signature(getattr(kernel, "py_func", kernel)).parameters) == names, name


def test_the_twin_serves_what_it_knows_and_the_plain_function_the_rest(monkeypatch):
    def double(x):
        return 2 * x

    double.__module__, double.__qualname__ = "somewhere", "double"
    monkeypatch.setitem(TWINS, "somewhere.double", Twins(cpu="elsewhere"))
    dispatched = served(double)
    monkeypatch.setattr(table, "twin", lambda name, kind: lambda x: NotImplemented if x.dtype == torch.float64 else -x)
    assert dispatched(torch.tensor(3.0)) == -3
    assert dispatched(torch.tensor(3.0, dtype=torch.float64)) == 6
    assert dispatched.__wrapped__(torch.tensor(3.0)) == 6


def test_only_what_is_in_the_table_can_be_served():
    with pytest.raises(KeyError, match="not in the table"):
        served(lambda x: x)
