"""Shapes and types of annotations, enforced while the tests run (see tests/conftest.py)."""

from __future__ import annotations

from beartype import BeartypeConf, beartype

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

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int is a float, as in mypy
