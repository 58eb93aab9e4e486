"""An acoustic model of CMU Sphinx: phonetically tied Gaussian mixtures, read from the files that its trainer writes.

Every phone has a codebook of Gaussians for each stream (cepstra, their deltas, the deltas' deltas); the states of the
phone are mixtures of them. The formats are those of the project's documentation: ``means`` and ``variances`` in the S3
container, ``mdef`` (which states a phone has) in binary form, ``sendump`` (the mixtures' weights, their negative
logarithms in 8 bits), ``feat.params`` (the front end). The model that the package pocketsphinx carries is American
English, 42 phones of three states with 128 Gaussians a stream, under a BSD licence; its program is not needed.
"""

from __future__ import annotations

import functools
import importlib.util
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from arguments.errors import EGSTalkerError

# What data_utils/audio_features/cepstra.py computes; a model of another front end would score noise.
FRONT_END = {
    "lowerf": "130",
    "upperf": "6800",
    "nfilt": "25",
    "transform": "dct",
    "lifter": "22",
    "feat": "1s_c_d_dd",
    "svspec": "0-12/13-25/26-38",
    "agc": "none",
    "varnorm": "no",
    "model": "ptm",
}
STREAMS, CEPSTRA = 3, 13

_LOG_UNIT = 1024 * math.log(1.0001)  # of the weights: the decoder's logarithms have the base 1.0001, shifted by 10 bits
_VARIANCE_FLOOR = 1e-4
_LARGEST = 64 << 20  # bytes of a file; the greatest of the package's has 3 MB
_INSTALL = "run .venv/bin/pip install --no-deps {}-r requirements/native.txt, or ./build.sh for the image"


@dataclass(frozen=True, eq=False)
class AcousticModel:
    """P phones of S states, each a mixture of the K Gaussians that its phone has in each of three streams."""

    phones: tuple[str, ...]
    means: Float[np.ndarray, "P 3 K 13"]
    variances: Float[np.ndarray, "P 3 K 13"]
    weights: Float[np.ndarray, "P S 3 K"]  # of the mixtures, about 1 in sum over K


@functools.cache
def installed_model() -> AcousticModel:
    """The model in the package pocketsphinx, which is not imported.

    Raises:
        EGSTalkerError: the package is not installed, or its files are damaged.
    """
    package = importlib.util.find_spec("pocketsphinx")
    if package is None or not package.submodule_search_locations:
        raise EGSTalkerError(
            f"phones need the acoustic model that the package pocketsphinx carries (BSD, 29 MB): {_INSTALL.format('')}"
        )
    return read_acoustic_model(Path(package.submodule_search_locations[0]) / "model/en-us/en-us")


def read_acoustic_model(folder: Path) -> AcousticModel:
    """A model from a folder with ``means``, ``variances``, ``mdef``, ``sendump`` and ``feat.params``.

    Raises:
        EGSTalkerError: a file is absent, damaged, or of a kind of model that this one is not.
    """
    try:
        _check_front_end(folder / "feat.params")
        phones, states, num_states = _phones(folder / "mdef")
        means, variances = (_gaussians(folder / name) for name in ("means", "variances"))
        if means.shape != variances.shape or len(means) != len(phones):
            raise _Damaged(folder / "variances", "does not go with means and mdef")
        weights = _weights(folder / "sendump", num_states, means.shape[2])
    except _Damaged as error:
        raise EGSTalkerError(f"{error.path} {error.reason}: {_INSTALL.format('--force-reinstall ')}") from error
    return AcousticModel(phones, means, np.maximum(variances, _VARIANCE_FLOOR), weights[states])


class _Damaged(Exception):
    def __init__(self, path: Path, reason: str = "is damaged") -> None:
        super().__init__(reason)
        self.path, self.reason = path, reason


class _Bytes:
    """A file's content, taken piece by piece; what it does not hold is damage."""

    def __init__(self, path: Path) -> None:
        self.path, self.order, self._at = path, "<", 0
        try:
            if path.stat().st_size > _LARGEST:
                raise _Damaged(path)
            self._content = path.read_bytes()
        except OSError:
            raise _Damaged(path, "is missing or cannot be read") from None

    def take(self, size: int) -> bytes:
        if not 0 <= size <= len(self._content) - self._at:
            raise _Damaged(self.path)
        self._at += size
        return self._content[self._at - size : self._at]

    def text(self, end: bytes) -> str:
        """What comes before the next ``end``, which is taken too."""
        stop = self._content.find(end, self._at)
        if stop < 0:
            raise _Damaged(self.path)
        return self.take(stop - self._at + len(end))[: -len(end)].decode("latin-1")

    def rest(self) -> str:
        return self.take(len(self._content) - self._at).decode("latin-1")

    def integers(self, count: int) -> list[int]:
        return list(struct.unpack(f"{self.order}{count}i", self.take(4 * count)))

    def array(self, kind: str, *shape: int) -> np.ndarray:
        if min(shape) < 1:
            raise _Damaged(self.path)
        size = math.prod(shape) * np.dtype(kind).itemsize
        return np.frombuffer(self.take(size), np.dtype(self.order + kind)).reshape(shape)

    def end(self) -> None:
        if self._at != len(self._content):
            raise _Damaged(self.path)


