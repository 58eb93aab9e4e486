"""The same functions, faster: compiled twins of plain ones, by device; :mod:`kernels.table` says which serves what."""
