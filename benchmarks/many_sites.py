"""Worlds of many sites, and processes of their own to run them in, for the benchmarks of a constellation's load."""

import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

GOLDEN_TURN_DEG = 180.0 * (3.0 - 5.0**0.5)
LATITUDE_LIMIT_DEG = 55.0  # the shell serves no further
SHELL = {
    "altitude_m": 550e3,
    "inclination_deg": 53.0,
    "planes": 72,
    "satellites": 1584,
    "phasing": 17,
}
RADIOS: dict[str, dict[str, Any]] = {
    "budget": {"band": "ka"},
    # Shadowing, clutter and fades of TR 38.811 in S band; the handover looks at elevations.
    "random": {"band": "s", "channel": {"mode": "channel", "environment": "suburban"}},
    # ITU-R P.681's good and bad states for a terminal at 10 m/s.
    "land_mobile": {
        "band": "s",
        "channel": {"mode": "channel", "fading": {"kind": "two_state"}, "terminal_speed_m_s": 10},
    },
}


def places(count: int) -> list[tuple[float, float]]:
    """Return latitudes and longitudes of *count* places, spread evenly over the belt that the shell serves."""
    top = np.sin(np.radians(LATITUDE_LIMIT_DEG))
    heights = top * (2 * (np.arange(count) + 0.5) / count - 1)
    longitudes = (GOLDEN_TURN_DEG * np.arange(count)) % 360.0 - 180.0
    return list(
        zip(np.degrees(np.arcsin(heights)).round(4).tolist(), longitudes.round(4).tolist(), strict=True)
    )


def drawn_sizes(bits: Any) -> dict[str, Any]:
    """Return a scheme whose images have *bits*, a distribution, as captured, as sent and as restored."""
    codec = {"kind": "sizes", "size_bits": bits, "source_bits": bits, "reconstructed_bits": bits}
    return {"name": "sizes", "codec": codec}


def world_of_sites(sites: int, minutes: float, rate_per_s: float, radio: str = "budget") -> dict[str, Any]:
    """Return the scenario of *sites* that send *rate_per_s* images each, as its file would be read."""
    return {
        "name": f"{sites} sites",
        "seed": 1,
        "horizon": {"duration_s": minutes * 60},
        "sources": [
            {
                "name": f"camera-{site}",
                "gateway": f"site-{site}",
                "arrivals": {"kind": "poisson", "rate_per_s": rate_per_s},
            }
            for site in range(sites)
        ],
        "gateways": [
            {
                "name": f"site-{site}",
                "latitude_deg": latitude_deg,
                "longitude_deg": longitude_deg,
                "device": "instant",
                "access": {"rate": 1e9},
            }
            for site, (latitude_deg, longitude_deg) in enumerate(places(sites))
        ],
        "space": {"constellation": {"kind": "walker", "shells": [SHELL]}},
        "radio": RADIOS[radio],
        "satellite_link": {"kind": "orbit"},
        "data_network": {"device": "instant", "gpus": max(1, sites // 100)},
        "output": {"timeline_step_s": None},
        "schemes": [drawn_sizes({"kind": "exponential", "mean": 2e5})],
    }


def run_measured(scenario: dict[str, Any]) -> dict[str, Any]:
    """Run *scenario* in this process; return its summary, seconds, and MB before and at the peak of this process."""
    from ntnsim.runs import run_scenario
    from ntnsim.scenario.scenario import Scenario

    before_mb = peak_mb()
    began_s, began_wall_s = time.process_time(), time.perf_counter()
    valid = Scenario.model_validate(scenario)
    with tempfile.TemporaryDirectory() as folder:
        summary = run_scenario(valid, Path(folder) / "run")
    return {
        "summary": summary,
        "cpu_s": round(time.process_time() - began_s, 2),
        "wall_s": round(time.perf_counter() - began_wall_s, 2),
        "start_mb": round(before_mb, 1),
        "peak_mb": round(peak_mb(), 1),
    }


def peak_mb() -> float:
    """Return the most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class _MayStartOthers(multiprocessing.context.SpawnProcess):
    """A process that is no daemon, so that what runs in it may have processes of its own."""

    @property
    def daemon(self) -> bool:
        return False

    @daemon.setter
    def daemon(self, value: bool) -> None:
        pass


def in_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return what *function* returns in a fresh process: its time and its peak of memory are its own."""
    own, other = multiprocessing.get_context("spawn").Pipe()
    process = _MayStartOthers(target=_answer, args=(other, function, arguments))
    process.start()
    other.close()  # else nobody would hear that the process died
    answer = own.recv()
    process.join()
    return answer


def _answer(pipe: Connection, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    pipe.send(function(*arguments))
