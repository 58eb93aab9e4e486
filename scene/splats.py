"""Gaussians at rest in the formats of other programs: .splat and glTF."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from arguments.atomic import atomic_path
from arguments.version import VERSION
from kernels.conventions import SH_C0
from scene.gaussians import Gaussians

METRES = 0.1  # in a decimetre
_FLOAT, _POINTS, _ARRAY_BUFFER = 5126, 0, 34962  # numbers of glTF 2.0
_TYPES = {1: "SCALAR", 3: "VEC3", 4: "VEC4"}
_MAGIC, _JSON, _BIN = 0x46546C67, 0x4E4F534A, 0x004E4942  # of GLB: "glTF", "JSON", "BIN"


def write_splat(path: Path, gaussians: Gaussians) -> None:
    """Write unbatched Gaussians as antimatter15's .splat: 32 bytes each, the most visible first.

    Position and scale as floats (decimetres), colour and opacity as bytes, a quaternion (scalar first) as bytes around
    128. Viewers take y to point down there: it and z are turned over.
    """
    means, quats, scales = (part.numpy().copy() for part in (gaussians.means, gaussians.quats, gaussians.scales))
    means[:, 1:] *= -1
    quats[:, 2:] *= -1  # half a turn about x, before and after: y and z of the axis change sides
    colours = gaussians.colors[:, 0] * SH_C0 + 0.5
    rgba = torch.cat([colours, gaussians.opacities[:, None]], dim=1).clamp(0, 1).mul(255).round().byte().numpy()
    rows = np.empty(
        gaussians.count, dtype=[("mean", "<f4", 3), ("scale", "<f4", 3), ("rgba", "u1", 4), ("rot", "u1", 4)]
    )
    rows["mean"], rows["scale"], rows["rgba"] = means, scales, rgba
    rows["rot"] = np.clip(np.round(quats * 128 + 128), 0, 255)
    seen = scales.prod(axis=1) * gaussians.opacities.numpy()
    with atomic_path(path) as temporary:
        temporary.write_bytes(rows[np.argsort(-seen)].tobytes())


def write_glb(path: Path, gaussians: Gaussians) -> None:
    """Write unbatched Gaussians as binary glTF 2.0 with KHR_gaussian_splatting (ratified), in metres, +Y up.

    Programs that do not know the extension show its points in their constant colours.
    """
    colours = gaussians.colors
    attributes = {
        "POSITION": gaussians.means * METRES,
        "COLOR_0": torch.cat([colours[:, 0] * SH_C0 + 0.5, gaussians.opacities[:, None]], dim=1).clamp(0, 1),
        "KHR_gaussian_splatting:ROTATION": gaussians.quats[:, [1, 2, 3, 0]],
        "KHR_gaussian_splatting:SCALE": gaussians.scales * METRES,
        "KHR_gaussian_splatting:OPACITY": gaussians.opacities[:, None],
    }
    for degree in range(4):
        for order in range(2 * degree + 1):
            if degree**2 + order < colours.shape[1]:
                name = f"KHR_gaussian_splatting:SH_DEGREE_{degree}_COEF_{order}"
                attributes[name] = colours[:, degree**2 + order]
    arrays = {name: np.ascontiguousarray(value.numpy(), "<f4") for name, value in attributes.items()}
    content = {
        "asset": {"version": "2.0", "generator": f"EGSTalker {VERSION}"},
        "extensionsUsed": ["KHR_gaussian_splatting"],
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": "person"}],
        "meshes": [
            {
                "primitives": [
                    {
                        "attributes": {name: k for k, name in enumerate(arrays)},
                        "mode": _POINTS,
                        "extensions": {
                            "KHR_gaussian_splatting": {
                                "kernel": "ellipse",
                                "colorSpace": "srgb_rec709_display",
                                "projection": "perspective",
                                "sortingMethod": "cameraDistance",
                            }
                        },
                    }
                ]
            }
        ],
        "accessors": [_accessor(k, array, bounds=name == "POSITION") for k, (name, array) in enumerate(arrays.items())],
        "bufferViews": _views(list(arrays.values())),
        "buffers": [{"byteLength": sum(array.nbytes for array in arrays.values())}],
    }
    text = json.dumps(content, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    data = b"".join(array.tobytes() for array in arrays.values())
    chunks = struct.pack("<II", len(text), _JSON) + text + struct.pack("<II", len(data), _BIN) + data
    with atomic_path(path) as temporary:
        temporary.write_bytes(struct.pack("<III", _MAGIC, 2, 12 + len(chunks)) + chunks)


def _accessor(view: int, array: Float[np.ndarray, "N D"], *, bounds: bool) -> dict[str, object]:
    accessor: dict[str, object] = {
        "bufferView": view,
        "componentType": _FLOAT,
        "count": len(array),
        "type": _TYPES[array.shape[1]],
    }
    if bounds:
        accessor |= {"min": array.min(0).astype(float).tolist(), "max": array.max(0).astype(float).tolist()}
    return accessor


def _views(arrays: list[np.ndarray]) -> list[dict[str, int]]:
    starts = np.cumsum([0, *(array.nbytes for array in arrays)])
    return [
        {"buffer": 0, "byteOffset": int(start), "byteLength": array.nbytes, "target": _ARRAY_BUFFER}
        for start, array in zip(starts, arrays, strict=False)
    ]
