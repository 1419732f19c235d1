"""The tiny inpainter: a UNet2DConditionModel that predicts, in latents, the residual from the fill to the picture.

Contract: input [noisy residual (4), mask (1), latents of the fill (4)]; mask 0 = received, 1/2 = a coarse layer came,
1 = classical fill. Output: v of the scaled residual. The picture is fill + D(z + r) − D(z), so the
VAE's own error cancels and a zero residual leaves the fill as it is. VAE and text encoder stay frozen.

Loss, on the composite picture: L1 of the unsent pixels, local texture energies (``texture.py``), and distances of
ImageNet features (EfficientNet-lite0, strides 4 to 16; not the features that the bundle is scored with). One step from
pure noise is what is mostly trained; a share of the batches starts from the network's own one-step answer, noised to a
middle time, so that further steps refine instead of wander.
"""

from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny, DDIMScheduler, UNet2DConditionModel
from torch import Tensor, nn
from torch.nn import functional

from ntnsim.spiff.lite0 import Lite0Trunk, imagenet_trunk
from training import text
from training.degradation import received
from training.loop import Progress, recipe_arguments
from training.photographs import Photograph, load_photographs, random_crop
from training.texture import quadrature_bank, texture_distance
from training.vae import psnr_db, to_tensor

CROP_PX = 128
RESIDUAL_GAIN = 2.0  # brings the residual's spread (coarse and classical fills together) near one
MASK_COARSE = 0.5
TYPICAL_ERROR = 0.08  # mean absolute error of a fill, in [−1, 1] units
MIDDLE_TIMES = (249, 499, 749)


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
    """Return the sampler that the recipe trains for: DDIM, trailing times, v-prediction.

    The terminal SNR is left as it is, not rescaled to zero: at the last time x₀ = α·x − σ·v with α = 0.07, so v = 0
    leaves a fine grain, of about two grey levels, which the network then strengthens, weakens or shapes. With α = 0 the
    grain has to come through the network, where its sign is arbitrary and drifts: averaged weights lost it.
    """
    return DDIMScheduler(
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=True,
        steps_offset=1,  # of no effect with trailing times; the pipeline asks for it
    )


def feature_distance(trunk: Lite0Trunk, ours: Tensor, truth: Tensor) -> Tensor:
    """Squared distances [B] of channel-normalised feature maps, summed over channels and maps, averaged over places."""
    with torch.no_grad():
        wanted = trunk(truth)
    total = ours.new_zeros(len(ours))
    # The stride-2 map counts every grain in the wrong phase as an error, which asks for blur: left out.
    for a, b in list(zip(trunk(ours), wanted, strict=True))[1:]:
        a, b = a.float(), b.float()
        a = a / (a.pow(2).sum(1, keepdim=True) + 1e-2).sqrt()
        b = b / (b.pow(2).sum(1, keepdim=True) + 1e-2).sqrt()
        total = total + (a - b).pow(2).sum(1).mean(dim=(1, 2))
    return total


class Example:
    """One batch on its way through the loss: pictures in [−1, 1], masks [B, 1, ·, ·]."""

    def __init__(
        self, photographs: list[Photograph], batch: int, rng: np.random.Generator, size_px: int
    ) -> None:
        crops, fills, masks, self.names = [], [], [], []
        for index in rng.integers(0, len(photographs), size=batch):
            crop, person = random_crop(photographs[index], size_px, rng)
            draw = received(crop, person, rng)
            crops.append(crop)
            fills.append(draw.fill)
            masks.append(
                np.where(draw.known, 0.0, MASK_COARSE if draw.has_coarse else 1.0).astype(np.float32)
            )
            self.names.append(photographs[index].name)
        self.original, self.fill = to_tensor(np.stack(crops)), to_tensor(np.stack(fills))
        pixel_mask = torch.from_numpy(np.stack(masks))[:, None]
        self.unknown = (pixel_mask > 0).float()
        self.mask = functional.max_pool2d(pixel_mask, 2)  # a latent is unknown where any of its pixels is
        # Hopeless examples (large holes, no coarse layer) have large errors that nothing mends; without a weight
        # their gradients would drown those of the coarse layers, where there is something to win.
        error = ((self.fill - self.original).abs() * self.unknown).sum(dim=(1, 2, 3))
        error = error / (3 * self.unknown.sum(dim=(1, 2, 3)) + 1)
        self.weight = (TYPICAL_ERROR / error.clamp(min=1e-3)).clamp(0.3, 2.5)


def predicted_residual(
    unet: nn.Module,
    scheduler: DDIMScheduler,
    noisy: Tensor,
    time: Tensor,
    mask: Tensor,
    base: Tensor,
    states: Tensor,
) -> Tensor:
    """Return the residual (scaled) that v at *time* stands for."""
    v = unet(torch.cat([noisy, mask, base], dim=1), time, states).sample.float()
    alpha = scheduler.alphas_cumprod[time][:, None, None, None]
    return alpha.sqrt() * noisy - (1 - alpha).sqrt() * v


def restored(
    unet: nn.Module,
    vae: AutoencoderTiny,
    scheduler: DDIMScheduler,
    example: Example,
    states: Tensor,
    middle_time: int | None,
) -> Tensor:
    """Return the composite picture after one step, or after a second one from *middle_time*."""
    scale = vae.config.scaling_factor
    with torch.no_grad():
        latents = vae.encode(example.fill).latents
        plain = vae.decode(latents).sample.float()
    base = latents.float() * scale
    noise = torch.randn_like(base)
    batch = base.shape[0]
    time = torch.full((batch,), scheduler.config.num_train_timesteps - 1)
    noisy = noise
    if middle_time is not None:
        with torch.no_grad():
            first = predicted_residual(unet, scheduler, noise, time, example.mask, base, states)
        time = torch.full((batch,), middle_time)
        alpha = scheduler.alphas_cumprod[time][:, None, None, None]
        noisy = alpha.sqrt() * first + (1 - alpha).sqrt() * noise
    residual = predicted_residual(unet, scheduler, noisy, time, example.mask, base, states)
    decoded = vae.decode((base + residual / RESIDUAL_GAIN) / scale).sample.float()
    return example.fill + example.unknown * (decoded - plain)


