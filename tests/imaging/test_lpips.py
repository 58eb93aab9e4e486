"""LPIPS from weight files that the tests make: the same architecture with random weights."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from arguments.errors import EGSTalkerError
from imaging.lpips import TRUNK_FILES, load_lpips, why_absent

# torchvision's `features` of the two networks, written down independently: a number is a convolution's width.
ALEX = [
    (64, 11, 4, 2),
    "R",
    "P3",
    (192, 5, 1, 2),
    "R",
    "P3",
    (384, 3, 1, 1),
    "R",
    (256, 3, 1, 1),
    "R",
    (256, 3, 1, 1),
    "R",
]
VGG_WIDTHS = [64, 64, "P2", 128, 128, "P2", 256, 256, 256, "P2", 512, 512, 512, "P2", 512, 512, 512]
TAPS = {"alex": (1, 4, 7, 9, 11), "vgg": (3, 8, 15, 22, 29)}
WIDTHS = {"alex": (64, 192, 384, 256, 256), "vgg": (64, 128, 256, 512, 512)}


def _sequential(net: str) -> nn.Sequential:
    plan = ALEX if net == "alex" else []
    if net == "vgg":
        for width in VGG_WIDTHS:
            plan = [*plan, width] if isinstance(width, str) else [*plan, (width, 3, 1, 1), "R"]
    layers: list[nn.Module] = []
    channels = 3
    for entry in plan:
        if isinstance(entry, tuple):
            layers.append(nn.Conv2d(channels, *entry))
            channels = entry[0]
        else:
            layers.append(nn.ReLU() if entry == "R" else nn.MaxPool2d(int(entry[1]), 2))
    return nn.Sequential(*layers)


def _make_weights(folder: Path, net: str) -> tuple[nn.Sequential, list[Tensor]]:
    torch.manual_seed(0)
    trunk = _sequential(net)
    heads = [torch.rand(width) for width in WIDTHS[net]]
    state = {f"features.{name}": value for name, value in trunk.state_dict().items()}
    state["classifier.6.bias"] = torch.zeros(1000)  # the real file carries the classifier too
    torch.save(state, folder / f"{TRUNK_FILES[net]}.pth")
    torch.save(
        {f"lin{i}.model.1.weight": h.view(1, -1, 1, 1) for i, h in enumerate(heads)}, folder / f"lpips_{net}.pth"
    )
    return trunk, heads


def _reference_distance(net: str, trunk: nn.Sequential, heads: list[Tensor], a: Tensor, b: Tensor) -> Tensor:
    shift, scale = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])
    sides = [((image * 2 - 1 - shift) / scale).permute(0, 3, 1, 2) for image in (a, b)]
    distance = torch.zeros(len(a))
    for i, layer in enumerate(trunk):
        sides = [layer(side) for side in sides]
        if i in TAPS[net]:
            x, y = (nn.functional.normalize(side, dim=1, eps=1e-10) for side in sides)
            distance += torch.einsum("bchw,c->bhw", (x - y) ** 2, heads[TAPS[net].index(i)]).mean((1, 2))
    return distance


@pytest.mark.parametrize("net", ["alex", "vgg"])
@torch.no_grad()
def test_agrees_with_the_definition_written_out(tmp_path: Path, net: str) -> None:
    trunk, heads = _make_weights(tmp_path, net)
    a, b = torch.rand(2, 2, 48, 40, 3, generator=torch.Generator().manual_seed(1))
    model = load_lpips(tmp_path, net=net)
    assert model is not None
    torch.testing.assert_close(model(a, b), _reference_distance(net, trunk, heads, a, b), rtol=1e-4, atol=1e-6)
    assert model(a, a).abs().max() == 0


def test_gradients_reach_the_picture_and_not_the_weights(tmp_path: Path) -> None:
    _make_weights(tmp_path, "alex")
    model = load_lpips(tmp_path)
    assert model is not None
    image = torch.rand(1, 40, 40, 3, requires_grad=True)
    model(image, torch.rand(1, 40, 40, 3)).sum().backward()
    assert image.grad is not None and image.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in model.parameters())


def test_reads_safetensors_as_well(tmp_path: Path) -> None:
    _make_weights(tmp_path, "alex")
    expected = load_lpips(tmp_path)
    for stem in (TRUNK_FILES["alex"], "lpips_alex"):
        save_file(torch.load(tmp_path / f"{stem}.pth", weights_only=True), tmp_path / f"{stem}.safetensors")
        (tmp_path / f"{stem}.pth").unlink()
    loaded = load_lpips(tmp_path)
    assert expected is not None and loaded is not None
    a, b = torch.rand(2, 1, 40, 40, 3)
    assert torch.equal(loaded(a, b), expected(a, b))


def test_is_absent_where_a_file_is_and_says_what_fetches_it(tmp_path: Path) -> None:
    assert load_lpips(tmp_path) is None
    assert TRUNK_FILES["alex"] in why_absent(tmp_path) and "./download_models.sh" in why_absent(tmp_path)
    _make_weights(tmp_path, "alex")
    assert why_absent(tmp_path) == ""


def _replace(folder: Path, name: str, value: Tensor | None) -> None:
    path = folder / f"{TRUNK_FILES['alex']}.pth"
    state = torch.load(path, weights_only=True)
    state.pop(name)
    torch.save(state if value is None else {**state, name: value}, path)


def test_refuses_weights_of_another_shape_missing_or_not_finite(tmp_path: Path) -> None:
    for value, message in [
        (torch.zeros(64, 3, 3, 3), r"features\.0\.weight should be of shape \(64, 3, 11, 11\)"),
        (None, "is absent"),
        (torch.full((64, 3, 11, 11), float("nan")), "no finite numbers"),
    ]:
        _make_weights(tmp_path, "alex")
        _replace(tmp_path, "features.0.weight", value)
        with pytest.raises(EGSTalkerError, match=message):
            load_lpips(tmp_path)


class _Planted:
    def __reduce__(self) -> tuple:
        return (Path.touch, (Path("planted"),))


def test_never_runs_what_a_file_carries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    _make_weights(tmp_path, "alex")
    for write in (torch.save, lambda value, path: path.write_bytes(pickle.dumps(value))):
        write({"features.0.weight": _Planted()}, tmp_path / f"{TRUNK_FILES['alex']}.pth")
        with pytest.raises(EGSTalkerError, match="more than weights"):
            load_lpips(tmp_path)
    assert not (tmp_path / "planted").exists()


def test_refuses_a_truncated_file(tmp_path: Path) -> None:
    _make_weights(tmp_path, "alex")
    path = tmp_path / f"{TRUNK_FILES['alex']}.pth"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(EGSTalkerError, match="damaged"):
        load_lpips(tmp_path)
