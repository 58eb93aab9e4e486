"""The training log: what a training says, line by line in a file, for those who follow it with ``tail -f``."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from arguments.errors import EGSTalkerError, Interrupted, one_line

LOG = logging.getLogger("egstalker.training")


def say(line: str) -> None:
    """A line to the user and into the log."""
    LOG.info(line)
    print(line, file=sys.stderr, flush=True)


@contextmanager
def training_log(path: str | None) -> Iterator[None]:
    """Inside the context, what goes to ``LOG`` and what ends the training are appended to the file; None: nowhere.

    Raises:
        EGSTalkerError: the file cannot be written.
    """
    if not path:
        yield
        return
    try:
        handler = logging.FileHandler(path, encoding="utf-8")
    except OSError as error:
        raise EGSTalkerError(
            f"the log {path} cannot be written ({error.strerror}); name another: TRAINING_LOG"
        ) from error
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    LOG.addHandler(handler)
    level, propagate = LOG.level, LOG.propagate
    LOG.setLevel(logging.INFO)
    LOG.propagate = False
    try:
        yield
        LOG.info("the training is done")
    except EGSTalkerError as error:
        LOG.info("error: %s", one_line(error))
        raise
    except Interrupted as error:
        LOG.info("%s", one_line(error))
        raise
    except KeyboardInterrupt:
        LOG.info("interrupted; run the same command again to go on")
        raise
    except Exception as error:
        LOG.info("error: %s", one_line(error), exc_info=True)
        raise
    finally:
        LOG.setLevel(level)
        LOG.propagate = propagate
        LOG.removeHandler(handler)
        handler.close()
