"""Shapes and types of annotations, enforced while the tests run (see tests/conftest.py)."""

from __future__ import annotations

from io import TextIOBase
from typing import TextIO

import numpy as np
from beartype import BeartypeConf, FrozenDict, beartype

ROOMS = (
    "arguments",
    "media",
    "data_utils",
    "imaging",
    "motion",
    "scene",
    "gaussian_renderer",
    "synthesis",
    "training",
    "evaluation",
    "live",
    "fleet",
    "benchmarks",
    "sample",
)
"""The packages whose functions are checked. Kernels are compiled and held to their plain twins instead; a function that
is compiled where its idea belongs says so by ``@no_type_check`` below ``@njit``: numba cannot compile a checked one."""

WIDER: FrozenDict = FrozenDict(
    {int: int | np.integer, float: float | np.floating | int | np.integer, TextIO: TextIO | TextIOBase}
)
"""As in mypy, an int is a float and a text in memory a text file; and numpy's numbers are numbers."""

checked = beartype(conf=BeartypeConf(hint_overrides=WIDER))
