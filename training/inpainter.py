"""The tiny inpainter: a UNet2DConditionModel that predicts, in latents, the residual from the fill to the picture.

Contract: input [noisy residual (4), mask (1), latents of the fill (4)]; mask 0 = received, 1/2 = a coarse layer came,
1 = classical fill. Output: v of the scaled residual. The picture is fill + D(z + r) − D(z), so the VAE's own error
cancels and a zero residual leaves the fill as it is. VAE and text encoder stay frozen.

What was lost can be known only in part: the mean of the residual takes codec noise away, and the rest is texture of
known strength and unknown place. So the target of one step from noise is the true residual plus texture that this very
noise makes (``texture.py``), as strong as what is missing there; the squared error's optimum is the mean plus texture
of the expected strength. With weaker noise comes weaker texture, and from zeros the mean alone. Later steps of a
deterministic sampler see the same noise and have the same target, so that more of them change little.

``--perceptual`` adds distances of VGG16's features (``vgg.py``; not the network that the bundle is scored with), which
sharpen the mean; they cost a decoding of the latents, so that the first part of a training goes without.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny, DDIMScheduler, UNet2DConditionModel
from torch import Tensor, nn
from torch.nn import functional

from training import text
from training.degradation import received
from training.loop import Progress, recipe_arguments
from training.photographs import Photograph, load_photographs, random_crop
from training.texture import band_kernels, missing_texture
from training.vae import to_tensor
from training.vgg import VggTrunk, imagenet_vgg, vgg_distance

CROP_PX = 128
WINDOW_PX = 64
RESIDUAL_GAIN = 2.0  # brings the residual's spread (coarse and classical fills together) near one
MASK_COARSE = 0.5
TYPICAL_ERROR = 0.08  # mean absolute error of a fill, in [−1, 1] units
MIDDLE_TIMES = (30, 970)  # whatever number of steps is asked for, its times lie between
MIDDLE_SHARE = 0.5  # of the batches: a second step, from a time drawn between these
# Shares of the examples without noise and with noise of random strength; the rest have full noise.
NOISE_PARTS = (0.35, 0.25)


def new_unet(
    channels: tuple[int, ...] = (32, 64, 96, 128), *, attention: bool = True
) -> UNet2DConditionModel:
    """Return the untrained network; its last layer is zero, so that it starts as the fill."""
    levels = len(channels)
    unet = UNet2DConditionModel(
        sample_size=CROP_PX // 2,
        in_channels=9,
        out_channels=4,
        block_out_channels=channels,
        layers_per_block=1,
        down_block_types=("DownBlock2D",) * (levels - 1)
        + ("CrossAttnDownBlock2D" if attention else "DownBlock2D",),
        up_block_types=("CrossAttnUpBlock2D" if attention else "UpBlock2D",) + ("UpBlock2D",) * (levels - 1),
        mid_block_type="UNetMidBlock2DCrossAttn" if attention else "UNetMidBlock2D",
        cross_attention_dim=text.TEXT_WIDTH,
        attention_head_dim=4,
        norm_num_groups=8,
    )
    with torch.no_grad():
        unet.conv_in.weight[:, :4] *= 0.5  # the fill should be heard above the noise from the start
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


class Example:
    """One batch on its way through the loss: pictures in [−1, 1], masks [B, 1, ·, ·]."""

    def __init__(
        self, photographs: list[Photograph], batch: int, rng: np.random.Generator, size_px: int
    ) -> None:
        crops, fills, masks, coarse, self.names = [], [], [], [], []
        for index in rng.integers(0, len(photographs), size=batch):
            crop, person = random_crop(photographs[index], size_px, rng)
            draw = received(crop, person, rng)
            crops.append(crop)
            fills.append(draw.fill)
            masks.append(
                np.where(draw.known, 0.0, MASK_COARSE if draw.has_coarse else 1.0).astype(np.float32)
            )
            coarse.append(draw.has_coarse)
            self.names.append(photographs[index].name)
        self.has_coarse = torch.tensor(coarse)
        self.original, self.fill = to_tensor(np.stack(crops)), to_tensor(np.stack(fills))
        pixel_mask = torch.from_numpy(np.stack(masks))[:, None]
        self.unknown = (pixel_mask > 0).float()
        self.mask = functional.max_pool2d(pixel_mask, 2)  # a latent is unknown where any of its pixels is
        # Hopeless examples (large holes, no coarse layer) have large errors that nothing mends; without a weight
        # their gradients would drown those of the coarse layers, where there is something to win.
        error = ((self.fill - self.original).abs() * self.unknown).sum(dim=(1, 2, 3))
        error = error / (3 * self.unknown.sum(dim=(1, 2, 3)) + 1)
        self.weight = (TYPICAL_ERROR / error.clamp(min=1e-3)).clamp(0.3, 2.5)


@dataclass(frozen=True)
class Predicted:
    """The scaled residual [B, 4, h, w], the noise it was made of, and the latents of the fill it belongs to."""

    residual: Tensor
    noise: Tensor
    base: Tensor


def strengths(batch: int, rng: np.random.Generator) -> Tensor:
    """Draw how strong the noise of each example is, [B] in [0, 1]."""
    without, weaker = NOISE_PARTS
    kind = rng.random(batch)
    drawn = np.where(kind < without, 0.0, np.where(kind < without + weaker, rng.random(batch), 1.0))
    return torch.from_numpy(drawn.astype(np.float32))


def one_step(
    unet: nn.Module,
    scheduler: DDIMScheduler,
    noisy: Tensor,
    time: Tensor,
    mask: Tensor,
    base: Tensor,
    states: Tensor,
) -> Tensor:
    """Return the residual that one step from *noisy* at *time* to the end predicts."""
    v = unet(torch.cat([noisy, mask, base], dim=1), time, states).sample.float()
    alpha = scheduler.alphas_cumprod[time][:, None, None, None]
    return alpha.sqrt() * noisy - (1 - alpha).sqrt() * v


def predicted(
    unet: nn.Module,
    vae: AutoencoderTiny,
    scheduler: DDIMScheduler,
    example: Example,
    states: Tensor,
    strength: Tensor,
    middle_time: int | None,
) -> Predicted:
    """Return what one step from noise of *strength* [B] predicts, or a second one from *middle_time*."""
    with torch.no_grad():
        base = vae.encode(example.fill).latents.float() * vae.config.scaling_factor
    noise = strength[:, None, None, None] * torch.randn_like(base)
    noisy = noise
    time = torch.full((base.shape[0],), scheduler.config.num_train_timesteps - 1)
    if middle_time is not None:
        with torch.no_grad():
            first = one_step(unet, scheduler, noisy, time, example.mask, base, states)
        alpha = scheduler.alphas_cumprod[time][:, None, None, None]
        direction = (noisy - alpha.sqrt() * first) / (1 - alpha).sqrt()  # DDIM (Song et al. 2021), Eq. 12
        time = torch.full_like(time, middle_time)
        alpha = scheduler.alphas_cumprod[time][:, None, None, None]
        noisy = alpha.sqrt() * first + (1 - alpha).sqrt() * direction
    return Predicted(one_step(unet, scheduler, noisy, time, example.mask, base, states), noise, base)


def channel_weights(vae: AutoencoderTiny) -> Tensor:
    """Return what a squared error in each latent channel costs in pixels, [4, 1, 1], luma's as one."""
    with torch.no_grad():
        middle = torch.zeros(5, 4, 8, 8)
        middle[torch.arange(4), torch.arange(4), 4, 4] = 0.1
        pictures = vae.decode(middle).sample.float()
    energy = (pictures[:4] - pictures[4]).square().sum(dim=(1, 2, 3))
    return (energy / energy[0])[:, None, None]


