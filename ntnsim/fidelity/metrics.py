"""Fidelity of a reconstruction: PF and SF, whole and per rank, and the classical scores (paper Sec. II-A).

PF = 1 − perceptual distance; PF of a rank averages the distance's spatial map over that rank's pixels. SF =
(1 + cosine of the image features)/2; SF of a rank compares the two images with everything outside the rank set to the
same grey. A rank without pixels scores 1 and is flagged.

Scores are rounded to six decimals, and each pair runs through the networks by itself on one thread: a score depends
neither on what else is scored in the same call nor on the number of threads. What a call with many pairs saves: the
original's features are computed once for all its reconstructions, and originals are spread over the cores.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ntnsim.errors import BundleError
from ntnsim.fidelity.backends import (
    ClipBackend,
    EfficientNetLite0Backend,
    LpipsBackend,
    PerceptualBackend,
    SemanticBackend,
    StLpipsBackend,
)
from ntnsim.fidelity.similarity import ms_ssim, psnr_db, ssim
from ntnsim.networks.per_image import map_images
from ntnsim.protocols.captioner import Captioner

PF_BACKENDS = ("st-lpips", "lpips")
SF_BACKENDS = ("efficientnet-lite0", "clip")

NEUTRAL_GREY = 128
_DECIMALS = 6


@dataclass(frozen=True, slots=True)
class Fidelity:
    """The scores of one reconstruction; higher is better, 1 is perfect. Ranks are listed lowest first.

    empty_rank: ranks without pixels, whose PF and SF are 1 by convention.
    caption_sf: similarity of the reconstruction and the original's caption; None without CLIP or caption.
    """

    pf: float
    sf: float
    pf_rank: tuple[float, ...]
    sf_rank: tuple[float, ...]
    empty_rank: tuple[bool, ...]
    psnr_db: float
    ssim: float
    ms_ssim: float
    caption_sf: float | None
    pf_backend: str
    sf_backend: str


class Scorer:
    """Scores reconstructions with one PF and one SF backend.

    captioner: tells the originals' captions, for caption SF; captions_from: names it, with its weights.
    weights: names the backends' weights, where these are files of the user's.
    """

    def __init__(
        self,
        perceptual: PerceptualBackend,
        semantic: SemanticBackend,
        captioner: Captioner | None = None,
        captions_from: str = "",
        weights: str = "",
    ) -> None:
        self._weights = weights
        self._perceptual = perceptual
        self._semantic = semantic
        self._captioner = captioner
        self._captions_from = captions_from

    @property
    def digest(self) -> str:
        """What scores depend on besides the images."""
        captions = f" {self._captions_from}" if self._captioner is not None else ""
        weights = f" {self._weights}" if self._weights else ""
        return f"{self._perceptual.name} {self._semantic.name} scores-1{captions}{weights}"

    def score(
        self,
        originals: Sequence[NDArray[np.uint8]],
        reconstructions: Sequence[NDArray[np.uint8]],
        rank_maps: Sequence[NDArray[np.uint8]],
        n_ranks: int,
        captions: Sequence[str] | None = None,
    ) -> list[Fidelity]:
        """Return the scores of each pair; arrays as in the seams: uint8 [H, W, 3] twice and uint8 [H, W].

        captions: the originals' captions, for caption SF; an empty text skips it, None asks the captioner, if any.
        """
        groups: dict[bytes, list[int]] = {}
        for index, (original, restored, ranks) in enumerate(
            zip(originals, reconstructions, rank_maps, strict=True)
        ):
            if restored.shape != original.shape or ranks.shape != original.shape[:2]:
                raise ValueError(
                    f"original {original.shape}, reconstruction {restored.shape}, rank map {ranks.shape} must agree"
                )
            groups.setdefault(_key(original, ranks), []).append(index)

        texts = list(captions) if captions is not None else [""] * len(originals)
        if captions is None and self._captioner is not None:
            firsts = [indices[0] for indices in groups.values()]
            written = self._captioner.captions([originals[first] for first in firsts])
            for indices, text in zip(groups.values(), written, strict=True):
                for index in indices:
                    texts[index] = text

        def scored(indices: list[int]) -> list[Fidelity]:
            first = indices[0]
            held = self._features(originals[first], rank_maps[first], n_ranks)
            return [
                self._scored(originals[i], reconstructions[i], rank_maps[i], n_ranks, held, texts[i])
                for i in indices
            ]

        by_index: dict[int, Fidelity] = {}
        for indices, scores in zip(groups.values(), map_images(scored, list(groups.values())), strict=True):
            by_index.update(zip(indices, scores, strict=True))
        return [by_index[index] for index in range(len(originals))]

    def per_rank(
        self,
        original: NDArray[np.uint8],
        shown: Sequence[NDArray[np.uint8]],
        rank_map: NDArray[np.uint8],
        n_ranks: int,
    ) -> list[tuple[tuple[float, ...], tuple[float, ...]]]:
        """Return PF and SF of each rank of each of what is *shown*: what `score` gives, without its other scores."""
        held, *views = (self._features(image, rank_map, n_ranks) for image in (original, *shown))
        return [self._of_ranks(held, view, rank_map, n_ranks)[:2] for view in views]

    def _features(self, pixels: NDArray[np.uint8], ranks: NDArray[np.uint8], n_ranks: int) -> tuple[Any, Any]:
        insides = (ranks == rank for rank in range(n_ranks))
        views = [pixels, *(np.where(of[..., None], pixels, np.uint8(NEUTRAL_GREY)) for of in insides)]
        return self._perceptual.features(pixels), self._semantic.features(views)

    def _of_ranks(
        self, original: tuple[Any, Any], restored: tuple[Any, Any], ranks: NDArray[np.uint8], n_ranks: int
    ) -> tuple[tuple[float, ...], tuple[float, ...], NDArray[np.float64], float]:
        """Return PF and SF of each rank (1 where it is empty), the map of distances, and the whole images' cosine."""
        distance = self._perceptual.distance_map(original[0], restored[0]).astype(np.float64)
        cosines = np.sum(original[1].astype(np.float64) * restored[1].astype(np.float64), axis=1)
        empty = np.bincount(ranks.ravel(), minlength=n_ranks)[:n_ranks] == 0
        sf_rank = tuple(_score(sf) for sf in np.where(empty, 1.0, (1 + cosines[1:]) / 2))
        return _per_rank(distance, ranks, n_ranks), sf_rank, distance, float(cosines[0])

    def _scored(
        self,
        original: NDArray[np.uint8],
        restored: NDArray[np.uint8],
        ranks: NDArray[np.uint8],
        n_ranks: int,
        of_original: tuple[Any, Any],
        caption: str,
    ) -> Fidelity:
        features = self._features(restored, ranks, n_ranks)
        pf_rank, sf_rank, distance, whole = self._of_ranks(of_original, features, ranks, n_ranks)
        cosine = self._semantic.caption_similarity(restored, caption) if caption else None
        return Fidelity(
            pf=_score(1 - distance.mean()),
            sf=_score((1 + whole) / 2),
            pf_rank=pf_rank,
            sf_rank=sf_rank,
            empty_rank=tuple(not (ranks == rank).any() for rank in range(n_ranks)),
            psnr_db=round(psnr_db(original, restored), 4),
            ssim=round(ssim(original, restored), _DECIMALS),
            ms_ssim=round(ms_ssim(original, restored), _DECIMALS),
            caption_sf=None if cosine is None else _score((1 + cosine) / 2),
            pf_backend=self._perceptual.name,
            sf_backend=self._semantic.name,
        )


