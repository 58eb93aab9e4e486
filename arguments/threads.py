"""How long OpenMP's threads wait for work awake. To be said before a library loads that has such threads.

GNU's OpenMP (PyTorch, numba) lets a thread that has nothing to do look for work 300,000 times before it sleeps. On a
machine with other programs these waiting threads take the cores from those that work, and training nearly stops.
A bounded wait keeps what an idle machine gains by waiting awake.
https://gcc.gnu.org/onlinedocs/libgomp/GOMP_005fSPINCOUNT.html

A look ends with the processor's pause instruction, which takes about 140 cycles on Intel's since Skylake (its
optimization manual, "Pause latency in Skylake client microarchitecture") and 40 to 65 on AMD's: the same bound in time
is another number there.
"""

from __future__ import annotations

import os
from pathlib import Path

LOOKS, LOOKS_OF_INTEL = 30_000, 3_000
"""Of a thread of GNU's OpenMP. On an AMD EPYC training stands still beside other programs with 100,000, as without a
bound, and 1,000 cost an idle machine a quarter; on an Intel Xeon it stands still with 30,000."""


def is_intel(processor: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the processor is Intel's; no, where nothing says so."""
    try:
        return "GenuineIntel" in processor.read_text(errors="replace")[:4096]
    except OSError:
        return False


WAIT = {
    "GOMP_SPINCOUNT": str(LOOKS_OF_INTEL if is_intel() else LOOKS),
    "KMP_BLOCKTIME": "1",  # milliseconds, of LLVM's and Intel's
}
USERS_OWN = ("OMP_WAIT_POLICY", *WAIT)


def share_cores() -> None:
    """Set what bounds the waiting, unless the user has set something of the kind."""
    if not any(name in os.environ for name in USERS_OWN):
        os.environ.update(WAIT)
