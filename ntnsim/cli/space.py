"""Commands about orbit and link: passes over a site, one link budget, or the link along a whole pass."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ntnsim.cli.option_names import option_names
from ntnsim.run_progress import at_work

if TYPE_CHECKING:
    from ntnsim.scenario.scenario import Scenario

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Override = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="A.B=C", help="Change one value of the scenario. May be repeated."),
]

MOST_ROWS = 10_000_000  # of a trace: 115 days of seconds
AZIMUTH_COLUMNS = (("rise", 12), ("culmination", 4), ("set", 4))


def register(app: typer.Typer) -> None:
    """Add this module's commands to *app*."""
    app.command()(passes)
    app.command()(link)
    app.command()(trace)


def passes(
    scenario: Annotated[
        Path | None,
        typer.Argument(metavar="[SCENARIO]", help="YAML file; or --tle or --preset, --lat and --lon."),
    ] = None,
    site: Annotated[
        str | None, typer.Option(help="A gateway or ground station; default the first gateway.")
    ] = None,
    hours: Annotated[float, typer.Option(help="Length of the search from the start.")] = 24.0,
    tle: Annotated[Path | None, typer.Option(help="Element sets: TLE, or CCSDS OMM by its suffix.")] = None,
    preset: Annotated[
        str | None, typer.Option(help="A constellation that ships, for example starlink-shell1.")
    ] = None,
    lat: Annotated[float | None, typer.Option(help="The site's latitude in degrees.")] = None,
    lon: Annotated[float | None, typer.Option(help="Its longitude in degrees, east positive.")] = None,
    altitude: Annotated[float, typer.Option(help="Its height in metres.")] = 0.0,
    min_elevation: Annotated[float, typer.Option(help="Lowest elevation of a pass, in degrees.")] = 10.0,
    start: Annotated[str | None, typer.Option(help="UTC, ISO 8601; now unless given.")] = None,
    set_: Override = None,
    as_json: AsJson = False,
) -> None:
    """List the satellite passes over a site: of a scenario, or of element sets or a preset over any place.

    Times are seconds from the start, and UTC. The number in front is what `ntnsim link --scenario … --pass` takes; a
    pass under way at the start has its true rise, before 0, and no number. One under way at the end has its true set.
    A satellite that never sets is listed from start to end, in whole hours, and without a number.

    Example: ntnsim passes scenarios/quickstart.yaml --site parma --hours 6

    Example: ntnsim passes --tle stations.tle --lat 44.8 --lon 10.3

    Example: ntnsim passes --preset starlink-shell1 --lat 44.8 --lon 10.3 --hours 1
    """
    from ntnsim.api.space import EARLIER, pass_rows
    from ntnsim.sky.space_segment import space_model

    place = (lat, lon, altitude, min_elevation, start)
    loaded = _sky_of(scenario, tle, preset, place, set_ or [])
    with option_names("site", "hours"), at_work(f"looking for the passes of {hours:g} h"):
        rows, n_satellites = pass_rows(loaded, site, hours)
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    typer.echo(f"from {loaded.start_utc:%Y-%m-%dT%H:%M:%SZ}")
    typer.echo(
        f"{'pass':>4} {'satellite':<24}{'rise_s':>12}{'culmination_s':>15}{'set_s':>12}{'max_elevation_deg':>19}"
        f"{'azimuths_deg':>20}  {'rise_utc':<22}set_utc"
    )
    for row in rows:
        number = "" if row["number"] == EARLIER else row["number"]
        typer.echo(
            f"{number:>4} {row['satellite']:<24}{row['rise_s']:>12.2f}{row['culmination_s']:>15.2f}"
            f"{row['set_s']:>12.2f}{row['max_elevation_deg']:>19.2f}"
            + "".join(f"{row[f'{when}_azimuth_deg']:>{width}.0f}" for when, width in AZIMUTH_COLUMNS)
            + f"  {row['rise_utc']:<22}{row['set_utc']}"
        )
    typer.echo(f"{len(rows)} passes of {n_satellites} satellites in {hours:g} h")
    shortened = [row["usable_s"] for row in rows if row["usable_s"] < row["set_s"] - row["rise_s"]]
    if shortened:
        typer.echo(
            f"note: surroundings shorten {len(shortened)} of these passes, {shortened.count(0.0)} of them to nothing; "
            "--json has usable_s of each"
        )
    _say_way_down(loaded)
    for name, lost_s in space_model(loaded.space, loaded.start_utc).lost(hours * 3600.0):
        typer.echo(f"note: {name} decays at {lost_s:.0f} s and is dropped from then on")