def latent_loss(
    vae: AutoencoderTiny, example: Example, ours: Predicted, kernels: list[Tensor], weights: Tensor
) -> Tensor:
    """Return the mean squared errors [B] of the unsent latents against the true residual and its texture."""
    with torch.no_grad():
        truth = vae.encode(example.original).latents.float() * vae.config.scaling_factor
        target = truth - ours.base
        target[:, :1] += missing_texture(truth, ours.base, ours.noise, example.has_coarse, kernels)
        unsent = (example.mask > 0).float()
    error = (ours.residual - RESIDUAL_GAIN * target).square() * weights * unsent
    return error.sum(dim=(1, 2, 3)) / (4 * unsent.sum(dim=(1, 2, 3)) + 1)


def composite(vae: AutoencoderTiny, example: Example, base: Tensor, residual: Tensor) -> Tensor:
    """Return the picture that the scaled *residual* makes of the fill."""
    scale = vae.config.scaling_factor
    with torch.no_grad():
        plain = vae.decode(base / scale).sample.float()
    decoded = vae.decode((base + residual / RESIDUAL_GAIN) / scale).sample.float()
    return example.fill + example.unknown * (decoded - plain)


def squared_error(picture: Tensor, example: Example) -> Tensor:
    """Return the mean squared error [B] of the unsent pixels."""
    difference = ((picture - example.original).square() * example.unknown).sum(dim=(1, 2, 3))
    return difference / (3 * example.unknown.sum(dim=(1, 2, 3)) + 1)


