"""A panel of judges: one restored picture, seen by several measures that do not agree by construction.

A single measure can be pleased: noise pleases some, smoothness others. Claims are made with the panel, and say which
judges agree and which do not. No judge here takes part in any training of the bundles.

========== ====================================================================================== ================
name       what it measures                                                                       better is
========== ====================================================================================== ================
alex       ST-LPIPS, AlexNet (Ghildyal & Liu, ECCV 2022)                                          lower
lite0      distance of EfficientNet-lite0's feature maps at five depths, channels normalised      lower
ms-ssim    one minus multi-scale SSIM (Wang, Simoncelli & Bovik 2003)                             lower
mse        mean squared error of RGB values in [0, 255]; PSNR is 10·log10(255²/mse)               lower
ssimulacra2 one hundred minus SSIMULACRA2 (package ``ssimulacra2``, extra ``judges``)             lower
butteraugli Butteraugli's 3-norm (libjxl's ``butteraugli_main`` on the path)                      lower
lpips      LPIPS, AlexNet (Zhang et al. 2018); $NTNSIM_LPIPS_TRUNK: torchvision's AlexNet in a file lower
dists      DISTS (Ding et al. 2022); $NTNSIM_DISTS_TRUNK: torchvision's VGG16 in a file; ``judges``  lower
clip       one minus the cosine of CLIP's image vectors; $NTNSIM_CLIP: a transformers directory   lower
========== ====================================================================================== ================

:func:`kernel_distance` judges sets of pictures: whether restored patches are drawn from where originals are;
:func:`patch_set_distance` asks the same of the patches of one picture.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from ntnsim.arrays import BoolMask, UInt8Image
from ntnsim.errors import BundleError, InputError
from ntnsim.fidelity.backends import ClipBackend, LpipsBackend, StLpipsBackend
from ntnsim.fidelity.dists import DistsJudge
from ntnsim.fidelity.similarity import ms_ssim
from ntnsim.networks import lite0

JUDGES = ("alex", "lite0", "ms-ssim", "mse", "ssimulacra2", "butteraugli")
# Judges whose weights nobody may ship: each joins where this variable says where they lie.
WEIGHTS_VARIABLES = {"lpips": "NTNSIM_LPIPS_TRUNK", "dists": "NTNSIM_DISTS_TRUNK", "clip": "NTNSIM_CLIP"}
_BUTTERAUGLI = "butteraugli_main"
PATCH_PX = 64  # of the kernel distance
_MIN_SIDE_PX = 16


def available_judges() -> tuple[str, ...]:
    """Return the judges that this installation has; the others need a package, a tool or weights that are not there."""
    absent = set()
    if find_spec("ssimulacra2") is None:
        absent.add("ssimulacra2")
    if shutil.which(_BUTTERAUGLI) is None:
        absent.add("butteraugli")
    weighed = (judge for judge, variable in WEIGHTS_VARIABLES.items() if os.environ.get(variable))
    return (*(judge for judge in JUDGES if judge not in absent), *weighed)


def judged(
    original: UInt8Image,
    restored: UInt8Image,
    *,
    where: BoolMask | None = None,
    judges: Sequence[str] | None = None,
) -> dict[str, float]:
    """Return each judge's distance between two pictures [H, W, 3]; zero means identical.

    where: bool [H, W], the pixels that ``alex``, ``lite0``, ``lpips`` and ``mse`` average over; the others see whole
        pictures.
    judges: which; default all that are available. Raises InputError for one that is unknown or absent, BundleError
        where weights cannot be read.
    """
    if original.shape != restored.shape:
        raise InputError(f"pictures of {original.shape} and {restored.shape} pixels cannot be compared")
    if min(original.shape[:2]) < _MIN_SIDE_PX:
        raise InputError(
            f"pictures of at least {_MIN_SIDE_PX} pixels a side can be judged, got {original.shape}"
        )
    chosen = available_judges() if judges is None else tuple(judges)
    for judge in chosen:
        if judge not in available_judges():
            raise InputError(
                f"judge {judge!r} is not available; available are {', '.join(available_judges())}"
            )
    everywhere = np.ones(original.shape[:2], bool) if where is None else where
    if not everywhere.any():
        raise InputError("no pixel to be judged")
    calls: dict[str, Callable[[], float]] = {
        "alex": lambda: float(_alex_map(original, restored)[everywhere].mean()),
        "lite0": lambda: float(lite0_map(original, restored)[everywhere].mean()),
        "ms-ssim": lambda: 1 - ms_ssim(original, restored),
        "mse": lambda: float(((original[everywhere].astype(np.float64) - restored[everywhere]) ** 2).mean()),
        "ssimulacra2": partial(_ssimulacra2, original, restored),
        "butteraugli": partial(_butteraugli, original, restored),
        "lpips": lambda: float(_lpips(_weighed("lpips")).distance_map(original, restored)[everywhere].mean()),
        "dists": lambda: _dists(_weighed("dists")).distance(original, restored),
        "clip": lambda: _clip(_weighed("clip")).distance(original, restored),
    }
    distances = {}
    for judge in chosen:
        try:
            distances[judge] = calls[judge]()
        except BundleError as error:
            if judge not in WEIGHTS_VARIABLES:
                raise
            raise BundleError(f"{WEIGHTS_VARIABLES[judge]}: {error}") from None
    return distances


@lru_cache(maxsize=1)
def _lpips(trunk: str) -> LpipsBackend:
    return LpipsBackend.from_file(Path(trunk))


@lru_cache(maxsize=1)
def _dists(trunk: str) -> DistsJudge:
    return DistsJudge(Path(trunk))


@lru_cache(maxsize=1)
def _clip(directory: str) -> ClipBackend:
    return ClipBackend(Path(directory))


def _weighed(judge: str) -> str:
    """Return where the weights of *judge* lie."""
    return os.environ[WEIGHTS_VARIABLES[judge]]


def _alex_map(original: UInt8Image, restored: UInt8Image) -> NDArray[np.float32]:
    backend = StLpipsBackend()
    return backend.distance_map(backend.features(original), backend.features(restored))


@torch.inference_mode()
def lite0_map(original: UInt8Image, restored: UInt8Image) -> NDArray[np.float32]:
    """Return the feature maps' distance at every pixel, float32 [H, W]: a mean over five depths.

    At each depth, channels are brought to unit length and squared differences summed, then enlarged bilinearly.
    """
    height, width = original.shape[:2]
    first, second = (
        lite0.pretrained().pyramid(_network_input([picture])) for picture in (original, restored)
    )
    total = torch.zeros(1, 1, height, width)
    for a, b in zip(first, second, strict=True):
        unit_a, unit_b = functional.normalize(a, dim=1), functional.normalize(b, dim=1)
        difference = (unit_a - unit_b).square().sum(dim=1, keepdim=True)
        total += functional.interpolate(difference, (height, width), mode="bilinear", align_corners=False)
    distance: NDArray[np.float32] = (total / len(first))[0, 0].numpy()
    return distance


def _network_input(pictures: Sequence[UInt8Image]) -> Tensor:
    batch = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float()
    return lite0.normalised(batch)


def _png(picture: UInt8Image) -> BytesIO:
    stream = BytesIO()
    Image.fromarray(picture).save(stream, "PNG", compress_level=1)
    stream.seek(0)
    return stream


def _ssimulacra2(original: UInt8Image, restored: UInt8Image) -> float:
    from ssimulacra2 import compute_ssimulacra2

    return 100.0 - float(compute_ssimulacra2(_png(original), _png(restored)))


def _butteraugli(original: UInt8Image, restored: UInt8Image) -> float:
    """Return the 3-norm that libjxl's tool prints last."""
    with tempfile.TemporaryDirectory() as directory:
        paths = [Path(directory) / name for name in ("original.png", "restored.png")]
        for path, picture in zip(paths, (original, restored), strict=True):
            path.write_bytes(_png(picture).getvalue())
        printed = subprocess.run(
            [_BUTTERAUGLI, *map(str, paths)], capture_output=True, text=True, check=True
        ).stdout
    return float(printed.strip().rsplit(":", 1)[-1])


