"""Learned perceptual distance (LPIPS v0.1: Zhang, Isola, Efros, Shechtman, Wang 2018), where its weights are there."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from arguments.errors import EGSTalkerError

Net = Literal["alex", "vgg"]
MODELS = Path(__file__).resolve().parent / "models"
TRUNK_FILES = {"alex": "alexnet-owt-7be5be79", "vgg": "vgg16-397923af"}
FETCH = "./download_models.sh fetches it"

# One tuple a convolution: (index in torchvision's `features`, in, out, kernel, stride, padding), grouped into the five
# stages at whose ends the paper compares activations; `_POOLED` names the stages that start with a max-pooling.
_STAGES: dict[str, tuple[tuple[tuple[int, int, int, int, int, int], ...], ...]] = {
    "alex": (
        ((0, 3, 64, 11, 4, 2),),
        ((3, 64, 192, 5, 1, 2),),
        ((6, 192, 384, 3, 1, 1),),
        ((8, 384, 256, 3, 1, 1),),
        ((10, 256, 256, 3, 1, 1),),
    ),
    "vgg": (
        ((0, 3, 64, 3, 1, 1), (2, 64, 64, 3, 1, 1)),
        ((5, 64, 128, 3, 1, 1), (7, 128, 128, 3, 1, 1)),
        ((10, 128, 256, 3, 1, 1), (12, 256, 256, 3, 1, 1), (14, 256, 256, 3, 1, 1)),
        ((17, 256, 512, 3, 1, 1), (19, 512, 512, 3, 1, 1), (21, 512, 512, 3, 1, 1)),
        ((24, 512, 512, 3, 1, 1), (26, 512, 512, 3, 1, 1), (28, 512, 512, 3, 1, 1)),
    ),
}
_POOLED = {"alex": (1, 2), "vgg": (1, 2, 3, 4)}
_POOL_KERNEL = {"alex": 3, "vgg": 2}
_SMALLEST = {"alex": 32, "vgg": 16}  # pixels: a smaller picture vanishes in the pooling


class Trunk(nn.Module):
    """AlexNet's or VGG-16's convolutions, returning the five activations that LPIPS compares."""

    def __init__(self, *, net: Net) -> None:
        super().__init__()
        self.net = net
        self.features = nn.ModuleDict(
            {
                str(index): nn.Conv2d(inputs, outputs, kernel, stride, padding)
                for stage in _STAGES[net]
                for index, inputs, outputs, kernel, stride, padding in stage
            }
        )

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> list[Float[Tensor, "B C h w"]]:
        """``images`` are normalised with ImageNet's mean and deviation."""
        taps = []
        for number, stage in enumerate(_STAGES[self.net]):
            if number in _POOLED[self.net]:
                images = nn.functional.max_pool2d(images, _POOL_KERNEL[self.net], 2)
            for index, *_ in stage:
                images = self.features[str(index)](images).relu()
            taps.append(images)
        return taps


