"""Commands of the codec alone: encode, decode, score, inspect."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ntnsim.errors import ImageError, InputError, while_reading

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ntnsim.networks.bundle import Bundle
    from ntnsim.protocols.configuration import Configuration
    from ntnsim.protocols.encoded_image import EncodedImage

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of lines.")]
BundleName = Annotated[str, typer.Option("--bundle", help="Model bundle: a name or a directory.")]

SPIFF_CODECS = ("spiff", "spiff-paper")
WHOLE_IMAGE_CODECS = ("jpeg", "webp", "avif", "jxl")
CODECS = (*SPIFF_CODECS, *WHOLE_IMAGE_CODECS, "sc")


def register(app: typer.Typer) -> None:
    """Add the codec's commands to *app*."""
    app.command("encode")(encode)
    app.command("decode")(decode)
    app.command("score")(score)
    app.command("inspect")(inspect)


def encode(
    image: Annotated[Path, typer.Argument(help="Photograph to encode.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write.")],
    beta: Annotated[float, typer.Option(help="Box growth: 0 tight, 1 the whole image.")] = 0.0,
    p: Annotated[
        str, typer.Option(help="Share of tiles kept, per rank below the top, lowest first: 0.25 or 0.1,0.5.")
    ] = "0",
    coarse: Annotated[float, typer.Option(help="Quality of the coarse layer in [0, 1]; 0 sends none.")] = 0.0,
    mask: Annotated[
        Path | None,
        typer.Option(
            help="Top rank: not black (two ranks), or the ranks themselves (more). Else the bundle segments."
        ),
    ] = None,
    codec: Annotated[str, typer.Option(help="One of " + ", ".join(CODECS) + ".")] = "spiff",
    quality: Annotated[
        int | None, typer.Option(help="Whole-image codecs: quality (45). SPIFF: quality of the crop.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Decides which tiles are kept.")] = 1,
    bundle: BundleName = "tiny",
    as_json: AsJson = False,
) -> None:
    """Encode a photograph.

    Example: ntnsim encode photo.jpg -o photo.spiff --beta 0.1 --p 0.25 --coarse 0.4 --json
    """
    import numpy as np

    from ntnsim.datasets.image_file import read_image
    from ntnsim.protocols.configuration import Configuration

    fractions = _fractions(p)
    for name, value in (("--beta", beta), ("--coarse", coarse), *(("--p", share) for share in fractions)):
        if not 0 <= value <= 1:
            raise InputError(f"{name}: must be in 0 to 1, got {value}")
    if codec not in CODECS:
        raise InputError(f"--codec: {codec!r} is unknown; allowed are {', '.join(CODECS)}")
    if codec == "spiff-paper" and coarse > 0:
        raise InputError("--coarse: spiff-paper has no coarse layer; use --codec spiff")
    pixels, source = read_image(image)
    n_ranks = len(fractions) + 1
    if mask is not None:
        ranks = _ranks_of_file(mask, (pixels.shape[0], pixels.shape[1]), n_ranks)
    elif codec in SPIFF_CODECS:
        ranks = _segmented(pixels, bundle, n_ranks)
    else:
        ranks = np.zeros(pixels.shape[:2], dtype=np.uint8)
    configuration = Configuration(beta, fractions, coarse)
    encoded = _encoded(codec, quality, pixels, ranks, configuration, seed, bundle)
    _write(output, encoded.payload)
    result = {
        "codec": codec,
        "width": pixels.shape[1],
        "height": pixels.shape[0],
        "bits_per_rank": list(encoded.bits_per_rank),
        "overhead_bits": encoded.overhead_bits,
        "total_bits": encoded.size_bits,
        "source_bits": 8 * len(source),
        "savings": 1 - encoded.size_bits / (8 * len(source)),
    }
    _print(result, as_json)


