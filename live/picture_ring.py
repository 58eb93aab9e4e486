"""Pictures on their way between processes, through memory that both have: a pipe would cost a core at twenty sessions.

The last few are kept; one that is asked for too late is not there any more.
"""

from __future__ import annotations

import struct
from multiprocessing.shared_memory import SharedMemory

import numpy as np
from jaxtyping import UInt8

SLOTS = 24
_NUMBER = struct.Struct("<Q")  # of the picture in a slot; 0 while it is written


class PictureRing:
    """Made by :meth:`create` in one process, and found by :meth:`attach` in others, until one of them forgets its name.

    Args:
        memory: that they have.
        size: bytes of the largest picture.

    Attributes:
        size: as given.
    """

    def __init__(self, memory: SharedMemory, size: int) -> None:
        if memory.buf is None:
            raise ValueError("the memory is closed")
        self._memory, self._bytes, self.size = memory, memory.buf, size
        self._count = 0
        self._is_forgotten = False

    @classmethod
    def create(cls, size: int) -> PictureRing:
        """For pictures of at most so many bytes."""
        return cls(SharedMemory(create=True, size=SLOTS * (size + _NUMBER.size)), size)

    @classmethod
    def attach(cls, name: str, size: int) -> PictureRing:
        """The one of that name."""
        return cls(SharedMemory(name), size)

    @property
    def name(self) -> str:
        """What it is found by."""
        return self._memory.name

    def write(self, picture: UInt8[np.ndarray, "H W C"]) -> int:
        """Keep a picture; returns its number, from 1 on."""
        self._count += 1
        start = self._slot(self._count)
        _NUMBER.pack_into(self._bytes, start, 0)
        begin = start + _NUMBER.size
        self._bytes[begin : begin + picture.nbytes] = np.ascontiguousarray(picture).data.cast("B")
        _NUMBER.pack_into(self._bytes, start, self._count)
        return self._count

    def read(self, number: int, shape: tuple[int, ...]) -> UInt8[np.ndarray, "H W C"] | None:
        """A picture by its number; None where another has taken its place."""
        start, count = self._slot(number), int(np.prod(shape))
        view = np.frombuffer(self._bytes, np.uint8, count, start + _NUMBER.size)
        picture = view.reshape(shape).copy()
        del view  # or the memory could not be closed
        return picture if _NUMBER.unpack_from(self._bytes, start)[0] == number else None

    def forget(self) -> None:
        """Let no other find it: it is gone when all have let it go. Once is enough, in one of the processes."""
        if not self._is_forgotten:
            self._is_forgotten = True
            self._memory.unlink()

    def close(self) -> None:
        """Let it go."""
        self._bytes.release()
        self._memory.close()

    def _slot(self, number: int) -> int:
        return (number % SLOTS) * (self.size + _NUMBER.size)
