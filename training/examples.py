"""What one step of the inpainter's training sees: random crops of the prepared photographs, cut where it trains."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ntnsim.spiff.grain import CELL_PX, lost_texture_grey
from training.degradation import TILE_PX
from training.prepare import CROP_PX, FILLS, SIDE_PX, Prepared

MASK_COARSE = 0.5
NOISE_UNIT_GREY = 8.0  # grey levels of lost texture that noise of deviation one stands for
TYPICAL_ERROR = 0.08  # mean absolute error of a fill, in [−1, 1] units
COARSE_SHARE = 0.72  # of the examples have a coarse layer
SILENT_SHARE = 0.08  # of these come without strengths, and so without noise
CHECKED_SHARE = 40  # every fortieth photograph is kept for the curve


@dataclass(frozen=True)
class Example:
    """One batch: pictures [B, 3, C, C] in [−1, 1], and what the network is told of them.

    unknown: [B, 1, C, C], 1 where a pixel was not received. mask: [B, 1, C/2, C/2], the contract's.
    noise_scale: [B, 1, C/2, C/2], the deviation of the noise. has_coarse: bool [B].
    """

    original: Tensor
    fill: Tensor
    unknown: Tensor
    mask: Tensor
    noise_scale: Tensor
    has_coarse: Tensor

    @property
    def weight(self) -> Tensor:
        """The weight [B] of each: large errors that nothing mends would drown those where there is something to win."""
        error = mean_unsent((self.fill - self.original).abs(), self.unknown)
        return (TYPICAL_ERROR / error.clamp(min=1e-3)).clamp(0.3, 2.5)


def mean_unsent(values: Tensor, unknown: Tensor) -> Tensor:
    """Return the means [B] of *values* [B, 3, H, W] over the unsent pixels."""
    return (values * unknown).sum(dim=(1, 2, 3)) / (3 * unknown.sum(dim=(1, 2, 3)) + 1)


class Crops:
    """Random crops of the prepared photographs, cut on the device that trains."""

    def __init__(self, prepared: Prepared, device: str, seed: int, *, silent: bool = False) -> None:
        """Copy the photographs to *device*. silent: no example comes with noise."""

        def there(array: np.ndarray) -> Tensor:
            return torch.from_numpy(np.array(array)).to(device)

        self._originals, self._layers = there(prepared.originals), there(prepared.layers)
        self._grey = there(lost_texture_grey(np.asarray(prepared.strengths), 1.0))
        self._crops, self._fills = there(prepared.crops), there(prepared.fills)
        self._known = there(prepared.known)
        self._device, self._silent = device, silent
        self.generator = torch.Generator(device).manual_seed(seed)
        self._held_out = max(2, len(self._originals) // CHECKED_SHARE)

    def _integers(self, low: int, high: int, shape: tuple[int, ...]) -> Tensor:
        return torch.randint(low, high, shape, device=self._device, generator=self.generator)

    def _uniform(self, *shape: int) -> Tensor:
        return torch.rand(*shape, device=self._device, generator=self.generator)

    def batch(self, size: int, *, held_out: bool = False) -> Example:
        """Draw one batch, from the photographs kept for the curve if *held_out*."""
        n_coarse = round(COARSE_SHARE * size)
        first, last = (0, self._held_out) if held_out else (self._held_out, len(self._originals))
        index = self._integers(first, last, (n_coarse,))
        layer = self._integers(0, self._layers.shape[1], (n_coarse,))
        corner = self._integers(0, SIDE_PX - CROP_PX + 1, (n_coarse, 2))
        along = torch.arange(CROP_PX, device=self._device)
        rows, columns = (corner[:, :1] + along)[:, :, None], (corner[:, 1:] + along)[:, None, :]
        original = self._originals[index[:, None, None], rows, columns]
        coarse = self._layers[index[:, None, None], layer[:, None, None], rows, columns]
        grey = self._grey[index, layer]
        whole = functional.interpolate(
            grey[:, None], scale_factor=float(CELL_PX), mode="bilinear", align_corners=False
        )[:, 0]
        grey = whole[torch.arange(n_coarse, device=self._device)[:, None, None], rows, columns]
        grey = grey * (self._uniform(n_coarse, 1, 1) >= SILENT_SHARE)
        known = self._kept(n_coarse)
        bare = self._integers(first * FILLS, last * FILLS, (size - n_coarse,))
        original = torch.cat([original, self._crops[bare]])
        fill = torch.cat([torch.where(known[..., None], original[:n_coarse], coarse), self._fills[bare]])
        unknown = (~torch.cat([known, self._known[bare]])).float()[:, None]
        has_coarse = torch.arange(size, device=self._device) < n_coarse
        grey = torch.cat([grey, torch.full_like(unknown[n_coarse:, 0], NOISE_UNIT_GREY)])[:, None]
        mirrored = (self._uniform(size) < 0.5)[:, None, None, None]
        original, fill, unknown, grey = (
            torch.where(mirrored, values.flip(-1), values)
            for values in (_to_unit(original), _to_unit(fill), unknown, grey)
        )
        if self._silent:
            grey = torch.zeros_like(grey)
        value = torch.where(has_coarse, MASK_COARSE, 1.0)[:, None, None, None]
        return Example(
            original,
            fill,
            unknown,
            functional.max_pool2d(unknown * value, 2),  # a latent is unknown where any of its pixels is
            functional.avg_pool2d(grey, 2) / NOISE_UNIT_GREY,
            has_coarse,
        )

    def _kept(self, n: int) -> Tensor:
        """Draw which pixels [n, C, C] came beside a coarse layer: none, some tiles, or a rectangle of tiles."""
        tiles = CROP_PX // TILE_PX
        share = 0.9 * self._uniform(n, 1, 1) ** 2 * (self._uniform(n, 1, 1) < 0.3)
        kept = self._uniform(n, tiles, tiles) < share
        place = torch.arange(tiles, device=self._device)
        start, length = self._integers(-2, tiles, (n, 2, 1)), self._integers(2, tiles, (n, 2, 1))
        inside = (place >= start) & (place < start + length)  # [n, 2, tiles]
        boxes = inside[:, 0, :, None] & inside[:, 1, None, :] & (self._uniform(n, 1, 1) < 0.3)
        known = (kept | boxes).repeat_interleave(TILE_PX, 1).repeat_interleave(TILE_PX, 2)
        return known & (known.float().mean(dim=(1, 2), keepdim=True) < 0.93)


def _to_unit(pixels: Tensor) -> Tensor:
    """Return uint8 [B, H, W, 3] as float [B, 3, H, W] in [−1, 1]; the memory stays channels last."""
    return pixels.permute(0, 3, 1, 2).float().div(127.5).sub(1.0)


def white_noise(example: Example, generator: torch.Generator) -> Tensor:
    """Return white noise for the latents of *example*'s pictures, [B, 4, C/2, C/2]."""
    shape = (len(example.fill), 4, *example.noise_scale.shape[2:])
    return torch.randn(shape, device=example.fill.device, generator=generator)
