"""BiSeNet for 19 face classes, with the parameter names of the public face-parsing checkpoint 79999_iter.pth.

Yu et al., "BiSeNet: Bilateral Segmentation Network for Real-time Semantic Segmentation" (2018), on a ResNet-18 (He et
al. 2016). The checkpoint's variant has no spatial path of its own: the trunk's features at 1/8 stand in for it.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

NUM_CLASSES = 19
STRIDE = 8  # of the scores


class BiSeNet(nn.Module):
    """Scores of 19 classes from pictures normalised with ImageNet's mean and deviation."""

    def __init__(self) -> None:
        super().__init__()
        self.cp = _ContextPath()
        self.ffm = _FeatureFusion(256, 256)
        self.conv_out = _Scores(256, 256)
        self.conv_out16 = _Scores(128, 64)  # these two only help training; the checkpoint has them
        self.conv_out32 = _Scores(128, 64)

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 19 h w"]:
        """Scores (logits) at an eighth of the size; H and W are multiples of 32."""
        detail, context = self.cp(images)
        return self.conv_out(self.ffm(detail, context))


class _ConvNorm(nn.Module):
    """Convolution, batch normalisation, rectification."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, features: Tensor) -> Tensor:
        return self.bn(self.conv(features)).relu()


class _Residual(nn.Module):
    """The basic block of ResNet-18."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, features: Tensor) -> Tensor:
        change = self.bn2(self.conv2(self.bn1(self.conv1(features)).relu()))
        return (self.downsample(features) + change).relu()


class _Trunk(nn.Module):
    """ResNet-18 without its classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = nn.Sequential(_Residual(64, 64, 1), _Residual(64, 64, 1))
        self.layer2 = nn.Sequential(_Residual(64, 128, 2), _Residual(128, 128, 1))
        self.layer3 = nn.Sequential(_Residual(128, 256, 2), _Residual(256, 256, 1))
        self.layer4 = nn.Sequential(_Residual(256, 512, 2), _Residual(512, 512, 1))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features at 1/8 (128 channels), 1/16 (256) and 1/32 (512)."""
        features = functional.max_pool2d(self.bn1(self.conv1(images)).relu(), 3, 2, 1)
        eighth = self.layer2(self.layer1(features))
        sixteenth = self.layer3(eighth)
        return eighth, sixteenth, self.layer4(sixteenth)


class _AttentionRefinement(nn.Module):
    """Channels weighted by what the whole picture shows (section 3.2)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = _ConvNorm(inputs, outputs)
        self.conv_atten = nn.Conv2d(outputs, outputs, 1, bias=False)
        self.bn_atten = nn.BatchNorm2d(outputs)

    def forward(self, features: Tensor) -> Tensor:
        features = self.conv(features)
        return features * self.bn_atten(self.conv_atten(_mean(features))).sigmoid()


class _ContextPath(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.resnet = _Trunk()
        self.arm16 = _AttentionRefinement(256, 128)
        self.arm32 = _AttentionRefinement(512, 128)
        self.conv_head32 = _ConvNorm(128, 128)
        self.conv_head16 = _ConvNorm(128, 128)
        self.conv_avg = _ConvNorm(512, 128, kernel=1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Detail and context, each with 128 channels at 1/8 of the size."""
        eighth, sixteenth, last = self.resnet(images)
        context = self.arm32(last) + self.conv_avg(_mean(last))
        context = self.arm16(sixteenth) + self.conv_head32(_doubled(context))
        return eighth, self.conv_head16(_doubled(context))


class _FeatureFusion(nn.Module):
    """Detail and context joined, then weighted by channel (section 3.3)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.convblk = _ConvNorm(inputs, outputs, kernel=1)
        self.conv1 = nn.Conv2d(outputs, outputs // 4, 1, bias=False)
        self.conv2 = nn.Conv2d(outputs // 4, outputs, 1, bias=False)

    def forward(self, detail: Tensor, context: Tensor) -> Tensor:
        features = self.convblk(torch.cat([detail, context], dim=1))
        return features * (1 + self.conv2(self.conv1(_mean(features)).relu()).sigmoid())


class _Scores(nn.Module):
    def __init__(self, inputs: int, middle: int) -> None:
        super().__init__()
        self.conv = _ConvNorm(inputs, middle)
        self.conv_out = nn.Conv2d(middle, NUM_CLASSES, 1, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        return self.conv_out(self.conv(features))


def _mean(features: Tensor) -> Tensor:
    """[B, C, H, W] -> [B, C, 1, 1]."""
    return features.mean((2, 3), keepdim=True)


def _doubled(features: Tensor) -> Tensor:
    return functional.interpolate(features, scale_factor=2.0, mode="nearest")
