"""The tiny inpainter: a UNet2DConditionModel that predicts, in latents, the residual from the fill to the picture.

Contract: input [noisy residual (4), mask (1), latents of the fill (4)]; mask 0 = received, 1/2 = a coarse layer came,
1 = classical fill. Output: v of the scaled residual (4) and how uncertain it is (4), the learned variance of Nichol and
Dhariwal (2021) as diffusers' DDPMScheduler reads it. The picture is fill + D(z + r) − D(z), so the VAE's own error
cancels and a zero residual leaves the fill as it is. VAE and text encoder stay frozen.

What a coarse layer lost can be known only in part: the mean of the residual takes codec noise away, and the rest is
texture of known strength and unknown place, which the sampler's last step draws. Two stages teach it:

- ``likelihood``: the Gaussian likelihood of the true residual, in latents; neither the decoder nor a feature network
  is needed, which makes a step cheap.
- ``perceptual``: L1 and distances of VGG16's features (``vgg.py``; not the network that the bundle is scored with)
  of the mean's picture, and local texture energies (``texture.py``) of the sampled one: the drawn texture should have
  the energy that is missing, which is less than the error's. Without a coarse layer the features look at the sampled
  picture, so that noise does not stand for whole objects.

One step from pure noise is what is mostly trained; a share of the batches starts from the network's own first answer,
noised to a middle time, so that further steps refine instead of wander.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny, DDPMScheduler, UNet2DConditionModel
from torch import Tensor, nn
from torch.nn import functional

from training import text
from training.degradation import received
from training.loop import Progress, recipe_arguments
from training.photographs import Photograph, load_photographs, random_crop
from training.texture import quadrature_bank, texture_distance
from training.vae import to_tensor
from training.vgg import VggTrunk, imagenet_vgg, vgg_distance

CROP_PX = 128
WINDOW_PX = 64
RESIDUAL_GAIN = 2.0  # brings the residual's spread (coarse and classical fills together) near one
MASK_COARSE = 0.5
TYPICAL_ERROR = 0.08  # mean absolute error of a fill, in [−1, 1] units
MIDDLE_TIMES = (249, 499, 749)
DECADES = 10.0  # of standard deviation that the variance output spans: DDPMScheduler's floor is 1e-20
FIRST_STD = 0.1  # of the untrained network's texture, in scaled latents
VARIANCE_RATE = 0.03  # of the variance output's last layer, as a share of the common learning rate
SMALLEST_STD = 0.001  # where clamped, no gradient is left


def new_unet(
    channels: tuple[int, ...] = (32, 64, 96, 128), *, attention: bool = True
) -> UNet2DConditionModel:
    """Return the untrained network; its last layer is zero, so that it starts as the fill."""
    levels = len(channels)
    unet = UNet2DConditionModel(
        sample_size=CROP_PX // 2,
        in_channels=9,
        out_channels=8,
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
    nn.init.constant_(unet.conv_out.bias[4:], variance_output(FIRST_STD))
    return unet


def variance_output(std: float) -> float:
    """Return the output that stands for a standard deviation *std* of the scaled residual; at the last time, nearly."""
    return 1.0 + 2.0 * float(np.log10(std)) / DECADES


def std_of(output: Tensor, alpha: Tensor) -> Tensor:
    """Return the standard deviation that DDPMScheduler adds for *output* in a step to time 0.

    "learned_range" interpolates the logarithm of the variance between its floor, 1e-20, and 1 − ᾱ of the step's start;
    *alpha* is that ᾱ.
    """
    share = (output + 1.0) / 2.0
    floor = -2.0 * DECADES * float(np.log(10.0))
    return torch.exp(0.5 * (share * (1 - alpha).log() + (1 - share) * floor))


def started_from(directory: Path, unet: UNet2DConditionModel, temperature: float) -> None:
    """Take over the weights of the UNet in *directory*; one without a variance output fills in the first half.

    temperature: factor on the deviations of its residuals.
    """
    weights = UNet2DConditionModel.from_pretrained(directory, local_files_only=True).state_dict()
    own = unet.state_dict()
    for name in ("conv_out.weight", "conv_out.bias"):
        if weights[name].shape != own[name].shape:
            weights[name] = torch.cat([weights[name], own[name][4:]])
    weights["conv_out.bias"][4:] += variance_output(temperature) - variance_output(1.0)
    unet.load_state_dict(weights)


def new_scheduler() -> DDPMScheduler:
    """Return the sampler that the recipe trains for: ancestral, learned variance, trailing times, v-prediction.

    The terminal SNR is left as it is, not rescaled to zero: the variance formulas need it above zero.
    """
    return DDPMScheduler(
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        prediction_type="v_prediction",
        variance_type="learned_range",
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
    """Mean and standard deviation of the scaled residual [B, 4, h, w], and the latents of the fill they belong to."""

    mean: Tensor
    std: Tensor
    base: Tensor

    def sample(self) -> Tensor:
        """Return a draw of the scaled residual."""
        return self.mean + self.std * torch.randn_like(self.std)


def one_step(
    unet: nn.Module,
    scheduler: DDPMScheduler,
    noisy: Tensor,
    time: Tensor,
    mask: Tensor,
    base: Tensor,
    states: Tensor,
) -> Predicted:
    """Return what one step from *noisy* at *time* to the end predicts."""
    v, variance = unet(torch.cat([noisy, mask, base], dim=1), time, states).sample.float().chunk(2, dim=1)
    alpha = scheduler.alphas_cumprod[time][:, None, None, None]
    mean = alpha.sqrt() * noisy - (1 - alpha).sqrt() * v
    return Predicted(mean, std_of(variance, alpha).clamp(SMALLEST_STD, 3.0), base)


def predicted(
    unet: nn.Module,
    vae: AutoencoderTiny,
    scheduler: DDPMScheduler,
    example: Example,
    states: Tensor,
    middle_time: int | None,
) -> Predicted:
    """Return what one step predicts, or a second one from *middle_time*."""
    with torch.no_grad():
        base = vae.encode(example.fill).latents.float() * vae.config.scaling_factor
    noisy = torch.randn_like(base)
    batch = base.shape[0]
    time = torch.full((batch,), scheduler.config.num_train_timesteps - 1)
    if middle_time is not None:
        with torch.no_grad():
            first = one_step(unet, scheduler, noisy, time, example.mask, base, states)
        time = torch.full((batch,), middle_time)
        alpha = scheduler.alphas_cumprod[time][:, None, None, None]
        noisy = alpha.sqrt() * first.mean + (1 - alpha).sqrt() * torch.randn_like(base)
    return one_step(unet, scheduler, noisy, time, example.mask, base, states)


def likelihood_loss(vae: AutoencoderTiny, example: Example, ours: Predicted) -> Tensor:
    """Return the negative log likelihood [B] of the true residuals of unsent latents, weighted by the deviation.

    The weight (β-NLL, Seitzer et al. 2022, β = 1/2) keeps the mean learning where the deviation is large.
    """
    with torch.no_grad():
        truth = vae.encode(example.original).latents.float() * vae.config.scaling_factor
        residual = RESIDUAL_GAIN * (truth - ours.base)
        unsent = (example.mask > 0).float()
    surprise = ours.std.log() + 0.5 * ((residual - ours.mean) / ours.std).square()
    weighted = surprise * ours.std.detach() * unsent
    return weighted.sum(dim=(1, 2, 3)) / (4 * unsent.sum(dim=(1, 2, 3)) + 1)


def composite(vae: AutoencoderTiny, example: Example, base: Tensor, residual: Tensor) -> Tensor:
    """Return the picture that the scaled *residual* makes of the fill."""
    scale = vae.config.scaling_factor
    with torch.no_grad():
        plain = vae.decode(base / scale).sample.float()
    decoded = vae.decode((base + residual / RESIDUAL_GAIN) / scale).sample.float()
    return example.fill + example.unknown * (decoded - plain)


def l1_of(picture: Tensor, example: Example) -> Tensor:
    """Return the mean absolute error [B] of the unsent pixels."""
    difference = ((picture - example.original).abs() * example.unknown).sum(dim=(1, 2, 3))
    return difference / (3 * example.unknown.sum(dim=(1, 2, 3)) + 1)


def states_for(
    names: list[str], captions: dict[str, str], table: dict[str, Tensor], rng: np.random.Generator
) -> Tensor:
    """Return the text states [B, tokens, width]: the caption for a third of the examples, else the empty prompt."""
    return torch.stack([table[captions[name] if rng.random() < 0.33 else ""] for name in names])


def checked(
    unet: nn.Module,
    vae: AutoencoderTiny,
    scheduler: DDPMScheduler,
    checks: list[Example],
    states: Tensor,
    trunk: VggTrunk,
    bank: Tensor,
) -> dict[str, float]:
    """Return figures of held-out examples, those with a coarse layer apart: ours, and ours over the fill's."""
    rows: dict[str, list[Tensor]] = {}

    def keep(name: str, values: Tensor) -> None:
        rows.setdefault(name, []).append(values)

    for check in checks:
        ours = predicted(unet, vae, scheduler, check, states, None)
        mean = composite(vae, check, ours.base, ours.mean)
        picture = composite(vae, check, ours.base, ours.sample())
        keep("coarse", check.has_coarse.float())
        keep("likelihood", likelihood_loss(vae, check, ours))
        for name, image in (("mean", mean), ("sample", picture), ("fill", check.fill)):
            keep(f"{name}_l1", l1_of(image, check))
            keep(f"{name}_texture", texture_distance(image, check.original, bank))
        for name, image in (("sample", picture), ("fill", check.fill)):
            keep(f"{name}_features", vgg_distance(trunk, image, check.original))
    table = {name: torch.cat(values) for name, values in rows.items()}
    figures = {}
    for label, chosen in (("coarse", table["coarse"] > 0), ("bare", table["coarse"] == 0)):
        part = {name: float(values[chosen].mean()) for name, values in table.items()}
        figures[f"{label}_likelihood"] = part["likelihood"]
        for name in ("mean_l1", "sample_l1", "sample_texture", "sample_features"):
            figures[f"{label}_{name}"] = part[name] / part[f"fill_{name.split('_')[1]}"]
    return figures


