"""The user's own photographs: every image file of a directory, with masks if there are any."""

from pathlib import Path

from ntnsim.datasets.dataset import DatasetImage
from ntnsim.datasets.files import checked_index, image_files, loaded
from ntnsim.datasets.image_file import read_image, read_mask
from ntnsim.errors import DatasetError


class FolderDataset:
    """The image files in *path* and below, sorted by path.

    masks: directory with ``NAME.png`` for each image NAME.*; pixels that are not black are of class "marked".
    """

    name = "folder"
    class_names = ("other", "marked")

    def __init__(self, path: Path, masks: Path | None = None, limit: int | None = None) -> None:
        self._root = path
        self._files = image_files(path, self.name, recursive=True)[:limit]
        self._masks = masks

    def __len__(self) -> int:
        return len(self._files)

    def image(self, index: int) -> DatasetImage:
        """Return photograph *index*."""
        path = self._files[checked_index(index, len(self))]
        name = path.relative_to(self._root).as_posix()
        if self._masks is None:
            return loaded(path, name, None, self.class_names)
        mask_path = self._masks / f"{path.stem}.png"
        if not mask_path.is_file():
            raise DatasetError(f"{mask_path}: the mask of {name} does not exist")
        pixels, _ = read_image(path)
        mask = read_mask(mask_path, (pixels.shape[0], pixels.shape[1]))
        return loaded(path, name, mask.astype("uint8"), self.class_names)
