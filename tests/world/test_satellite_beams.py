"""Sites that share a satellite's beams: by hand, and against a fluid simulation in small steps."""

import numpy as np
import pytest

from ntnsim.errors import ScenarioError
from ntnsim.protocols.rate_profile import RateProfile


def serving(*satellites, rate_bps=1e6, step_s=1.0, window_s=20.0):
    """Return a profile source: each named satellite serves for a step ("" is a gap), over and over."""

    def profile(start_s):
        count = round(window_s / step_s)
        first = round(start_s / step_s)
        names = [satellites[(first + k) % len(satellites)] for k in range(count)]
        rates = np.array([rate_bps if name else 0.0 for name in names])
        window = RateProfile.of_rates(start_s, step_s, rates)
        known = tuple(dict.fromkeys(name for name in names if name))
        index = np.array([known.index(name) if name else -1 for name in names], dtype=np.int32)
        fields = {name: getattr(window, name) for name in window.__slots__}
        return RateProfile(**fields | {"satellites": known, "satellite_index": index})

    return profile


def scenario(world_of, times_s, *, payload, size_bits=1e6, **sections):
    """Return a world with one site per entry of *times_s*: when its images are taken."""
    return world_of(
        gateways=[{"name": f"g{k}", "device": "instant", "servers": 100} for k in range(len(times_s))],
        sources=[
            {"name": f"c{k}", "gateway": f"g{k}", "arrivals": {"kind": "trace", "times_s": times}}
            for k, times in enumerate(times_s)
        ],
        satellite_link=sections.pop("satellite_link", {"kind": "orbit"}),
        space={"payload": {"kind": "regenerative"} | payload},
        schemes=[{"name": "sizes", "codec": {"kind": "sizes", "size_bits": size_bits}}],
        **sections,
    )


def ends_s(run, n):
    return [run["link_end_s"][run["gateway"] == f"g{k}"].tolist() for k in range(n)]


@pytest.mark.parametrize(("beams", "end_s"), [(1, 3.0), (2, 1.5), (3, 1.0), (7, 1.0)])
def test_three_sites_share_the_beams_that_their_satellite_has(textbook, beams, end_s):
    world_of, run_world, _, _ = textbook
    one = scenario(world_of, [[0.0]] * 3, payload={"service_beams": beams})
    run = run_world(one, profile_sources={f"g{k}": serving("s0") for k in range(3)})
    assert ends_s(run, 3) == [[pytest.approx(end_s)]] * 3
    # Ω_t at each decision: the transfers of the sites that decided before.
    split = np.maximum(np.arange(1, 4) / beams, 1.0)
    np.testing.assert_allclose(np.sort(run["omega_ntn_rate_bps"])[::-1], 1e6 / split)
    np.testing.assert_allclose(np.sort(run["omega_ntn_load"]), 1 - 1 / split)


def test_sites_under_other_satellites_do_not_share(textbook):
    world_of, run_world, _, _ = textbook
    one = scenario(world_of, [[0.0]] * 3, payload={"service_beams": 1})
    sources = {"g0": serving("s0"), "g1": serving("s0"), "g2": serving("s1")}
    assert ends_s(run_world(one, profile_sources=sources), 3) == [[2.0], [2.0], [1.0]]


def test_a_handover_takes_the_transfer_to_the_other_satellite(textbook):
    """g0 shares s0 for a second (0.5 of 2 Mbit), then s1 with g2: 1.5 Mbit at half the rate, until 4 s."""
    world_of, run_world, _, _ = textbook
    one = scenario(world_of, [[0.0]] * 3, payload={"service_beams": 1}, size_bits=2e6)
    sources = {"g0": serving("s0", *["s1"] * 19), "g1": serving("s0"), "g2": serving("s1")}
    run = run_world(one, profile_sources=sources)
    # g1: half a megabit until 1 s, then alone: 2.5 s. g2: alone for a second, then half: 3 s. g0 then alone.
    assert ends_s(run, 3) == [[pytest.approx(3.5)], [pytest.approx(2.5)], [pytest.approx(3.0)]]


@pytest.mark.parametrize(("channels", "end_s"), [(0.5, 4.0), (1.0, 2.0), (1.6, 1.25), (2.0, 1.0)])
def test_a_transparent_feeder_carries_so_many_service_channels(textbook, channels, end_s):
    world_of, run_world, _, _ = textbook
    payload = {"kind": "transparent", "feeder": {"channels": channels}}
    one = scenario(world_of, [[0.0]] * 2, payload=payload)
    run = run_world(one, profile_sources={f"g{k}": serving("s0") for k in range(2)})
    assert ends_s(run, 2) == [[pytest.approx(end_s)]] * 2


