"""The user's own photographs: every image file of a directory, with masks if there are any."""

from collections import Counter
from pathlib import Path

from ntnsim.datasets.dataset import DatasetImage
from ntnsim.datasets.files import checked_index, existing_directory, image_files, loaded
from ntnsim.datasets.image_file import read_image
from ntnsim.datasets.mask_file import MaskKind, read_mask
from ntnsim.errors import DatasetError


class FolderDataset:
    """The image files in *path* and below, sorted by path; masks are no photographs, wherever they lie.

    masks: directory with ``NAME.png`` for each image NAME.*, or the same tree as *path*; what *mask_kind* marks there
    is of class "marked".
    """

    name = "folder"
    class_names = ("other", "marked")

    def __init__(
        self, path: Path, masks: Path | None = None, limit: int | None = None, mask_kind: MaskKind = "nonzero"
    ) -> None:
        self._root = path
        files = image_files(path, self.name, recursive=True)
        if masks is not None:
            existing_directory(masks, self.name)
            files = _without_masks(files, path, masks)
        if not files:
            raise DatasetError(f"{path}: holds no image beside the masks")
        self._stems = Counter(file.stem for file in files)
        self._files = files[:limit]
        self._masks, self._mask_kind = masks, mask_kind

    def __len__(self) -> int:
        return len(self._files)

    def image(self, index: int) -> DatasetImage:
        """Return photograph *index*."""
        path = self._files[checked_index(index, len(self))]
        name = path.relative_to(self._root).as_posix()
        if self._masks is None:
            return loaded(path, name, None, self.class_names)
        mask_path = self._masks / path.relative_to(self._root).with_suffix(".png")
        if not mask_path.is_file():
            if self._stems[path.stem] > 1:
                raise DatasetError(
                    f"{mask_path}: the mask of {name} does not exist, and other images are called so"
                )
            mask_path = self._masks / f"{path.stem}.png"
        if not mask_path.is_file():
            raise DatasetError(f"{mask_path}: the mask of {name} does not exist")
        pixels, _ = read_image(path)
        mask = read_mask(mask_path, (pixels.shape[0], pixels.shape[1]), self._mask_kind)
        return loaded(path, name, mask.astype("uint8"), self.class_names)


def _without_masks(files: list[Path], root: Path, masks: Path) -> list[Path]:
    """Return *files* without those below *masks*; beside the photographs, a PNG of another file's name is its mask."""
    inside = masks.resolve()
    if inside != root.resolve():
        return [file for file in files if inside not in file.resolve().parents]
    photographs = {file.with_suffix("") for file in files if file.suffix.lower() != ".png"}
    return [
        file for file in files if file.suffix.lower() != ".png" or file.with_suffix("") not in photographs
    ]
