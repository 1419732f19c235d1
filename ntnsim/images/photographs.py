"""The photographs that sources take: in which order, under which name, and with which relevance ranks.

Decoded photographs and their rank maps are held for a while and read again when they are needed after that; names,
digests and places are remembered for the whole run.
"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from ntnsim.arrays import IntArray, RankMap, UInt8Image
from ntnsim.datasets.dataset import Dataset, DatasetImage
from ntnsim.streams import integer_seed, stream

HELD = 64  # decoded photographs and rank maps kept in memory

RankMapper = Callable[[DatasetImage], RankMap]


@dataclass(frozen=True, slots=True)
class Photograph:
    """A photograph as it is held: its dataset's entry, and the rank of every pixel."""

    image: DatasetImage
    rank_map: RankMap

    @property
    def pixels(self) -> UInt8Image:
        """The picture, uint8 [H, W, 3]."""
        return self.image.pixels


class Photographs:
    """All photographs of one scenario's sources."""

    def __init__(
        self,
        datasets: Mapping[str, Dataset],
        dataset_of_source: Mapping[str, str],
        *,
        in_order: Collection[str],
        rank_mapper: RankMapper,
        ranks_digest: str,
        ranks_come_from_class_maps: bool,
        seed: int,
    ) -> None:
        """Bind the datasets.

        dataset_of_source: the name of the dataset that each source photographs.
        in_order: sources that take number *index* of the dataset itself; the others walk through it in a random order,
            and through another one each time they have seen it all.
        rank_mapper: a photograph to its rank map; *ranks_digest* names all that it depends on beside the photograph.
        ranks_come_from_class_maps: whether the photograph's own class map decides its ranks, and so what comes of it.
        """
        self.ranks_digest = ranks_digest
        self._datasets = datasets
        self._dataset_of_source = dataset_of_source
        self._in_order = in_order
        self._rank_mapper = rank_mapper
        self._uses_class_maps = ranks_come_from_class_maps
        self._seed = seed
        self._orders: dict[tuple[str, int], IntArray] = {}
        self._places: dict[str, tuple[str, int]] = {}  # image_id → dataset and index
        self._digests: dict[str, str] = {}
        self._held: OrderedDict[str, Photograph] = OrderedDict()

    def place(self, source: str, index: int) -> tuple[str, int]:
        """Return dataset and index of photograph number *index* of *source*."""
        name = self._dataset_of_source[source]
        size = len(self._datasets[name])
        epoch, position = divmod(index, size)
        if source in self._in_order:
            return name, position
        order = self._orders.get((source, epoch))
        if order is None:
            order = stream(self._seed, "source", source, "images", str(epoch)).permutation(size)
            self._orders[source, epoch] = order
        return name, int(order[position])

    def opened(self, place: tuple[str, int]) -> tuple[str, DatasetImage]:
        """Read the photograph at *place*; return the name by which it is asked for from now on, and its entry."""
        dataset, index = place
        image = self._datasets[dataset].image(index)
        image_id = f"{dataset}/{image.name}"
        self._places[image_id] = place
        self._digests[image_id] = photograph_digest(image, with_class_map=self._uses_class_maps)
        return image_id, image

    def photograph(self, image_id: str, image: DatasetImage | None = None) -> Photograph:
        """Return the photograph called *image_id*; *image* saves reading it where the caller has it already."""
        held = self._held.get(image_id)
        if held is not None:
            self._held.move_to_end(image_id)
            return held
        if image is None:
            dataset, index = self._places[image_id]
            image = self._datasets[dataset].image(index)
        held = self._held[image_id] = Photograph(image, self._rank_mapper(image))
        if len(self._held) > HELD:
            self._held.popitem(last=False)
        return held

    def digest(self, image_id: str) -> str:
        """Return what names the photograph, and the class map that its ranks come from, in the outcome store."""
        return self._digests[image_id]

    def seed(self, image_id: str) -> int:
        """Return the seed of an image's tiles and of its diffusion noise: the same in every scheme."""
        return integer_seed(self._seed, "image", image_id)


def photograph_digest(image: DatasetImage, *, with_class_map: bool) -> str:
    """Return the digest of the file as captured and, where it decides the ranks, of its class map and their names."""
    digest = blake2b(image.source_bytes, digest_size=16)
    if with_class_map and image.class_map is not None:
        digest.update(repr((image.class_names, image.class_map.shape)).encode())
        digest.update(np.ascontiguousarray(image.class_map))
    return digest.hexdigest()
