"""Rows of a tensor whose gradient is summed by atomic additions: plain indexing sorts the rows first."""

from __future__ import annotations

from torch import Tensor


def rows_of(x: Tensor, which: slice | Tensor, dim: int = 0) -> Tensor:
    """The part ``which`` of a dimension: a slice, or indices (int64)."""
    if isinstance(which, slice):
        return x[(slice(None),) * dim + (which,)]
    return x.index_select(dim, which)