@torch.inference_mode()
def patch_features(picture: UInt8Image) -> NDArray[np.float64]:
    """Return the pooled lite0 features [N, 1280] of the picture's whole patches of ``PATCH_PX`` pixels."""
    height, width = (side // PATCH_PX * PATCH_PX for side in picture.shape[:2])
    tiles = picture[:height, :width].reshape(height // PATCH_PX, PATCH_PX, width // PATCH_PX, PATCH_PX, 3)
    patches = tiles.swapaxes(1, 2).reshape(-1, PATCH_PX, PATCH_PX, 3)
    if not len(patches):
        return np.zeros((0, lite0.FEATURE_CHANNELS))
    features: NDArray[np.float64] = (
        lite0.pretrained().features(_network_input(list(patches))).double().numpy()
    )
    return features


def kernel_distance(originals: NDArray[np.float64], restored: NDArray[np.float64]) -> float:
    """Return KID of two sets of features [N, D]: the unbiased squared maximum mean discrepancy.

    Kernel (x·y/D + 1)³, as Bińkowski et al., "Demystifying MMD GANs" (ICLR 2018). About zero, or a little below, for
    two samples of one set.
    """
    if min(len(originals), len(restored)) < 2:
        raise InputError("a kernel distance needs two patches of each set at least")

    n, m = len(originals), len(restored)
    within = [
        (values.sum() - np.trace(values)) / (count * (count - 1))
        for values, count in ((_kernel(originals, originals), n), (_kernel(restored, restored), m))
    ]
    return float(within[0] + within[1] - 2 * _kernel(originals, restored).mean())


def patch_set_distance(original: UInt8Image, restored: UInt8Image, where: BoolMask) -> float:
    """Return the kernel distance of the patches of two pictures [H, W, 3] that hold a pixel of *where* [H, W].

    The squared distance of the two sets' mean features under KID's kernel, every pair counted: the patches are the
    same places, so that the unbiased estimate would be too low. Zero for equal sets. Borders are repeated to whole
    patches. Raises InputError where *where* is empty.
    """
    if not where.any():
        raise InputError("no pixel to be judged")
    rows, columns = (-(-side // PATCH_PX) for side in where.shape)
    added = [(0, count * PATCH_PX - side) for count, side in zip((rows, columns), where.shape, strict=True)]
    touched = np.pad(where, added).reshape(rows, PATCH_PX, columns, PATCH_PX).any(axis=(1, 3)).ravel()
    first, second = (
        patch_features(np.pad(picture, [*added, (0, 0)], mode="edge"))[touched]
        for picture in (original, restored)
    )
    within = _kernel(first, first).mean() + _kernel(second, second).mean()
    return max(float(within - 2 * _kernel(first, second).mean()), 0.0)


def _kernel(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((a @ b.T / a.shape[1] + 1) ** 3)
