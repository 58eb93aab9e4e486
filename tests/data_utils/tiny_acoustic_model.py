"""A small acoustic model in the files of the real one, written here by what their formats say."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

NAMES = ("AA", "SIL")
GAUSSIANS = 4
STATES = 3
LOG_UNIT = 1024 * np.log(1.0001)
FRONT_END = (
    "-lowerf 130\n-upperf 6800\n-nfilt 25\n-transform dct\n-lifter 22\n-feat 1s_c_d_dd\n"
    "-svspec 0-12/13-25/26-38\n-agc none\n-cmn batch\n-varnorm no\n-model ptm\n"
)


def write_tiny_model(folder: Path, order: str = "<") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two phones of three states; returns means, variances [2, 3, 4, 13] and the costs [2, 3 states, 3, 4] in bytes."""
    rng = np.random.default_rng(0)
    means = rng.normal(0, 5, (2, 3, GAUSSIANS, 13)).astype(np.float32)
    variances = rng.uniform(1, 40, means.shape).astype(np.float32)
    variances[1, 2, 3, 5] = 0  # floored
    costs = rng.integers(0, 200, (2, STATES, 3, GAUSSIANS)).astype(np.uint8)
    write_gaussians(folder / "means", means, order)
    write_gaussians(folder / "variances", variances, order)
    write_definition(folder / "mdef", order)
    write_costs(folder / "sendump", costs, order)
    (folder / "feat.params").write_text(FRONT_END)
    return means, variances, costs


def write_gaussians(path: Path, values: np.ndarray, order: str = "<") -> None:
    sizes = (*values.shape[:3], *[13] * values.shape[1], values.size)
    data = np.array(sizes, order + "i4").tobytes() + values.astype(order + "f4").tobytes()
    checksum = 0
    for word in np.frombuffer(data, order + "u4"):
        rotated = (checksum % 2**12) * 2**20 + checksum // 2**12
        checksum = (rotated + int(word)) % 2**32
    magic = struct.pack(order + "I", 0x11223344)
    path.write_bytes(b"s3\nversion 1.0\nchksum0 yes\n  endhdr\n" + magic + data + struct.pack(order + "I", checksum))


def write_definition(path: Path, order: str = "<") -> None:
    """The states of AA are numbers 3 4 5, those of SIL 0 1 2, which a phone in context shares; 6 is unused."""
    text = b"as written by hand  "
    names = b"".join(name.encode() + b"\0" for name in NAMES)
    path.write_bytes(
        (b"BMDF" if order == "<" else b"FDMB")
        + struct.pack(f"{order}2i", 1, len(text))
        + text
        + struct.pack(f"{order}10i", 2, 3, STATES, 6, 7, 2, 2, 3, 1, 1)
        + names
        + bytes(-len(names) % 4)
        + bytes(8)  # the tree of contexts
        + struct.pack(f"{order}2i4x2i4x2i4x", 1, 0, 0, 1, 0, 0)
        + struct.pack(f"{order}i6h", 6, 0, 1, 2, 3, 4, 5)
    )


def write_costs(path: Path, costs: np.ndarray, order: str = "<") -> None:
    table = np.full((3, GAUSSIANS, 8), 255, np.uint8)  # a column of padding
    table[:, :, 3:6] = costs[0].transpose(1, 2, 0)
    table[:, :, 0:3] = costs[1].transpose(1, 2, 0)
    lines = (b"WRITTEN BY HAND\0", b"cluster_count 0\0", b"feature_count 3\0")
    header = b"".join(struct.pack(order + "i", len(line)) + line for line in lines)
    path.write_bytes(header + struct.pack(f"{order}3i", 0, GAUSSIANS, 8) + table.tobytes())
