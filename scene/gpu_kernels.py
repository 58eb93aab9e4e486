"""The Triton kernels, where Triton is installed (torch brings it on Linux with CUDA)."""

from __future__ import annotations

import importlib
import importlib.util
from functools import lru_cache
from typing import Any


@lru_cache
def gpu_kernel(module: str, name: str) -> Any | None:
    """``name`` of ``module``; None without Triton: the plain implementation does as well."""
    if importlib.util.find_spec("triton") is None:
        return None
    return getattr(importlib.import_module(module), name)
