"""The complete world against a bare SimPy tandem of as many stages: CPU per job, memory, cost of many terminals.

Run: python benchmarks/world_speed.py [--jobs N] [--million]

Prints one line per figure and writes results/benchmarks/world_speed.json. The world keeps records, observes Ω_t at each
decision and draws sizes from distributions (what an outcome store would answer); the tandem has the same arrivals and
five servers in a row, written in SimPy's usual way, and records nothing but the delay.
"""

import argparse
import json
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import numpy as np
import simpy
from many_sites import drawn_sizes, peak_mb

from ntnsim.engine.build import requirement_from
from ntnsim.engine.fixed import FixedPolicy
from ntnsim.images.outcome_store import OutcomeStore
from ntnsim.protocols.configuration import Configuration
from ntnsim.protocols.rate_profile import ProfileSource, RateProfile
from ntnsim.runs import run_scenario
from ntnsim.scenario.scenario import Scenario
from ntnsim.world.sizes_imaging import SizesImaging
from ntnsim.world.world import World

STAGES = 5
UTILISATION = 0.7


def five_stages(jobs: int) -> Scenario:
    """Every stage busy 70 % of the time with 1 job/s, times drawn where the scenario lets them be."""
    service = {"kind": "exponential", "mean": UTILISATION}
    bits = {"kind": "exponential", "mean": UTILISATION * 1e6}
    return Scenario.model_validate(
        {
            "name": "five stages",
            "horizon": {"n_jobs": jobs},
            "sources": [{"name": "camera", "arrivals": {"kind": "poisson", "rate_per_s": 1.0}}],
            "gateways": [
                {
                    "name": "gateway",
                    "servers": 1,
                    "device": "instant",
                    "service_s": {"segmentation": service},
                    "access": {"rate": 1e6, "propagation_s": 0.001},
                }
            ],
            "satellite_link": {"kind": "constant", "rate_bps": 1e6, "propagation_s": 0.005},
            "data_network": {"device": "instant", "service_s": {"inpainting": service}},
            "delivery": {"rate": 1e6, "propagation_s": 0.001},
            "output": {"timeline_step_s": None},
            "schemes": [drawn_sizes(bits)],
        }
    )


