"""The frozen networks that look at a training's pictures, and the figures and sheets of held-out crops."""

from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from training.examples import Crops, mean_unsent, white_noise
from training.lite import LiteTrunks, View, judged_maps
from training.restorer import Restorer
from training.texture import texture_loss
from training.vgg import VggTrunk, feature_distance, imagenet_vgg, normalised

WHOLE = View(0.0, 0.0, 1.0, mirrored=False)  # nearly: what the curve is measured on


class Eyes:
    """The frozen networks that look at pictures: VGG16 at the whole, the EfficientNets at one view."""

    def __init__(self, device: str) -> None:
        self._vgg: VggTrunk = imagenet_vgg().to(device, memory_format=torch.channels_last)
        self._lite = LiteTrunks().to(device, memory_format=torch.channels_last)

    def maps(self, pictures: Tensor, view: View) -> tuple[list[Tensor], list[Tensor]]:
        """Return the normalised maps of VGG16, and those of both EfficientNets."""
        return normalised(self._vgg(pictures)), normalised(self._lite(view.of(pictures)))


def judged(maps: tuple[list[Tensor], list[Tensor]]) -> list[Tensor]:
    """Return the maps that the discriminator of features sees."""
    vgg, lite = maps
    return [*vgg[1:], *judged_maps(lite)]


@torch.no_grad()
def checked(restorer: Restorer, crops: Crops, eyes: Eyes, batch: int, seed: int) -> dict[str, float]:
    """Return figures of held-out crops, those with a coarse layer apart, always the same crops.

    The ratio of feature distances and of texture errors to the fill's, and the decibels gained over it.
    """
    saved = crops.generator.get_state()
    crops.generator.manual_seed(seed)
    rows = []
    for _ in range(4):
        example = crops.batch(batch, held_out=True)
        noise = white_noise(example, crops.generator)
        ours = restorer.picture(example, noise).clamp(-1, 1)
        truth = eyes.maps(example.original, WHOLE)
        row = [example.has_coarse.float()]
        for picture in (example.fill, ours):
            for maps, wanted in zip(eyes.maps(picture, WHOLE), truth, strict=True):
                row.append(feature_distance(maps, wanted))
            row.append(texture_loss(picture, example.original))
            row.append(mean_unsent((picture - example.original).square(), example.unknown))
        rows.append(torch.stack(row))
    crops.generator.set_state(saved)
    table = torch.cat(rows, dim=1).cpu()
    figures = {}
    for label, chosen in (("coarse", table[0] > 0), ("bare", table[0] == 0)):
        part = table[1:, chosen]
        for index, name in enumerate(("features", "lite", "texture")):
            figures[f"{label}_{name}"] = float(part[4 + index].mean() / part[index].mean())
        figures[f"{label}_db"] = float(10 * (part[3] / part[7].clamp(min=1e-9)).log10().mean())
    return figures


@torch.no_grad()
def sheet(restorer: Restorer, crops: Crops, path: Path, seed: int) -> None:
    """Write a contact sheet of held-out crops: originals, fills, restored."""
    crops.generator.manual_seed(seed)
    example = crops.batch(36, held_out=True)
    rows = (example.original, example.fill, restorer.picture(example, white_noise(example, crops.generator)))
    lines = [torch.cat(list(row[::3]), dim=2) for row in rows]
    levels = torch.cat(lines, dim=1).clamp(-1, 1).add(1).mul(127.5).round().byte()
    Image.fromarray(levels.permute(1, 2, 0).cpu().numpy()).save(path)
