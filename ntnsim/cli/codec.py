"""Commands of the codec alone: encode, decode, score, inspect."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from ntnsim.cli.option_names import option_names
from ntnsim.errors import InputError, while_reading
from ntnsim.run_progress import at_work

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
    restore_crop: Annotated[
        bool,
        typer.Option(
            "--restore-crop",
            help="SPIFF: the decoder restores the crop too, where a layer came or it is everything.",
        ),
    ] = False,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Decides which tiles are kept.")] = 1,
    bundle: BundleName = "tiny",
    as_json: AsJson = False,
) -> None:
    """Encode a photograph.

    Example: ntnsim encode photo.jpg -o photo.spiff --beta 0.1 --p 0.25 --coarse 0.4 --json
    """
    from ntnsim.api import codec as api
    from ntnsim.results.own_files import check_own, write_own_bytes

    check_own(output)
    with (
        option_names("beta", "p", "codec", "quality", q="coarse", restore_crop="restore-crop"),
        at_work(f"encoding {image}"),
    ):
        encoded = api.encode(
            image,
            beta=beta,
            p=_fractions(p),
            q=coarse,
            mask=mask,
            codec=codec,
            quality=quality,
            restore_crop=restore_crop,
            seed=seed,
            bundle=bundle,
        )
    write_own_bytes(output, encoded.payload)
    result = {
        "codec": codec,
        "width": encoded.width_px,
        "height": encoded.height_px,
        "bits_per_rank": list(encoded.bits_per_rank),
        "overhead_bits": encoded.overhead_bits,
        "total_bits": encoded.size_bits,
        "source_bits": encoded.source_bits,
        "savings": encoded.savings,
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

    Example: ntnsim decode photo.spiff -o photo.png --inpaint bundle
    """
    from ntnsim.api import codec as api
    from ntnsim.api.photograph import PICTURE_FORMATS, picture_file
    from ntnsim.results.own_files import check_own, write_own_bytes

    check_own(output, PICTURE_FORMATS)
    with at_work(f"decoding {stream}"):
        decoded = api.decode(
            stream,
            inpaint=inpaint,
            steps=steps,
            seed=seed,
            partial=partial,
            device=device,
            dtype=dtype,
            bundle=bundle,
        )
    write_own_bytes(output, picture_file(decoded.pixels, output))
    result = {
        "width": decoded.pixels.shape[1],
        "height": decoded.pixels.shape[0],
        "received_share": decoded.received_share,
        "inpaint": inpaint,
        "left_out": list(decoded.left_out),
    }
    _print(result, as_json)


def score(
    original: Annotated[Path, typer.Argument(help="The photograph.")],
    reconstruction: Annotated[Path, typer.Argument(help="What became of it.")],
    mask: Annotated[
        Path | None, typer.Option(help="Top rank: where not black. Without it, the whole image is rank 0.")
    ] = None,
    panel: Annotated[
        bool, typer.Option(help="Also the distances of a panel of judges, per rank; 0 is identical.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Score a reconstruction: PF, SF, per rank and whole, PSNR, SSIM; each with its backend's name.

    Example: ntnsim score photo.jpg photo.png --mask person.png --panel --json
    """
    from ntnsim.api import codec as api

    with at_work(f"judging {reconstruction}"):
        fidelity = api.score(original, reconstruction, mask=mask)
        distances = api.judge(original, reconstruction, mask=mask) if panel else {}
    judges = {f"distance_{judge}": [float(f"{d:.4g}") for d in row] for judge, row in distances.items()}
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
            **judges,
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
