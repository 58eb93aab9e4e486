"""Ways in which a file arrives broken, and a pickle that tells whether it was opened."""

from __future__ import annotations

import io
import os
import pickle
import signal
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

STRANGERS = (  # what a file of another kind begins with
    b"\x89PNG\r\n\x1a\n" + b"\0" * 60,
    b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x80\x3e\0\0\0\x7d\0\0\x02\0\x10\0data\xff\xff\xff\xff",
    b"\0\0\0\x18ftypisom\0\0\x02\0isomiso2" + b"\0" * 40,
    b"\x93NUMPY\x01\0v\0{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999, 160), }".ljust(128) + b"\n",
    b"<html><body>404 Not Found</body></html>",
    b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n",
    b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\x01IM" + b"\x0e\0\0\0\xff\xff\xff\x7f",
    b"\xff\xfe" + "frame, AU45_r".encode("utf-16-le"),
    b"",
)


def damaged(whole: bytes, generator: np.random.Generator) -> bytes:
    """``whole`` cut off, overwritten, stretched, or replaced by something else."""
    data = bytearray(whole)
    kind = generator.integers(6)
    if kind == 0:  # a copy that broke off
        return bytes(data[: generator.integers(len(data))])
    if kind == 1:  # single bytes
        for place in generator.integers(len(data), size=generator.integers(1, 60)):
            data[place] = generator.integers(256)
    elif kind == 2:  # a stretch of zeros, as a disk leaves it
        start = int(generator.integers(len(data)))
        stop = min(len(data), start + int(generator.integers(1, 1 + len(data) // 2)))
        data[start:stop] = bytes(stop - start)
    elif kind == 3:  # the head of the file, where lengths and kinds are told
        for place in generator.integers(min(len(data), 200), size=generator.integers(1, 12)):
            data[place] = generator.choice([0, 1, 127, 128, 255])
    elif kind == 4:  # something put in between
        start = int(generator.integers(len(data)))
        data[start:start] = generator.bytes(int(generator.integers(1, 500)))
    else:
        return STRANGERS[generator.integers(len(STRANGERS))]
    return bytes(data)


class _Trap:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.target),)


def traps(target: Path) -> Iterator[bytes]:
    """Files that make the folder ``target`` if they are unpickled: bare, as .npy, .npz and as PyTorch writes them."""
    trap = _Trap(target)
    for protocol in (0, 2, 4):
        yield pickle.dumps(trap, protocol)
    array = np.empty(1, object)
    array[0] = trap
    for write in (np.save, np.savez):
        buffer = io.BytesIO()
        write(buffer, array, allow_pickle=True) if write is np.save else write(buffer, array)
        yield buffer.getvalue()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"vertices": trap}, 2))
        archive.writestr("archive/version", "3\n")
    yield buffer.getvalue()


@contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """Ends what hangs with a TimeoutError."""

    def stop(*_: object) -> None:
        raise TimeoutError(f"still busy after {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
