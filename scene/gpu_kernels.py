"""The Triton kernels, where Triton is installed (torch brings it on Linux with CUDA)."""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
from functools import lru_cache
from typing import Any


@lru_cache
def gpu_kernel(module: str, name: str) -> Any | None:
    """``name`` of ``module``; None without Triton or a C compiler for it: the plain implementation does as well."""
    if importlib.util.find_spec("triton") is None or not has_compiler():
        return None
    return getattr(importlib.import_module(module), name)


def has_compiler() -> bool:
    """Whether Triton can compile what starts its kernels: it takes CC, or else gcc or clang."""
    return bool(os.environ.get("CC")) or any(shutil.which(name) for name in ("gcc", "clang"))