def decode(
    stream: Annotated[Path, typer.Argument(help="File that `ntnsim encode` wrote.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Image to write; its suffix says the format.")
    ],
    inpaint: Annotated[
        str,
        typer.Option(
            help="bundle (diffusion), telea, ns, nearest, or none: the coarse layer or a plain fill."
        ),
    ] = "bundle",
    steps: Annotated[int | None, typer.Option(min=1, help="Denoising steps; default: the bundle's.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of the diffusion's noise.")] = 1,
    partial: Annotated[
        bool, typer.Option("--partial", help="Rebuild what is intact of a damaged stream.")
    ] = False,
    device: Annotated[str, typer.Option(help="Torch device of the bundle: cpu, cuda.")] = "cpu",
    dtype: Annotated[str | None, typer.Option(help="float32, float16 or bfloat16.")] = None,
    bundle: BundleName = "tiny",
    as_json: AsJson = False,
) -> None:
    """Decode a file to an image.

    Example: ntnsim decode photo.spiff -o photo.png --inpaint bundle --steps 2
    """
    from ntnsim.datasets.image_file import read_bytes
    from ntnsim.spiff.baselines import decode_whole_image
    from ntnsim.spiff.bitstream import is_spiff
    from ntnsim.spiff.codec import restored
    from ntnsim.spiff.decoder import decode_partial_image

    data = read_bytes(stream)
    known_share, damage = 1.0, list[str]()
    with while_reading(stream):
        if is_spiff(data) or not _is_whole_image(data):
            received = decode_partial_image(data, partial=partial)
            known_share, damage = float(received.known.mean()), list(received.damage)
            if inpaint == "bundle" and received.known.all():
                pixels = received.pixels
            else:
                pixels = restored([received], [seed], _inpainter(inpaint, bundle, steps, device, dtype))[0]
        else:
            pixels = decode_whole_image(data)
    _write_image(output, pixels)
    result = {
        "width": pixels.shape[1],
        "height": pixels.shape[0],
        "received_share": known_share,
        "inpaint": inpaint,
        "left_out": damage,
    }
    _print(result, as_json)


