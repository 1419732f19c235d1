"""Maps of traffic: what of each site's images arrived, how late, how much it sent; and what each satellite carried."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ntnsim.arrays import FloatArray
from ntnsim.report.groups import points_of
from ntnsim.report.land import land_outlines
from ntnsim.report.style import DOUBLE_COLUMN_IN, SEQUENCE_COLOURS, in_preferred_order, scheme_styles
from ntnsim.results.columns import SERVED
from ntnsim.results.read import RunDirectory

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FEWEST_PLACES = 3  # a map of fewer tells nothing
MOST_SCHEMES = 4
ROW_IN = 1.55
EDGE_DEG = 5.0  # around the sites
MOST_VECTORS = 2000  # dots of a PDF, beyond which they are a picture in it


@dataclass(frozen=True)
class Quantity:
    """What colours show: a column of `SiteMap.sites`, its label and unit. positive: may be on a log scale."""

    name: str
    label: str
    unit: str
    positive: bool


QUANTITIES = (
    Quantity("arrived", "images that arrived", "%", False),
    Quantity("delay_s", "mean delay", "s", True),
    Quantity("rate_bps", "sent over satellites", "bit/s", True),
)
LOG_RATIO = 20.0  # beyond it, colours follow the logarithm
PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))


@dataclass(frozen=True)
class SiteMap:
    """One scheme of a run. sites: site, latitude_deg, longitude_deg and the `QUANTITIES`, a row each.

    satellite_bps: [m], what each satellite that carried anything carried, the busiest first.
    """

    scheme: str
    sites: pd.DataFrame
    satellite_bps: FloatArray


def has_map(runs: Sequence[RunDirectory]) -> bool:
    """Return whether the gateways of *runs* lie in enough places."""
    return len({(lat, lon) for _, lat, lon in places_of(runs[-1])}) >= FEWEST_PLACES


def places_of(run: RunDirectory) -> list[tuple[str, float, float]]:
    """Return name, latitude and longitude of every gateway that rests, its copies one by one."""
    return [
        (f"{gateway['name']}-{number}" if gateway["count"] > 1 else gateway["name"], *_place(gateway))
        for gateway in run.provenance().get("scenario", {}).get("gateways", [])
        if gateway.get("track") is None
        for number in range(gateway["count"])
    ]


def _place(gateway: dict[str, Any]) -> tuple[float, float]:
    return gateway["latitude_deg"], gateway["longitude_deg"]


def maps_of(run: RunDirectory) -> list[SiteMap]:
    """Return the maps of *run*, scheme by scheme."""
    schemes = in_preferred_order(run.summary()["schemes"])
    return [(_of_fluid if run.is_fluid else _of_images)(run, scheme) for scheme in schemes]


def _of_fluid(run: RunDirectory, scheme: str) -> SiteMap:
    sites = run.flow("sites", scheme)
    duration_s = float(run.provenance()["scenario"]["horizon"]["duration_s"])
    with np.errstate(invalid="ignore"):
        table = pd.DataFrame(
            {
                "site": sites["site"],
                "latitude_deg": sites["latitude_deg"],
                "longitude_deg": sites["longitude_deg"],
                "arrived": 100 * sites["delivered"] / sites["images"],
                "delay_s": sites["delay_mean_s"],
                "rate_bps": sites["carried_bits"] / duration_s,
            }
        )
    carried = run.flow("satellites", scheme)["mean_rate_bps"].to_numpy()
    return SiteMap(scheme, table[sites["images"] > 0].reset_index(drop=True), _ranked(carried))


def _of_images(run: RunDirectory, scheme: str) -> SiteMap:
    columns = ["scheme", "gateway", "state", "created_s", "ended_s", "delay_s", "link_bits", "satellite"]
    records = run.records(columns).to_pandas(strings_to_categorical=True)
    records = records[records["scheme"] == scheme]
    end_s = float(np.nanmax(records[["created_s", "ended_s"]].to_numpy(), initial=1e-9))
    records = records.assign(
        arrived=100.0 * records["state"].isin(SERVED),
        sent=records["link_bits"].where(records["satellite"].astype(str) != "", 0.0),
    )
    by_site = records.groupby("gateway", observed=True)
    table = pd.DataFrame(
        {
            "arrived": by_site["arrived"].mean(),
            "delay_s": by_site["delay_s"].mean(),
            "rate_bps": by_site["sent"].sum() / end_s,
        }
    )
    places = pd.DataFrame(places_of(run), columns=["site", "latitude_deg", "longitude_deg"])
    carried = records.groupby("satellite", observed=True)["sent"].sum()
    return SiteMap(
        scheme,
        places.join(table, on="site", how="inner").reset_index(drop=True),
        _ranked(carried.to_numpy() / end_s),
    )


def _ranked(rate_bps: FloatArray) -> FloatArray:
    return np.sort(rate_bps[rate_bps > 0])[::-1]


def prefixed(highest: float, unit: str) -> tuple[float, str]:
    """Return by what values up to *highest* are divided, and their unit then: rates have prefixes."""
    if unit != "bit/s":
        return 1.0, unit
    factor, prefix = next((one for one in PREFIXES if highest >= one[0]), PREFIXES[-1])
    return factor, prefix + unit


def traffic_map(runs: Sequence[RunDirectory]) -> "Figure":
    """Return the figure of maps, a row per scheme, and of the satellites' load; of a sweep, its last setting."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    point = points_of(runs)[-1]
    maps = maps_of(point.runs[0])[:MOST_SCHEMES]
    figure = Figure(figsize=(DOUBLE_COLUMN_IN, ROW_IN * len(maps) + 1.9))
    grid = figure.add_gridspec(len(maps) + 1, len(QUANTITIES), height_ratios=[*[1.0] * len(maps), 0.75])
    for column, quantity in enumerate(QUANTITIES):
        panels = [figure.add_subplot(grid[row, column]) for row in range(len(maps))]
        low, high = _limits(maps, quantity)
        factor, unit = prefixed(high, quantity.unit)
        logarithmic = quantity.positive and high > LOG_RATIO * low
        for axes, one in zip(panels, maps, strict=True):
            drawn = _draw_map(axes, one, quantity.name, factor, (low / factor, high / factor), logarithmic)
            if column == 0:
                axes.set_ylabel(one.scheme)
        bar = figure.colorbar(drawn, ax=panels, location="bottom", aspect=30, shrink=0.9)
        bar.set_label(f"{quantity.label} ({unit})")
        if not logarithmic:
            bar.locator = MaxNLocator(4)
            bar.update_ticks()
    _draw_satellites(figure.add_subplot(grid[-1, :]), maps)
    if point.title:
        figure.suptitle(point.title, fontsize=8)
    return figure


