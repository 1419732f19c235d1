"""Full-size inpainting checkpoints: Stable Diffusion's own pipeline behind the contract of ``diffusion.py``."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ntnsim.arrays import UInt8Image
from ntnsim.networks.bundle import Member
from ntnsim.networks.diffusion import DiffusionInpainter, load_pipeline, padded
from ntnsim.protocols.inpainter import Canvas
from ntnsim.spiff.canvas import filled


class StableDiffusionInpainter(DiffusionInpainter):
    """Full-size checkpoints (bundle ``paper``): diffusers' StableDiffusionInpaintPipeline as it is.

    The coarse layer, where there is one, enters as the picture that the sampler starts from (strength below one).
    """

    def __init__(
        self, member: Member, directory: Path, *, steps: int | None, device: str, dtype: str | None
    ) -> None:
        options = member.options
        self.steps = int(options.get("steps", 50)) if steps is None else steps
        self.name = f"bundle-{self.steps}"
        self._device = device
        self._guidance = float(options.get("guidance", 7.5))
        self._coarse_strength = float(options.get("coarse_strength", 0.6))
        self._stride_px = int(options.get("stride_px", 8))
        self._batch = int(options.get("batch", 4))
        self._pipeline = load_pipeline(directory, device=device, dtype=dtype)

    def _generated(self, canvases: Sequence[Canvas]) -> list[UInt8Image]:
        from ntnsim.networks.per_image import map_images

        if self._device == "cpu":
            # One image per call and per thread would need a pipeline each; one by one is exact and simple.
            return [map_images(self._call, [[canvas]])[0][0] for canvas in canvases]
        buckets: dict[tuple[int, ...], list[int]] = {}
        for index, canvas in enumerate(canvases):
            sides = tuple(side + -side % self._stride_px for side in canvas.known.shape)
            buckets.setdefault((*sides, canvas.coarse is None), []).append(index)
        images: dict[int, UInt8Image] = {}
        for indices in buckets.values():
            for first in range(0, len(indices), self._batch):
                part = indices[first : first + self._batch]
                images.update(zip(part, self._call([canvases[index] for index in part]), strict=True))
        return [images[index] for index in range(len(canvases))]

    def _call(self, canvases: Sequence[Canvas]) -> list[UInt8Image]:
        import torch

        fills = [padded(filled(canvas), self._stride_px) for canvas in canvases]
        masks = [padded(~canvas.known, self._stride_px) for canvas in canvases]
        height, width = masks[0].shape
        result = self._pipeline(
            prompt=[canvas.prompt for canvas in canvases],
            image=torch.from_numpy(np.stack(fills)).permute(0, 3, 1, 2).float().div(255.0),
            mask_image=torch.from_numpy(np.stack(masks)).float()[:, None],
            height=height,
            width=width,
            strength=1.0 if canvases[0].coarse is None else self._coarse_strength,
            num_inference_steps=self.steps,
            guidance_scale=self._guidance,
            generator=[torch.Generator("cpu").manual_seed(canvas.seed) for canvas in canvases],
            output_type="np",
        )
        levels = np.rint(np.nan_to_num(result.images) * 255).astype(np.uint8)
        return [
            image[: canvas.known.shape[0], : canvas.known.shape[1]]
            for image, canvas in zip(levels, canvases, strict=True)
        ]