def in_small_steps(arrivals_s, patterns, sizes, rates_bps, channels, until_s, dt_s):
    """Return when each image of each site has been sent: a fluid in steps of *dt_s*, one image at a time per site."""
    left = [[size for _ in times] for times, size in zip(arrivals_s, sizes, strict=True)]
    head, done = [0] * len(arrivals_s), [[] for _ in arrivals_s]
    for step in range(round(until_s / dt_s)):
        time_s = (step + 0.5) * dt_s
        serving_now = [pattern[int(time_s) % len(pattern)] for pattern in patterns]
        active = [
            k
            for k, times in enumerate(arrivals_s)
            if head[k] < len(times) and times[head[k]] <= time_s and serving_now[k]
        ]
        for k in active:
            crowd = sum(serving_now[other] == serving_now[k] for other in active)
            left[k][head[k]] -= rates_bps[k] * min(1.0, channels / crowd) * dt_s
            if left[k][head[k]] <= 0:
                done[k].append(time_s)
                head[k] += 1
                if head[k] < len(left[k]) and arrivals_s[k][head[k]] <= time_s:
                    left[k][head[k]] += left[k][head[k] - 1]  # the step's rest goes to the next image
    return done


@pytest.mark.parametrize("beams", [1, 2])
def test_sites_with_handovers_and_gaps_progress_as_a_fluid_in_small_steps(textbook, beams):
    world_of, run_world, _, _ = textbook
    rng = np.random.default_rng(11)
    arrivals_s = [np.sort(rng.uniform(0, 40, 12)).tolist() for _ in range(4)]
    patterns = [
        ("a", "a", "b", "", "b"),
        ("a", "b", "b", "b", "a", "", ""),
        ("a",),
        ("b", "b", "b", "c"),
    ]
    rates_bps = [1e6, 0.73e6, 1.3e6, 0.91e6]
    one = scenario(world_of, arrivals_s, payload={"service_beams": beams})
    sources = {
        f"g{k}": serving(*pattern, rate_bps=rate)
        for k, (pattern, rate) in enumerate(zip(patterns, rates_bps, strict=True))
    }
    run = run_world(one, profile_sources=sources)
    expected = in_small_steps(arrivals_s, patterns, [1e6] * 4, rates_bps, beams, 120.0, 0.002)
    for got, right in zip(ends_s(run, 4), expected, strict=True):
        assert len(right) == 12
        np.testing.assert_allclose(got, right, atol=0.1)


def test_handovers_at_edges_that_floats_cannot_hold_go_on(textbook):
    """Steps of 0.1 s: 51.0 / 0.1 rounds to 509.99 and the like. 30 Mbit at 0.5 to 1 Mb/s last over hundreds of edges."""
    world_of, run_world, _, _ = textbook
    one = scenario(world_of, [[21.0], [0.05]], payload={"service_beams": 1}, size_bits=30e6)
    sources = {"g0": serving("a", "b", "", step_s=0.1, window_s=2.1), "g1": serving("a", step_s=0.1)}
    run = run_world(one, profile_sources=sources)
    end0_s, end1_s = (run["link_end_s"][run["gateway"] == name].item() for name in ("g0", "g1"))
    # g1 has 20.95 Mbit when g0 comes, and from then on 5/6 of the time: half of each third step.
    assert end1_s == pytest.approx(21.0 + 9.05 / (5 / 6), abs=0.1)
    # g0 has 1/2 + 1 of three steps until then, 2 of three after that.
    assert end0_s == pytest.approx(end1_s + (30.0 - (end1_s - 21.0) / 2) / (2 / 3), abs=0.2)


def test_copies_of_a_gateway_share_the_satellite_too(textbook):
    world_of, run_world, _, _ = textbook
    one = scenario(world_of, [[0.0]], payload={"service_beams": 1})
    one = one.model_copy(
        update={
            "gateways": ({"name": "g0", "count": 4, "device": "instant"},),
            "sources": ({"name": "c", "count": 4, "arrivals": {"kind": "trace", "times_s": [0.0]}},),
        }
    )
    run = run_world(one, profile_sources={"g0": serving("s0")})
    np.testing.assert_allclose(run["link_end_s"], 4.0)


@pytest.mark.parametrize(
    ("sections", "says"),
    [
        (
            {"gateways": [{"name": "g", "beam": "wide"}]},
            r"gateways\[0\]\.beam: 'wide' would be shared twice",
        ),
        (
            {"satellite_link": {"kind": "orbit", "per_image_flows": True}},
            r"per_image_flows: would let one terminal take several beams",
        ),
        (
            {"satellite_link": {"kind": "orbit", "sharing": "strict_priority"}},
            r"strict_priority needs .* of 1, got 2",
        ),
    ],
)
def test_what_cannot_be_shared_is_refused(textbook, sections, says):
    world_of, _, _, _ = textbook
    sections = {"satellite_link": {"kind": "orbit"}} | sections
    with pytest.raises(ScenarioError, match=says):
        world_of(space={"payload": {"kind": "regenerative", "service_beams": 2}}, **sections)