def one_beam(terminals: int, jobs: int) -> Scenario:
    """Terminals of one beam with a source each; the beam is busy 80 % of the time, whatever their number."""
    return Scenario.model_validate(
        {
            "name": "one beam",
            "horizon": {"n_jobs": max(1, jobs // terminals)},
            "sources": [
                {
                    "name": "camera",
                    "count": terminals,
                    "arrivals": {"kind": "poisson", "rate_per_s": 0.8 / terminals},
                }
            ],
            "gateways": [{"name": "gateway", "count": terminals, "beam": "b", "device": "instant"}],
            "satellite_link": {"kind": "windows", "rate_bps": 1.25e6, "period_s": 600, "contact_s": 480},
            "data_network": {"device": "instant", "gpus": 4},
            "output": {"timeline_step_s": None},
            "schemes": [
                {
                    "name": "sizes",
                    "codec": {"kind": "sizes", "size_bits": {"kind": "exponential", "mean": 1e6}},
                }
            ],
        }
    )


def own_rates(scenario: Scenario) -> dict[str, ProfileSource]:
    """Return a source of random rates for each gateway, all of them different, mean 1.25 Mbit/s, new every 10 s.

    They repeat after 64 windows of 600 s: drawing is no part of what is measured.
    """
    n = 60
    constant = [np.full(n, value) for value in (0.005, 45.0, 7.0)]

    def source(number: int) -> ProfileSource:
        rates_bps = np.random.default_rng(number).uniform(0.5e6, 2e6, (64, n))

        def window(start_s: float) -> RateProfile:
            rate_bps = rates_bps[round(start_s / (10.0 * n)) % 64]
            return RateProfile(
                start_s=start_s,
                step_s=10.0,
                rate_bps=rate_bps,
                propagation_s=constant[0],
                satellite_index=np.zeros(n, dtype=np.int32),
                contact_end_s=np.full(n, start_s + 10 * n),
                next_contact_s=np.full(n, np.nan),
                elevation_deg=constant[1],
                sinr_db=constant[2],
                satellites=("s",),
            )

        return window

    return {gateway.name: source(number) for number, gateway in enumerate(scenario.gateways)}


def one_beam_of_different_terminals(terminals: int, jobs: int) -> Scenario:
    """As `one_beam`, but each terminal has a rate of its own."""
    alike = one_beam(terminals, jobs).model_dump()
    alike["satellite_link"] = {"kind": "orbit"}
    gateway, source = alike["gateways"][0], alike["sources"][0]
    alike["gateways"] = [{**gateway, "name": f"g{k}", "count": 1} for k in range(terminals)]
    alike["sources"] = [{**source, "name": f"c{k}", "count": 1, "gateway": f"g{k}"} for k in range(terminals)]
    return Scenario.model_validate(alike)


def run_world(scenario: Scenario) -> int:
    """Simulate; return the number of records."""
    rows = 0

    def write(columns: Any) -> None:
        nonlocal rows
        rows += len(columns["job"])

    scheme = scenario.schemes[0]
    imaging = SizesImaging(scheme.codec, scenario.seed)
    policy = FixedPolicy(Configuration(0.0, (0.5,)))
    requirement = requirement_from(scenario.requirement)
    World(
        scenario, scheme.name, imaging, policy, requirement, write, profile_sources=own_rates(scenario)
    ).run()
    return rows


def run_tandem_of_stores(jobs: int) -> None:
    """Five server processes that pass jobs on through stores."""
    env = simpy.Environment()
    rng = np.random.default_rng(1)
    delays: list[float] = []

    def draws(mean: float) -> Callable[[], float]:
        block: list[float] = []

        def next_value() -> float:
            if not block:
                block.extend(rng.exponential(mean, 1024).tolist())
            return block.pop()

        return next_value

    def source(outbox: simpy.Store) -> Generator[simpy.Event, Any, None]:
        gap = draws(1.0)
        for _ in range(jobs):
            yield env.timeout(gap())
            yield outbox.put(env.now)

    def server(inbox: simpy.Store, outbox: simpy.Store | None) -> Generator[simpy.Event, Any, None]:
        service = draws(UTILISATION)
        while True:
            born_s = yield inbox.get()
            yield env.timeout(service())
            if outbox is None:
                delays.append(env.now - born_s)
            else:
                yield outbox.put(born_s)

    stores = [simpy.Store(env) for _ in range(STAGES)]
    env.process(source(stores[0]))
    for place, inbox in enumerate(stores):
        env.process(server(inbox, stores[place + 1] if place + 1 < STAGES else None))
    env.run()
    assert len(delays) == jobs


def run_tandem_of_resources(jobs: int) -> None:
    """One process per job that requests five resources in turn."""
    env = simpy.Environment()
    rng = np.random.default_rng(1)
    delays: list[float] = []
    servers = [simpy.Resource(env) for _ in range(STAGES)]

    def job(service_s: list[float]) -> Generator[simpy.Event, Any, None]:
        born_s = env.now
        for server, time_s in zip(servers, service_s, strict=True):
            with server.request() as request:
                yield request
                yield env.timeout(time_s)
        delays.append(env.now - born_s)

    def source() -> Generator[simpy.Event, Any, None]:
        for _ in range(jobs):
            yield env.timeout(rng.exponential(1.0))
            env.process(job(rng.exponential(UTILISATION, STAGES).tolist()))

    env.process(source())
    env.run()
    assert len(delays) == jobs


def cpu_s(work: Callable[[], Any]) -> float:
    """Return the CPU seconds that *work* takes."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def whole_run(jobs: int) -> tuple[float, float]:
    """Run from scenario to records and summary on disk; return the CPU seconds and this process's peak MB so far."""
    with tempfile.TemporaryDirectory() as directory:
        taken_s = cpu_s(
            lambda: run_scenario(five_stages(jobs), Path(directory) / "run", store=OutcomeStore(None))
        )
    return taken_s, peak_mb()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--million", action="store_true", help="also whole runs of 10^5 and 10^6 jobs")
    arguments = parser.parse_args()
    jobs = arguments.jobs

    # Interleaved, so that a neighbour's load on the machine meets all alike.
    rounds = [
        {
            "world": cpu_s(lambda: run_world(five_stages(jobs))) / jobs,
            "stores": cpu_s(lambda: run_tandem_of_stores(jobs)) / jobs,
            "resources": cpu_s(lambda: run_tandem_of_resources(jobs)) / jobs,
            "terminals_10": cpu_s(lambda: run_world(one_beam(10, jobs))) / jobs,
            "terminals_1000": cpu_s(lambda: run_world(one_beam(1000, jobs))) / jobs,
            "different_10": cpu_s(lambda: run_world(one_beam_of_different_terminals(10, jobs))) / jobs,
            "different_1000": cpu_s(lambda: run_world(one_beam_of_different_terminals(1000, jobs))) / jobs,
        }
        for _ in range(arguments.rounds)
    ]

    def median_ratio(top: str, bottom: str) -> float:
        return statistics.median(timing[top] / timing[bottom] for timing in rounds)

    figures: dict[str, float | str] = {
        "world_jobs_per_cpu_s": 1 / statistics.median(timing["world"] for timing in rounds),
        "tandem_of_stores_jobs_per_cpu_s": 1 / statistics.median(timing["stores"] for timing in rounds),
        "tandem_of_resources_jobs_per_cpu_s": 1 / statistics.median(timing["resources"] for timing in rounds),
        "world_over_tandem_of_stores": median_ratio("world", "stores"),
        "world_over_tandem_of_resources": median_ratio("world", "resources"),
        "1000_terminals_over_10": median_ratio("terminals_1000", "terminals_10"),
        "1000_different_terminals_over_10": median_ratio("different_1000", "different_10"),
    }
    if arguments.million:
        few_s, figures["hundred_thousand_jobs_peak_mb"] = whole_run(100_000)
        many_s, figures["million_jobs_peak_mb"] = whole_run(1_000_000)
        figures["million_jobs_cpu_s"] = many_s
        figures["million_over_ten_times_hundred_thousand"] = many_s / (10 * few_s)
    for name, value in figures.items():
        print(f"{name:36s} {value:12.3f}")
    figures["python"] = platform.python_version()
    out = Path("results/benchmarks/world_speed.json")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(
        json.dumps({"command": sys.argv, "jobs": jobs, "rounds": arguments.rounds, **figures}, indent=2)
    )


if __name__ == "__main__":
    main()
