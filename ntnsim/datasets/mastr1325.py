"""MaSTr1325 (Bovcon et al. 2019): maritime photographs for obstacle detection.

Layout: images ``NNNN.jpg``; masks ``NNNNm.png`` of 0 obstacles and environment, 1 water, 2 sky, 4 unknown.
"""

from pathlib import Path

from ntnsim.datasets.dataset import DatasetImage
from ntnsim.datasets.files import checked_index, existing_directory, image_files, loaded, read_class_map
from ntnsim.errors import DatasetError


class Mastr1325Dataset:
    """The images that have a mask, by name."""

    name = "mastr1325"
    class_names = ("obstacle", "water", "sky", "(unused)", "unknown")

    def __init__(self, images: Path, masks: Path, limit: int | None = None) -> None:
        self._masks = existing_directory(masks, self.name)
        files = [path for path in image_files(images, self.name) if (masks / f"{path.stem}m.png").is_file()]
        if not files:
            raise DatasetError(f"{masks}: holds no mask NNNNm.png for an image NNNN.jpg of {images}")
        self._files = files[:limit]

    def __len__(self) -> int:
        return len(self._files)

    def image(self, index: int) -> DatasetImage:
        """Return photograph *index*."""
        path = self._files[checked_index(index, len(self))]
        class_map = read_class_map(self._masks / f"{path.stem}m.png")
        return loaded(path, path.stem, class_map, self.class_names)
