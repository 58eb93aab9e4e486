"""scene/gpu_kernels.py: Triton's kernels only where they can be compiled."""

from __future__ import annotations

import importlib.util

import pytest

from scene.gpu_kernels import gpu_kernel


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    gpu_kernel.cache_clear()
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    yield
    gpu_kernel.cache_clear()


def _compiler(folder, name: str) -> None:
    (folder / name).touch(mode=0o755)


@pytest.mark.parametrize("name", ["gcc", "clang"])
def test_a_kernel_is_taken_where_there_is_a_compiler(monkeypatch, tmp_path, name):
    monkeypatch.setenv("PATH", str(tmp_path))
    _compiler(tmp_path, name)
    assert gpu_kernel("math", "sqrt")(4) == 2


def test_without_a_compiler_the_plain_implementation_serves(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpu_kernel("math", "sqrt") is None


def test_the_compiler_may_be_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CC", "/somewhere/cc")
    assert gpu_kernel("math", "sqrt")(4) == 2


def test_without_triton_the_plain_implementation_serves(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert gpu_kernel("math", "sqrt") is None
