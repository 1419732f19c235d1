"""The training photographs in memory, and random crops of them.

The layout is ``persons/{train,val}`` and ``scenes``; scenes whose number divides by seven are held out for validation,
so that no recipe ever sees them. The inpainter may also be trained on a pack: one file of AVIF images.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ntnsim.arrays import UInt8Image

HELD_OUT_DIVISOR = 7  # of the scenes' file numbers


@dataclass(frozen=True)
class Photograph:
    """One photograph: pixels uint8 [H, W, 3] and, of persons, the mask bool [H, W]."""

    name: str
    pixels: UInt8Image
    person: NDArray[np.bool_] | None


def read_rgb(path: Path) -> UInt8Image:
    """Return the photograph at *path* as uint8 RGB [H, W, 3]."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise FileNotFoundError(f"{path}: not a readable photograph")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def photograph_paths(data: Path, *, held_out: bool, persons: bool = True, scenes: bool = True) -> list[Path]:
    """Return the photographs of the training part, or of the *held_out* part, in a fixed order."""
    paths: list[Path] = []
    if persons:
        paths += sorted((data / "persons" / ("val" if held_out else "train")).glob("*.jpg"))
    if scenes:
        numbered = sorted((data / "scenes").glob("*.jpg"))
        paths += [path for path in numbered if (int(path.stem) % HELD_OUT_DIVISOR == 0) == held_out]
    if not paths:
        raise FileNotFoundError(f"{data}: no photographs under persons/ or scenes/")
    return paths


def load_photographs(
    data: Path, *, held_out: bool, persons: bool = True, scenes: bool = True
) -> list[Photograph]:
    """Read the chosen part into memory (about 0.8 GB for the whole training part)."""
    photographs = []
    for path in photograph_paths(data, held_out=held_out, persons=persons, scenes=scenes):
        mask_path = path.with_suffix(".png")
        person = cv2.imread(str(mask_path), cv2.IMREAD_GRAYSCALE) == 1 if mask_path.exists() else None
        photographs.append(Photograph(f"{path.parent.name}/{path.stem}", read_rgb(path), person))
    return photographs


@dataclass(frozen=True)
class Source:
    """One photograph that is still to be read: its *number*, and the path or the coded bytes."""

    number: int
    content: Path | bytes

    def pixels(self) -> UInt8Image:
        """Return the photograph as uint8 RGB [H, W, 3]."""
        if isinstance(self.content, Path):
            return read_rgb(self.content)
        return np.asarray(Image.open(io.BytesIO(self.content)).convert("RGB"))


def photograph_sources(data: Path | None, pack: Path | None) -> list[Source]:
    """Return the training photographs of *pack* where one is given, else of *data*.

    pack: directory of ``photos.bin``, image files one after another, and ``photos_sizes.npy``, their lengths in bytes.
    """
    if pack is None:
        if data is None:
            raise ValueError("neither data nor pack is given")
        paths = photograph_paths(data, held_out=False)
        return [Source(number, path) for number, path in enumerate(paths)]
    content = (pack / "photos.bin").read_bytes()
    ends = np.cumsum(np.load(pack / "photos_sizes.npy"))
    if len(content) != ends[-1]:
        raise ValueError(f"{pack}/photos.bin: holds {len(content)} bytes, photos_sizes.npy says {ends[-1]}")
    starts = [0, *ends[:-1]]
    return [Source(n, content[a:b]) for n, (a, b) in enumerate(zip(starts, ends, strict=True))]


def random_crop(
    photograph: Photograph, size_px: int, rng: np.random.Generator, *, smallest_scale: float = 0.4
) -> tuple[UInt8Image, NDArray[np.bool_] | None]:
    """Return a square crop at a random scale, perhaps mirrored: pixels [size, size, 3] and the person mask."""
    pixels, person = photograph.pixels, photograph.person
    height, width = pixels.shape[:2]
    # Never enlarge, except a photograph smaller than the crop: interpolated pixels hold no detail to learn.
    smallest = max(smallest_scale, (size_px + 1) / min(height, width))
    scale = float(rng.uniform(min(smallest, 1.0), 1.0)) if rng.random() < 0.6 else max(1.0, smallest)
    taken = min(round(size_px / scale), height, width)
    top = int(rng.integers(0, height - taken + 1))
    left = int(rng.integers(0, width - taken + 1))
    window = np.s_[top : top + taken, left : left + taken]
    crop = pixels[window]
    mask = None if person is None else person[window]
    if taken != size_px:
        crop = cv2.resize(crop, (size_px, size_px), interpolation=cv2.INTER_AREA)
        if mask is not None:
            resized = cv2.resize(mask.astype(np.uint8), (size_px, size_px), interpolation=cv2.INTER_NEAREST)
            mask = resized.astype(bool)
    if rng.random() < 0.5:
        crop = crop[:, ::-1]
        mask = None if mask is None else mask[:, ::-1]
    return np.ascontiguousarray(crop), None if mask is None else np.ascontiguousarray(mask)


def crop_batches(
    photographs: list[Photograph], *, batch: int, size_px: int, rng: np.random.Generator
) -> Iterator[UInt8Image]:
    """Yield batches of crops uint8 [batch, size, size, 3] without end."""
    while True:
        chosen = rng.integers(0, len(photographs), size=batch)
        yield np.stack([random_crop(photographs[index], size_px, rng)[0] for index in chosen])
