"""The codec alone: encode one photograph, decode it, score what came of it. No network is simulated."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ntnsim.arrays import RankMap, UInt8Image
from ntnsim.datasets.image_file import read_bytes, read_image
from ntnsim.datasets.mask_file import read_mask
from ntnsim.datasets.relevance import relevance_preset
from ntnsim.errors import ImageError, InputError, while_reading
from ntnsim.networks.bundle import Bundle, check_device, open_bundle
from ntnsim.networks.load import inpainter_named, load_captioner, load_segmenter
from ntnsim.protocols.configuration import Configuration
from ntnsim.protocols.encoded_image import EncodedImage
from ntnsim.spiff.baselines import (
    PAPER_JPEG_QUALITY,
    WholeImageCodec,
    as_the_library_comes,
    decode_whole_image,
    whole_image_codec_of,
)
from ntnsim.spiff.bitstream import is_spiff
from ntnsim.spiff.codec import SpiffEncoder, caption_stream, received_picture, restored, spiff_settings
from ntnsim.spiff.components import COMPONENT_CODECS
from ntnsim.spiff.decoder import decode_partial_image

if TYPE_CHECKING:
    from ntnsim.fidelity.metrics import Fidelity

SPIFF_CODECS = ("spiff", "spiff-paper")
CODECS = (*SPIFF_CODECS, *COMPONENT_CODECS, "sc")

Photograph = Any  # pixels uint8 [H, W, 3], a PIL image, or the path of a file
Mask = Any  # bool [H, W], ranks uint8 [H, W], or the path of a file


@dataclass(frozen=True, slots=True)
class EncodedPhotograph(EncodedImage):
    """A coded photograph. A notebook shows what of it was received, before anything is restored.

    source_bits: size of the file as captured; None where only pixels were given.
    """

    codec: str
    width_px: int
    height_px: int
    source_bits: int | None = None

    @property
    def savings(self) -> float | None:
        """1 − size_bits / source_bits; None where the file as captured is not known."""
        return None if self.source_bits is None else 1 - self.size_bits / self.source_bits

    def save(self, path: Path | str) -> Path:
        """Write the payload to *path* and return it."""
        return _written(Path(path), self.payload)

    def _repr_png_(self) -> bytes:
        data = self.payload
        return _png(received_picture(data) if is_spiff(data) else decode_whole_image(data))

    def _repr_html_(self) -> str:
        rows: list[tuple[str, object]] = [("codec", self.codec), ("bytes", len(self.payload))]
        rows += [(f"bits of rank {rank}", bits) for rank, bits in enumerate(self.bits_per_rank)]
        rows.append(("bits of no rank", self.overhead_bits))
        if self.savings is not None:
            rows.append(("savings", f"{self.savings:.1%}"))
        return _table(rows)


@dataclass(frozen=True, slots=True, eq=False)
class DecodedPhotograph:
    """A decoded picture; ``numpy.asarray`` gives its pixels.

    pixels: uint8 [H, W, 3]. received_share: share of the pixels that travelled, the rest being restored.
    left_out: what a partial reading of a damaged stream had to leave out, one line each.
    """

    pixels: UInt8Image
    received_share: float
    left_out: tuple[str, ...] = ()

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        pixels = self.pixels if dtype is None else self.pixels.astype(dtype)
        return pixels.copy() if copy else pixels

    def save(self, path: Path | str) -> Path:
        """Write the picture to *path*, whose suffix names the format, and return it."""
        from PIL import Image

        try:
            Image.fromarray(self.pixels).save(path)
        except (OSError, ValueError) as error:
            raise ImageError(f"{path}: cannot be written ({error})") from None
        return Path(path)

    def _repr_png_(self) -> bytes:
        return _png(self.pixels)


def encode(
    photograph: Photograph,
    *,
    beta: float = 0.0,
    p: float | Sequence[float] = 0.0,
    q: float = 0.0,
    mask: Mask | None = None,
    codec: str = "spiff",
    quality: int | None = None,
    seed: int = 1,
    bundle: str | Path = "tiny",
) -> EncodedPhotograph:
    """Encode one photograph.

    photograph: pixels uint8 [H, W, 3], a PIL image, or the path of an image file.
    beta: β, how far the box around the top rank grows: 0 tight, 1 the whole image.
    p: p(l), the share of tiles kept; one number for two ranks, else one per rank below the top, lowest first.
    q: quality of the coarse layer, in [0, 1]; 0 sends none.
    mask: the top rank, bool [H, W]; with more than two ranks their map, uint8 [H, W]; or the path of such a picture.
        Without it the bundle's network finds the people.
    codec: ``spiff``, ``spiff-paper``, ``jpeg``, ``webp``, ``avif``, ``jxl`` or ``sc`` (the caption alone).
    quality: of a whole-image codec (45 unless given), or of SPIFF's crop.
    seed: decides which tiles are kept.
    bundle: name or directory of the model bundle.

    Raises InputError (ImageError, BundleError …) where an argument cannot be used.

    >>> import ntnsim, numpy as np
    >>> mask = np.zeros((96, 96), bool); mask[32:64, 32:64] = True
    >>> encoded = ntnsim.encode(np.full((96, 96, 3), 120, np.uint8), p=0.25, mask=mask)
    >>> sum(encoded.bits_per_rank) + encoded.overhead_bits == encoded.size_bits
    True
    """
    pixels, source_bits = pixels_of(photograph)
    try:
        fractions = (float(p),) if isinstance(p, int | float) else tuple(float(share) for share in p)
    except (TypeError, ValueError):
        raise InputError(f"p: must be one number or one per rank below the top, got {p!r}") from None
    named = (("beta", beta), ("q", q), *(("p", share) for share in fractions))
    for name, value in named:
        if not 0 <= value <= 1:
            raise InputError(f"{name}: must be in 0 to 1, got {value}")
    if codec not in CODECS:
        raise InputError(f"codec: {codec!r} is unknown; allowed are {', '.join(CODECS)}")
    if codec == "spiff-paper" and q > 0:
        raise InputError("q: spiff-paper has no coarse layer; use codec spiff")
    n_ranks = len(fractions) + 1
    height_px, width_px = pixels.shape[:2]
    if mask is not None:
        ranks = ranks_of(mask, (height_px, width_px), n_ranks)
    elif codec in SPIFF_CODECS:
        ranks = _segmented(pixels, open_bundle(bundle), n_ranks)
    else:
        ranks = np.zeros((height_px, width_px), dtype=np.uint8)
    coded = _coded(codec, quality, pixels, ranks, Configuration(beta, fractions, q), seed, bundle)
    parts = {field.name: getattr(coded, field.name) for field in fields(EncodedImage)}
    return EncodedPhotograph(
        **parts, codec=codec, width_px=width_px, height_px=height_px, source_bits=source_bits
    )


def decode(
    encoded: EncodedImage | bytes | Path | str,
    *,
    inpaint: str = "bundle",
    steps: int | None = None,
    seed: int = 1,
    partial: bool = False,
    device: str = "cpu",
    dtype: str | None = None,
    bundle: str | Path = "tiny",
) -> DecodedPhotograph:
    """Decode what `encode` made, or the bytes or the path of such a file.

    inpaint: ``bundle`` (latent diffusion), a classical fill (``telea``, ``ns``, ``nearest``), or ``none``: the coarse
        layer, or a plain fill, as it stands.
    steps: of the diffusion; the bundle's own number unless given. seed: of its noise.
    partial: rebuild what is intact of a damaged stream, instead of refusing it.
    device, dtype: of torch, for the bundle's networks: ``cpu`` or ``cuda``; ``float32``, ``float16`` or ``bfloat16``.

    Raises BitstreamError where the data is damaged, InputError where another argument cannot be used.
    """
    name = Path(encoded) if isinstance(encoded, Path | str) else Path("payload")
    data = (
        encoded.payload
        if isinstance(encoded, EncodedImage)
        else encoded
        if isinstance(encoded, bytes)
        else read_bytes(name)
    )
    with while_reading(name):
        if not is_spiff(data) and whole_image_codec_of(data) is not None:
            return DecodedPhotograph(decode_whole_image(data), 1.0)
        received = decode_partial_image(data, partial=partial)
        if inpaint == "bundle" and received.known.all():
            pixels = received.pixels
        else:
            if inpaint == "bundle":
                check_device(device)
            opened = open_bundle(bundle) if inpaint == "bundle" else None
            inpainter = inpainter_named(inpaint, opened, steps=steps, device=device, dtype=dtype)
            [pixels] = restored([received], [seed], inpainter)
    return DecodedPhotograph(pixels, float(received.known.mean()), received.damage)


def score(
    original: Photograph, reconstruction: Photograph | DecodedPhotograph, *, mask: Mask | None = None
) -> "Fidelity":
    """Score a reconstruction against its original, whole and per rank; higher is better, 1 is perfect.

    original, reconstruction: pixels uint8 [H, W, 3], PIL images or paths, equally large.
    mask: the top rank, as for `encode`; without it the whole image is rank 0.

    Returns PF and SF (whole and per rank, with their backends' names), PSNR in dB, SSIM and MS-SSIM.

    >>> import ntnsim, numpy as np
    >>> picture = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    >>> ntnsim.score(picture, picture).pf
    1.0
    """
    from ntnsim.fidelity.metrics import scorer_named

    first, second, ranks = _compared(original, reconstruction, mask)
    [fidelity] = scorer_named().score([first], [second], [ranks], 1 if mask is None else 2)
    return fidelity


def judge(
    original: Photograph, reconstruction: Photograph | DecodedPhotograph, *, mask: Mask | None = None
) -> dict[str, list[float]]:
    """Have a panel of judges compare a reconstruction with its original; lower is better, 0 is identical.

    original, reconstruction, mask: as for `score`.

    Returns each judge's distance on each rank, lowest first, where everything outside the rank is the original's:
    ``alex``, ``lite0``, ``ms-ssim``, ``mse``, and ``ssimulacra2`` and ``butteraugli`` where they are installed
    (`ntnsim.fidelity.panel` says what each is). A rank without pixels is at distance 0.

    >>> import ntnsim, numpy as np
    >>> picture = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    >>> ntnsim.judge(picture, picture)["mse"]
    [0.0]
    """
    from ntnsim.fidelity.panel import available_judges, judged

    first, second, ranks = _compared(original, reconstruction, mask)
    distances: dict[str, list[float]] = {name: [] for name in available_judges()}
    for rank in range(1 if mask is None else 2):
        where = ranks == rank
        shown = np.where(where[..., None], second, first)
        found = judged(first, shown, where=where) if where.any() else dict.fromkeys(distances, 0.0)
        for name, distance in found.items():
            distances[name].append(distance)
    return distances


def _compared(
    original: Photograph, reconstruction: Photograph | DecodedPhotograph, mask: Mask | None
) -> tuple[UInt8Image, UInt8Image, RankMap]:
    """Return both pictures, equally large, and the rank map that *mask* means; without it all is rank 0."""
    first, _ = pixels_of(original)
    second, _ = pixels_of(reconstruction)
    if first.shape != second.shape:
        raise ImageError(
            f"{_name(reconstruction)}: is {second.shape[1]}x{second.shape[0]} and must be as large as "
            f"{_name(original)}, {first.shape[1]}x{first.shape[0]}"
        )
    shape = (first.shape[0], first.shape[1])
    ranks = np.zeros(shape, dtype=np.uint8) if mask is None else ranks_of(mask, shape, 2)
    return first, second, ranks


def pixels_of(photograph: Photograph) -> tuple[UInt8Image, int | None]:
    """Return the pixels uint8 [H, W, 3] of *photograph*, and the bits of its file where it is one."""
    if isinstance(photograph, Path | str):
        pixels, source = read_image(Path(photograph))
        return pixels, 8 * len(source)
    if hasattr(photograph, "convert"):  # a PIL image
        photograph = photograph.convert("RGB")
    pixels = np.asarray(photograph)
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
        raise ImageError(f"photograph: must be uint8 [H, W, 3], got {pixels.dtype} {list(pixels.shape)}")
    return pixels, None


def ranks_of(mask: Mask, shape: tuple[int, int], n_ranks: int) -> RankMap:
    """Return the rank map uint8 [H, W] that *mask* means for an image of *shape* with *n_ranks* ranks."""
    name = _name(mask)
    if isinstance(mask, Path | str):
        marked = read_mask(Path(mask), shape)
        values = marked if n_ranks == 2 else read_image(Path(mask))[0].max(axis=2)
    else:
        values = np.asarray(mask)
        if values.ndim != 2 or values.dtype.kind not in "bui":
            raise ImageError(
                f"mask: must be bool or whole numbers [H, W], got {values.dtype} {list(values.shape)}"
            )
        if values.shape != shape:
            raise ImageError(
                f"mask: is {values.shape[1]}x{values.shape[0]} and must be as large as the image, "
                f"{shape[1]}x{shape[0]}"
            )
    if n_ranks == 2:
        return (values != 0).astype(np.uint8)
    if values.max(initial=0) >= n_ranks or values.min(initial=0) < 0:
        wrong = values.min() if values.min() < 0 else values.max()
        raise ImageError(
            f"{name}: holds rank {wrong}; with {n_ranks - 1} fractions in p, allowed are 0 to {n_ranks - 1}"
        )
    return values.astype(np.uint8)


def _segmented(pixels: UInt8Image, bundle: Bundle, n_ranks: int) -> RankMap:
    if n_ranks != 2:
        raise InputError(
            f"p: {n_ranks - 1} fractions need a mask with the ranks; without it the ranks are other and person"
        )
    segmenter = load_segmenter(bundle)
    return relevance_preset("person").rank_map(segmenter.class_maps([pixels])[0], segmenter.class_names)


def _coded(
    codec: str,
    quality: int | None,
    pixels: UInt8Image,
    ranks: RankMap,
    configuration: Configuration,
    seed: int,
    bundle: str | Path,
) -> EncodedImage:
    n_ranks = len(configuration.patch_fractions) + 1
    for kind in COMPONENT_CODECS:
        if codec == kind:
            component = as_the_library_comes(kind, PAPER_JPEG_QUALITY if quality is None else quality)
            return WholeImageCodec(component, n_ranks=n_ranks).encode(pixels, ranks, configuration, seed)
    if codec == "sc":
        return caption_stream(pixels, load_captioner(open_bundle(bundle)), n_ranks)
    settings = spiff_settings(codec, {})
    if quality is not None:
        settings = replace(settings, crop=replace(settings.crop, quality=quality))
    return SpiffEncoder(settings, n_ranks=n_ranks).encode(pixels, ranks, configuration, seed)


def _name(given: object) -> str:
    return str(given) if isinstance(given, Path | str) else "picture"


def _written(path: Path, data: bytes) -> Path:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise ImageError(f"{path}: cannot be written ({error.strerror})") from None
    return path


def _png(pixels: UInt8Image) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def _table(rows: Sequence[tuple[str, object]]) -> str:
    cells = "".join(
        f"<tr><th style='text-align:left'>{escape(name)}</th><td>{escape(str(value))}</td></tr>"
        for name, value in rows
    )
    return f"<table>{cells}</table>"
