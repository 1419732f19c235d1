"""Prove that a bundle works: load every member and run one image through it (``ntnsim models check``)."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ntnsim.errors import BundleError, first_line
from ntnsim.networks.bundle import Bundle, check_device
from ntnsim.networks.load import inpainter_named, load_captioner, load_segmenter
from ntnsim.protocols.inpainter import Canvas

KEPT_TILE_PX = 16
MOST_STEPS = 2  # of the sampler: enough to run every part of it, and quick with a full-size network


@dataclass(frozen=True, slots=True)
class MemberCheck:
    """What one member made of the image, and the wall seconds of loading and of running it."""

    member: str
    kind: str
    made: str
    load_s: float
    run_s: float


def run_members(bundle: Bundle, pixels: NDArray[np.uint8], *, device: str = "cpu") -> list[MemberCheck]:
    """Return what each member of *bundle* makes of *pixels* [H, W, 3]; raise BundleError if one fails."""
    loaders: dict[str, Callable[[], Callable[[], str]]] = {
        "segmenter": lambda: _segmenter(bundle, pixels, device),
        "captioner": lambda: _captioner(bundle, pixels, device),
        "inpainter": lambda: _inpainter(bundle, pixels, device),
    }
    check_device(device)
    checks = []
    for name, member in bundle.members.items():
        if name not in loaders:
            raise BundleError(
                f"bundle {bundle.name}: member {name!r} is unknown; allowed are {', '.join(loaders)}"
            )
        started = time.perf_counter()
        run = loaders[name]()
        loaded = time.perf_counter()
        try:
            made = run()
        except (RuntimeError, ValueError, TypeError, KeyError, IndexError) as error:  # what networks raise
            raise BundleError(
                f"bundle {bundle.name}: the {name} fails on an image ({first_line(error)})"
            ) from error
        ended = time.perf_counter()
        checks.append(
            MemberCheck(name, member.kind, made, round(loaded - started, 2), round(ended - loaded, 2))
        )
    return checks


def _segmenter(bundle: Bundle, pixels: NDArray[np.uint8], device: str) -> Callable[[], str]:
    segmenter = load_segmenter(bundle, device)

    def run() -> str:
        """Segment the photograph, and say what share each class has."""
        class_map = segmenter.class_maps([pixels])[0]
        if class_map.shape != pixels.shape[:2] or int(class_map.max()) >= len(segmenter.class_names):
            raise ValueError(f"class map {class_map.shape} up to {class_map.max()} for {pixels.shape}")
        shares = np.bincount(class_map.ravel(), minlength=len(segmenter.class_names)) / class_map.size
        found = [f"{segmenter.class_names[index]} {shares[index]:.0%}" for index in np.argsort(-shares)[:3]]
        return ", ".join(found)

    return run


def _captioner(bundle: Bundle, pixels: NDArray[np.uint8], device: str) -> Callable[[], str]:
    captioner = load_captioner(bundle, device)
    return lambda: repr(captioner.captions([pixels])[0])


def _inpainter(bundle: Bundle, pixels: NDArray[np.uint8], device: str) -> Callable[[], str]:
    steps = min(MOST_STEPS, int(bundle.member("inpainter")[0].options.get("steps", MOST_STEPS)))
    inpainter = inpainter_named("bundle", bundle, steps=steps, device=device)

    def run() -> str:
        """Return in words how far a restored picture is off; ValueError where received pixels change."""
        # A chessboard of tiles is received; the rest must come back changed from nothing, the tiles as they were.
        rows, columns = np.indices(pixels.shape[:2]) // KEPT_TILE_PX
        known = (rows + columns) % 2 == 0
        received = np.where(known[..., None], pixels, np.uint8(0))
        image = inpainter.restore([Canvas(received, known, None, "", 1)])[0]
        if image.shape != pixels.shape or not np.array_equal(image[known], pixels[known]):
            raise ValueError(f"the restored image {image.shape} does not keep what was received")
        error = float(np.abs(image.astype(float) - pixels)[~known].mean()) if not known.all() else 0.0
        return (
            f"{1 - known.mean():.0%} restored in {steps} step{'s' * (steps > 1)}, {error:.1f} grey levels off"
        )

    return run