def states_for(
    names: list[str], captions: dict[str, str], table: dict[str, Tensor], rng: np.random.Generator
) -> Tensor:
    """Return the text states [B, tokens, width]: the caption for a third of the examples, else the empty prompt."""
    return torch.stack([table[captions[name] if rng.random() < 0.33 else ""] for name in names])


def checked(
    unet: nn.Module,
    vae: AutoencoderTiny,
    scheduler: DDIMScheduler,
    checks: list[Example],
    states: Tensor,
    trunk: VggTrunk,
    kernels: list[Tensor],
    weights: Tensor,
) -> dict[str, float]:
    """Return figures of held-out examples, those with a coarse layer apart.

    Of the mean alone and of the textured picture: decibels gained over the fill, averaged, and the ratio of feature
    distances; and the latents' loss over that of a zero residual.
    """
    rows: dict[str, list[Tensor]] = {}

    def keep(name: str, values: Tensor) -> None:
        rows.setdefault(name, []).append(values)

    full = torch.ones(len(states))
    for check in checks:
        keep("coarse", check.has_coarse.float())
        fill_error = squared_error(check.fill, check)
        fill_features = vgg_distance(trunk, check.fill, check.original)
        for name, strength in (("mean", 0 * full), ("textured", full)):
            ours = predicted(unet, vae, scheduler, check, states, strength, None)
            picture = composite(vae, check, ours.base, ours.residual)
            keep(f"{name}_db", 10 * (fill_error / squared_error(picture, check)).log10())
            keep(f"{name}_features", vgg_distance(trunk, picture, check.original))
            keep(f"{name}_fill_features", fill_features)
            keep(f"{name}_loss", latent_loss(vae, check, ours, kernels, weights))
            zero = Predicted(torch.zeros_like(ours.residual), ours.noise, ours.base)
            keep(f"{name}_zero_loss", latent_loss(vae, check, zero, kernels, weights))
    table = {name: torch.cat(values) for name, values in rows.items()}
    figures = {}
    for label, chosen in (("coarse", table["coarse"] > 0), ("bare", table["coarse"] == 0)):
        part = {name: values[chosen] for name, values in table.items()}
        for name in ("mean", "textured"):
            figures[f"{label}_{name}_db"] = float(part[f"{name}_db"].mean())
            figures[f"{label}_{name}_loss"] = float((part[f"{name}_loss"] / part[f"{name}_zero_loss"]).mean())
            ratio = part[f"{name}_features"].mean() / part[f"{name}_fill_features"].mean()
            figures[f"{label}_{name}_features"] = float(ratio)
    return figures


