"""A picture of one pass: elevation, every loss, CNR beside SINR, and the rate over time."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ntnsim.arrays import FloatArray
from ntnsim.errors import InputError
from ntnsim.report.style import STYLES, journal
from ntnsim.results.own_files import own_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# In the order of the legend; terms that are nothing along the whole pass are left out.
LOSSES = {
    "atmospheric_db": "gases",
    "rain_cloud_walls_db": "rain, cloud, walls",
    "shadow_margin_db": "shadow margin",
    "shadowing_db": "shadowing",
    "clutter_db": "clutter",
    "scintillation_db": "scintillation",
    "polarisation_db": "polarisation",
    "additional_db": "additional",
}
RATIOS = {
    "cnr_db": "CNR",
    "sinr_db": "SINR",
    "feeder_db": "feeder link",
    "co_channel_db": "other beams",
    "frequency_error_db": "frequency error",
}
NO_MATTER_DB = 20.0  # a ratio so far above the SINR changes it by 0.04 dB at most


def draw_pass(times_s: FloatArray, columns: Mapping[str, FloatArray], title: str, path: Path) -> None:
    """Draw the columns of a pass [n] over *times_s* [n] into the file *path* (PNG, PDF or SVG)."""
    from matplotlib.figure import Figure

    minutes = (times_s - times_s[0]) / 60
    with journal():
        figure = Figure(figsize=(5.6, 6.6))
        elevation, free_space, losses, ratios, rate = figure.subplots(5, 1, sharex=True)
        elevation.set_title(title)
        elevation.plot(minutes, columns["elevation_deg"], color=STYLES[0].colour)
        elevation.set_ylabel("elevation (°)")
        free_space.plot(minutes, columns["fspl_db"], color=STYLES[0].colour)
        free_space.set_ylabel("free-space\nloss (dB)")
        _curves(losses, minutes, {name: LOSSES[name] for name in LOSSES if _matters(columns, name)}, columns)
        losses.set_ylabel("other\nlosses (dB)")
        shown = {name: label for name, label in RATIOS.items() if _limits(columns, name)}
        _curves(ratios, minutes, shown, columns)
        ratios.set_ylabel("ratios (dB)")
        rate.plot(minutes, columns["rate_bps"] / 1e6, color=STYLES[0].colour)
        rate.set_ylabel("goodput\n(Mbit/s)")
        rate.set_ylim(0, 1.05 * rate.get_ylim()[1])
        rate.set_xlabel("minutes since rise")
        figure.align_ylabels()
        try:
            with own_path(path) as partial:
                figure.savefig(partial, format=path.suffix.lstrip(".").lower() or None)
        except ValueError as error:
            raise InputError(f"{path}: cannot write the figure: {error}") from error


def _matters(columns: Mapping[str, FloatArray], name: str) -> bool:
    return name in columns and bool(np.any(np.abs(columns[name]) > 0))


def _limits(columns: Mapping[str, FloatArray], name: str) -> bool:
    """Return whether the ratio *name* takes part in the SINR, or stands so far above it that it only hides the rest."""
    if name not in columns:
        return False
    above_db = columns[name] - columns["sinr_db"]
    return bool(np.any(above_db < NO_MATTER_DB))


def _curves(
    axes: "Axes", minutes: FloatArray, names: Mapping[str, str], columns: Mapping[str, FloatArray]
) -> None:
    """Draw the columns *names* with a legend beside the axes, where no curve runs."""
    for style, (name, label) in zip(STYLES, names.items(), strict=False):
        values = np.where(np.isfinite(columns[name]), columns[name], np.nan)
        axes.plot(
            minutes,
            values,
            color=style.colour,
            linestyle=(0, style.dash) if style.dash else "solid",
            label=label,
        )
    if names:
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.05), borderaxespad=0)
