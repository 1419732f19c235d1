"""``DIR/ground_track.json``: where satellites pass over the Earth, and the sites below, for the report's map."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ntnsim.results.atomic import canonical_json, read_json, write_text
from ntnsim.results.files import GROUND_TRACK
from ntnsim.results.seal import check_file


@dataclass(frozen=True)
class SatellitePath:
    """One satellite's subpoints, [n] each, evenly spaced in time. served: whether it served a site meanwhile."""

    name: str
    latitude_deg: npt.NDArray[np.float64]
    longitude_deg: npt.NDArray[np.float64]
    served: bool


@dataclass(frozen=True)
class TrackSite:
    """A place on the ground."""

    name: str
    latitude_deg: float
    longitude_deg: float


@dataclass(frozen=True)
class GroundTrack:
    """Paths over [0, *duration_s*]."""

    duration_s: float
    paths: Sequence[SatellitePath]
    sites: Sequence[TrackSite]


def write_ground_track(directory: Path, track: GroundTrack) -> None:
    """Write ``DIR/ground_track.json``, angles to a hundredth of a degree."""
    content = {
        "format": 1,
        "duration_s": track.duration_s,
        "satellites": [
            {
                "name": path.name,
                "latitude_deg": np.round(path.latitude_deg, 2).tolist(),
                "longitude_deg": np.round(path.longitude_deg, 2).tolist(),
                "served": path.served,
            }
            for path in track.paths
        ],
        "sites": [
            {"name": site.name, "latitude_deg": site.latitude_deg, "longitude_deg": site.longitude_deg}
            for site in track.sites
        ],
    }
    write_text(
        directory / GROUND_TRACK, canonical_json(content)
    )  # one line: every run of a sweep has such a file


def read_ground_track(directory: Path) -> GroundTrack | None:
    """Return the ground track that the run in *directory* kept, or None."""
    if not (directory / GROUND_TRACK).exists():
        return None
    check_file(directory, GROUND_TRACK)
    content = read_json(directory / GROUND_TRACK)
    return GroundTrack(
        float(content["duration_s"]),
        [
            SatellitePath(
                path["name"],
                np.array(path["latitude_deg"]),
                np.array(path["longitude_deg"]),
                bool(path["served"]),
            )
            for path in content["satellites"]
        ],
        [TrackSite(site["name"], site["latitude_deg"], site["longitude_deg"]) for site in content["sites"]],
    )
