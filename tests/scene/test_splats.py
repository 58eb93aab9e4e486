"""A person at rest, in other programs' formats."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from kernels.conventions import SH_C0
from scene.gaussians import Gaussians
from scene.splats import write_glb, write_splat


def _gaussians(count: int = 20, degree: int = 1) -> Gaussians:
    torch.manual_seed(0)
    quats = torch.nn.functional.normalize(torch.randn(count, 4), dim=1)
    return Gaussians(
        torch.randn(count, 3),
        quats,
        torch.rand(count, 3) + 0.01,
        torch.rand(count),
        torch.randn(count, (degree + 1) ** 2, 3),
    )


def test_a_splat_file_holds_32_bytes_each_the_most_visible_first(tmp_path: Path) -> None:
    gaussians = _gaussians()
    write_splat(tmp_path / "a.splat", gaussians)
    data = (tmp_path / "a.splat").read_bytes()
    assert len(data) == 20 * 32
    seen = (gaussians.scales.prod(1) * gaussians.opacities).argsort(descending=True)
    for k, row in enumerate(seen[:5].tolist()):
        values = struct.unpack_from("<6f8B", data, 32 * k)
        np.testing.assert_allclose(values[:3], gaussians.means[row] * torch.tensor([1, -1, -1]), rtol=1e-6)
        np.testing.assert_allclose(values[3:6], gaussians.scales[row], rtol=1e-6)
        colour = (gaussians.colors[row, 0] * SH_C0 + 0.5).clamp(0, 1)
        np.testing.assert_allclose(np.array(values[6:9]) / 255, colour, atol=0.003)
        np.testing.assert_allclose(values[9] / 255, gaussians.opacities[row], atol=0.003)
        turned = (np.array(values[10:]) - 128) / 128
        np.testing.assert_allclose(turned, gaussians.quats[row] * torch.tensor([1, 1, -1, -1]), atol=0.009)


def _read_glb(path: Path) -> tuple[dict, dict[str, np.ndarray]]:
    data = path.read_bytes()
    magic, version, length = struct.unpack_from("<4sII", data)
    assert (magic, version, length) == (b"glTF", 2, len(data))
    size, kind = struct.unpack_from("<I4s", data, 12)
    assert kind == b"JSON" and size % 4 == 0
    content = json.loads(data[20 : 20 + size])
    body, kind = struct.unpack_from("<I4s", data, 20 + size)
    assert kind == b"BIN\0" and body == content["buffers"][0]["byteLength"] == len(data) - 28 - size
    start, arrays = 28 + size, {}
    (primitive,) = content["meshes"][0]["primitives"]
    for name, k in primitive["attributes"].items():
        accessor = content["accessors"][k]
        view = content["bufferViews"][accessor["bufferView"]]
        width = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}[accessor["type"]]
        part = data[start + view["byteOffset"] : start + view["byteOffset"] + view["byteLength"]]
        arrays[name] = np.frombuffer(part, "<f4").reshape(accessor["count"], width)
    return content, arrays


@pytest.mark.parametrize("degree", [0, 1, 3])
def test_a_glb_file_says_what_the_extension_asks_for(tmp_path: Path, degree: int) -> None:
    gaussians = _gaussians(degree=degree)
    write_glb(tmp_path / "a.glb", gaussians)
    content, arrays = _read_glb(tmp_path / "a.glb")
    assert content["extensionsUsed"] == ["KHR_gaussian_splatting"]
    (primitive,) = content["meshes"][0]["primitives"]
    assert primitive["mode"] == 0
    extension = primitive["extensions"]["KHR_gaussian_splatting"]
    assert (extension["kernel"], extension["colorSpace"]) == ("ellipse", "srgb_rec709_display")
    name = "KHR_gaussian_splatting:"
    np.testing.assert_allclose(arrays["POSITION"], gaussians.means / 10, rtol=1e-6)
    np.testing.assert_allclose(arrays[name + "SCALE"], gaussians.scales / 10, rtol=1e-6)
    np.testing.assert_allclose(arrays[name + "OPACITY"][:, 0], gaussians.opacities, rtol=1e-6)
    np.testing.assert_allclose(arrays[name + "ROTATION"], gaussians.quats[:, [1, 2, 3, 0]], rtol=1e-6)
    names = [f"{name}SH_DEGREE_{d}_COEF_{n}" for d in range(degree + 1) for n in range(2 * d + 1)]
    assert sum("SH_DEGREE" in key for key in arrays) == len(names)
    for k, key in enumerate(names):
        np.testing.assert_allclose(arrays[key], gaussians.colors[:, k], rtol=1e-6)
    position = content["accessors"][primitive["attributes"]["POSITION"]]
    np.testing.assert_allclose(position["min"], arrays["POSITION"].min(0))
    np.testing.assert_allclose(position["max"], arrays["POSITION"].max(0))
