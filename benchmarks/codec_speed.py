"""Speed of the codec: encoding without segmentation, scoring in batches against one by one, and store look-ups.

    python benchmarks/codec_speed.py [PHOTOGRAPH MASK]

Encoding is wall time at 640×480 (median and quickest of 25 runs), the parts' libraries side by side on all cores; its
CPU time stands beside it, and so do whole-image codecs as they come, on one thread: what a host is worth shows in them.
Scoring compares wall time per image of one call for eight pairs (four photographs, two
reconstructions each) with eight calls, on all cores.
"""

import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
import torch
from PIL import Image
from skimage import data

from ntnsim.fidelity.metrics import scorer_named
from ntnsim.images.outcome_store import OutcomeKey, OutcomeStore
from ntnsim.protocols.configuration import Configuration
from ntnsim.spiff.components import Component, decode_component, encode_component
from ntnsim.spiff.decoder import decode_partial_image
from ntnsim.spiff.encoder import encode_image
from ntnsim.spiff.settings import SPIFF, SPIFF_PAPER

FAST = replace(SPIFF, crop=replace(SPIFF.crop, speed=8), coarse=replace(SPIFF.coarse, speed=8))
OUTPUT = Path(__file__).with_suffix(".json")


def photograph() -> tuple[np.ndarray, np.ndarray]:
    """Return 640×480 pixels and a top-rank map, from the arguments or from scikit-image's astronaut."""
    if len(sys.argv) > 2:
        pixels = np.array(Image.open(sys.argv[1]).convert("RGB").resize((640, 480)))
        mask = np.array(Image.open(sys.argv[2]).convert("L").resize((640, 480))) > 0
    else:
        pixels = np.array(Image.fromarray(data.astronaut()[:384]).resize((640, 480)))
        rows, columns = np.mgrid[0:480, 0:640]
        mask = ((rows - 260) / 220) ** 2 + ((columns - 280) / 160) ** 2 <= 1
    return pixels, mask.astype(np.uint8)


def encoding_ms(pixels: np.ndarray, ranks: np.ndarray) -> dict[str, dict[str, float]]:
    """Return milliseconds of encoding and decoding, per codec."""
    cases = {
        "spiff": (SPIFF, Configuration(0.0, (0.0,), 0.5)),
        "spiff with patches": (SPIFF, Configuration(0.0, (0.25,), 0.5)),
        "spiff, AVIF speed 8": (FAST, Configuration(0.0, (0.0,), 0.5)),
        "spiff-paper": (SPIFF_PAPER, Configuration(0.1, (0.25,))),
    }
    results = {}
    for name, (settings, x) in cases.items():
        payload = encode_image(pixels, ranks, x, settings, n_ranks=2, seed=1).payload
        encode, cpu, decode = [], [], []
        for _ in range(25):
            started, on_cpu = time.perf_counter(), time.process_time()
            encode_image(pixels, ranks, x, settings, n_ranks=2, seed=1)
            cpu.append(1e3 * (time.process_time() - on_cpu))
            encode.append(1e3 * (time.perf_counter() - started))
            started = time.perf_counter()
            decode_partial_image(payload)
            decode.append(1e3 * (time.perf_counter() - started))
        results[name] = {
            "encode_ms": round(median(encode), 1),
            "quickest_encode_ms": round(min(encode), 1),
            "encode_cpu_ms": round(median(cpu), 1),
            "decode_ms": round(median(decode), 1),
        }
    return results


def whole_image_ms(pixels: np.ndarray) -> dict[str, float]:
    """Return median milliseconds of encoding the whole image, per codec and quality, at the libraries' defaults."""
    results = {}
    for component in (Component("avif", 45, speed=6), Component("webp", 75), Component("jpeg", 75)):
        encode = []
        for _ in range(15):
            started = time.perf_counter()
            encode_component(pixels, component)
            encode.append(1e3 * (time.perf_counter() - started))
        results[f"{component.codec} q{component.quality}"] = round(median(encode), 1)
    return results


def scoring(pixels: np.ndarray, ranks: np.ndarray) -> dict[str, float]:
    """Return wall and CPU seconds per image, one by one and in one call."""
    scorer = scorer_named()
    originals = [np.roll(pixels, 40 * shift, axis=1) for shift in range(4) for _ in range(2)]
    maps = [np.roll(ranks, 40 * shift, axis=1) for shift in range(4) for _ in range(2)]
    images = [
        decode_component(encode_component(original, Component("jpeg", quality)), "jpeg", (480, 640), "part")
        for original, quality in zip(originals, (20, 60) * 4, strict=True)
    ]
    scorer.score(originals[:1], images[:1], maps[:1], 2)  # load the networks
    wall, cpu = time.perf_counter(), time.process_time()
    alone = [scorer.score([a], [b], [m], 2)[0] for a, b, m in zip(originals, images, maps, strict=True)]
    alone_wall, alone_cpu = time.perf_counter() - wall, time.process_time() - cpu
    wall, cpu = time.perf_counter(), time.process_time()
    together = scorer.score(originals, images, maps, 2)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    assert together == alone
    return {
        "one_by_one_wall_s": round(alone_wall / 8, 3),
        "batched_wall_s": round(wall / 8, 3),
        "wall_ratio": round(alone_wall / wall, 2),
        "one_by_one_cpu_s": round(alone_cpu / 8, 3),
        "batched_cpu_s": round(cpu / 8, 3),
        "cpu_ratio": round(alone_cpu / cpu, 2),
        "threads": torch.get_num_threads(),
    }


def lookups_per_s() -> int:
    """Return look-ups per CPU second in a store of a thousand outcomes in memory."""
    store = OutcomeStore()
    base = OutcomeKey("image", Configuration(0.1, (0.2,), 0.3), "spiff", "tiny", 0, "encode")
    keys = [replace(base, seed=seed) for seed in range(1000)]
    for key in keys:
        store.put(key, {"bits": 1})
    started = time.process_time()
    for _ in range(200):
        for key in keys:
            store.get(key)
    return round(200_000 / (time.process_time() - started))


def main() -> None:
    """Measure, print and write the JSON beside this file."""
    pixels, ranks = photograph()
    results = {
        "encoding 640x480": encoding_ms(pixels, ranks),
        "encoding whole images 640x480, ms": whole_image_ms(pixels),
        "scoring 640x480": scoring(pixels, ranks),
        "lookups_per_cpu_s": lookups_per_s(),
    }
    OUTPUT.write_text(json.dumps(results, indent=1) + "\n")
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
