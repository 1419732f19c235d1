"""ST-LPIPS with AlexNet (Ghildyal & Liu, ECCV 2022): a perceptual distance that tolerates shifts.

Trunk and heads come from the wheel ``stlpips-pytorch``; its weights are read as data, none of its code runs. Unlike
LPIPS, the trunk's first convolution has stride 1 and every reduction is a blurred subsampling with a reflected border.

Two rewritings, equal up to rounding, make a 512×512 image cost 0.27 instead of 0.65 CPU seconds: the first convolution
and the blur behind it, both linear, run as one 13×13 convolution of stride 2, and maxima are taken row by row.
"""

from functools import lru_cache
from importlib.resources import files

import torch
from torch import Tensor, nn
from torch.nn import functional

_TAPS = (64, 192, 384, 256, 256)
MIN_SIDE_PX = 32  # a smaller image is completed by its own border: the reflections need something to reflect


class _BlurredHalving(nn.Module):
    """A binomial 3×3 blur after a reflected border of 2 pixels, sampled at every second pixel."""

    filt: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.register_buffer("filt", torch.zeros(channels, 1, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        return functional.conv2d(
            functional.pad(x, (2, 2, 2, 2), mode="reflect"), self.filt, stride=2, groups=self.channels
        )


class _Maximum3x3(nn.Module):
    """Max pooling 3×3 with stride 1, as two passes of three."""

    def forward(self, x: Tensor) -> Tensor:
        x = torch.maximum(torch.maximum(x[..., :-2], x[..., 1:-1]), x[..., 2:])
        return torch.maximum(torch.maximum(x[..., :-2, :], x[..., 1:-1, :]), x[..., 2:, :])


def _convolved_and_halved(x: Tensor, weight: Tensor, bias: Tensor, blur: Tensor) -> Tensor:
    """Return the blurred halving of the convolution of *x* [B, 3, H, W] with *weight* [C, 3, 11, 11], zero padding 2.

    Inside, both are one convolution with the kernels' convolution. The outermost row and column on each side see the
    reflected border of the intermediate map and are computed from it, on strips.
    """
    x = functional.pad(x, (2, 2, 2, 2))
    merged = functional.conv2d(weight.flatten(0, 1)[:, None], blur.flip(0, 1)[None, None], padding=2)
    merged = merged.reshape(*weight.shape[:2], weight.shape[2] + 2, weight.shape[3] + 2)
    inside = functional.conv2d(x, merged, stride=2)
    # A blur that is an outer product needs its row and column sums only (binomial: 1/4, 1/2, 1/4).
    taps = blur.sum(dim=0)
    top, bottom = _border_rows(x, weight, taps)
    left, right = _border_rows(x.mT, weight.mT, taps)
    inside = torch.cat([left.mT[:, :, 1:-1], inside, right.mT[:, :, 1:-1]], dim=3)
    return torch.cat([top, inside, bottom], dim=2) + bias[:, None, None]


def _border_rows(x: Tensor, weight: Tensor, taps: Tensor) -> tuple[Tensor, Tensor]:
    """Return the first and the last row [B, C, 1, w] of the blurred, halved convolution of the padded *x*."""
    kernel = weight.shape[2]
    rows = x.shape[2] - kernel + 1  # of the intermediate map
    first = functional.conv2d(x[:, :, : kernel + 2], weight)
    last = functional.conv2d(x[:, :, -(kernel + 2) :], weight)
    start = (rows + 1) // 2 * 2 - 2  # intermediate row under the last output row's first tap
    reflected = [min(row, 2 * (rows - 1) - row) - (rows - 3) for row in range(start, start + 3)]
    top = sum(tap * first[:, :, row : row + 1] for tap, row in zip(taps, (2, 1, 0), strict=True))
    bottom = sum(tap * last[:, :, row : row + 1] for tap, row in zip(taps, reflected, strict=True))
    return _halved_row(top, taps), _halved_row(bottom, taps)


def _halved_row(row: Tensor, taps: Tensor) -> Tensor:
    row = functional.pad(row, (2, 2, 0, 0), mode="reflect")
    count = (row.shape[3] - 3) // 2 + 1
    return sum(tap * row[..., shift : shift + 2 * count - 1 : 2] for shift, tap in enumerate(taps))


class _Trunk(nn.Module):
    """AlexNet's five convolutions; module names are those of the weights."""

    def __init__(self) -> None:
        super().__init__()

        def named(first: int, *modules: nn.Module) -> nn.Sequential:
            slice_ = nn.Sequential()
            for index, module in enumerate(modules, start=first):
                slice_.add_module(str(index), module)
            return slice_

        pool = _Maximum3x3()
        self.slice1 = named(0, nn.Conv2d(3, 64, 11, padding=2), _BlurredHalving(64), nn.ReLU())
        self.slice2 = named(3, pool, _BlurredHalving(64), nn.Conv2d(64, 192, 5, padding=2), nn.ReLU())
        self.slice3 = named(7, pool, _BlurredHalving(192), nn.Conv2d(192, 384, 3, padding=1), nn.ReLU())
        self.slice4 = named(11, nn.Conv2d(384, 256, 3, padding=1), nn.ReLU())
        self.slice5 = named(13, nn.Conv2d(256, 256, 3, padding=1), nn.ReLU())

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the feature maps after each of the five slices for pictures *x* [batch, 3, H, W]."""
        convolution, blur = self.slice1[0], self.slice1[1]
        assert isinstance(convolution, nn.Conv2d) and isinstance(blur, _BlurredHalving)
        assert convolution.bias is not None
        x = functional.relu(_convolved_and_halved(x, convolution.weight, convolution.bias, blur.filt[0, 0]))
        maps = [x]
        for slice_ in (self.slice2, self.slice3, self.slice4, self.slice5):
            x = slice_(x)
            maps.append(x)
        return maps


class _Scaling(nn.Module):
    shift: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("shift", torch.zeros(1, 3, 1, 1))
        self.register_buffer("scale", torch.ones(1, 3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.shift) / self.scale


class StLpips(nn.Module):
    """The distance network. Features of an image are computed once and may be compared with many others."""

    def __init__(self) -> None:
        super().__init__()
        self.scaling_layer = _Scaling()
        self.net = _Trunk()
        for tap, channels in enumerate(_TAPS):
            head = nn.Module()
            head.model = nn.Sequential(nn.Dropout(), nn.Conv2d(channels, 1, 1, bias=False))
            self.add_module(f"lin{tap}", head)

    def features(self, pixels: Tensor) -> list[Tensor]:
        """Return the five normalised feature maps of RGB values in [0, 255], [B, 3, H ≥ 32, W ≥ 32]."""
        maps = self.net(self.scaling_layer(pixels / 127.5 - 1))
        return [tap / (tap.square().sum(dim=1, keepdim=True).sqrt() + 1e-10) for tap in maps]

    def distance_maps(self, first: list[Tensor], second: list[Tensor]) -> list[Tensor]:
        """Return the distance at each tap's own resolution, [B, 1, h, w] each; their upsampled sum is the map."""
        return [
            self._head((a - b).square(), tap) for tap, (a, b) in enumerate(zip(first, second, strict=True))
        ]

    def _head(self, difference: Tensor, tap: int) -> Tensor:
        weight: Tensor = self.get_submodule(f"lin{tap}.model.1").weight  # type: ignore[assignment]
        return functional.conv2d(difference, weight)


@lru_cache(maxsize=1)
def pretrained() -> StLpips:
    """Return the network with the published weights, frozen; shared by all callers."""
    network = StLpips()
    path = files("stlpips_pytorch") / "weights" / "vST0.0" / "alex_shift_tolerant.pth"
    with path.open("rb") as file:
        network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    return network.eval().requires_grad_(False)
