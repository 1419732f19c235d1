"""A picture of one pass: elevation, every loss, SINR and rate over time."""

from collections.abc import Mapping
from pathlib import Path

from ntnsim.arrays import FloatArray
from ntnsim.errors import InputError

LOSSES = (
    "atmospheric_db",
    "shadow_margin_db",
    "shadowing_db",
    "clutter_db",
    "scintillation_db",
    "polarisation_db",
    "additional_db",
)


def draw_pass(times_s: FloatArray, columns: Mapping[str, FloatArray], title: str, path: Path) -> None:
    """Draw the columns of a pass [n] over *times_s* [n] into the file *path* (PNG, PDF or SVG)."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(4, 1, sharex=True, figsize=(7, 9), layout="constrained")
    minutes = (times_s - times_s[0]) / 60
    axes[0].plot(minutes, columns["elevation_deg"])
    axes[0].set_ylabel("elevation / °")
    axes[0].set_title(title)
    axes[1].plot(minutes, columns["fspl_db"], label="free space")
    axes[1].set_ylabel("free-space loss / dB")
    for name in LOSSES:
        if name in columns:
            axes[2].plot(minutes, columns[name], label=name.removesuffix("_db").replace("_", " "))
    axes[2].set_ylabel("other losses / dB")
    axes[2].legend(fontsize="small", ncols=3)
    axes[3].plot(minutes, columns["sinr_db"], color="tab:green")
    axes[3].set_ylabel("SINR / dB", color="tab:green")
    rate = axes[3].twinx()
    rate.plot(minutes, columns["rate_bps"] / 1e6, color="tab:purple")
    rate.set_ylabel("goodput / Mbit/s", color="tab:purple")
    axes[3].set_xlabel("minutes since rise")
    try:
        figure.savefig(path, dpi=150)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot write the figure: {error}") from error
    finally:
        plt.close(figure)