def _sky_of(
    scenario: Path | None,
    tle: Path | None,
    preset: str | None,
    place: tuple[float | None, float | None, float, float, str | None],
    overrides: list[str],
) -> "Scenario":
    """Return the scenario that the options of `passes` name, or make one of them."""
    from ntnsim.api.space import place_under
    from ntnsim.errors import InputError
    from ntnsim.scenario.load import load_scenario

    lat, lon, altitude_m, min_elevation_deg, start_utc = place
    n_given = sum(given is not None for given in (scenario, tle, preset))
    if n_given == 0:
        raise InputError("Missing argument 'SCENARIO', or --tle or --preset with --lat and --lon")
    if n_given > 1:
        raise InputError("passes: give one of SCENARIO, --tle and --preset")
    if scenario is not None:
        if lat is not None or lon is not None or start_utc is not None:
            raise InputError(
                "--lat, --lon, --start: go with --tle and --preset; a scenario has its own, see --site, --set"
            )
        return load_scenario(scenario, overrides)
    if lat is None or lon is None:
        raise InputError("--lat, --lon: are needed with --tle and --preset")
    if overrides:
        raise InputError("--set: goes with a scenario")
    with option_names("tle", "preset"):
        return place_under(
            tle=tle,
            preset=preset,
            latitude_deg=lat,
            longitude_deg=lon,
            altitude_m=altitude_m,
            min_elevation_deg=min_elevation_deg,
            start_utc=start_utc,
        )


def trace(
    scenario: Annotated[Path, typer.Argument(metavar="SCENARIO", help="YAML file.")],
    out: Annotated[Path, typer.Option("--out", help="CSV file to write.")],
    site: Annotated[str | None, typer.Option(help="A gateway; default the first.")] = None,
    hours: Annotated[float, typer.Option(help="Length from the scenario's start.")] = 1.0,
    step: Annotated[float, typer.Option(help="Seconds between rows.")] = 1.0,
    set_: Override = None,
) -> None:
    """Write delay, Doppler shift and rate of a terminal's satellite link over time as CSV, for emulators.

    The delay is one way to the data network, without waiting. The rate is the whole beam's, before background load.

    Example: ntnsim trace scenarios/quickstart.yaml --hours 2 --out trace.csv
    """
    from ntnsim.api.space import LONGEST_HOURS, site_named
    from ntnsim.errors import InputError
    from ntnsim.results.own_files import check_own, own_path
    from ntnsim.scenario.load import load_scenario
    from ntnsim.sky.space_segment import terminal_profile_source
    from ntnsim.sky.trace import write_trace

    check_own(out)
    for name, value in (("--hours", hours), ("--step", step)):
        if not 0 < value < float("inf"):
            raise InputError(f"{name}: {value:g} is not a finite number > 0")
    if hours > LONGEST_HOURS:
        raise InputError(f"--hours: {hours:g} is not <= {LONGEST_HOURS:g}, a year")
    if not hours * 3600.0 / step <= MOST_ROWS:
        raise InputError(
            f"--step: {hours:g} h in steps of {step:g} s are more rows than a trace may have, {MOST_ROWS:,}"
        )
    loaded = load_scenario(scenario, set_ or [])
    _check_orbit(loaded, scenario)
    with option_names("site"):
        own_site = site_named(loaded, site)
    with at_work(f"following the link of {own_site.name} for {hours:g} h"), own_path(out) as partial:
        terminal = terminal_profile_source(
            loaded.space, loaded.service_radio, own_site, loaded.seed, start_utc=loaded.start_utc
        )
        n_rows = write_trace(terminal, partial, hours * 3600.0, step)
    typer.echo(f"{out}: {n_rows} rows")


