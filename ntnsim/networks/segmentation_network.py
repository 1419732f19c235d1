"""The tiny bundle's segmenter: EfficientNet-lite0 and a small pyramid head, as a transformers model.

Importing this module registers the class, so that ``AutoModelForSemanticSegmentation.from_pretrained`` loads it from a
bundle like any other.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoConfig, AutoModelForSemanticSegmentation, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SemanticSegmenterOutput

from ntnsim.networks.lite0 import BATCH_NORM_EPS, TAP_CHANNELS, Lite0Trunk


class Lite0SegmentationConfig(PretrainedConfig):
    """Head width, classes (through ``id2label``) and the longest side that the network was trained for."""

    model_type = "ntnsim_lite0_segmentation"

    def __init__(self, head_width: int = 64, longest_side_px: int = 384, **keywords: Any) -> None:
        self.head_width = head_width
        self.longest_side_px = longest_side_px
        super().__init__(**keywords)


def separable(width: int) -> nn.Sequential:
    """A depthwise and a pointwise convolution, normalised, with ReLU6 after each."""
    return nn.Sequential(
        nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False),
        nn.BatchNorm2d(width, eps=BATCH_NORM_EPS),
        nn.ReLU6(),
        nn.Conv2d(width, width, 1, bias=False),
        nn.BatchNorm2d(width, eps=BATCH_NORM_EPS),
        nn.ReLU6(),
    )


class Lite0ForSemanticSegmentation(PreTrainedModel):
    """pixel_values [B, 3, H, W] in [−1, 1], sides divisible by 32 → logits [B, classes, H/4, W/4]."""

    config_class = Lite0SegmentationConfig
    main_input_name = "pixel_values"
    base_model_prefix = "trunk"

    def __init__(self, config: Lite0SegmentationConfig) -> None:
        super().__init__(config)
        self.trunk = Lite0Trunk()
        width = config.head_width
        # Strides 4 to 32: coarse maps know what it is, fine maps where it ends.
        self.lateral = nn.ModuleList(nn.Conv2d(channels, width, 1) for channels in TAP_CHANNELS[1:])
        self.merge = nn.ModuleList(separable(width) for _ in TAP_CHANNELS[1:])
        # What the whole picture shows scales the coarsest map (as LR-ASPP's pooled branch does).
        self.context = nn.Linear(TAP_CHANNELS[-1], width)
        self.classifier = nn.Conv2d(width, len(config.id2label or ()), 1)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        # torch's own initialisation is what the recipe starts from.
        return

    def forward(self, pixel_values: Tensor, **_: Any) -> SemanticSegmenterOutput:
        """Return the class logits of *pixel_values* [B, 3, H, W], as transformers' segmenters do."""
        maps = self.trunk(pixel_values)[1:]
        gate = torch.sigmoid(self.context(maps[-1].mean(dim=(2, 3))))[:, :, None, None]
        x = self.merge[-1](self.lateral[-1](maps[-1]) * gate)
        for level in (2, 1, 0):
            finer = self.lateral[level](maps[level])
            x = finer + functional.interpolate(x, size=finer.shape[2:], mode="bilinear", align_corners=False)
            x = self.merge[level](x)
        return SemanticSegmenterOutput(logits=self.classifier(x))


AutoConfig.register(Lite0SegmentationConfig.model_type, Lite0SegmentationConfig, exist_ok=True)
AutoModelForSemanticSegmentation.register(
    Lite0SegmentationConfig, Lite0ForSemanticSegmentation, exist_ok=True
)
