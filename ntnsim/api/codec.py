"""The codec alone: encode one photograph, decode it, score what came of it. No network is simulated."""

from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from numbers import Real
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ntnsim.api.photograph import (
    DecodedPhotograph,
    EncodedPhotograph,
    Mask,
    Photograph,
    name_of,
    pixels_of,
    ranks_of,
)
from ntnsim.arrays import RankMap, UInt8Image
from ntnsim.datasets.image_file import read_bytes
from ntnsim.datasets.relevance import relevance_preset
from ntnsim.errors import ImageError, InputError, while_reading
from ntnsim.given import number_given, path_given, whole_number_given
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
from ntnsim.spiff.codec import SpiffEncoder, caption_stream, restored, spiff_settings
from ntnsim.spiff.components import COMPONENT_CODECS
from ntnsim.spiff.decoder import decode_partial_image

if TYPE_CHECKING:
    from ntnsim.fidelity.metrics import Fidelity

SPIFF_CODECS = ("spiff", "spiff-paper")
LARGEST_SEED = 2**63 - 1
CODECS = (*SPIFF_CODECS, *COMPONENT_CODECS, "sc")


def encode(
    photograph: Photograph,
    *,
    beta: float = 0.0,
    p: float | Sequence[float] = 0.0,
    q: float = 0.0,
    mask: Mask | None = None,
    codec: str = "spiff",
    quality: int | None = None,
    restore_crop: bool = False,
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
    restore_crop: ``spiff`` only: let the decoder restore the crop too: for AVIF qualities below about 50, best at
        beta = 1. It does so where a coarse layer came or the crop is the whole image; the crop's pixels are then no
        longer exactly those received.
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
    if isinstance(p, Real):
        fractions: tuple[float, ...] = (number_given("p", p, 0, 1),)
    elif isinstance(p, str) or not isinstance(p, Iterable) or not (shares := tuple(p)):
        raise InputError(f"p: must be one number or one per rank below the top, got {p!r}")
    else:
        fractions = tuple(number_given("p", share, 0, 1) for share in shares)
    beta, q = number_given("beta", beta, 0, 1), number_given("q", q, 0, 1)
    if codec not in CODECS:
        raise InputError(f"codec: {codec!r} is unknown; allowed are {', '.join(CODECS)}")
    if codec == "spiff-paper" and q > 0:
        raise InputError("q: spiff-paper has no coarse layer; use codec spiff")
    for name, value in (("beta", beta), ("p", max(fractions)), ("q", q)):
        if value > 0 and codec not in SPIFF_CODECS:
            raise InputError(
                f"{name}: is {value:g}, and {codec} has none; it is of {' and '.join(SPIFF_CODECS)}"
            )
    if quality is not None and codec == "sc":
        raise InputError("quality: sc sends the caption alone and has none")
    quality = None if quality is None else whole_number_given("quality", quality, 1, 100)
    if restore_crop and codec != "spiff":
        raise InputError(f"restore_crop: is of spiff; {codec} has no crop that is restored")
    if restore_crop and q == 0 and beta < 1:
        raise InputError(
            "restore_crop: needs a coarse layer (q above 0) or the whole image as the crop (beta = 1)"
        )
    seed = whole_number_given("seed", seed, 0, LARGEST_SEED)
    n_ranks = len(fractions) + 1
    height_px, width_px = pixels.shape[:2]
    if mask is not None:
        ranks = ranks_of(mask, (height_px, width_px), n_ranks)
    elif codec in SPIFF_CODECS:
        ranks = _segmented(pixels, open_bundle(bundle), n_ranks)
    else:
        ranks = np.zeros((height_px, width_px), dtype=np.uint8)
    x = Configuration(beta, fractions, q)
    coded = _coded(codec, quality, restore_crop, pixels, ranks, x, seed, bundle)
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

    >>> import ntnsim, numpy as np
    >>> picture = np.full((48, 64, 3), 120, np.uint8)
    >>> mask = np.zeros((48, 64), bool); mask[16:32, 16:32] = True
    >>> ntnsim.decode(ntnsim.encode(picture, q=0.3, mask=mask), inpaint="none").pixels.shape
    (48, 64, 3)
    """
    name = Path(encoded) if isinstance(encoded, PathLike | str) else Path("payload")
    if isinstance(encoded, EncodedImage):
        data = encoded.payload
    elif isinstance(encoded, bytes | bytearray | memoryview):
        data = bytes(encoded)
    else:
        data = read_bytes(path_given("encoded", encoded, "what encode returned, bytes or a path"))
    steps = None if steps is None else whole_number_given("steps", steps, 1)
    seed = whole_number_given("seed", seed, 0, LARGEST_SEED)
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
    return DecodedPhotograph(pixels, float(received.received.mean()), received.damage)


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
    ``alex``, ``lite0``, ``ms-ssim``, ``mse``, ``ssimulacra2`` and ``butteraugli`` where they are installed, and
    ``lpips`` and ``clip`` where their weights are (`ntnsim.fidelity.panel` says what each is). A rank without pixels
    is at distance 0.

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
            f"{name_of(reconstruction)}: is {second.shape[1]}x{second.shape[0]} and must be as large as "
            f"{name_of(original)}, {first.shape[1]}x{first.shape[0]}"
        )
    shape = (first.shape[0], first.shape[1])
    ranks = np.zeros(shape, dtype=np.uint8) if mask is None else ranks_of(mask, shape, 2)
    return first, second, ranks


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
    restores_crop: bool,
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
    settings = spiff_settings(codec, {"restores_crop": restores_crop})
    if quality is not None:
        settings = replace(settings, crop=replace(settings.crop, quality=quality))
    return SpiffEncoder(settings, n_ranks=n_ranks).encode(pixels, ranks, configuration, seed)