def scorer_named(
    perceptual: str = "st-lpips",
    semantic: str = "efficientnet-lite0",
    *,
    lpips_trunk: Path | None = None,
    clip_directory: Path | None = None,
    captioner: Captioner | None = None,
    captions_from: str = "",
    weights: str = "",
) -> Scorer:
    """Return the scorer with the named backends.

    lpips_trunk: file with the state of torchvision's AlexNet, for ``lpips``.
    clip_directory: CLIP in the transformers format, for ``clip``.
    captioner, captions_from, weights: as `Scorer` takes them.
    """
    pf: PerceptualBackend
    sf: SemanticBackend
    if perceptual == "st-lpips":
        pf = StLpipsBackend()
    elif perceptual == "lpips":
        if lpips_trunk is None:
            raise BundleError("PF backend lpips needs torchvision's AlexNet weights in a file, got none")
        pf = LpipsBackend.from_file(lpips_trunk)
    else:
        raise BundleError(f"PF backend {perceptual!r} is unknown; allowed are {', '.join(PF_BACKENDS)}")
    if semantic == "efficientnet-lite0":
        sf = EfficientNetLite0Backend()
    elif semantic == "clip":
        if clip_directory is None:
            raise BundleError("SF backend clip needs a local directory with a CLIP model, got none")
        sf = ClipBackend(clip_directory)
    else:
        raise BundleError(f"SF backend {semantic!r} is unknown; allowed are {', '.join(SF_BACKENDS)}")
    return Scorer(pf, sf, captioner, captions_from, weights)


def _per_rank(distance: NDArray[np.float64], rank_map: NDArray[np.uint8], n_ranks: int) -> tuple[float, ...]:
    """Return one minus the mean *distance* [H, W] over each rank's pixels; 1 for an empty rank."""
    counts = np.bincount(rank_map.ravel(), minlength=n_ranks)
    sums = np.bincount(rank_map.ravel(), weights=distance.ravel(), minlength=n_ranks)
    return tuple(_score(1 - sums[rank] / counts[rank]) if counts[rank] else 1.0 for rank in range(n_ranks))


def _score(value: float) -> float:
    return round(min(1.0, max(0.0, float(value))), _DECIMALS)


def _key(pixels: NDArray[np.uint8], ranks: NDArray[np.uint8]) -> bytes:
    digest = blake2b(str(pixels.shape).encode(), digest_size=16)
    for part in (pixels, ranks):
        digest.update(np.ascontiguousarray(part))
    return digest.digest()
