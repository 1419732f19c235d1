"""Common random numbers: what is added to a scenario leaves everybody else's draws alone; equal seeds, equal bytes."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

BASE = {
    "sources": [{"name": "a", "arrivals": {"kind": "poisson", "rate_per_s": 0.2}}],
    "gateways": [{"name": "g", "device": "xeon-2vcpu", "access": {"rate": 5e6, "loss_probability": 0.2}}],
    "data_network": {"device": "tesla-t4"},
    "horizon": {"n_jobs": 40},
    "schemes": [
        {"name": "s", "codec": {"kind": "sizes", "size_bits": {"kind": "exponential", "mean": 1e6}}},
        {"name": "t", "codec": {"kind": "sizes", "size_bits": {"kind": "constant", "value": 1e6}}},
    ],
}
DRAWN = ("created_s", "access_attempts", "original_bits", "gw_comp_service_s")


def draws(run, source="a"):
    sent = run["source"] == source
    work = run["gw_comp_service_s"] * (run["interruptions"] == 0)
    return [run["created_s"][sent], run["access_attempts"][sent], work[sent].round(9)]


@pytest.mark.parametrize(
    "added",
    [
        {"sources": [*BASE["sources"], {"name": "b", "arrivals": {"kind": "poisson", "rate_per_s": 0.3}}]},
        {"gateways": [*BASE["gateways"], {"name": "h"}], "sources": [{**BASE["sources"][0], "gateway": "g"}]},
        {
            "faults": [
                {
                    "kind": "feeder",
                    "name": "f",
                    "time_to_failure_s": {"kind": "exponential", "mean": 30.0},
                    "time_to_repair_s": {"kind": "exponential", "mean": 5.0},
                }
            ]
        },
        {
            "background": {
                "kind": "on_off",
                "on_load": 0.5,
                "on_s": 10,
                "off_s": {"kind": "exponential", "mean": 9.0},
            }
        },
    ],
    ids=["source", "gateway", "fault", "load"],
)
def test_adding_an_entity_leaves_other_draws_unchanged(textbook, added):
    world_of, run_world, _, _ = textbook
    before, after = run_world(world_of(**BASE)), run_world(world_of(**{**BASE, **added}))
    for was, now in zip(draws(before), draws(after), strict=True):
        np.testing.assert_array_equal(was, now)
    # And the gateways' and the network's waiting did change, so that the comparison means something.
    assert not np.array_equal(before["delay_s"], after["delay_s"][after["source"] == "a"]) or "h" in str(
        added
    )


def test_schemes_meet_the_same_images_at_the_same_times(textbook):
    world_of, run_world, _, _ = textbook
    runs = [run_world(world_of(**BASE), scheme=number) for number in (0, 1)]
    for first, second in zip(draws(runs[0]), draws(runs[1]), strict=True):
        np.testing.assert_array_equal(first, second)


def test_images_lost_in_one_scheme_do_not_shift_the_draws_of_later_ones(textbook):
    world_of, run_world, _, _ = textbook
    wide = {**BASE["gateways"][0], "access": {"rate": 1e9}}
    tight = {**wide, "queue": {"buffer": 0}}
    sources = [{"name": "a", "arrivals": {"kind": "poisson", "rate_per_s": 3.0}}]
    free = run_world(world_of(**{**BASE, "sources": sources, "gateways": [wide]}))
    lossy = run_world(world_of(**{**BASE, "sources": sources, "gateways": [tight]}))
    kept = lossy["state"] != "dropped"
    assert 0 < kept.sum() < len(kept)
    np.testing.assert_array_equal(
        free["gw_comp_service_s"].round(9)[kept], lossy["gw_comp_service_s"].round(9)[kept]
    )


def test_same_seed_gives_the_same_bytes_in_another_process_and_another_seed_does_not(tmp_path):
    script = f"""
import sys, hashlib
sys.path.insert(0, {str(Path(__file__).parent)!r})
from conftest import world_of, run_world
from test_world_random_numbers import BASE
run = run_world(world_of(**{{**BASE, "seed": int(sys.argv[1])}}))
digest = hashlib.sha256()
for name, values in run.columns.items():
    digest.update(name.encode() + repr(values.tolist()).encode())
print(digest.hexdigest())
"""

    def digest(seed, hash_seed):
        done = subprocess.run(
            [sys.executable, "-c", script, str(seed)],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": hash_seed, "PATH": ""},
        )
        return done.stdout

    assert digest(1, "1") == digest(1, "2") != digest(2, "1")