def main() -> None:
    parser = recipe_arguments(__doc__ or "", minutes=60, batch=8, seed=31)
    parser.add_argument("--vae", type=Path, help="trained VAE (default WORK/vae)")
    parser.add_argument("--name", default="inpainter", help="name of checkpoint and curve")
    parser.add_argument("--no-attention", action="store_true", help="the convolution-only design")
    parser.add_argument("--start", type=Path, help="directory of a UNet to start from, instead of noise")
    parser.add_argument("--rate", type=float, default=1e-3, help="peak learning rate")
    parser.add_argument("--perceptual", type=float, default=0.0, help="weight of the feature distance")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    progress = Progress(arguments.name, arguments.work, arguments.minutes)
    vae = AutoencoderTiny.from_pretrained(arguments.vae or arguments.work / "vae", local_files_only=True)
    vae = vae.to(memory_format=torch.channels_last).eval().requires_grad_(False)
    kernels, weights = band_kernels(), channel_weights(vae)
    trunk = imagenet_vgg().to(memory_format=torch.channels_last)
    scheduler = new_scheduler()
    unet = new_unet(attention=not arguments.no_attention).to(memory_format=torch.channels_last)
    if arguments.start:
        started = UNet2DConditionModel.from_pretrained(arguments.start, local_files_only=True)
        unet.load_state_dict(started.state_dict())
    average = new_unet(attention=not arguments.no_attention).requires_grad_(False)
    average.load_state_dict(unet.state_dict())
    optimizer = torch.optim.AdamW(
        unet.parameters(),
        lr=arguments.rate,
        betas=(0.9, 0.98),
        weight_decay=1e-3,
    )
    if arguments.resume:
        state = progress.resume()
        unet.load_state_dict(state["unet"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        torch.manual_seed(arguments.seed + progress.step)
    captions = text.captions(arguments.data)
    tokenizer, encoder = text.build(arguments.data, arguments.work / "inpaint_parts")
    known_texts = sorted({*captions.values(), ""})
    table = dict(zip(known_texts, text.embed(known_texts, tokenizer, encoder), strict=True))
    captions = {name.removeprefix("persons/"): value for name, value in captions.items()}
    held_out = load_photographs(arguments.data, held_out=True)
    check_rng = np.random.default_rng(3)
    checks = [Example(held_out, 12, check_rng, CROP_PX) for _ in range(6)]
    photographs = load_photographs(arguments.data, held_out=False)
    rng = np.random.default_rng([arguments.seed, progress.step])
    empty = table[""].expand(12, -1, -1)
    running = 0.0
    while True:
        fraction = progress.fraction
        warm = min(1.0, (progress.step + 1) / 100)
        for group in optimizer.param_groups:
            group["lr"] = arguments.rate * warm * float(0.03 + 0.97 * 0.5 * (1 + np.cos(np.pi * fraction)))
        example = Example(photographs, arguments.batch, rng, CROP_PX)
        states = states_for(example.names, captions, table, rng)
        refines = progress.step > 200 and rng.random() < MIDDLE_SHARE
        middle = int(rng.integers(*MIDDLE_TIMES)) if refines else None
        with torch.autocast("cpu", dtype=torch.bfloat16):
            strength = strengths(arguments.batch, rng)
            ours = predicted(unet, vae, scheduler, example, states, strength, middle)
            loss = example.weight * latent_loss(vae, example, ours, kernels, weights)
            if arguments.perceptual > 0:
                picture = composite(vae, example, ours.base, ours.residual)
                top, left = (int(edge) for edge in rng.integers(0, CROP_PX - WINDOW_PX + 1, size=2))
                window = (..., slice(top, top + WINDOW_PX), slice(left, left + WINDOW_PX))
                features = vgg_distance(trunk, picture[window], example.original[window])
                loss = loss + arguments.perceptual * features
        optimizer.zero_grad(set_to_none=True)
        (example.weight * loss).mean().backward()
        nn.utils.clip_grad_norm_(unet.parameters(), 1.0)
        optimizer.step()
        progress.step += 1
        decay = min(0.995, (progress.step + 1) / (progress.step + 20))
        with torch.no_grad():
            for kept, new in zip(average.parameters(), unet.parameters(), strict=True):
                kept.lerp_(new, 1 - decay)
        running += 0.02 * (loss.mean().item() - running)
        if progress.step % 200 == 0 or progress.step == 1 or fraction >= 1.0:
            average.to(memory_format=torch.channels_last).eval()
            with torch.no_grad(), torch.random.fork_rng():
                torch.manual_seed(0)
                values = checked(average, vae, scheduler, checks, empty, trunk, kernels, weights)
            progress.log(train=running, **values)
            progress.save(
                unet=unet.state_dict(), average=average.state_dict(), optimizer=optimizer.state_dict()
            )
        if fraction >= 1.0:
            break
    average.eval().save_pretrained(arguments.work / arguments.name)


if __name__ == "__main__":
    main()