def _limits(maps: Sequence[SiteMap], quantity: Quantity) -> tuple[float, float]:
    """Return the smallest and the largest value of *quantity* on *maps*, apart from each other."""
    values = np.concatenate([one.sites[quantity.name].to_numpy(dtype=np.float64) for one in maps])
    values = values[np.isfinite(values) & ((values > 0) | (not quantity.positive))]
    if not len(values):
        return 0.1, 1.0
    low, high = float(values.min()), float(values.max())
    if high > low:
        return low, high
    return (low / 2, high * 2) if quantity.positive else (max(low - 1.0, 0.0), max(high, 1.0))


def _draw_map(
    axes: "Axes",
    one: SiteMap,
    name: str,
    factor: float,
    limits: tuple[float, float],
    logarithmic: bool,
) -> Any:
    """Draw the sites' values of a quantity over its unit's *factor*; return what a colour bar is made for."""
    from matplotlib.colors import LogNorm, Normalize

    for outline in land_outlines():
        longitude, latitude = np.array(outline[::2]) / 10, np.array(outline[1::2]) / 10
        axes.fill(longitude, latitude, facecolor="#ECEFF1", edgecolor="#B0B8BE", linewidth=0.25, zorder=0)
    sites = one.sites.sort_values(name, na_position="first", kind="stable")  # high values lie on top
    values = sites[name].to_numpy(dtype=np.float64) / factor
    longitude, latitude = sites["longitude_deg"].to_numpy(), sites["latitude_deg"].to_numpy()
    size = float(np.clip(3000.0 / max(len(sites), 1), 2.0, 16.0))
    known = np.isfinite(values)
    axes.scatter(
        longitude[~known], latitude[~known], s=size, facecolor="none", edgecolor="#888888", linewidth=0.4
    )
    drawn = axes.scatter(
        longitude[known],
        latitude[known],
        c=np.maximum(values[known], limits[0]),
        s=size,
        norm=(LogNorm if logarithmic else Normalize)(*limits),
        cmap=SEQUENCE_COLOURS,
        linewidth=0,
        rasterized=len(sites) > MOST_VECTORS,
    )
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.set_xlim(-180, 180)
    south, north = float(latitude.min()), float(latitude.max())
    axes.set_ylim(max(south - EDGE_DEG, -90.0), min(north + EDGE_DEG, 90.0))
    axes.set_xticks([])
    axes.set_yticks([])
    return drawn


def _draw_satellites(axes: "Axes", maps: Sequence[SiteMap]) -> None:
    """Draw what each satellite carried, the busiest first."""
    styles = scheme_styles(one.scheme for one in maps)
    highest = max((float(one.satellite_bps[0]) for one in maps if len(one.satellite_bps)), default=1.0)
    factor, unit = prefixed(highest, "bit/s")
    for one in maps:
        style = styles[one.scheme]
        axes.plot(
            np.arange(1, len(one.satellite_bps) + 1),
            one.satellite_bps / factor,
            color=style.colour,
            linestyle=(0, style.dash) if style.dash else "solid",
            label=one.scheme,
        )
    axes.set_xlabel("satellites that carried something, the busiest first")
    axes.set_ylabel(f"mean rate ({unit})")
    axes.set_ylim(bottom=0)
    if len(maps) > 1:
        axes.legend()
