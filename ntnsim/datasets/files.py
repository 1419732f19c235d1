"""What the dataset loaders share: listing image files, reading class maps, and keeping images by a class's area."""

import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ntnsim.datasets.dataset import DatasetImage
from ntnsim.datasets.image_file import orientation, read_bytes, read_image
from ntnsim.datasets.mask_file import stored_values
from ntnsim.errors import DatasetError, ImageError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".avif", ".bmp", ".tif", ".tiff", ".jfif")
UNREAD_SUFFIXES = (".heic", ".heif", ".jp2", ".j2k", ".gif", ".jxl", ".dng", ".cr2", ".nef", ".arw")

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
    candidates = [
        path for path in (directory.rglob("*") if recursive else directory.iterdir()) if path.is_file()
    ]
    shadows = [path for path in candidates if path.name.startswith("._")]  # what macOS writes beside a file
    candidates = [path for path in candidates if not path.name.startswith("._")]
    found = sorted(path for path in candidates if path.suffix.lower() in IMAGE_SUFFIXES)
    others = Counter(path.suffix.lower() for path in candidates if path.suffix.lower() in UNREAD_SUFFIXES)
    unread = ", ".join(f"{count} {suffix}" for suffix, count in sorted(others.items()))
    if not found:
        holds = f" but {unread}" if unread else ""
        raise DatasetError(f"{directory}: holds no image{holds}; allowed are {', '.join(IMAGE_SUFFIXES)}")
    if unread:
        warnings.warn(f"{directory}: images that are not read: {unread}", stacklevel=2)
    if shadows:
        warnings.warn(f"{directory}: {len(shadows)} files named ._… left out", stacklevel=2)
    return found


def read_class_map(path: Path) -> NDArray[np.uint8]:
    """Return an indexed or greyscale PNG's values [H, W] as they are stored."""
    if not path.is_file():
        raise DatasetError(f"{path}: the dataset needs this class map; it does not exist")
    try:
        return stored_values(read_bytes(path), str(path))
    except ImageError as error:
        raise DatasetError(str(error)) from None


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
    if class_map is not None:
        turned = orientation(source_bytes)
        if turned in (2, 3, 4) or (turned > 4 and pixels.shape[0] == pixels.shape[1]):
            raise DatasetError(
                f"{path}: is turned by its EXIF orientation {turned}, and its class map fits turned and unturned; "
                "save the photograph upright"
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
