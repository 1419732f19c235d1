"""The tiny VAE: an AutoencoderTiny that halves each side (f2, four channels).

At f4 four channels keep about 26 dB, less than a coarse AVIF layer holds; at f2 they keep what a coarse layer lacks.
Training starts from a closed form instead of noise: the encoder (linear, no blocks) as luma, two colour differences
and one diagonal luma gradient of each 2×2 block, the decoder as bilinear enlargement of the means. ``scaling_factor``
brings the latents to unit variance.
"""

from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny
from torch import Tensor, nn

from training.loop import Progress, recipe_arguments
from training.photographs import crop_batches, load_photographs

WIDTH = 32


def new_vae() -> AutoencoderTiny:
    """Return the untrained network."""
    return AutoencoderTiny(
        encoder_block_out_channels=(WIDTH, WIDTH),
        decoder_block_out_channels=(WIDTH, WIDTH),
        num_encoder_blocks=(0, 0),
        num_decoder_blocks=(2, 0),
        latent_channels=4,
    )


# Opponent colours and one gradient of the 2×2 block: the principal components of the training crops, rounded, with
# the two luma gradients (which are equally strong) folded into one. Their gains even out the spread
# and keep the latents where the decoder's soft clamp (3·tanh(z/3)) is straight.
COLOURS = ((0.577, 0.577, 0.577), (-0.707, 0.0, 0.707), (-0.408, 0.816, -0.408))
GAINS = (0.35, 0.6, 0.8, 1.1)


@torch.no_grad()
def start_in_closed_form(vae: AutoencoderTiny) -> None:
    """Write the linear code and its bilinear inverse into the weights; spare channels keep their random ones."""
    convolutions = [layer for layer in vae.encoder.layers if isinstance(layer, nn.Conv2d)]
    copy, project, out = convolutions
    copy.weight[:3].zero_()
    for colour in range(3):
        copy.weight[colour, colour, 1, 1] = 2.0  # EncoderTiny first maps [−1, 1] to [0, 1]
    copy.bias[:3] = -1.0
    project.weight[:4].zero_()
    # Of the 3×3 window at stride two, rows and columns 1 and 2 are the block.
    for component, weights in enumerate(COLOURS):
        for colour, weight in enumerate(weights):
            project.weight[component, colour, 1:, 1:] = 0.5 * weight
    for colour in range(3):
        project.weight[3, colour, 1, 1], project.weight[3, colour, 2, 2] = 0.408, -0.408
    out.weight.zero_()
    out.bias.zero_()
    for component, gain in enumerate(GAINS):
        out.weight[component, component, 1, 1] = gain
    first, up, last = (layer for layer in vae.decoder.layers if isinstance(layer, nn.Conv2d))
    # z = relu(z) − relu(−z) passes the rectifiers exactly; the blocks add to what passes.
    first.weight[:8].zero_()
    first.bias[:8].zero_()
    for component in range(4):
        first.weight[component, component, 1, 1] = 1.0
        first.weight[4 + component, component, 1, 1] = -1.0
    for name, block in vae.decoder.named_modules():
        if name.endswith(".conv") and isinstance(block, nn.Sequential):
            block[-1].weight.zero_()
            block[-1].bias.zero_()
    up.weight[:4].zero_()
    taps = torch.tensor([0.25, 0.5, 0.25])  # on nearest-enlarged values: bilinear enlargement
    for component in range(4):
        up.weight[component, component] = torch.outer(taps, taps)
        up.weight[component, 4 + component] = -torch.outer(taps, taps)
    last.weight.zero_()
    last.bias.zero_()
    for component, weights in enumerate(COLOURS):
        for colour, weight in enumerate(weights):
            # DecoderTiny maps [0, 1] back to [−1, 1] after the last layer.
            last.weight[colour, component, 1, 1] = 0.5 * 0.5 * weight / GAINS[component]
    last.bias.fill_(0.5)


def to_tensor(pixels: np.ndarray) -> Tensor:
    """Return uint8 [B, H, W, 3] as float [B, 3, H, W] in [−1, 1], channels last in memory."""
    batch = torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2)
    return batch.to(torch.float32).div(127.5).sub(1.0).contiguous(memory_format=torch.channels_last)


def psnr_db(a: Tensor, b: Tensor) -> float:
    """PSNR of two batches in [−1, 1], over all pixels."""
    return float(10 * torch.log10(4.0 / (a.clamp(-1, 1) - b).pow(2).mean()))


def main() -> None:
    arguments = recipe_arguments(__doc__ or "", minutes=10, batch=12, seed=11).parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    progress = Progress("vae", arguments.work, arguments.minutes)
    vae = new_vae().to(memory_format=torch.channels_last)
    start_in_closed_form(vae)
    optimizer = torch.optim.AdamW(vae.parameters(), lr=1e-3, weight_decay=1e-4)
    if arguments.resume:
        state = progress.resume()
        vae.load_state_dict(state["vae"])
        optimizer.load_state_dict(state["optimizer"])
    held_out = load_photographs(arguments.data, held_out=True)
    check = to_tensor(next(crop_batches(held_out, batch=48, size_px=128, rng=np.random.default_rng(5))))
    photographs = load_photographs(arguments.data, held_out=False)
    rng = np.random.default_rng([arguments.seed, progress.step])
    for pixels in crop_batches(photographs, batch=arguments.batch, size_px=128, rng=rng):
        fraction = progress.fraction
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * min(1.0, (progress.step + 1) / 100) * (0.02 + 0.98 * (1 - fraction) ** 1.0)
        original = to_tensor(pixels)
        latents = vae.encode(original).latents
        difference = vae.decode(latents).sample - original
        # The weak pull to unit variance keeps the latent's scale from drifting.
        loss = difference.abs().mean() + 2.0 * difference.pow(2).mean() + 1e-4 * latents.pow(2).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimizer.step()
        progress.step += 1
        if progress.step % 200 == 0 or progress.step == 1 or fraction >= 1.0:
            with torch.no_grad():
                z = vae.encode(check).latents
                held_out_db = psnr_db(vae.decode(z).sample, check)
            progress.log(
                loss=loss.item(), psnr_db=held_out_db, latent_std=z.std().item(), latent_mean=z.mean().item()
            )
            progress.save(vae=vae.state_dict(), optimizer=optimizer.state_dict())
        if fraction >= 1.0:
            break
    with torch.no_grad():
        z = vae.encode(check).latents
    vae.register_to_config(scaling_factor=round(1.0 / z.std().item(), 4))
    vae.save_pretrained(Path(arguments.work) / "vae")


if __name__ == "__main__":
    main()
