"""Restore what was not sent by latent diffusion: the decoder's second half.

An inpainter takes canvases (received pixels, their mask, perhaps a coarse layer) and returns whole images whose
received pixels are exactly those received. Sizes may differ within a batch; each image has its own seed,
and on the CPU its bytes depend on neither its company nor the number of threads (``per_image.py``).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ntnsim.arrays import BoolMask, UInt8Image
from ntnsim.errors import BundleError, InputError, first_line
from ntnsim.networks.bundle import Member, quiet_libraries
from ntnsim.networks.loading import pipeline_parts
from ntnsim.networks.member_options import MUCH_LOST
from ntnsim.protocols.inpainter import Canvas
from ntnsim.spiff.canvas import filled, textured
from ntnsim.spiff.grain import CELL_PX, lost_texture_grey

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

    parts = pipeline_parts(directory, _torch_dtype(dtype, device))
    try:
        with quiet_libraries():
            pipeline = StableDiffusionInpaintPipeline.from_pretrained(
                directory,
                local_files_only=True,
                safety_checker=None,
                feature_extractor=None,
                requires_safety_checker=False,
                **parts,
            )
    except Exception as error:  # tokenizer and scheduler: each library has its own errors
        raise BundleError(
            f"{directory}: not loadable as an inpainting pipeline ({first_line(error)})"
        ) from error
    pipeline.set_progress_bar_config(disable=True)
    pipeline.to(device)
    return pipeline


class DiffusionInpainter:
    """What both diffusion inpainters share: paste-back, grain, text-to-image, and canvases that need no network."""

    name: str
    adds_grain = True  # to what the network gives, where strengths were sent

    def restore(self, canvases: Sequence[Canvas]) -> list[UInt8Image]:
        """Return the restored images, in the order of *canvases*."""
        images: list[UInt8Image | None] = [
            canvas.pixels if canvas.known.all() else None for canvas in canvases
        ]
        waiting = [index for index, image in enumerate(images) if image is None]
        generated = self._generated([canvases[index] for index in waiting])
        for index, image in zip(waiting, generated, strict=True):
            whole = canvases[index].with_received(image)
            images[index] = textured(canvases[index], whole) if self.adds_grain else whole
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


# A photograph above this size is restored in tiles, so that memory stays below 1.5 GB.
LARGEST_WHOLE_PX = 640 * 960
TILE_PX, OVERLAP_PX = 512, 64


def tile_windows(size_px: int) -> list[slice]:
    """Return windows of ``TILE_PX`` that cover *size_px* and overlap by ``OVERLAP_PX`` or more; or one, of all."""
    if size_px <= TILE_PX:
        return [slice(0, size_px)]
    starts = [*range(0, size_px - TILE_PX, TILE_PX - OVERLAP_PX), size_px - TILE_PX]
    return [slice(start, start + TILE_PX) for start in starts]


def _ramp(size_px: int) -> NDArray[np.float32]:
    """Return a tile's weights along one side: rising over the overlap from its edges, one inside."""
    from_edge = np.minimum(np.arange(size_px), np.arange(size_px)[::-1]) + 0.5
    return np.minimum(from_edge / OVERLAP_PX, 1.0).astype(np.float32)


