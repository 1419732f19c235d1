"""Photographs without a download: re-framed captures of the free photographs that our dependencies ship.

scikit-image and matplotlib carry a few photographs that are in the public domain or under CC0. Each capture here is a
crop of one of them, perhaps mirrored, at a camera's own size, stored as high-quality JPEG as a camera would store it.
The framing is drawn from a fixed stream, so the set is the same everywhere; no photograph is part of this project.
"""

import io
from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files
from importlib.resources.abc import Traversable
from pathlib import Path

import numpy as np
from PIL import Image

from ntnsim.datasets.dataset import DatasetImage
from ntnsim.datasets.image_file import rgb_of_bytes
from ntnsim.streams import stream

CAPTURE_JPEG_QUALITY = 95  # with full chroma: what a camera set to its best quality writes
SMALLEST_SHARE = 0.75  # of the photograph's side: tighter crops no longer show what the photograph is of
MOTIF_MARGIN = 0.15  # how far, as a share of the free play, a crop may stray from centring on its motif


@dataclass(frozen=True)
class _Photograph:
    package: str
    path: str
    motif: tuple[float, float]  # (x, y) of what the photograph shows, as shares of its size
    origin: str


# People first: the person task looks for them. The last three have none, and so test frames without a top rank.
PORTRAITS = (
    _Photograph("skimage", "data/astronaut.png", (0.45, 0.25), "Eileen Collins, NASA, public domain"),
    _Photograph(
        "matplotlib",
        "mpl-data/sample_data/grace_hopper.jpg",
        (0.5, 0.35),
        "Grace Hopper, US Navy, public domain",
    ),
    _Photograph("skimage", "data/camera.png", (0.4, 0.45), "cameraman, CC0"),
)
OTHERS = (
    _Photograph("skimage", "data/chelsea.png", (0.5, 0.5), "Chelsea the cat, CC0"),
    _Photograph("skimage", "data/coffee.png", (0.5, 0.5), "coffee cup, CC0"),
    _Photograph("skimage", "data/rocket.jpg", (0.5, 0.6), "Falcon 9, SpaceX, CC0"),
)


class SampleCaptures:
    """*count* captures of *width_px* × *height_px*; one in *other_every* shows no person (0: all show one)."""

    name = "samples"

    def __init__(
        self, count: int = 40, width_px: int = 384, height_px: int = 288, other_every: int = 8
    ) -> None:
        for label, value, least in (
            ("count", count, 1),
            ("width_px", width_px, 1),
            ("height_px", height_px, 1),
            ("other_every", other_every, 0),
        ):
            if value < least:
                raise ValueError(f"{label} must be >= {least}, got {value}")
        self._count = count
        self._size = (width_px, height_px)
        self._other_every = other_every

    def __len__(self) -> int:
        return self._count

    def image(self, index: int) -> DatasetImage:
        """Return capture *index*, 0 ≤ index < len(self)."""
        if not 0 <= index < self._count:
            raise IndexError(f"index must be in [0, {self._count}), got {index}")
        name = _name(index)
        data = _capture(self._photograph(index), index, self._size)
        return DatasetImage(name, data, rgb_of_bytes(data, name), None, ())

    @property
    def pictures(self) -> dict[str, str]:
        """Which photograph each capture is a view of, by the capture's name."""
        return {_name(index): Path(self._photograph(index).path).stem for index in range(self._count)}

    def _photograph(self, index: int) -> _Photograph:
        is_other = self._other_every > 0 and index % self._other_every == self._other_every - 1
        turn = index // self._other_every if is_other else index
        photographs = OTHERS if is_other else PORTRAITS
        return photographs[turn % len(photographs)]


def _name(index: int) -> str:
    return f"sample-{index:03d}"


@cache
def _opened(package: str, path: str) -> Image.Image:
    resource: Traversable = files(package)
    for part in path.split("/"):
        resource = resource / part
    with as_file(resource) as file, Image.open(file) as image:
        return image.convert("RGB")


def _capture(photograph: _Photograph, index: int, size: tuple[int, int]) -> bytes:
    """Return the JPEG bytes of one re-framed view: a crop of the size's aspect around the motif, perhaps mirrored."""
    image = _opened(photograph.package, photograph.path)
    rng = stream(0, "samples", str(index))
    share, *stray = rng.uniform([SMALLEST_SHARE, -1.0, -1.0], [1.0, 1.0, 1.0])
    mirrored = bool(rng.integers(2))
    # The largest crop of the wanted aspect that fits, shrunk by the share.
    scale = share * min(image.width / size[0], image.height / size[1])
    crop = np.array([size[0] * scale, size[1] * scale])
    play = np.array(image.size) - crop
    centred = np.clip(np.array(photograph.motif) * image.size - crop / 2, 0, play)
    corner = np.clip(centred + MOTIF_MARGIN * play * np.array(stray), 0, play)
    left, top, right, bottom = (float(edge) for edge in (*corner, *(corner + crop)))
    view = image.resize(size, Image.Resampling.LANCZOS, box=(left, top, right, bottom))
    if mirrored:
        view = view.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    buffer = io.BytesIO()
    view.save(buffer, "JPEG", quality=CAPTURE_JPEG_QUALITY, subsampling=0)
    return buffer.getvalue()
