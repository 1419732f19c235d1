"""What the dataset loaders share: listing image files, reading class maps, and keeping images by a class's area."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ntnsim.datasets.dataset import DatasetImage
from ntnsim.datasets.image_file import read_image
from ntnsim.errors import DatasetError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".avif", ".bmp", ".tif", ".tiff")

UNLABELLED = 255


@dataclass(frozen=True, slots=True)
class AreaRange:
    """Keeps an image if the class *class_name* covers minimum ≤ share ≤ maximum of it."""

    class_name: str
    minimum: float
    maximum: float

    def keeps(self, class_map: NDArray[np.uint8], class_names: tuple[str, ...]) -> bool:
        """Return whether the image with this map of indices into *class_names* is kept."""
        wanted = [index for index, name in enumerate(class_names) if name == self.class_name]
        share = float(np.isin(class_map, wanted).mean())
        return self.minimum <= share <= self.maximum


def existing_directory(path: Path, dataset: str) -> Path:
    """Return *path*, which must be a directory that *dataset* needs."""
    if not path.is_dir():
        raise DatasetError(f"{path}: the dataset {dataset} needs this directory; it does not exist")
    return path


def image_files(directory: Path, dataset: str, *, recursive: bool = False) -> list[Path]:
    """Return the image files of *directory*, sorted by name; none is an error."""
    existing_directory(directory, dataset)
    candidates = directory.rglob("*") if recursive else directory.iterdir()
    found = sorted(path for path in candidates if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())
    if not found:
        raise DatasetError(f"{directory}: holds no image; allowed are {', '.join(IMAGE_SUFFIXES)}")
    return found


def read_class_map(path: Path) -> NDArray[np.uint8]:
    """Return an indexed or greyscale PNG's values [H, W] as they are stored."""
    if not path.is_file():
        raise DatasetError(f"{path}: the dataset needs this class map; it does not exist")
    try:
        with Image.open(path) as image:
            values = np.array(image)
    except Exception as error:  # Pillow's plugins raise many kinds on a damaged file
        raise DatasetError(f"{path}: not a readable class map ({error})") from None
    if values.ndim != 2 or values.dtype not in (np.uint8, np.bool_):
        raise DatasetError(
            f"{path}: a class map has one 8-bit channel, this file is {values.dtype} {values.shape}"
        )
    return values.astype(np.uint8)


def loaded(
    path: Path, name: str, class_map: NDArray[np.uint8] | None, class_names: tuple[str, ...]
) -> DatasetImage:
    """Return the image at *path* with its class map, whose size must agree."""
    pixels, source_bytes = read_image(path)
    if class_map is not None and class_map.shape != pixels.shape[:2]:
        raise DatasetError(
            f"{path}: the image is {pixels.shape[1]}x{pixels.shape[0]}, "
            f"its class map {class_map.shape[1]}x{class_map.shape[0]}"
        )
    return DatasetImage(name, source_bytes, pixels, class_map, class_names)


def kept_by_area(
    names: Sequence[str],
    area: AreaRange | None,
    class_map_of: Callable[[str], NDArray[np.uint8]],
    class_names: tuple[str, ...],
    limit: int | None,
    dataset: str,
) -> list[str]:
    """Return the first *limit* of *names* whose class map *area* keeps; none left is an error."""
    kept: list[str] = []
    for name in names:
        if limit is not None and len(kept) == limit:
            break
        if area is None or area.keeps(class_map_of(name), class_names):
            kept.append(name)
    if not kept:
        share = (
            ""
            if area is None
            else (f" in which {area.class_name} covers {area.minimum:.0%} to {area.maximum:.0%} of the area")
        )
        raise DatasetError(f"dataset {dataset}: none of its {len(names)} images is one{share}")
    return kept


def checked_index(index: int, length: int) -> int:
    """Return *index* if it is one of 0 … length−1."""
    if not 0 <= index < length:
        raise IndexError(f"index must be in 0 to {length - 1}, got {index}")
    return index
