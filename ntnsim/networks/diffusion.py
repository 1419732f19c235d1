"""Restore what was not sent by latent diffusion: the decoder's second half.

An inpainter takes canvases (received pixels, their mask, perhaps a coarse layer) and returns whole images whose
received pixels are exactly those received. Sizes may differ within a batch; each image has its own seed,
and on the CPU its bytes depend on neither its company nor the number of threads (``per_image.py``).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ntnsim.arrays import UInt8Image
from ntnsim.errors import BundleError, InputError, first_line
from ntnsim.networks.bundle import Member, quiet_libraries
from ntnsim.protocols.inpainter import Canvas
from ntnsim.spiff.canvas import filled, textured

if TYPE_CHECKING:
    import torch


def padded(array: NDArray[Any], multiple_px: int) -> NDArray[Any]:
    """Return *array* [H, W, …] continued below and to the right by reflection, to multiples of *multiple_px*."""
    height, width = array.shape[:2]
    below, right = -height % multiple_px, -width % multiple_px
    spec = ((0, below), (0, right)) + ((0, 0),) * (array.ndim - 2)
    return np.pad(array, spec, mode="symmetric") if below or right else array


def _torch_dtype(dtype: str | None, device: str) -> "torch.dtype":
    import torch

    names = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
    if dtype is None:
        return torch.float16 if device.startswith("cuda") else torch.float32
    if dtype not in names:
        raise InputError(f"dtype must be one of {', '.join(names)}, got {dtype!r}")
    return names[dtype]


def load_pipeline(directory: Path, *, device: str, dtype: str | None) -> Any:
    """Return diffusers' StableDiffusionInpaintPipeline from *directory*, never from the network.

    Its parts are set by name at run time, which no type describes: hence Any.
    """
    from diffusers import StableDiffusionInpaintPipeline

    try:
        with quiet_libraries():
            pipeline = StableDiffusionInpaintPipeline.from_pretrained(
                directory,
                local_files_only=True,
                safety_checker=None,
                feature_extractor=None,
                requires_safety_checker=False,
                dtype=_torch_dtype(dtype, device),
            )
    except (OSError, ValueError, KeyError) as error:
        raise BundleError(
            f"{directory}: not loadable as an inpainting pipeline ({first_line(error)})"
        ) from error
    pipeline.set_progress_bar_config(disable=True)
    pipeline.to(device)
    return pipeline


class _DiffusionInpainter:
    """What both diffusion inpainters share: paste-back, grain, text-to-image, and canvases that need no network."""

    name: str

    def restore(self, canvases: Sequence[Canvas]) -> list[UInt8Image]:
        """Return the restored images, in the order of *canvases*."""
        images: list[UInt8Image | None] = [
            canvas.pixels if canvas.known.all() else None for canvas in canvases
        ]
        waiting = [index for index, image in enumerate(images) if image is None]
        generated = self._generated([canvases[index] for index in waiting])
        for index, image in zip(waiting, generated, strict=True):
            images[index] = textured(canvases[index], canvases[index].with_received(image))
        return [image for image in images if image is not None]

    def generate(
        self, prompts: Sequence[str], sizes: Sequence[tuple[int, int]], seeds: Sequence[int]
    ) -> list[UInt8Image]:
        """Return images made from text alone; *sizes* are (height, width)."""
        return self.restore(
            [
                Canvas(np.zeros((*size, 3), np.uint8), np.zeros(size, bool), None, prompt, seed)
                for prompt, size, seed in zip(prompts, sizes, seeds, strict=True)
            ]
        )

    def _generated(self, canvases: Sequence[Canvas]) -> list[UInt8Image]:
        raise NotImplementedError


class LatentResidualInpainter(_DiffusionInpainter):
    """The tiny bundle's: diffusion of the residual from the fill to the picture, in the VAE's latents.

    With z = E(fill), the UNet denoises r and the picture is fill + D(z + r) − D(z): the VAE's own error cancels, and
    r = 0 leaves the fill as it is. UNet input: [noisy r, mask, z], the 9-channel inpainting contract; the mask is 0
    where received, ``coarse_mask`` where a coarse layer lies below, 1 where a classical fill does. The noise it starts
    from becomes the texture that a mean cannot know, in proportion: ``noise_scale`` sets how much of what is missing.
    Where grain was sent there is no noise, and one step is all that is taken, whatever number is asked for.
    Of the residual to a coarse layer only a share is added: 0.4 takes away 0.64 of the squared error that the whole
    does, and smooths 0.4 as much of the layer's own texture. Where no grain stands beside it the share is larger. The
    network is trained for one step foremost: of what further steps change, ``refinement_share`` is taken.
    """

    def __init__(
        self, member: Member, directory: Path, *, steps: int | None, device: str, dtype: str | None
    ) -> None:
        import torch

        self.steps = int(member.options["steps"]) if steps is None else steps
        self.name = f"bundle-{self.steps}"
        self._device = device
        self._pipeline = load_pipeline(directory, device=device, dtype=dtype)
        self._stride_px = int(member.options["stride_px"])
        self._gain = float(member.options["residual_gain"])
        self._coarse_mask = float(member.options["coarse_mask"])
        self._noise_scale = float(member.options["noise_scale"])
        self._coarse_share = float(member.options["coarse_share"])
        self._coarse_share_without_grain = float(member.options["coarse_share_without_grain"])
        self._refinement_share = float(member.options["refinement_share"])
        self._dtype = _torch_dtype(dtype, device)
        if device == "cpu":
            self._pipeline.unet.to(memory_format=torch.channels_last)
            self._pipeline.vae.to(memory_format=torch.channels_last)
        self._states: dict[str, torch.Tensor] = {}

    def _generated(self, canvases: Sequence[Canvas]) -> list[UInt8Image]:
        from ntnsim.networks.per_image import map_images

        for prompt in sorted({canvas.prompt for canvas in canvases} - self._states.keys()):
            self._states[prompt] = map_images(self._text_states, [prompt])[0]
        return map_images(self._one, canvases)

    def _text_states(self, prompt: str) -> "torch.Tensor":
        pipeline = self._pipeline
        tokens = pipeline.tokenizer(
            [prompt],
            padding="max_length",
            max_length=pipeline.tokenizer.model_max_length,
            truncation=True,
            return_tensors="pt",
        )
        states: torch.Tensor = pipeline.text_encoder(tokens.input_ids.to(self._device)).last_hidden_state
        return states.to(self._dtype)

    def _one(self, canvas: Canvas) -> UInt8Image:
        import torch
        from torch.nn.functional import max_pool2d

        vae = self._pipeline.vae
        scale = vae.config.scaling_factor
        height, width = canvas.known.shape
        fill_pixels = padded(filled(canvas), self._stride_px)
        unknown_value = 1.0 if canvas.coarse is None else self._coarse_mask
        pixel_mask = padded(np.where(canvas.known, 0.0, unknown_value).astype(np.float32), self._stride_px)
        fill = torch.from_numpy(fill_pixels).permute(2, 0, 1)[None].to(torch.float32).div(127.5).sub(1.0)
        fill = fill.to(self._device, self._dtype).contiguous(memory_format=torch.channels_last)
        mask = max_pool2d(torch.from_numpy(pixel_mask)[None, None], vae_stride(vae)).to(
            self._device, self._dtype
        )
        latents = vae.encode(fill).latents
        base = latents * scale
        generator = torch.Generator("cpu").manual_seed(canvas.seed)
        noisy = torch.randn(base.shape, generator=generator, dtype=torch.float32).to(
            self._device, self._dtype
        )
        steps = self.steps
        if canvas.grain is not None:
            # The stream tells the texture's strength, and grain is better than a guess. The network then gives the
            # mean, from zeros: there is no noise that further steps could take away.
            noisy, steps = torch.zeros_like(noisy), 1
        noisy = noisy * self._noise_scale
        states = self._states[canvas.prompt]
        residual = self._sampled(noisy, mask, base, states, 1)
        if steps > 1:
            refined = self._sampled(noisy, mask, base, states, steps)
            residual = residual + self._refinement_share * (refined - residual)
        decoded = vae.decode((base + self._share(canvas) * residual / self._gain) / scale).sample
        picture = fill + decoded - vae.decode(latents).sample
        levels = picture[0].float().add(1.0).mul(127.5).round().clamp(0, 255).to(torch.uint8)
        return levels.permute(1, 2, 0).cpu().numpy()[:height, :width]

    def _share(self, canvas: Canvas) -> float:
        """Return how much of the residual is added."""
        if canvas.coarse is None:
            return 1.0
        return self._coarse_share_without_grain if canvas.grain is None else self._coarse_share

    def _sampled(
        self,
        noisy: "torch.Tensor",
        mask: "torch.Tensor",
        base: "torch.Tensor",
        states: "torch.Tensor",
        steps: int,
    ) -> "torch.Tensor":
        """Return the scaled residual r that the sampler reaches from *noisy* in *steps* steps."""
        import torch

        # Each image walks its own copy: a scheduler keeps its place between steps.
        scheduler = type(self._pipeline.scheduler).from_config(self._pipeline.scheduler.config)
        scheduler.set_timesteps(steps, device=self._device)
        for time in scheduler.timesteps:
            output = self._pipeline.unet(torch.cat([noisy, mask, base], dim=1), time, states).sample
            noisy = scheduler.step(output, time, noisy).prev_sample
        return noisy


def vae_stride(vae: Any) -> int:
    """Return how many pixels one latent covers along each side."""
    return int(2 ** (len(vae.config.block_out_channels) - 1))


class StableDiffusionInpainter(_DiffusionInpainter):
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