def _levels(picture: NDArray[np.float32]) -> UInt8Image:
    """Return *picture* in [−1, 1] as grey levels."""
    return np.clip(np.rint((picture + 1) * 127.5), 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class _Part:
    """What the network is told of a canvas.

    fill: uint8 [H, W, 3]. unknown: bool [H, W]; the mask is *level* there. noise: [1, 4, h, w]. share: [1, 1, h, w], of
    the residual.
    """

    fill: UInt8Image
    unknown: BoolMask
    level: float
    noise: "torch.Tensor"
    share: "torch.Tensor"

    def cut(self, rows: slice, columns: slice, stride: int) -> "_Part":
        """Return the part's window; its bounds divide by *stride*."""
        inner = [slice(window.start // stride, window.stop // stride) for window in (rows, columns)]
        noise, share = (values[:, :, inner[0], inner[1]] for values in (self.noise, self.share))
        fill, unknown = self.fill[rows, columns], self.unknown[rows, columns]
        return replace(self, fill=fill, unknown=unknown, noise=noise, share=share)

    @property
    def mask(self) -> NDArray[np.float32]:
        """The mask float32 [H, W] as the network takes it."""
        return self.unknown * np.float32(self.level)


class LatentResidualInpainter(DiffusionInpainter):
    """The tiny bundle's: one step of diffusion gives the residual from the fill to the picture, in the VAE's latents.

    With z = E(fill), the UNet denoises r and the picture is fill + D(z + r) − D(z): the VAE's own error cancels, and
    r = 0 leaves the fill as it is. UNet input: [noise, mask, z], the 9-channel inpainting contract; the mask is 0
    where received, ``coarse_mask`` where a coarse layer lies below, 1 where a classical fill does. The noise is what
    new texture is made of: as strong as the stream says that texture was lost, per ``noise_unit_grey`` grey levels; of
    deviation one where no coarse layer came; none where a layer came without strengths.
    Of the residual to a coarse layer a share is added: the whole pleases the eye of one judge and costs the others.
    Where the bundle says so it is less where much texture was lost, which can only be invented.
    The network was trained for one step and without captions: other numbers of steps are refused, prompts not read.
    """

    BATCH = 8  # images at once on a GPU
    adds_grain = False  # the network made the texture

    def __init__(
        self, member: Member, directory: Path, *, steps: int | None, device: str, dtype: str | None
    ) -> None:
        if steps not in (None, 1):
            raise InputError(
                f"steps must be 1 for this bundle, whose network restores in one step; got {steps}"
            )
        import torch

        self.steps = 1
        self.name = "bundle-1"
        self._device = device
        self._pipeline = load_pipeline(directory, device=device, dtype=dtype)
        self._stride_px = int(member.options["stride_px"])
        self._gain = float(member.options["residual_gain"])
        self._coarse_mask = float(member.options["coarse_mask"])
        self._noise_unit_grey = float(member.options["noise_unit_grey"])
        self._coarse_share = float(member.options["coarse_share"])
        told = all(name in member.options for name in MUCH_LOST)
        self._much_lost = tuple(float(member.options[name]) for name in MUCH_LOST) if told else None
        self._coarse_share_without_grain = float(member.options["coarse_share_without_grain"])
        self._dtype = _torch_dtype(dtype, device)
        if device == "cpu":
            self._pipeline.unet.to(memory_format=torch.channels_last)
            self._pipeline.vae.to(memory_format=torch.channels_last)

    def _generated(self, canvases: Sequence[Canvas]) -> list[UInt8Image]:
        from ntnsim.networks.per_image import map_images

        if not canvases:
            return []
        [states] = map_images(self._text_states, [""])

        def restored(part: Sequence[Canvas]) -> list[UInt8Image]:
            return self._restored(part, states)

        if self._device == "cpu":
            return [image for [image] in map_images(restored, [[canvas] for canvas in canvases])]
        images: dict[int, UInt8Image] = {}
        for indices in batches_of_one_size(canvases, self._stride_px, self.BATCH):
            [part] = map_images(restored, [[canvases[index] for index in indices]])
            images.update(zip(indices, part, strict=True))
        return [images[index] for index in range(len(canvases))]

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

    def _restored(self, canvases: Sequence[Canvas], states: "torch.Tensor") -> list[UInt8Image]:
        """Return the restored images of canvases that pad to one size, as one batch; a large one in tiles."""
        parts = [self._part(canvas) for canvas in canvases]
        if parts[0].unknown.size > LARGEST_WHOLE_PX:
            pictures = [self._in_tiles(part, states) for part in parts]
        else:
            pictures = [_levels(picture) for picture in self._pictures(parts, states)]
        sizes = (canvas.known.shape for canvas in canvases)
        return [picture[:h, :w] for picture, (h, w) in zip(pictures, sizes, strict=True)]

    def _part(self, canvas: Canvas) -> "_Part":
        """Return what the network is told of one canvas, padded to whole strides."""
        fill = padded(filled(canvas), self._stride_px)
        unknown = padded(~canvas.known, self._stride_px)
        stride = vae_stride(self._pipeline.vae)
        channels = int(self._pipeline.vae.config.latent_channels)
        size = unknown.shape[0] // stride, unknown.shape[1] // stride
        level = 1.0 if canvas.coarse is None else self._coarse_mask
        return _Part(fill, unknown, level, self._noise(canvas, (channels, *size)), self._share(canvas, size))

    def _in_tiles(self, part: "_Part", states: "torch.Tensor") -> UInt8Image:
        """Return the picture [H, W, 3] of a large part, blended where its tiles overlap; it takes the fill's place."""
        height, width = part.unknown.shape
        stride = vae_stride(self._pipeline.vae)
        row_windows = tile_windows(height)
        # Sums of one row of tiles; what the next one overlaps stays in them.
        total = np.zeros((row_windows[0].stop, width, 3), np.float32)
        weights = np.zeros((row_windows[0].stop, width, 1), np.float32)
        for number, rows in enumerate(row_windows):
            for columns in tile_windows(width):
                [picture] = self._pictures([part.cut(rows, columns, stride)], states)
                ramps = (_ramp(window.stop - window.start) for window in (rows, columns))
                weight = np.outer(*ramps)[..., None]
                total[:, columns] += weight * picture
                weights[:, columns] += weight
            done = (*row_windows, slice(height, height))[number + 1].start - rows.start
            part.fill[rows.start : rows.start + done] = _levels(np.divide(total[:done], weights[:done]))
            for sums in (total, weights):
                sums[:-done], sums[-done:] = sums[done:], 0
        return part.fill

    def _pictures(self, parts: Sequence["_Part"], states: "torch.Tensor") -> NDArray[np.float32]:
        """Return the pictures [B, H, W, 3] in [−1, 1] that one call of the network makes of *parts* of one size."""
        import torch
        from torch.nn.functional import max_pool2d

        vae, unet = self._pipeline.vae, self._pipeline.unet
        scale = vae.config.scaling_factor

        def there(values: "torch.Tensor") -> "torch.Tensor":
            return values.to(self._device, self._dtype)

        fills = np.stack([part.fill for part in parts])
        fill = torch.from_numpy(fills).permute(0, 3, 1, 2).to(torch.float32).div(127.5).sub(1.0)
        fill = there(fill).contiguous(memory_format=torch.channels_last)
        masks = torch.from_numpy(np.stack([part.mask for part in parts]))[:, None]
        mask = there(max_pool2d(masks, vae_stride(vae)))
        latents = vae.encode(fill).latents
        noise = there(torch.cat([part.noise for part in parts]))
        shares = there(torch.cat([part.share for part in parts]))
        alphas = self._pipeline.scheduler.alphas_cumprod
        time, alpha = len(alphas) - 1, float(alphas[-1])
        inputs = torch.cat([noise, mask, latents * scale], dim=1)
        v = unet(inputs, time, states.expand(len(parts), -1, -1)).sample
        residual = alpha**0.5 * noise - (1 - alpha) ** 0.5 * v
        decoded = vae.decode(latents + shares * residual / (self._gain * scale)).sample
        picture = fill + decoded - vae.decode(latents).sample
        values: NDArray[np.float32] = picture.float().permute(0, 2, 3, 1).cpu().numpy()
        return values

    def _noise(self, canvas: Canvas, shape: Sequence[int]) -> "torch.Tensor":
        """Return the noise [1, 4, h, w] of one image, from its own seed: white, as strong in each place as told."""
        import torch

        size = (1, *shape)
        if canvas.coarse is not None and canvas.grain is None:
            return torch.zeros(size)
        generator = torch.Generator("cpu").manual_seed(canvas.seed)
        white = torch.randn(size, generator=generator, dtype=torch.float32)
        if canvas.coarse is None or canvas.grain is None:
            return white
        grey = self._over_latents(lost_texture_grey(canvas.grain), size[2:])
        return white * grey / self._noise_unit_grey

    def _share(self, canvas: Canvas, size: tuple[int, int]) -> "torch.Tensor":
        """Return how much of the residual is added, [1, 1, h, w]."""
        import torch

        if canvas.coarse is None:
            return torch.ones(1, 1, *size)
        if canvas.grain is None:
            return torch.full((1, 1, *size), self._coarse_share_without_grain)
        if self._much_lost is None:
            return torch.full((1, 1, *size), self._coarse_share)
        share_there, little_grey, much_grey = self._much_lost
        lost_grey = lost_texture_grey(canvas.grain)
        shares = np.interp(lost_grey, (little_grey, much_grey), (self._coarse_share, share_there))
        return self._over_latents(shares.astype(np.float32), size)

    def _over_latents(self, cells: NDArray[np.float32], size: Sequence[int]) -> "torch.Tensor":
        """Return the values of *cells* [rows, columns] over the latents [1, 1, h, w], bilinear between cells."""
        import torch
        from torch.nn.functional import interpolate

        stride = vae_stride(self._pipeline.vae)
        given = torch.from_numpy(cells)[None, None]
        values = interpolate(given, scale_factor=CELL_PX / stride, mode="bilinear", align_corners=False)
        # Cells cover the image, the latents its padding too: the last row and column are continued.
        rows, columns = (
            torch.arange(side).clamp(max=have - 1) for side, have in zip(size, values.shape[2:], strict=True)
        )
        continued: torch.Tensor = values[:, :, rows][..., columns]
        return continued


def batches_of_one_size(canvases: Sequence[Canvas], multiple_px: int, most: int) -> list[list[int]]:
    """Return the indices of *canvases* in batches of at most *most* whose padded sizes agree."""
    sizes: dict[tuple[int, ...], list[int]] = {}
    for index, canvas in enumerate(canvases):
        sizes.setdefault(tuple(side + -side % multiple_px for side in canvas.known.shape), []).append(index)
    return [part[first : first + most] for part in sizes.values() for first in range(0, len(part), most)]


def vae_stride(vae: Any) -> int:
    """Return how many pixels one latent covers along each side."""
    return int(2 ** (len(vae.config.block_out_channels) - 1))