class LPIPS(nn.Module):
    """LPIPS v0.1 of a batch of pictures; frozen, and differentiable in the pictures.

    Args:
        net: the trunk, ``alex`` (the metric that papers report) or ``vgg`` (the one that suits a training loss).
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, *, net: Net = "alex") -> None:
        super().__init__()
        self.net = net
        self.trunk = Trunk(net=net)
        widths = [stage[-1][2] for stage in _STAGES[net]]
        self.heads = nn.ParameterList([nn.Parameter(torch.zeros(width)) for width in widths])
        # The constants of the LPIPS release: ImageNet's statistics for pictures in -1..1.
        self.register_buffer("shift", torch.tensor([-0.030, -0.088, -0.188]).view(3, 1, 1))
        self.register_buffer("scale", torch.tensor([0.458, 0.448, 0.450]).view(3, 1, 1))
        self.requires_grad_(False)
        self.eval()

    def forward(self, image: Float[Tensor, "B H W 3"], truth: Float[Tensor, "B H W 3"]) -> Float[Tensor, "B"]:
        """Distance of each pair of pictures (values 0..1): 0 for equal ones, larger is worse.

        Raises:
            ValueError: the shapes differ, or a side is too short for the trunk.
        """
        if image.shape != truth.shape or min(image.shape[-3:-1]) < _SMALLEST[self.net]:
            raise ValueError(f"lpips cannot compare {tuple(image.shape)} with {tuple(truth.shape)}")
        taps = zip(self._unit_activations(image), self._unit_activations(truth), self.heads, strict=True)
        return torch.stack([((a - b).square() * head.view(-1, 1, 1)).sum(1).mean((1, 2)) for a, b, head in taps]).sum(0)

    def _unit_activations(self, image: Float[Tensor, "B H W 3"]) -> list[Float[Tensor, "B C h w"]]:
        normalised = (image.permute(0, 3, 1, 2) * 2 - 1 - self.shift) / self.scale
        return [tap / (tap.square().sum(1, keepdim=True).sqrt() + 1e-10) for tap in self.trunk(normalised)]


def load_lpips(folder: Path | str = MODELS, *, net: Net = "alex") -> LPIPS | None:
    """LPIPS from the weight files in ``folder``, or None where one of its two files is absent.

    The trunk is torchvision's ``alexnet-owt-7be5be79`` or ``vgg16-397923af``, the linear heads ``lpips_alex`` or
    ``lpips_vgg`` (the ``alex.pth`` and ``vgg.pth`` that the lpips package carries, which is used where it is
    installed); each as ``.safetensors`` or as ``.pth``, of which nothing but tensors is read.

    Raises:
        EGSTalkerError: a file is there and is not what it should be (damaged, other shapes, more than tensors).
    """
    folder = Path(folder)
    trunk_file = _find(folder, TRUNK_FILES[net])
    heads_file = _find(folder, f"lpips_{net}") or _heads_of_package(net)
    if trunk_file is None or heads_file is None:
        return None
    model = LPIPS(net=net)
    trunk, heads = _read_tensors(trunk_file), _read_tensors(heads_file)
    for name, parameter in model.trunk.named_parameters():
        _fill(parameter, trunk, name, tuple(parameter.shape), trunk_file)
    for i, parameter in enumerate(model.heads):
        _fill(parameter, heads, f"lin{i}.model.1.weight", (1, parameter.numel(), 1, 1), heads_file)
    return model


def why_absent(folder: Path | str = MODELS, *, net: Net = "alex") -> str:
    """One line that says which file :func:`load_lpips` lacks and how to get it; empty where it lacks none."""
    folder = Path(folder)
    if _find(folder, TRUNK_FILES[net]) is None:
        return f"no {folder / TRUNK_FILES[net]}.pth: {FETCH}"
    if (_find(folder, f"lpips_{net}") or _heads_of_package(net)) is None:
        return f"no {folder / f'lpips_{net}'}.pth: {FETCH}"
    return ""


def _find(folder: Path, stem: str) -> Path | None:
    return next((path for end in (".safetensors", ".pth") if (path := folder / (stem + end)).is_file()), None)


def _heads_of_package(net: Net) -> Path | None:
    spec = importlib.util.find_spec("lpips")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "weights" / "v0.1" / f"{net}.pth"
    return path if path.is_file() else None


def _read_tensors(path: Path) -> dict[str, Tensor]:
    """Every tensor of a weight file by name; nothing else in it is unpickled."""
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickle protocols: what does not load is refused below in one line
            tensors = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # every reader has its own kinds of exception for a damaged or hostile file
        raise EGSTalkerError(f"{path} is damaged or holds more than weights; delete it, {FETCH}") from error
    if not isinstance(tensors, dict):
        raise EGSTalkerError(f"{path} holds no table of weights; delete it, {FETCH}")
    return tensors


def _fill(parameter: Tensor, tensors: dict[str, Tensor], name: str, shape: tuple[int, ...], path: Path) -> None:
    value = tensors.get(name)
    if not isinstance(value, Tensor) or tuple(value.shape) != shape:
        found = "absent" if not isinstance(value, Tensor) else f"of shape {tuple(value.shape)}"
        raise EGSTalkerError(f"{path}: {name} should be of shape {shape} and is {found}; delete the file, {FETCH}")
    if not (value.is_floating_point() and value.isfinite().all()):
        raise EGSTalkerError(f"{path}: {name} holds no finite numbers; delete the file, {FETCH}")
    parameter.data.copy_(value.reshape(parameter.shape))
