"""The tiny inpainter's network, and all that stands around it: one step from an example to its picture.

Contract: input [noise (4), mask (1), latents of the fill (4)]; mask 0 = received, 1/2 = a coarse layer came,
1 = classical fill. Output: v of the scaled residual, at the schedule's last time. The picture is
fill + D(z + r) − D(z), so the VAE's own error cancels and a zero residual leaves the fill as it is.
"""

from typing import Any

import torch
from diffusers import AutoencoderTiny, DDIMScheduler, UNet2DConditionModel
from torch import Tensor, nn

from training import text
from training.examples import Example
from training.prepare import CROP_PX

CHANNELS = (48, 96, 128, 192)
RESIDUAL_GAIN = 2.0  # brings the residual's spread (coarse and classical fills together) near one


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