def _check_front_end(path: Path) -> None:
    words = _Bytes(path).rest().split()
    found = {name.removeprefix("-"): value for name, value in zip(words[::2], words[1::2], strict=False)}
    for name, value in FRONT_END.items():
        if found.get(name) != value:
            raise _Damaged(path, f"has {name} {found.get(name)!r}, not {value}")


def _gaussians(path: Path) -> Float[np.ndarray, "P 3 K 13"]:
    """The values of ``means`` or ``variances``: a text header, byte order, sizes, numbers and their checksum."""
    file = _Bytes(path)
    if file.text(b"\n") != "s3":
        raise _Damaged(path)
    header = dict(_header(file))
    magic = file.take(4)
    file.order = {b"\x44\x33\x22\x11": "<", b"\x11\x22\x33\x44": ">"}.get(magic, "")
    if not file.order or header.get("version") != "1.0":
        raise _Damaged(path)
    sizes = file.integers(3 + STREAMS + 1)
    phones, streams, gaussians = sizes[:3]
    if streams != STREAMS or sizes[3:6] != [CEPSTRA] * STREAMS:
        raise _Damaged(path, f"has {streams} streams, not {STREAMS} of {CEPSTRA} values")
    if sizes[6] != phones * streams * gaussians * CEPSTRA:
        raise _Damaged(path)
    values = file.array("f4", phones, streams, gaussians, CEPSTRA)
    if header.get("chksum0") == "yes" and file.integers(1)[0] & 0xFFFFFFFF != _checksum(sizes, values):
        raise _Damaged(path)
    file.end()
    if not np.isfinite(values).all() or np.abs(values).max() > 1e6:
        raise _Damaged(path)
    return values.astype(np.float32)


def _header(file: _Bytes) -> Iterator[tuple[str, str]]:
    while (line := file.text(b"\n").strip()) != "endhdr":
        name, _, value = line.partition(" ")
        yield name, value.strip()


def _checksum(sizes: list[int], values: np.ndarray) -> int:
    """Of 32-bit words: each is added to the sum so far, rotated by 20 bits."""
    total = 0
    for word in [*sizes, *values.view(values.dtype.str.replace("f", "u")).ravel().tolist()]:
        total = ((total << 20 | total >> 12) + word) & 0xFFFFFFFF
    return total


def _phones(path: Path) -> tuple[tuple[str, ...], np.ndarray, int]:
    """Of the model definition: the phones' names, the numbers of their states [P, S], and how many states there are."""
    file = _Bytes(path)
    file.order = {b"BMDF": "<", b"FDMB": ">"}.get(file.take(4), "")
    if not file.order:
        raise _Damaged(path)
    version, description = file.integers(2)
    if version > 1:
        raise _Damaged(path, f"is of version {version}, not 1")
    file.take(description)
    phones, all_phones, states, _, num_states, _, sequences, _, tree, _ = file.integers(10)
    if not 0 < phones <= all_phones or states < 1:
        raise _Damaged(path)
    names = tuple(file.text(b"\0") for _ in range(min(phones, 256)))
    file.take(-sum(len(name) + 1 for name in names) % 4)
    file.take(8 * tree)
    table = file.array("i4", all_phones, 3)[:phones, 0]  # the first phones are those without a context
    if file.integers(1)[0] != sequences * states or table.min() < 0 or table.max() >= sequences:
        raise _Damaged(path)
    of_phones = file.array("i2", sequences, states)[table].astype(np.int64)
    file.end()
    if len(names) != phones or of_phones.min() < 0 or of_phones.max() >= num_states:
        raise _Damaged(path)
    return names, of_phones, num_states


def _weights(path: Path, num_states: int, gaussians: int) -> Float[np.ndarray, "N 3 K"]:
    """Mixture weights of all N states: lines of text, each after its length, then bytes [3, K, N]."""
    file = _Bytes(path)
    length = file.take(4)
    file.order = "<" if length[3] == 0 else ">"
    lines = [file.take(int.from_bytes(length, "little" if file.order == "<" else "big"))]
    while size := file.integers(1)[0]:
        lines.append(file.take(size))
    settings = dict(line.rstrip(b"\0").decode("latin-1").rpartition(" ")[::2] for line in lines)
    if settings.get("cluster_count") != "0" or settings.get("feature_count") != str(STREAMS):
        raise _Damaged(path, f"does not hold plain weights of {STREAMS} streams")
    rows, columns = file.integers(2)
    if rows != gaussians or columns < num_states:
        raise _Damaged(path)
    costs = file.array("u1", STREAMS, rows, columns)[:, :, :num_states]
    file.end()
    return np.exp(-_LOG_UNIT * costs.astype(np.float32)).transpose(2, 0, 1)