def main() -> None:
    parser = recipe_arguments(__doc__ or "", minutes=60, batch=8, seed=31)
    parser.add_argument("--vae", type=Path, help="trained VAE (default WORK/vae)")
    parser.add_argument("--name", default="inpainter", help="name of checkpoint and curve")
    parser.add_argument("--no-attention", action="store_true", help="the convolution-only design")
    parser.add_argument("--start", type=Path, help="directory of a UNet to start from, instead of noise")
    parser.add_argument("--temperature", type=float, default=1.0, help="factor on that UNet's deviations")
    parser.add_argument("--stage", choices=("likelihood", "perceptual"), default="likelihood")
    parser.add_argument("--rate", type=float, default=1e-3, help="peak learning rate")
    parser.add_argument("--perceptual", type=float, default=0.3, help="weight of the feature distance")
    parser.add_argument("--texture", type=float, default=0.6, help="weight of the texture distance")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    progress = Progress(arguments.name, arguments.work, arguments.minutes)
    vae = AutoencoderTiny.from_pretrained(arguments.vae or arguments.work / "vae", local_files_only=True)
    vae = vae.to(memory_format=torch.channels_last).eval().requires_grad_(False)
    bank = quadrature_bank()
    trunk = imagenet_vgg().to(memory_format=torch.channels_last)
    scheduler = new_scheduler()
    unet = new_unet(attention=not arguments.no_attention).to(memory_format=torch.channels_last)
    if arguments.start:
        started_from(arguments.start, unet, arguments.temperature)
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
        middle = int(rng.choice(MIDDLE_TIMES)) if progress.step > 200 and rng.random() < 0.3 else None
        with torch.autocast("cpu", dtype=torch.bfloat16):
            ours = predicted(unet, vae, scheduler, example, states, middle)
            if arguments.stage == "likelihood":
                loss = likelihood_loss(vae, example, ours)
            else:
                mean = composite(vae, example, ours.base, ours.mean)
                sample = composite(vae, example, ours.base, ours.sample())
                loss = l1_of(mean, example)
                loss = loss + arguments.texture * texture_distance(sample, example.original, bank)
                top, left = (int(edge) for edge in rng.integers(0, CROP_PX - WINDOW_PX + 1, size=2))
                window = (..., slice(top, top + WINDOW_PX), slice(left, left + WINDOW_PX))
                seen = torch.where(example.has_coarse[:, None, None, None], mean, sample)
                features = vgg_distance(trunk, seen[window], example.original[window])
                loss = loss + arguments.perceptual * features
        optimizer.zero_grad(set_to_none=True)
        (example.weight * loss).mean().backward()
        nn.utils.clip_grad_norm_(unet.parameters(), 1.0)
        before = [parameter[4:].detach().clone() for parameter in (unet.conv_out.weight, unet.conv_out.bias)]
        optimizer.step()
        # One unit of the variance output is ten decades of standard deviation halved: at the common rate it would
        # jump by factors and, once at the floor, stay there.
        with torch.no_grad():
            for parameter, old in zip((unet.conv_out.weight, unet.conv_out.bias), before, strict=True):
                parameter[4:] = torch.lerp(old, parameter[4:], VARIANCE_RATE)
        progress.step += 1
        decay = min(0.99, (progress.step + 1) / (progress.step + 20))
        with torch.no_grad():
            for kept, new in zip(average.parameters(), unet.parameters(), strict=True):
                kept.lerp_(new, 1 - decay)
        running += 0.02 * (loss.mean().item() - running)
        if progress.step % 100 == 0 or progress.step == 1 or fraction >= 1.0:
            average.to(memory_format=torch.channels_last).eval()
            with torch.no_grad(), torch.random.fork_rng():
                torch.manual_seed(0)
                values = checked(average, vae, scheduler, checks, empty, trunk, bank)
            progress.log(train=running, **values)
            progress.save(
                unet=unet.state_dict(), average=average.state_dict(), optimizer=optimizer.state_dict()
            )
        if fraction >= 1.0:
            break
    average.eval().save_pretrained(arguments.work / arguments.name)


if __name__ == "__main__":
    main()
