"""Speed of the decoder's second half: the tiny bundle alone and in batches, and Stable Diffusion 2's size on CUDA.

    python benchmarks/decoder_speed.py [--device cuda] [--full-size]

Ratios within one run are what this tells; seconds are this machine's. ``--full-size`` builds Stable Diffusion 2
inpainting's architecture with random weights (times do not depend on them) and runs it through ntnsim's own inpainter,
50 steps at 512×512 in float16, guidance 7.5; it needs a GPU with 8 GB, 4 GB of disk, and some minutes. ``--small``
builds the same classes at toy size instead, to try the script.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from ntnsim.networks.bundle import Member, open_bundle, write_manifest
from ntnsim.networks.load import inpainter_named
from ntnsim.protocols.inpainter import Canvas

STEPS, BATCHES = 50, (1, 4, 8)


def canvases(height: int, width: int, count: int) -> list[Canvas]:
    """Return *count* canvases with a coarse layer and a quarter of their tiles."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, size=(height, width, 3), dtype=np.uint8)
    known = np.kron(rng.random((-(-height // 16), -(-width // 16))) < 0.25, np.ones((16, 16), bool))
    cells = (-(-height // 32), -(-width // 32))
    grain = np.full(cells, 6, np.uint8)
    return [Canvas(pixels, known[:height, :width], pixels, "", seed, grain) for seed in range(count)]


def seconds(call: Callable[[], object], device: str, repeats: int) -> float:
    """Return the median wall time of *call* after one to warm up."""
    durations = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        call()
        if device == "cuda":
            torch.cuda.synchronize()
        durations.append(time.perf_counter() - start)
    return median(durations[1:])


def tiny(device: str) -> dict[str, float]:
    """Return seconds per image of the embedded bundle."""
    results = {}
    for dtype in ("float32",) if device == "cpu" else ("float32", "float16"):
        network = inpainter_named("bundle", open_bundle("tiny"), device=device, dtype=dtype)
        for height, width, count in ((256, 256, 1), (256, 256, 8), (480, 640, 1)):
            inputs = canvases(height, width, count)
            each = seconds(lambda n=network, i=inputs: n.restore(i), device, 3) / count
            results[f"tiny {dtype} {width}x{height} batch {count}"] = round(each, 4)
    return results


def full_size_bundle(directory: Path, *, small: bool) -> None:
    """Write a bundle of Stable Diffusion 2 inpainting's architecture with random weights."""
    from diffusers import AutoencoderKL, PNDMScheduler, StableDiffusionInpaintPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    letters = [chr(code) for code in range(33, 127)]
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    tokenizer = CLIPTokenizer(
        vocab={token: index for index, token in enumerate(words)},
        merges=[],
        model_max_length=77,
        pad_token="<|endoftext|>",
    )
    width = 64 if small else 1024
    text: dict[str, Any] = {"hidden_size": width, "intermediate_size": 4 * width, "projection_dim": width}
    encoder = CLIPTextModel(
        CLIPTextConfig(
            **text,
            vocab_size=len(words) if small else 49408,
            num_hidden_layers=1 if small else 23,
            num_attention_heads=width // 64,
            bos_token_id=len(words) - 2,
            eos_token_id=len(words) - 1,
        )
    )
    unet = UNet2DConditionModel(
        sample_size=64,
        in_channels=9,
        out_channels=4,
        block_out_channels=(32, 64, 64, 64) if small else (320, 640, 1280, 1280),
        attention_head_dim=[1, 2, 2, 2] if small else [5, 10, 20, 20],
        cross_attention_dim=width,
        use_linear_projection=True,
    )
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(32, 32, 32, 32) if small else (128, 256, 512, 512),
        layers_per_block=1 if small else 2,
        latent_channels=4,
        sample_size=512,
    )
    pipeline = StableDiffusionInpaintPipeline(
        vae=vae.half(),
        text_encoder=encoder.half(),
        tokenizer=tokenizer,
        unet=unet.half(),
        scheduler=PNDMScheduler(
            beta_schedule="scaled_linear",
            beta_start=0.00085,
            beta_end=0.012,
            skip_prk_steps=True,
            steps_offset=1,
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(directory / "inpainter")
    options = {"steps": STEPS, "guidance": 7.5, "coarse_strength": 1.0, "batch": max(BATCHES)}
    write_manifest(
        directory, "random weights", [Member("inpainter", "stable-diffusion-inpaint", options=options)]
    )


def full_size(device: str, *, small: bool) -> dict[str, float]:
    """Return seconds per image of ``STEPS`` steps, alone and in batches, and the memory it took."""
    results: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        full_size_bundle(Path(name), small=small)
        network = inpainter_named("bundle", open_bundle(name), steps=2 if small else STEPS, device=device)
        side = 64 if small else 512
        for count in BATCHES:
            inputs = canvases(side, side, count)
            each = seconds(lambda i=inputs: network.restore(i), device, 1) / count
            results[f"full size {side}x{side} batch {count}"] = round(each, 4)
        if device == "cuda":
            results["peak memory (GB)"] = round(torch.cuda.max_memory_allocated() / 1e9, 2)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--full-size", action="store_true", help="also Stable Diffusion 2's architecture")
    parser.add_argument("--small", action="store_true", help="toy widths for --full-size")
    arguments = parser.parse_args()
    results = tiny(arguments.device)
    alone, batch = (results[f"tiny float32 256x256 batch {count}"] for count in (1, 8))
    results["tiny: one by one over batch of 8"] = round(alone / batch, 2)
    if arguments.full_size:
        results |= full_size(arguments.device, small=arguments.small)
    name = (
        torch.cuda.get_device_name()
        if arguments.device == "cuda"
        else f"{torch.get_num_threads()} CPU threads"
    )
    print(json.dumps({"device": name, **results}, indent=1))


if __name__ == "__main__":
    main()
