"""A learned coarse layer for ``layers``: the bundle's own VAE latents, quantised, their bits told by entropy.

Bits are, per channel, the entropy of the numbers themselves or of their differences to the mean of the neighbours
above and to the left, whichever is less, with nothing paid to tell either. No coder of independent symbols needs fewer;
one that learned more of their context might.
"""

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ntnsim.arrays import BoolMask, UInt8Image
from ntnsim.errors import InputError
from ntnsim.experiments.rate_points import inpainter_of
from ntnsim.networks.bundle import open_bundle
from ntnsim.networks.diffusion import padded, vae_stride
from ntnsim.networks.loading import load_network
from ntnsim.protocols.inpainter import Canvas
from ntnsim.spiff.cheap_fill import cheap_fill
from ntnsim.spiff.grain import encode_grain, grain_strengths
from ntnsim.spiff.resize import resized
from ntnsim.spiff.settings import FULL_SCALE


def coded_latents(
    scale: int, step: float, bundle: str, pixels: UInt8Image, top: BoolMask
) -> tuple[int, UInt8Image]:
    """Return the bits of the low rank's latents and strengths, and the picture [H, W, 3] that *bundle* restores.

    scale: sides of the picture that is coded, in sixteenths. step: of the quantiser, in deviations of the latents.
    """
    height, width = top.shape
    shape = (max(1, round(height * scale / FULL_SCALE)), max(1, round(width * scale / FULL_SCALE)))
    bits, small = quantised(resized(cheap_fill(pixels, ~top), shape), step, bundle)
    layer = resized(small, (height, width))
    strengths = grain_strengths(pixels, layer, ~top)
    canvas = Canvas(np.where(top[..., None], pixels, 0), top, layer, "", 1, strengths)
    [picture] = inpainter_of(bundle).restore([canvas])
    return round(bits) + 8 * len(encode_grain(strengths)), picture


@torch.inference_mode()
def quantised(picture: UInt8Image, step: float, bundle: str) -> tuple[float, UInt8Image]:
    """Return the bits of *picture*'s latents in multiples of *step*, and what their decoder makes of them."""
    vae = _vae(bundle)
    height, width = picture.shape[:2]
    whole = padded(picture, vae_stride(vae))
    values = torch.from_numpy(np.ascontiguousarray(whole)).permute(2, 0, 1)[None].float() / 127.5 - 1
    unit = step / vae.config.scaling_factor
    numbers = torch.round(vae.encode(values).latents / unit)
    decoded = vae.decode(numbers * unit).sample[0].permute(1, 2, 0).numpy()
    levels = np.clip(np.rint((decoded + 1) * 127.5), 0, 255).astype(np.uint8)
    bits = sum(fewest_bits(channel) for channel in numbers[0].numpy().astype(np.int64))
    return bits, levels[:height, :width]


def fewest_bits(numbers: NDArray[np.int64]) -> float:
    """Return the entropy, in bits, of *numbers* [rows, columns]: themselves or what their neighbours do not tell."""
    above, left = np.pad(numbers, ((1, 0), (0, 0)))[:-1], np.pad(numbers, ((0, 0), (1, 0)))[:, :-1]
    return min(_entropy_bits(numbers), _entropy_bits(numbers - (above + left) // 2))


def _entropy_bits(numbers: NDArray[np.int64]) -> float:
    counts = np.unique(numbers, return_counts=True)[1]
    return float(-(counts * np.log2(counts / numbers.size)).sum())


@lru_cache(maxsize=1)
def _vae(bundle: str) -> Any:
    opened = open_bundle(bundle)
    member, directory = opened.member("inpainter")
    if member.kind != "one-step-residual":
        raise InputError(f"bundle {bundle}: a learned layer needs latents of one step, not {member.kind}")
    from diffusers import AutoencoderTiny

    return load_network(AutoencoderTiny, directory / "vae", "a VAE").eval()
