"""Commands about model bundles: list them, check that they work, fetch one, measure how good one is."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from ntnsim.experiments.arguments import DATA_VARIABLE
from ntnsim.run_progress import at_work

Name = Annotated[str, typer.Argument(metavar="BUNDLE", help="Name (tiny, paper) or directory.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]

models_app = typer.Typer(
    help="List, check, fetch and evaluate model bundles.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


def register(app: typer.Typer) -> None:
    """Add ``ntnsim models …`` to *app*."""
    app.add_typer(models_app, name="models")


def _print_table(rows: list[dict[str, Any]], title: str = "") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title or None, title_justify="left")
    for name in rows[0] if rows else []:
        table.add_column(name.replace("_", " "))
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    Console(markup=False, emoji=False).print(table)


@models_app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the bundles that can be opened by name.

    Example: ntnsim models list
    """
    from ntnsim.networks.bundle import find_bundles, open_bundle

    rows = []
    for name, directory in find_bundles().items():
        bundle = open_bundle(directory)
        rows.append(
            {
                "name": name,
                "members": ", ".join(bundle.members),
                "state": "complete"
                if not bundle.missing()
                else f"lacks {len(bundle.missing())} files or members",
                "mb": round(bundle.size_bytes / 1e6, 1),
                "digest": bundle.digest[:12],
                "directory": str(directory),
            }
        )
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
    else:
        _print_table(rows)


@models_app.command()
def check(
    name: Name = "tiny",
    files_only: Annotated[
        bool, typer.Option("--files-only", help="Compare the files with the manifest, run nothing.")
    ] = False,
    device: Annotated[str, typer.Option(help="Torch device: cpu, cuda.")] = "cpu",
    as_json: AsJson = False,
) -> None:
    """Compare every file of a bundle with its manifest, load every member and run one photograph through it.

    Exit code 2 if a file is absent or damaged, or a member fails. Example: ntnsim models check tiny
    """
    from dataclasses import asdict

    from ntnsim.datasets.samples import SampleCaptures
    from ntnsim.networks.bundle import open_bundle
    from ntnsim.networks.bundle_check import run_members

    bundle = open_bundle(name)
    bundle.verify()
    photograph = SampleCaptures(1, 256, 192).image(0)
    with at_work("importing libraries") as moves_on:
        imported_s = 0.0 if files_only else _import_libraries()
        moves_on("running every member")
        checks = [] if files_only else run_members(bundle, photograph.pixels, device=device)
    result = {
        "name": bundle.name,
        "files": len(bundle.files),
        "mb": round(bundle.size_bytes / 1e6, 2),
        "digest": bundle.digest,
        "libraries_imported_s": imported_s,
        "members": [asdict(check) for check in checks],
    }
    if as_json:
        typer.echo(json.dumps(result, indent=1))
        return
    typer.echo("{name}: {files} files, {mb} MB, all as sealed; digest {digest}".format(**result))
    if checks:
        typer.echo(f"  torch, transformers and diffusers: imported in {imported_s} s")
    for check in checks:
        typer.echo(
            f"  {check.member} ({check.kind}): loaded in {check.load_s} s, ran in {check.run_s} s: {check.made}"
        )


def _import_libraries() -> float:
    """Import what every bundle's networks are made of; return the wall seconds, so that loading is timed alone."""
    from importlib import import_module
    from time import perf_counter

    started = perf_counter()
    for module, name in (
        ("transformers", "AutoModelForSemanticSegmentation"),
        ("transformers", "BlipForConditionalGeneration"),
        ("diffusers", "StableDiffusionInpaintPipeline"),
    ):
        getattr(import_module(module), name)  # both libraries import a class when it is first asked for
    return round(perf_counter() - started, 2)


@models_app.command()
def pull(
    name: Name,
    to: Annotated[
        Path | None, typer.Option(help="Directory to fill; where the bundle's manifest lies unless given.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Download a bundle's networks from the hub. Nothing else in ntnsim ever downloads.

    Example: ntnsim models pull paper
    """
    from ntnsim.errors import InputError
    from ntnsim.networks.bundle import open_bundle
    from ntnsim.networks.bundle_pull import pull as pull_bundle

    bundle = open_bundle(name)
    directory = to or bundle.directory
    sources = ", ".join(member.hub_id for member in bundle.members.values() if member.hub_id)
    if not sources:
        raise InputError(f"bundle {bundle.name} has no hub repositories: there is nothing to pull")
    if not yes and not typer.confirm(f"Download {sources} into {directory}?"):
        raise InputError("not pulled: the question was not answered with yes")
    typer.echo(f"sealed in {pull_bundle(bundle, directory, say=typer.echo)}")


SHEET_PHOTOGRAPHS = 8


@models_app.command()
def evaluate(
    data: Annotated[Path, typer.Option(envvar=DATA_VARIABLE, help="Photographs: persons/val and scenes.")],
    name: Name = "tiny",
    images: Annotated[int | None, typer.Option(min=2, help="How many photographs; all unless given.")] = None,
    side: Annotated[
        int, typer.Option(min=0, help="Side of the central square in pixels; 0: native size.")
    ] = 256,
    sheet: Annotated[
        Path | None, typer.Option(help="Write a contact sheet of the first photographs here.")
    ] = None,
    speed: Annotated[bool, typer.Option(help="Also measure this host's times.")] = True,
    out: Annotated[Path | None, typer.Option(help="Write the tables to this JSON file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure a bundle on held-out photographs by a panel of judges: restoration, segmentation, speed.

    Judges whose package or tool is not there are left out, and that is said.

    Example: ntnsim models evaluate tiny --data PHOTOGRAPHS --images 24 --sheet tiny.png
    """
    from ntnsim.experiments.evaluate import (
        contact_sheet,
        load_held_out,
        restoration_tables,
        segmentation_table,
        speed_table,
    )
    from ntnsim.experiments.stage import Stage
    from ntnsim.fidelity.panel import JUDGES, available_judges
    from ntnsim.networks.bundle import open_bundle
    from ntnsim.networks.load import load_segmenter
    from ntnsim.results.own_files import check_own, write_own_text

    if out:
        check_own(out)  # before minutes of work, not after
    if sheet:
        check_own(sheet, (".png",))
    bundle = open_bundle(name)
    photographs = load_held_out(data, side_px=side or None, limit=images)
    absent = [judge for judge in JUDGES if judge not in available_judges()]
    if absent:
        typer.echo(f"judges that are not installed here: {', '.join(absent)}", err=True)
    stage = Stage(say=lambda line: typer.echo(line, err=True))
    with stage.shown():
        if sheet:
            stage.moves_on(f"restoring {min(len(photographs), SHEET_PHOTOGRAPHS)} photographs for {sheet}")
            contact_sheet(bundle, photographs[:SHEET_PHOTOGRAPHS], sheet)
        restoration = restoration_tables(bundle, photographs, stage)
        stage.moves_on("segmenting")
        segmentation = segmentation_table(load_segmenter(bundle), data, images)
        stage.moves_on("measuring the decoder's speed")
        tables = {
            "restoration": restoration,
            "segmentation": segmentation,
            "speed": speed_table(bundle) if speed else [],
        }
    result = {
        "bundle": bundle.name,
        "digest": bundle.digest,
        "images": len(photographs),
        "side_px": side or "native",
        **tables,
    }
    if out:
        write_own_text(out, json.dumps(result, indent=1) + "\n")
    if as_json:
        typer.echo(json.dumps(result, indent=1))
        return
    for title, rows in tables.items():
        if rows:
            _print_table(
                rows,
                f"{title} ({len(photographs)} photographs)" if title == "restoration" else title,
            )
