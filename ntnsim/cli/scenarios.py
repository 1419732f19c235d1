"""Commands about the scenarios that ship: list them, copy one to start from."""

import json
from pathlib import Path
from typing import Annotated

import typer

from ntnsim.errors import InputError

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of lines.")]

scenarios_app = typer.Typer(no_args_is_help=True, help="The scenarios that ship with ntnsim.")


def register(app: typer.Typer) -> None:
    """Add the group to *app*."""
    app.add_typer(scenarios_app, name="scenarios")


def shipped_scenarios() -> dict[str, Path]:
    """Return the shipped scenarios' files by name: the repository's, or those that the wheel carries."""
    package = Path(__file__).resolve().parents[1]
    for directory in (package.parent / "scenarios", package / "_scenarios"):
        found = {path.stem: path for path in sorted(directory.glob("*.yaml"))}
        if found:
            return found
    return {}


@scenarios_app.command("list")
def list_scenarios(as_json: AsJson = False) -> None:
    """List the scenarios that ship, with what each one shows.

    Example: ntnsim scenarios list
    """
    rows = {name: _about(path) for name, path in shipped_scenarios().items()}
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    for name, about in rows.items():
        typer.echo(f"{name:<22}{about}")


@scenarios_app.command("copy")
def copy(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As `ntnsim scenarios list` shows it.")],
    to: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="NAME.yaml here unless given.")] = None,
) -> None:
    """Copy a shipped scenario, comments and all, to change it.

    Example: ntnsim scenarios copy quickstart
    """
    known = shipped_scenarios()
    if name not in known:
        raise InputError(f"scenario {name!r}: none of those that ship: {', '.join(known)}")
    target = Path(f"{name}.yaml") if to is None else to / f"{name}.yaml" if to.is_dir() else to
    try:
        with target.open("x", encoding="utf-8") as file:  # never over a file that is there
            file.write(known[name].read_text(encoding="utf-8"))
    except FileExistsError:
        raise InputError(f"{target}: is there already; give another file name") from None
    except OSError as error:
        raise InputError(f"{target}: cannot be written ({error.strerror})") from None
    typer.echo(str(target))


def _about(path: Path) -> str:
    """Return the first comment of the file: the sentence that says what the scenario shows."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.lstrip("# ").strip())
    return " ".join(lines).split(". ")[0].rstrip(".")
