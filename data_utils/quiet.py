"""MediaPipe without its chatter on the user's terminal."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from types import ModuleType

_redirection = threading.RLock()


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Send what native code writes to file descriptor 2 to nowhere inside the block (absl and TFLite notes).

    Python exceptions pass through. Meant for the short construction of a model, not for long work: another thread's
    messages are lost too while it lasts.
    """
    with _redirection:
        with contextlib.suppress(Exception):
            sys.stderr.flush()
        kept = os.dup(2)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            os.close(nowhere)


def import_mediapipe() -> ModuleType:
    """The mediapipe package, imported without notes on stderr. Its import takes 0.3-0.6 s, so call this late."""
    os.environ.setdefault("GLOG_minloglevel", "2")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    warnings.filterwarnings("ignore", message=r".*SymbolDatabase\.GetPrototype.*")
    with quiet_stderr():
        import mediapipe
    return mediapipe
