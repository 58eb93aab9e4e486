"""The training log: what a training says, line by line in a file, for those who follow it with ``tail -f``."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from arguments.errors import LESS_MEMORY, EGSTalkerError, Interrupted, is_out_of_memory, one_line
from arguments.model_folder import ModelFolder

LOG = logging.getLogger("egstalker.training")


def say(line: str) -> None:
    """A line to the user and into the log."""
    LOG.info(line)
    print(line, file=sys.stderr, flush=True)


@contextmanager
def training_log(folder: ModelFolder, link: str | None) -> Iterator[None]:
    """Inside the context, what goes to ``LOG`` and what ends the training are appended to the folder's training.log.

    A run that fails before there is a model leaves no log. ``link``: the path that users follow becomes a symbolic link
    to the log; where it cannot be replaced but written (a file mounted into a container), it is appended to as well;
    where neither goes (another user's), that is said and the training goes on.

    Raises:
        OSError: the log cannot be written.
    """
    path = folder.training_log
    handlers: list[logging.Handler] = [logging.FileHandler(path, encoding="utf-8")]
    if link:
        handlers += _follow(Path(link), path)
    for handler in handlers:
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
        expected = is_out_of_memory(error)
        LOG.info("error: %s", LESS_MEMORY if expected else one_line(error), exc_info=not expected)
        raise
    finally:
        LOG.setLevel(level)
        LOG.propagate = propagate
        for handler in handlers:
            LOG.removeHandler(handler)
            handler.close()
        if not folder.settings.exists():
            if link and Path(link).is_symlink() and Path(link).resolve() == path.resolve():
                Path(link).unlink(missing_ok=True)
            path.unlink(missing_ok=True)


def _follow(link: Path, path: Path) -> list[logging.Handler]:
    """Make ``link`` lead to ``path``; what has to be written as well where it cannot."""
    if link.absolute() == path.absolute():
        return []
    temporary = link.with_name(f".{link.name}.{os.getpid()}.part")
    try:
        temporary.symlink_to(path.resolve())
        temporary.replace(link)
    except OSError as error:
        if link.is_file() and not link.is_symlink() and os.access(link, os.W_OK):
            return [logging.FileHandler(link, encoding="utf-8")]
        say(
            f"warning: {link} cannot be made a link to {path} ({error.strerror}); follow that, or set TRAINING_LOG=FILE"
        )
    finally:
        with suppress(OSError):
            temporary.unlink()
    return []
