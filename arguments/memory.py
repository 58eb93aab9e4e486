"""How much freed memory a program keeps for what it asks for next.

glibc gives back what is free at the heap's end as soon as that is twice its largest piece, and large pieces at once. A
training step on the CPU takes the same pictures and feature maps again and again: so each time the system hands out
new pages and fills them with zeros. Measured on two cores of an AMD EPYC with ``arguments/cpu.py``: the loss of an
iteration takes 30 to 31 ms with the bounds below and 41 to 51 without, of 120 to 160 in all (``python -m
benchmarks.train_step``, four runs in turn); a training of 460 iterations 1.6 million new pages for 6.2, and 13 to 15 s
of the system's for 23; its peak of memory is the same, and so are its weights. A film takes as long as without. With
64 MB at the heap's end it is sometimes so and sometimes not; 256 MB give no more.
https://man7.org/linux/man-pages/man3/mallopt.3.html
"""

from __future__ import annotations

import ctypes
import os

KEPT = 128 << 20  # bytes, free at the heap's end
LARGE = 32 << 20  # bytes of a piece that is given back when it is freed; the most that all versions of glibc take
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # malloc.h
OWN, OWN_TUNABLES = "MALLOC_", "glibc.malloc."  # the user's: variables, and in GLIBC_TUNABLES


def keep_memory() -> bool:
    """Set these bounds, unless the user has set something of the kind; returns whether they hold.

    They do not where malloc is another library's: on macOS, on Windows, with musl.
    """
    if any(name.startswith(OWN) for name in os.environ) or OWN_TUNABLES in os.environ.get("GLIBC_TUNABLES", ""):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(mallopt(_TRIM_THRESHOLD, KEPT) and mallopt(_MMAP_THRESHOLD, LARGE))