def link(
    context: typer.Context,
    satellite: Annotated[
        Literal["geo", "leo-600", "leo-1200"], typer.Option(help="Reference orbit.")
    ] = "leo-600",
    parameter_set: Annotated[
        int, typer.Option(min=1, max=2, help="Satellite parameter set of TR 38.821.")
    ] = 1,
    band: Annotated[Literal["s", "ka"] | None, typer.Option(help="Default: the terminal's.")] = None,
    direction: Annotated[Literal["dl", "ul"], typer.Option(help="Downlink or uplink.")] = "dl",
    terminal: Annotated[Literal["handheld", "vsat"] | None, typer.Option(help="Default: the band's.")] = None,
    elevation: Annotated[
        float | None, typer.Option(help="Degrees. Default: the TR's target elevation.")
    ] = None,
    reuse: Annotated[
        int, typer.Option(min=1, max=3, help="Frequency reuse option of TR 38.821: FRF 1, 3, 2+pol.")
    ] = 1,
    case: Annotated[
        str | None, typer.Option(help="A calibration case, SC1 to SC30, instead of satellite to reuse.")
    ] = None,
    scenario: Annotated[
        Path | None, typer.Option(help="Show a whole pass of this scenario instead of one geometry.")
    ] = None,
    site: Annotated[str | None, typer.Option(help="With --scenario: the gateway; default the first.")] = None,
    number: Annotated[
        int, typer.Option("--pass", min=0, help="With --scenario: number of the pass, from 0.")
    ] = 0,
    step: Annotated[float, typer.Option(help="With --scenario: seconds between rows.")] = 10.0,
    plot: Annotated[
        Path | None, typer.Option(help="With --scenario: draw the pass into this file: PNG, PDF, SVG, ….")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="A.B=C", help="With --scenario: change one value. May be repeated."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show every dB term of a link: one geometry of 3GPP TR 38.821, 6.1.3, or a whole pass of a scenario.

    Example: ntnsim link --satellite leo-600 --parameter-set 2 --direction dl --elevation 30

    Example: ntnsim link --case SC9 --direction ul --json

    Example: ntnsim link --scenario scenarios/quickstart.yaml --pass 2 --plot pass.png
    """
    from ntnsim.errors import InputError

    parameter_set, overrides = _old_parameter_set(parameter_set, set_ or [])
    geometry = ("satellite", "parameter_set", "band", "terminal", "reuse", "case", "direction", "elevation")
    _refuse(context, geometry if scenario else ("site", "number", "step", "plot"), "scenario", bool(scenario))
    if scenario is not None:
        _show_pass(scenario, overrides, site, number, step, plot, as_json)
        return
    if overrides:
        raise InputError("--set: goes only with --scenario; the TR's parameter set is --parameter-set")
    from ntnsim.api.space import link_budget

    if case is not None:
        _refuse(context, ("satellite", "parameter_set", "band", "terminal", "reuse"), "case", True)
    with option_names("case", "terminal", elevation_deg="elevation"):
        values = link_budget(
            case,
            satellite=satellite,
            parameter_set=parameter_set,
            band=band,
            direction=direction,
            terminal=terminal,
            reuse=reuse,
            elevation_deg=elevation,
        )
    if as_json:
        typer.echo(json.dumps(values, indent=1))
    else:
        _show_budget(values)


def _show_budget(values: Mapping[str, Any]) -> None:
    """Print the terms of a link budget, one a line."""
    for name, value in values.items():
        if not isinstance(value, float):
            shown = f"{value:>16}"
        elif abs(value) < 1e-2 or abs(value) >= 1e5:
            shown = f"{value:>16.6g}"
        else:
            shown = f"{value:>16.3f}"
        typer.echo(f"{name:<20}{shown}")


def _old_parameter_set(parameter_set: int, given: list[str]) -> tuple[int, list[str]]:
    """Return the parameter set, and the overrides among *given*: ``--set 1`` was the option's earlier name."""
    from ntnsim.errors import InputError

    numbers = [text for text in given if "=" not in text]
    if any(text not in ("1", "2") for text in numbers):
        raise InputError(
            f"'--set': {numbers[0]!r} is not A.B=C; the TR's parameter set, 1 or 2, is --parameter-set"
        )
    return int(numbers[-1]) if numbers else parameter_set, [text for text in given if "=" in text]


def _refuse(context: typer.Context, names: Sequence[str], other: str, present: bool) -> None:
    """Refuse the first option among *names* that was given although *other* is there, or is not."""
    from ntnsim.errors import InputError

    options = {option.name: option.opts[0] for option in context.command.params}
    for name in names:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise InputError(f"{options[name]}: {'does not go' if present else 'goes only'} with --{other}")


def _show_pass(
    scenario: Path,
    overrides: list[str],
    site: str | None,
    number: int,
    step_s: float,
    plot: Path | None,
    as_json: bool,
) -> None:
    """Print, and draw, the link along one pass."""
    from ntnsim.api.space import site_named
    from ntnsim.errors import InputError
    from ntnsim.results.own_files import check_own
    from ntnsim.scenario.load import load_scenario
    from ntnsim.sky.space_segment import terminal_profile_source

    if plot is not None:
        check_own(plot, (".png", ".pdf", ".svg", ".eps", ".jpg", ".webp"))
    if not 0 < step_s < float("inf"):
        raise InputError(f"--step: {step_s:g} is not a finite number > 0")
    loaded = load_scenario(scenario, overrides)
    _check_orbit(loaded, scenario)
    with option_names("site"):
        own_site = site_named(loaded, site)
    with at_work(f"looking for pass {number}"):
        terminal = terminal_profile_source(
            loaded.space,
            loaded.service_radio,
            own_site,
            loaded.seed,
            start_utc=loaded.start_utc,
        )
        found = _nth_pass(terminal.book, number)
    if found is None:
        raise InputError(
            f"--pass: {number} is more than the passes that rise within two days over {terminal.site.name}; "
            "a satellite that stays up has none: ntnsim trace follows the link"
        )
    with at_work("following the link"):
        columns = terminal.whole_pass_terms(found)
    times_s = columns.pop("time_s")
    stride = max(1, round(step_s / terminal.radio.profile.step_s))
    rows: dict[str, list[Any]] = {"time_s": times_s[::stride].tolist()}
    rows.update({name: _finite(values[::stride].tolist()) for name, values in columns.items()})
    name = terminal.model.orbits.names[found.satellite]
    if plot is not None:
        from ntnsim.report.pass_figure import draw_pass

        draw_pass(times_s, columns, f"{name} over {terminal.site.name}", plot)
    if as_json:
        head = {"satellite": name, "rise_s": found.rise_s, "set_s": found.set_s}
        typer.echo(
            json.dumps({**head, "max_elevation_deg": found.max_elevation_deg, "columns": rows}, indent=1)
        )
        return
    typer.echo(f"{name} over {terminal.site.name}, up to {found.max_elevation_deg:.1f} degrees")
    _say_way_down(loaded)
    widths = [max(13, len(title)) + 2 for title in rows]
    typer.echo("".join(f"{title:>{width}}" for title, width in zip(rows, widths, strict=True)))
    for values in zip(*rows.values(), strict=True):
        shown = ["-" if value is None else format(value, ".6g") for value in values]
        typer.echo("".join(f"{text:>{width}}" for text, width in zip(shown, widths, strict=True)))


def _check_orbit(loaded: "Scenario", path: Path) -> None:
    """Refuse a scenario whose satellite link has no satellite: nothing of it can be shown along an orbit."""
    from ntnsim.errors import InputError

    kind = loaded.satellite_link.kind
    if kind != "orbit":
        raise InputError(f"{path}: satellite_link.kind: {kind} has no orbit to follow; allowed: orbit")


def _say_way_down(scenario: "Scenario") -> None:
    """Print what limits images behind the service link, if anything does."""
    from ntnsim.results.way_down_text import way_down_text

    if text := way_down_text(scenario.space.model_dump()):
        typer.echo(f"way down: {text}")


def _nth_pass(book: Any, number: int) -> Any:
    """Return pass *number* that rises after the start, or None if two days have fewer."""
    seen = 0
    for hour in range(2 * 24):
        rising = book.rising_between(hour * 3600.0, (hour + 1) * 3600.0)
        if seen + len(rising) > number:
            return rising[number - seen]
        seen += len(rising)
    return None


def _finite(values: list[float]) -> list[float | None]:
    """JSON has no infinity and no NaN."""
    return [value if abs(value) < float("inf") else None for value in values]
