"""How long OpenMP's threads wait for work awake. To be said before a library loads that has such threads.

GNU's OpenMP (PyTorch, numba) lets a thread that has nothing to do look for work 300,000 times before it sleeps. On a
machine with other programs these waiting threads take the cores from those that work, and training nearly stops.
A bounded wait keeps what an idle machine gains by waiting awake.
https://gcc.gnu.org/onlinedocs/libgomp/GOMP_005fSPINCOUNT.html
"""

from __future__ import annotations

import os

WAIT = {
    # Looks of a thread of GNU's OpenMP. With 100,000 training stands still beside other programs, as without a bound;
    # 1,000 cost an idle machine a quarter.
    "GOMP_SPINCOUNT": "30000",
    "KMP_BLOCKTIME": "1",  # milliseconds, of LLVM's and Intel's
}
USERS_OWN = ("OMP_WAIT_POLICY", *WAIT)


def share_cores() -> None:
    """Set what bounds the waiting, unless the user has set something of the kind."""
    if not any(name in os.environ for name in USERS_OWN):
        os.environ.update(WAIT)
