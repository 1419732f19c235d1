"""Orbit and link as tables: the passes over a site, and a link budget with every term."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ntnsim.errors import InputError
from ntnsim.given import kind_of, number_given
from ntnsim.scenario.load import scenario_given, validated
from ntnsim.scenario.scenario import Scenario
from ntnsim.scenario.space import PRESET_SHELLS
from ntnsim.units import EARTH_RADIUS_SPHERE_M

if TYPE_CHECKING:
    import pandas as pd

    from ntnsim.results.read import RunDirectory
    from ntnsim.sky.space_segment import SiteLike


def passes(
    scenario: Scenario | Path | str, site: str | None = None, *, hours: float = 24.0
) -> "pd.DataFrame":
    """Return the satellite passes over a site of a scenario, in order of rising.

    site: a gateway or ground station by name; the first gateway unless given.
    hours: length of the search from the scenario's start, up to a year.

    Columns: ``satellite``, ``rise_s``, ``culmination_s``, ``set_s`` (seconds from the scenario's start),
    ``max_elevation_deg``, and the azimuths then: ``rise_azimuth_deg``, ``culmination_azimuth_deg``,
    ``set_azimuth_deg`` (0 north, 90 east); ``usable_s``, how much of the pass the site's ``surroundings`` leave,
    sampled once a second; the times to the second: ``rise_utc``, ``culmination_utc``, ``set_utc``; and
    ``number``, by which ``ntnsim link --pass`` knows the pass, -1 for one that rose before the start.

    A pass under way at the start has its true rise, before 0; one under way at the end its true set. Raises InputError
    for an unknown site or a length that is not finite and > 0.

    >>> import ntnsim
    >>> table = ntnsim.passes("scenarios/quickstart.yaml", hours=1)
    >>> bool((table["rise_s"] < table["culmination_s"]).all())
    True
    """
    import pandas as pd

    return pd.DataFrame(pass_rows(scenario, site, hours)[0], columns=list(PASS_COLUMNS))


PASS_COLUMNS = (
    "satellite",
    "rise_s",
    "culmination_s",
    "set_s",
    "max_elevation_deg",
    "rise_azimuth_deg",
    "culmination_azimuth_deg",
    "set_azimuth_deg",
    "usable_s",
    "rise_utc",
    "culmination_utc",
    "set_utc",
    "number",
)
LONGEST_HOURS = 8784.0  # a leap year
EARLIER = -1  # the number of a pass that rose before the start


def pass_rows(
    scenario: Scenario | Path | str, site: str | None, hours: float
) -> tuple[list[dict[str, Any]], int]:
    """Return the rows of `passes`, and how many satellites were looked at."""
    from ntnsim.sky.space_segment import space_model

    hours = number_given("hours", hours, high=LONGEST_HOURS, above=0)
    loaded = scenario_given(scenario)
    model = space_model(loaded.space, loaded.start_utc)
    gateway = site_named(loaded, site)
    found = model.passes(gateway, 0.0, hours * 3600.0)
    azimuths_deg = model.azimuths_deg(gateway, found)
    usable_s = model.usable_s(gateway, found)
    order = sorted((k for k, seen in enumerate(found) if seen.rise_s > 0), key=lambda k: found[k].rise_s)
    numbers = {k: number for number, k in enumerate(order)}

    def utc(time_s: float) -> str:
        moment = loaded.start_utc.astimezone(UTC) + timedelta(seconds=round(time_s))
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")

    rows: list[dict[str, Any]] = [
        {
            "satellite": model.orbits.names[seen.satellite],
            "rise_s": seen.rise_s,
            "culmination_s": seen.culmination_s,
            "set_s": seen.set_s,
            "max_elevation_deg": seen.max_elevation_deg,
            "rise_azimuth_deg": rise_deg,
            "culmination_azimuth_deg": culmination_deg,
            "set_azimuth_deg": set_deg,
            "usable_s": usable_s[k],
            "rise_utc": utc(seen.rise_s),
            "culmination_utc": utc(seen.culmination_s),
            "set_utc": utc(seen.set_s),
            "number": numbers.get(k, EARLIER),
        }
        for k, (seen, (rise_deg, culmination_deg, set_deg)) in enumerate(
            zip(found, azimuths_deg, strict=True)
        )
    ]
    return rows, len(model.orbits)


def place_under(
    *,
    tle: Path | None,
    preset: str | None,
    latitude_deg: float,
    longitude_deg: float,
    altitude_m: float = 0.0,
    min_elevation_deg: float = 10.0,
    start_utc: str | None = None,
) -> Scenario:
    """Return a scenario of one site under a constellation, for whoever asks for passes and has no scenario.

    tle: file of element sets; else *preset*, the name of a constellation or the beginning of just one.
    start_utc: ISO 8601; now, to the second, unless given.
    Raises InputError for what a scenario refuses, by its name there.
    """
    if tle is not None:
        if not tle.is_file():
            raise InputError(f"tle: {tle} is not a file")
        constellation = {"kind": "element_sets", "path": str(tle.resolve())}
    else:
        constellation = {"kind": "preset", "name": _preset(preset or "")}
    site = {"name": "site", "latitude_deg": latitude_deg, "longitude_deg": longitude_deg}
    return validated(
        Scenario,
        {
            "name": "passes",
            "start_utc": start_utc or datetime.now(UTC).replace(microsecond=0).isoformat(),
            "horizon": {"n_jobs": 1},
            "sources": [{"name": "none", "arrivals": {"kind": "poisson", "rate_per_s": 1.0}}],
            "gateways": [{**site, "altitude_m": altitude_m, "min_elevation_deg": min_elevation_deg}],
            "space": {"constellation": constellation},
            "schemes": [{"name": "none", "codec": {"kind": "sizes", "size_bits": 1.0}}],
        },
        "the options",
    )


def _preset(beginning: str) -> str:
    """Return the one preset whose name is, or begins with, *beginning*."""
    found = [name for name in PRESET_SHELLS if name.startswith(beginning)]
    if beginning in PRESET_SHELLS:
        return beginning
    if len(found) != 1 or not beginning:
        raise InputError(f"preset: {beginning!r} is not one of {', '.join(PRESET_SHELLS)}")
    return found[0]


def site_named(scenario: Scenario, name: str | None) -> "SiteLike":
    """Return the gateway or ground station called *name*; the first gateway for None."""
    known: dict[str, SiteLike] = {gateway.name: gateway for gateway in scenario.gateways}
    known.update({station.name: station for station in scenario.space.ground_stations})
    if name is None:
        return scenario.gateways[0]
    if name not in known:
        raise InputError(f"site: {name!r} is not one of {', '.join(sorted(known))}")
    return known[name]


def link_budget(
    case: str | None = None,
    *,
    satellite: str = "leo-600",
    parameter_set: int = 1,
    band: str | None = None,
    direction: str = "dl",
    terminal: str | None = None,
    reuse: int = 1,
    elevation_deg: float | None = None,
) -> dict[str, Any]:
    """Return every term of a link budget of 3GPP TR 38.821, 6.1.3, between a reference satellite and terminal.

    case: a calibration case, ``SC1`` to ``SC30``, in place of *satellite*, *parameter_set*, *band*, *terminal* and
        *reuse*.
    satellite: ``geo``, ``leo-600`` or ``leo-1200``. parameter_set: 1 or 2. band: ``s`` or ``ka``, the terminal's unless
        given. direction: ``dl`` or ``ul``. terminal: ``handheld`` (S band) or ``vsat`` (Ka band).
    reuse: frequency reuse option 1, 2 or 3: FRF 1, FRF 3, FRF 2 with polarisation.
    elevation_deg: in (0, 90]; the TR's target elevation unless given.

    Losses are positive dB, and units are in the names; ``earth_radius_m`` is the sphere that the slant range is over.
    Raises InputError for values outside these.

    >>> import ntnsim
    >>> round(ntnsim.link_budget("SC9")["cnr_db"], 1)  # TR 38.821, Table 6.1.3.3-1
    6.6
    """
    from ntnsim.link.budget import reference_budget

    parameters = budget_parameters(case, satellite, parameter_set, band, terminal, reuse)
    if direction not in ("dl", "ul"):
        raise InputError(f"direction: {direction!r} is not dl or ul")
    if elevation_deg is not None and not 0 < number_given("elevation_deg", elevation_deg) <= 90:
        raise InputError(f"elevation_deg: {elevation_deg:g} is not in (0, 90]")
    budget = reference_budget(direction=direction, elevation_deg=elevation_deg, **parameters)
    terms = {name: float(value) for name, value in budget.terms().items()}
    return {**parameters, "direction": direction, "earth_radius_m": EARTH_RADIUS_SPHERE_M, **terms}


def budget_parameters(
    case: str | None, satellite: str, parameter_set: int, band: str | None, terminal: str | None, reuse: int
) -> Mapping[str, Any]:
    """Return what `reference_budget` needs beside direction and elevation, checked."""
    from ntnsim.link.budget import REUSE_BY_OPTION, calibration_case

    if case is not None:
        if not isinstance(case, str):
            raise InputError(f"case: must be SC1 to SC30, got {kind_of(case)}")
        try:
            return calibration_case(case)
        except ValueError as error:
            raise InputError(f"case: {error}") from error
    band = band or ("ka" if terminal == "vsat" else "s")
    terminal = terminal or ("vsat" if band == "ka" else "handheld")
    if (band, terminal) not in (("s", "handheld"), ("ka", "vsat")):
        raise InputError(
            f"terminal: {terminal} does not work in band {band}; allowed: handheld in s, vsat in ka"
        )
    for name, value, allowed in (
        ("satellite", satellite, ("geo", "leo-600", "leo-1200")),
        ("parameter_set", parameter_set, (1, 2)),
        ("reuse", reuse, tuple(REUSE_BY_OPTION)),
    ):
        if value not in allowed:
            raise InputError(f"{name}: {value!r} is not one of {', '.join(map(str, allowed))}")
    return {
        "orbit": satellite,
        "parameter_set": parameter_set,
        "band": band,
        "terminal": terminal,
        "reuse": REUSE_BY_OPTION[reuse],
    }


def write_czml(run: "RunDirectory", path: Path) -> None:
    """Write the sky of a finished *run* to *path* as CZML, which CesiumJS opens: `ntnsim.sky.czml`.

    Raises InputError for a run without satellites or of a fluid world, and where *path* cannot be written.
    """
    import json

    from ntnsim.results.own_files import check_own, write_own_text
    from ntnsim.sky.czml import czml
    from ntnsim.sky.space_segment import terminal_links
    from ntnsim.world.faults import satellite_outages

    if run.is_fluid:
        raise InputError(f"{run.path}: --czml: a fluid world keeps no links over time")
    check_own(path)
    scenario = validated(Scenario, run.provenance()["scenario"], str(run.path))
    terminals = terminal_links(scenario, satellite_outages(scenario.faults, scenario.seed))
    duration_s = max(world["duration_s"] for world in run.summary()["worlds"].values())
    packets = czml(scenario.name, scenario.start_utc, terminals, duration_s)
    write_own_text(path, json.dumps(packets, separators=(",", ":"), allow_nan=False) + "\n")
