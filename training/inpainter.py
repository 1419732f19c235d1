"""The tiny inpainter: a UNet2DConditionModel that predicts, in latents, the residual from the fill to the picture.

Contract: input [noise (4), mask (1), latents of the fill (4)]; mask 0 = received, 1/2 = a coarse layer came,
1 = classical fill. Output: v of the scaled residual, at the schedule's last time. The picture is
fill + D(z + r) − D(z), so the VAE's own error cancels and a zero residual leaves the fill as it is. VAE and text
encoder stay frozen.

One step makes the picture, and what it must have is asked of it directly: closeness (absolute error, distances of
VGG16's features, ``vgg.py``, and of two EfficientNets', ``lite.py``), the right amount of texture in every place
(``texture.py``) and, from some time on, that discriminators cannot tell it from a photograph (``adversary.py``). The
noise is as strong as the texture that the stream says was lost: it is what new texture is made of, and where nothing
was lost there is none.

None of the networks that ntnsim scores pictures with takes part; lite1 and lite2 are siblings of one of them.
``--device cuda`` trains in minutes what a CPU does in days; the recipe is the same.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderTiny, DDIMScheduler, UNet2DConditionModel
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPTextModel, CLIPTokenizer

from ntnsim.spiff.grain import CELL_PX, lost_texture_grey
from training import text
from training.adversary import Adversary, Balance, judges_loss, makers_loss
from training.degradation import TILE_PX
from training.lite import LiteTrunks, View, judged_channels, judged_maps
from training.loop import Progress, recipe_arguments
from training.prepare import CROP_PX, FILLS, SIDE_PX, Prepared, load_prepared
from training.texture import texture_loss
from training.vgg import JUDGED_CHANNELS, VggTrunk, feature_distance, imagenet_vgg, normalised

CHANNELS = (48, 96, 128, 192)
RESIDUAL_GAIN = 2.0  # brings the residual's spread (coarse and classical fills together) near one
MASK_COARSE = 0.5
NOISE_UNIT_GREY = 8.0  # grey levels of lost texture that noise of deviation one stands for
TYPICAL_ERROR = 0.08  # mean absolute error of a fill, in [−1, 1] units
COARSE_SHARE = 0.72  # of the examples have a coarse layer
SILENT_SHARE = 0.08  # of these come without strengths, and so without noise
FEATURE_WEIGHT, LITE_WEIGHT, TEXTURE_WEIGHT, ADVERSARY_SHARE = 0.3, 0.4, 0.25, 0.5
WHOLE = View(0.0, 0.0, 1.0, mirrored=False)  # nearly: what the curve is measured on
CHECKED_SHARE = 40  # every fortieth photograph is kept for the curve


def new_unet(channels: tuple[int, ...] = CHANNELS) -> UNet2DConditionModel:
    """Return the untrained network; its last layer is zero, so that it starts as the fill."""
    levels = len(channels)
    unet = UNet2DConditionModel(
        sample_size=CROP_PX // 2,
        in_channels=9,
        out_channels=4,
        block_out_channels=channels,
        layers_per_block=1,
        down_block_types=("DownBlock2D",) * (levels - 1) + ("CrossAttnDownBlock2D",),
        up_block_types=("CrossAttnUpBlock2D",) + ("UpBlock2D",) * (levels - 1),
        mid_block_type="UNetMidBlock2DCrossAttn",
        cross_attention_dim=text.TEXT_WIDTH,
        attention_head_dim=4,
        norm_num_groups=8,
    )
    nn.init.zeros_(unet.conv_out.weight)
    nn.init.zeros_(unet.conv_out.bias)
    return unet


def new_scheduler() -> DDIMScheduler:
    """Return the sampler that the recipe trains for: deterministic, trailing times, v-prediction."""
    return DDIMScheduler(
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        clip_sample=False,
        steps_offset=1,  # of no effect with trailing times; the pipeline asks for it
    )


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

    def __init__(self, prepared: Prepared, device: str, seed: int) -> None:
        def there(array: np.ndarray) -> Tensor:
            return torch.from_numpy(np.array(array)).to(device)

        self._originals, self._layers = there(prepared.originals), there(prepared.layers)
        self._grey = there(lost_texture_grey(np.asarray(prepared.strengths), 1.0))
        self._crops, self._fills = there(prepared.crops), there(prepared.fills)
        self._known = there(prepared.known)
        self._device = device
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


class Restorer:
    """The network with all that stands around it: one step from an example to its picture."""

    def __init__(self, unet: Any, vae: AutoencoderTiny, state: Tensor) -> None:
        self._unet, self._vae, self._state = unet, vae, state
        scheduler = new_scheduler()
        self._time = scheduler.config.num_train_timesteps - 1
        self._alpha = float(scheduler.alphas_cumprod[self._time])

    def picture(self, example: Example, noise: Tensor) -> Tensor:
        """Return the restored pictures [B, 3, C, C]; *noise* is white, [B, 4, C/2, C/2]."""
        scale = self._vae.config.scaling_factor
        with torch.no_grad():
            latents = self._vae.encode(example.fill).latents.float()
        noisy = noise * example.noise_scale
        time = torch.full((len(noisy),), self._time, device=noisy.device)
        inputs = torch.cat([noisy, example.mask, latents * scale], dim=1)
        v = self._unet(inputs, time, self._state.expand(len(noisy), -1, -1)).sample.float()
        residual = self._alpha**0.5 * noisy - (1 - self._alpha) ** 0.5 * v
        both = torch.cat([latents + residual / (RESIDUAL_GAIN * scale), latents])
        decoded, plain = self._vae.decode(both).sample.float().chunk(2)
        return example.fill + example.unknown * (decoded - plain)


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
        noise = _white(example, crops.generator)
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


def _white(example: Example, generator: torch.Generator) -> Tensor:
    shape = (len(example.fill), 4, *example.noise_scale.shape[2:])
    return torch.randn(shape, device=example.fill.device, generator=generator)


@torch.no_grad()
def sheet(restorer: Restorer, crops: Crops, path: Path, seed: int) -> None:
    """Write a contact sheet of held-out crops: originals, fills, restored."""
    crops.generator.manual_seed(seed)
    example = crops.batch(36, held_out=True)
    rows = (example.original, example.fill, restorer.picture(example, _white(example, crops.generator)))
    lines = [torch.cat(list(row[::3]), dim=2) for row in rows]
    levels = torch.cat(lines, dim=1).clamp(-1, 1).add(1).mul(127.5).round().byte()
    Image.fromarray(levels.permute(1, 2, 0).cpu().numpy()).save(path)


def main() -> None:
    parser = recipe_arguments(__doc__ or "", minutes=600, batch=64, seed=31, reads_photographs=False)
    parser.add_argument("--vae", type=Path, help="trained VAE (default WORK/vae)")
    parser.add_argument("--text", type=Path, help="tokenizer and text_encoder (default WORK/inpaint_parts)")
    parser.add_argument("--name", default="inpainter", help="name of checkpoint and curve")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--start", type=Path, help="safetensors of a UNet to start from, instead of noise")
    parser.add_argument("--rate", type=float, default=6e-4, help="peak learning rate of the network")
    parser.add_argument(
        "--adversary-from", type=float, default=0.28, help="share of the time after which judges count"
    )
    parser.add_argument("--compile", action="store_true", help="compile the network (pays on a GPU)")
    parser.add_argument("--report", type=int, default=250, help="steps between two rows of the curve")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    device = arguments.device
    progress = Progress(arguments.name, arguments.work, arguments.minutes)
    crops = Crops(load_prepared(arguments.work), device, arguments.seed)
    vae = AutoencoderTiny.from_pretrained(arguments.vae or arguments.work / "vae", local_files_only=True)
    vae = vae.to(device, torch.float32, memory_format=torch.channels_last).eval().requires_grad_(False)
    texts = arguments.text or arguments.work / text.DIRECTORY
    tokenizer = CLIPTokenizer.from_pretrained(texts / "tokenizer", local_files_only=True)
    encoder = CLIPTextModel.from_pretrained(texts / "text_encoder", local_files_only=True).float()
    state = text.embed([""], tokenizer, encoder).to(device)
    eyes = Eyes(device)
    views = torch.Generator().manual_seed(arguments.seed)
    unet = new_unet()
    if arguments.start:
        from safetensors.torch import load_file

        unet.load_state_dict({name: value.float() for name, value in load_file(arguments.start).items()})
    unet = unet.to(device, memory_format=torch.channels_last)
    average = new_unet().to(device, memory_format=torch.channels_last).requires_grad_(False)
    average.load_state_dict(unet.state_dict())
    adversary = Adversary((*JUDGED_CHANNELS, *judged_channels())).to(device)
    balance = Balance(ADVERSARY_SHARE)
    fused = {"fused": True} if device == "cuda" else {}
    optimizer = torch.optim.AdamW(
        unet.parameters(), lr=arguments.rate, betas=(0.9, 0.98), weight_decay=1e-3, **fused
    )
    judges_optimizer = torch.optim.AdamW(adversary.parameters(), lr=2e-4, betas=(0.0, 0.99), **fused)
    states = {
        "unet": unet,
        "average": average,
        "adversary": adversary,
        "optimizer": optimizer,
        "judges_optimizer": judges_optimizer,
    }
    if arguments.resume:
        saved = progress.resume()
        for name, part in states.items():
            part.load_state_dict(saved[name])
        crops.generator.manual_seed(arguments.seed + progress.step)
        views.manual_seed(arguments.seed + progress.step)
    seen = unet
    if arguments.compile:
        torch._functorch.config.donated_buffer = False  # gradients are asked for twice (``Balance``)
        seen = torch.compile(unet)
    restorer = Restorer(seen, vae, state)
    kept, new = list(average.parameters()), list(unet.parameters())
    while True:
        fraction = progress.fraction
        opposed = fraction >= arguments.adversary_from
        warm = min(1.0, (progress.step + 1) / 200)
        cooled = 1.0 if fraction < 0.6 else max(0.03, (1 - fraction) / 0.4)
        for group in optimizer.param_groups:
            group["lr"] = arguments.rate * warm * cooled * (0.4 if opposed else 1.0)
        example = crops.batch(arguments.batch)
        noise = _white(example, crops.generator)
        with torch.autocast(device, dtype=torch.bfloat16, enabled=device.startswith("cuda")):
            picture = restorer.picture(example, noise)
            view = View.drawn(views)
            maps = eyes.maps(picture, view)
            with torch.no_grad():
                truth = eyes.maps(example.original, view)
            distance = mean_unsent((picture - example.original).abs(), example.unknown)
            for weight, ours, wanted in zip((FEATURE_WEIGHT, LITE_WEIGHT), maps, truth, strict=True):
                distance = distance + weight * feature_distance(ours, wanted)
            distance = distance + TEXTURE_WEIGHT * texture_loss(picture, example.original)
            loss = kept_loss = (example.weight * distance).mean()
            if opposed:
                adversary.requires_grad_(False)
                told = makers_loss(adversary(picture, example.fill, judged(maps)))
                loss = loss + balance.weight(kept_loss, told, unet.conv_out.weight) * told
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(unet.parameters(), 1.0)
        optimizer.step()
        if fraction >= 0.7 * arguments.adversary_from:  # the judges learn a little before they count
            adversary.requires_grad_(True)
            made = [values.detach() for values in judged(maps)]
            with torch.autocast(device, dtype=torch.bfloat16, enabled=device.startswith("cuda")):
                verdicts = [
                    adversary(example.original, example.fill, judged(truth)),
                    adversary(picture.detach(), example.fill, made),
                ]
                judging = judges_loss(*verdicts)
            judges_optimizer.zero_grad(set_to_none=True)
            judging.backward()
            judges_optimizer.step()
        progress.step += 1
        decay = min(0.999, (progress.step + 1) / (progress.step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(kept, new, 1 - decay)
        if progress.step % arguments.report == 0 or progress.step == 1 or fraction >= 1.0:
            average.eval()
            with torch.autocast(device, dtype=torch.bfloat16, enabled=device.startswith("cuda")):
                values = checked(Restorer(average, vae, state), crops, eyes, arguments.batch, 99)
            if opposed:
                values |= {"judging": judging.item(), "balance": float(balance.current)}
            progress.log(train=kept_loss.item(), **values)
            progress.save(**{name: part.state_dict() for name, part in states.items()})
        if fraction >= 1.0:
            break
    average.eval().save_pretrained(arguments.work / arguments.name)
    sheet(Restorer(average, vae, state), crops, arguments.work / f"{arguments.name}.png", 7)


if __name__ == "__main__":
    main()
