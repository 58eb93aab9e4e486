"""Shapes and types of annotations, enforced while the tests run (see tests/conftest.py)."""

from __future__ import annotations

import numpy as np
from beartype import BeartypeConf, FrozenDict, beartype

ROOMS = (
    "arguments",
    "media",
    "imaging",
    "scene",
    "gaussian_renderer",
    "synthesis",
    "training",
    "evaluation",
    "benchmarks",
)
"""The packages whose functions are checked. Kernels are compiled and held to their plain twins instead."""

NUMBERS: FrozenDict = FrozenDict({int: int | np.integer, float: float | np.floating | int | np.integer})
"""An int is a float, as in mypy, and numpy's numbers are numbers."""

checked = beartype(conf=BeartypeConf(hint_overrides=NUMBERS))