def losses(
    trunk: Lite0Trunk, bank: Tensor, example: Example, picture: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return (L1 over unsent pixels, texture distance, feature distance of the composite), one value per example."""
    difference = ((picture - example.original).abs() * example.unknown).sum(dim=(1, 2, 3))
    l1 = difference / (3 * example.unknown.sum(dim=(1, 2, 3)) + 1)
    texture = texture_distance(picture, example.original, bank)
    return l1, texture, feature_distance(trunk, picture, example.original)


def states_for(
    names: list[str], captions: dict[str, str], table: dict[str, Tensor], rng: np.random.Generator
) -> Tensor:
    """Return the text states [B, tokens, width]: the caption for a third of the examples, else the empty prompt."""
    return torch.stack([table[captions[name] if rng.random() < 0.33 else ""] for name in names])


def main() -> None:
    parser = recipe_arguments(__doc__ or "", minutes=60, batch=8, seed=31)
    parser.add_argument("--vae", type=Path, help="trained VAE (default WORK/vae)")
    parser.add_argument("--name", default="inpainter", help="name of checkpoint and curve")
    parser.add_argument("--no-attention", action="store_true", help="the convolution-only design")
    parser.add_argument("--rate", type=float, default=1e-3, help="peak learning rate")
    parser.add_argument("--perceptual", type=float, default=0.08, help="weight of the feature distance")
    parser.add_argument("--texture", type=float, default=0.4, help="weight of the texture distance")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    progress = Progress(arguments.name, arguments.work, arguments.minutes)
    vae = AutoencoderTiny.from_pretrained(arguments.vae or arguments.work / "vae", local_files_only=True)
    vae = vae.to(memory_format=torch.channels_last).eval().requires_grad_(False)
    bank = quadrature_bank()
    trunk = imagenet_trunk(4).to(memory_format=torch.channels_last).requires_grad_(False)
    scheduler = new_scheduler()
    unet = new_unet(attention=not arguments.no_attention).to(memory_format=torch.channels_last)
    average = new_unet(attention=not arguments.no_attention).requires_grad_(False)
    average.load_state_dict(unet.state_dict())
    optimizer = torch.optim.AdamW(unet.parameters(), lr=arguments.rate, betas=(0.9, 0.98), weight_decay=1e-3)
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
    checks = [Example(held_out, 12, check_rng, CROP_PX) for _ in range(4)]
    photographs = load_photographs(arguments.data, held_out=False)
    rng = np.random.default_rng([arguments.seed, progress.step])
    empty = table[""].expand(12, -1, -1)
    running = np.zeros(3)
    while True:
        fraction = progress.fraction
        warm = min(1.0, (progress.step + 1) / 100)
        for group in optimizer.param_groups:
            group["lr"] = arguments.rate * warm * float(0.03 + 0.97 * 0.5 * (1 + np.cos(np.pi * fraction)))
        example = Example(photographs, arguments.batch, rng, CROP_PX)
        states = states_for(example.names, captions, table, rng)
        middle = int(rng.choice(MIDDLE_TIMES)) if progress.step > 300 and rng.random() < 0.2 else None
        with torch.autocast("cpu", dtype=torch.bfloat16):
            picture = restored(unet, vae, scheduler, example, states, middle)
            l1, texture, distance = losses(trunk, bank, example, picture)
        total = l1 + arguments.texture * texture + arguments.perceptual * distance
        optimizer.zero_grad(set_to_none=True)
        (example.weight * total).mean().backward()
        nn.utils.clip_grad_norm_(unet.parameters(), 1.0)
        optimizer.step()
        progress.step += 1
        decay = min(0.98, (progress.step + 1) / (progress.step + 20))
        with torch.no_grad():
            for kept, new in zip(average.parameters(), unet.parameters(), strict=True):
                kept.lerp_(new, 1 - decay)
        running = 0.98 * running + 0.02 * np.array([value.mean().item() for value in (l1, texture, distance)])
        if progress.step % 100 == 0 or progress.step == 1 or fraction >= 1.0:
            average.to(memory_format=torch.channels_last).eval()
            rows = []
            with torch.no_grad(), torch.random.fork_rng():
                torch.manual_seed(0)
                for check in checks:
                    picture = restored(average, vae, scheduler, check, empty, None)
                    rows.append(
                        [
                            *(value.mean().item() for value in losses(trunk, bank, check, picture)),
                            *(value.mean().item() for value in losses(trunk, bank, check, check.fill)),
                            psnr_db(picture, check.original),
                            psnr_db(check.fill, check.original),
                        ]
                    )
            names = (
                "l1",
                "texture",
                "distance",
                "fill_l1",
                "fill_texture",
                "fill_distance",
                "psnr_db",
                "fill_psnr_db",
            )
            values = dict(zip(names, np.mean(rows, axis=0), strict=True))
            progress.log(train_l1=running[0], train_texture=running[1], train_distance=running[2], **values)
            progress.save(
                unet=unet.state_dict(), average=average.state_dict(), optimizer=optimizer.state_dict()
            )
        if fraction >= 1.0:
            break
    average.eval().save_pretrained(arguments.work / arguments.name)


if __name__ == "__main__":
    main()