def score(
    original: Annotated[Path, typer.Argument(help="The photograph.")],
    reconstruction: Annotated[Path, typer.Argument(help="What became of it.")],
    mask: Annotated[
        Path | None, typer.Option(help="Top rank: where not black. Without it, the whole image is rank 0.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score a reconstruction: PF, SF, per rank and whole, PSNR, SSIM; each with its backend's name.

    Example: ntnsim score photo.jpg photo.png --mask person.png --json
    """
    import numpy as np

    from ntnsim.datasets.image_file import read_image
    from ntnsim.fidelity.metrics import scorer_named

    first, _ = read_image(original)
    second, _ = read_image(reconstruction)
    if first.shape != second.shape:
        raise ImageError(
            f"{reconstruction}: is {second.shape[1]}x{second.shape[0]} and must be as large as {original}, "
            f"{first.shape[1]}x{first.shape[0]}"
        )
    shape = (first.shape[0], first.shape[1])
    ranks = np.zeros(shape, dtype=np.uint8) if mask is None else _ranks_of_file(mask, shape, 2)
    fidelity = scorer_named().score([first], [second], [ranks], 2 if mask is not None else 1)[0]
    _print(
        {
            "pf": fidelity.pf,
            "sf": fidelity.sf,
            "pf_rank": list(fidelity.pf_rank),
            "sf_rank": list(fidelity.sf_rank),
            "empty_rank": list(fidelity.empty_rank),
            "psnr": fidelity.psnr_db,
            "ssim": fidelity.ssim,
            "ms_ssim": fidelity.ms_ssim,
            "pf_backend": fidelity.pf_backend,
            "sf_backend": fidelity.sf_backend,
        },
        as_json,
    )


def inspect(
    stream: Annotated[Path, typer.Argument(help="A .spiff file.")],
    as_json: AsJson = False,
) -> None:
    """Show what a stream consists of, part by part, and who its bits serve.

    Example: ntnsim inspect photo.spiff
    """
    from ntnsim.datasets.image_file import read_bytes
    from ntnsim.spiff.bitstream import FORMAT_VERSION, bits_per_rank, read_stream

    with while_reading(stream):
        parsed = read_stream(read_bytes(stream))
    bits = bits_per_rank(parsed)
    _print(
        {
            "format_version": FORMAT_VERSION,
            "width": parsed.frame.width_px,
            "height": parsed.frame.height_px,
            "n_ranks": parsed.frame.n_ranks,
            "tile_px": parsed.frame.tile_px,
            "parts": [
                {"part": part.name, "rank": part.rank, "bytes": len(part.payload)} for part in parsed.parts
            ],
            "bits_per_rank": list(bits),
            "overhead_bits": 8 * parsed.size_bytes - sum(bits),
            "total_bits": 8 * parsed.size_bytes,
        },
        as_json,
    )


def _fractions(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"--p: must be numbers in 0 to 1 separated by commas, got {text!r}") from None


def _ranks_of_file(path: Path, shape: tuple[int, int], n_ranks: int) -> "NDArray[np.uint8]":
    from ntnsim.datasets.image_file import read_bytes, read_mask, rgb_of_bytes
    from ntnsim.datasets.relevance import mask_rank_map

    mask = read_mask(path, shape)
    if n_ranks == 2:
        return mask_rank_map(mask)
    ranks: NDArray[np.uint8] = rgb_of_bytes(read_bytes(path), str(path)).max(axis=2)
    if ranks.max() >= n_ranks:
        raise ImageError(
            f"{path}: holds rank {ranks.max()}; with {n_ranks - 1} fractions in --p, allowed are 0 to {n_ranks - 1}"
        )
    return ranks


def _segmented(pixels: "NDArray[np.uint8]", bundle: str, n_ranks: int) -> "NDArray[np.uint8]":
    from ntnsim.datasets.relevance import relevance_preset
    from ntnsim.networks.bundle import open_bundle
    from ntnsim.networks.load import load_segmenter

    if n_ranks != 2:
        raise InputError(
            f"--p: {n_ranks - 1} fractions need --mask with the ranks; without it the ranks are other and person"
        )
    segmenter = load_segmenter(open_bundle(bundle))
    return relevance_preset("person").rank_map(segmenter.class_maps([pixels])[0], segmenter.class_names)


def _encoded(
    name: str,
    quality: int | None,
    pixels: "NDArray[np.uint8]",
    ranks: "NDArray[np.uint8]",
    configuration: "Configuration",
    seed: int,
    bundle: str,
) -> "EncodedImage":
    from dataclasses import replace

    from ntnsim.networks.load import load_captioner
    from ntnsim.spiff.baselines import PAPER_JPEG_QUALITY, WholeImageCodec, as_the_library_comes
    from ntnsim.spiff.codec import SpiffEncoder, caption_stream, spiff_settings
    from ntnsim.spiff.components import COMPONENT_CODECS

    n_ranks = len(configuration.patch_fractions) + 1
    for kind in COMPONENT_CODECS:
        if name == kind:
            component = as_the_library_comes(kind, PAPER_JPEG_QUALITY if quality is None else quality)
            return WholeImageCodec(component, n_ranks=n_ranks).encode(pixels, ranks, configuration, seed)
    if name == "sc":
        return caption_stream(pixels, load_captioner(_bundle(bundle)), n_ranks)
    settings = spiff_settings(name, {})
    if quality is not None:
        settings = replace(settings, crop=replace(settings.crop, quality=quality))
    return SpiffEncoder(settings, n_ranks=n_ranks).encode(pixels, ranks, configuration, seed)


def _bundle(name: str) -> "Bundle":
    from ntnsim.networks.bundle import open_bundle

    return open_bundle(name)


def _inpainter(name: str, bundle: str, steps: int | None, device: str, dtype: str | None) -> Any:
    from ntnsim.networks.bundle import check_device
    from ntnsim.networks.load import inpainter_named

    if name == "bundle":
        check_device(device)
    return inpainter_named(
        name, _bundle(bundle) if name == "bundle" else None, steps=steps, device=device, dtype=dtype
    )


def _is_whole_image(data: bytes) -> bool:
    from ntnsim.spiff.baselines import whole_image_codec_of

    return whole_image_codec_of(data) is not None


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise ImageError(f"{path}: cannot be written ({error.strerror})") from None


def _write_image(path: Path, pixels: "NDArray[np.uint8]") -> None:
    from PIL import Image

    try:
        Image.fromarray(pixels).save(path)
    except (OSError, ValueError) as error:
        raise ImageError(f"{path}: cannot be written ({error})") from None


def _print(result: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(result))
        return
    for key, value in result.items():
        if key == "parts":
            for part in value:
                typer.echo(f"  {part['part']:<18} rank {part['rank']}  {part['bytes']:>9} bytes")
        else:
            shown = f"{value:.4f}" if isinstance(value, float) else value
            typer.echo(f"{key.replace('_', ' ')}: {shown}")
