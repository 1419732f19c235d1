"""Faults: what becomes of the work in progress, worked out by hand."""

import numpy as np
import pytest

from ntnsim.errors import ScenarioError
from ntnsim.protocols.rate_profile import RateProfile
from ntnsim.world.faults import satellite_outages


def at(*times_s):
    return [{"name": "c", "arrivals": {"kind": "trace", "times_s": times_s}}]


def fault(kind, start_s, duration_s, **more):
    return [{"kind": kind, "name": "f", "outages": [{"start_s": start_s, "duration_s": duration_s}], **more}]


STATIONS = {
    "gateway": (
        {"gateways": [{"name": "g", "device": "instant", "servers": 1, "service_s": {"encode": 4.0}}]},
        "encoded_s",
    ),
    "gpu": ({"data_network": {"service_s": {"inpainting": 4.0}}}, "reconstructed_s"),
    "feeder": ({"satellite_link": {"kind": "constant", "rate_bps": 0.25e6}}, "link_end_s"),
    "ground_station": ({"satellite_link": {"kind": "constant", "rate_bps": 0.25e6}}, "link_end_s"),
    "satellite": ({"satellite_link": {"kind": "constant", "rate_bps": 0.25e6}}, "link_end_s"),
    "access": ({"gateways": [{"name": "g", "device": "instant", "access": {"rate": 2e6}}]}, "at_gateway_s"),
    "delivery": ({"delivery": {"service_s": 4.0}}, "delivered_s"),
}


@pytest.mark.parametrize("kind", STATIONS)
@pytest.mark.parametrize(
    ("work", "first", "second"), [("resume", 14.0, 18.0), ("restart", 17.0, 21.0), ("drop", None, 15.0)]
)
def test_work_in_progress_resumes_restarts_or_is_dropped(textbook, kind, work, first, second):
    # Each image needs 4 s of the station. The first starts at 0; the fault lasts from 3 to 13 s. Resumed it ends at
    # 13 + 1 = 14, started again at 13 + 4 = 17; dropped it leaves the second, waiting since 1 s, to start at 13.
    world_of, run_world, _, _ = textbook
    sections, column = STATIONS[kind]
    if work == "drop":
        second = 17.0
    run = run_world(
        world_of(sources=at(0.0, 1.0), faults=fault(kind, 3.0, 10.0, work_in_progress=work), **sections)
    )
    if first is None:
        assert run["state"][0] == "dropped" and run["reason"][0] == "fault f" and run["ended_s"][0] == 3.0
    else:
        assert run[column][0] == pytest.approx(first, abs=1e-6) and run["interruptions"][0] == 1
    assert run[column][1] == pytest.approx(second, abs=1e-6)


ACCESS_LINKS = {
    "dedicated, a rate": {"rate": 2e6, "sharing": "dedicated"},
    "dedicated, drawn times": {"service_s": 4.0, "sharing": "dedicated"},
    "shared": {"rate": 2e6, "sharing": "processor_sharing"},
}


@pytest.mark.parametrize(
    ("link", "work", "ends_s"),
    [
        # Images of 4 s from 0 and 2 s on; the cut lasts from 3 to 13 s.
        ("dedicated, a rate", "resume", (14.0, 16.0)),
        ("dedicated, a rate", "restart", (17.0, 17.0)),
        ("dedicated, a rate", "drop", (None, None)),
        ("dedicated, drawn times", "resume", (14.0, 16.0)),
        ("dedicated, drawn times", "restart", (17.0, 17.0)),
        ("dedicated, drawn times", "drop", (None, None)),
        # Together: by 3 s they have had 2.5 and 0.5 s of the link's time. The first needs 1.5 more at half speed.
        ("shared", "resume", (16.0, 18.0)),
        ("shared", "restart", (21.0, 21.0)),
        ("shared", "drop", (None, None)),
    ],
)
def test_images_under_way_at_once_resume_restart_or_are_dropped(textbook, link, work, ends_s):
    world_of, run_world, _, _ = textbook
    run = run_world(
        world_of(
            sources=at(0.0, 2.0, 30.0),
            gateways=[{"name": "g", "device": "instant", "access": ACCESS_LINKS[link]}],
            faults=fault("access", 3.0, 10.0, work_in_progress=work),
        )
    )
    for image, end_s in enumerate(ends_s):
        if end_s is None:
            assert (run["reason"][image], run["ended_s"][image]) == ("fault f", 3.0)
        else:
            assert run["at_gateway_s"][image] == pytest.approx(end_s, abs=1e-9)
            assert run["interruptions"][image] == 1
    assert run["state"][2] == "delivered" and run["interruptions"][2] == 0


@pytest.mark.parametrize("sharing", ["fifo", "processor_sharing", "dedicated"])
@pytest.mark.parametrize("kind", ["access", "delivery"])
def test_link_on_which_transfers_take_no_time_holds_images_while_it_is_cut(textbook, kind, sharing):
    world_of, run_world, _, _ = textbook
    link = {"sharing": sharing}
    gateway = {"name": "g", "device": "instant"}
    sections = (
        {"gateways": [{**gateway, "access": link}]}
        if kind == "access"
        else {"gateways": [gateway], "delivery": link}
    )
    run = run_world(world_of(sources=at(1.0, 4.0, 5.0, 14.0), faults=fault(kind, 3.0, 10.0), **sections))
    assert run["delivered_s"] == pytest.approx([1.0, 13.0, 13.0, 14.0], abs=1e-6)


def test_buffer_of_a_link_without_a_rate_counts_while_it_is_cut(textbook):
    world_of, run_world, _, _ = textbook
    gateway = {"name": "g", "device": "instant", "access": {"queue": {"buffer": 1}}}
    run = run_world(
        world_of(sources=at(1.0, 4.0, 5.0, 6.0, 14.0), gateways=[gateway], faults=fault("access", 3.0, 10.0))
    )
    assert list(run["state"]) == ["delivered", "delivered", "delivered", "dropped", "delivered"]
    assert run["reason"][3] == "access link buffer full"


@pytest.mark.parametrize(
    ("link", "message"),
    [
        ({"sharing": "dedicated", "rate": 1e6, "queue": {"buffer": 2}}, "nobody waits on a dedicated link"),
        ({"sharing": "dedicated", "queue": {"discipline": "edf"}}, "nobody waits for a turn under dedicated"),
        (
            {"sharing": "processor_sharing", "rate": 1e6, "queue": {"buffer": 2, "when_full": "drop_oldest"}},
            "under processor_sharing only a newcomer",
        ),
        (
            {"sharing": "processor_sharing", "rate": 1e6, "queue": {"discipline": "priority"}},
            "nobody waits for a turn under processor_sharing",
        ),
    ],
)
def test_queue_settings_that_would_do_nothing_are_refused(textbook, link, message):
    world_of, _, _, _ = textbook
    with pytest.raises(ScenarioError, match=message):
        world_of(gateways=[{"name": "g", "access": link}])


def test_images_that_meet_a_broken_link_without_being_under_way_are_not_interrupted(textbook):
    world_of, run_world, _, _ = textbook
    run = run_world(
        world_of(
            sources=at(5.0),
            satellite_link={"kind": "constant", "rate_bps": 1e6},
            faults=fault("feeder", 3.0, 10.0, work_in_progress="drop"),
        )
    )
    assert run["state"][0] == "delivered" and run["link_start_s"][0] == 13.0 and run["interruptions"][0] == 0
    assert run["contact_wait_s"][0] == 8.0


def test_one_of_two_servers_fails_and_the_other_takes_over(textbook):
    world_of, run_world, _, _ = textbook
    gateway = {"name": "g", "device": "instant", "servers": 2, "service_s": {"encode": 4.0}}
    run = run_world(
        world_of(
            sources=at(0.0, 0.0, 1.0), gateways=[gateway], faults=fault("gateway", 2.0, 100.0, servers=1)
        )
    )
    # Server 0 held image 0 with 2 s to go; server 1 ends image 1 at 4, finishes image 0 by 6 and image 2 by 10.
    np.testing.assert_allclose(run["encoded_s"], [6.0, 4.0, 10.0])


def test_overlapping_faults_of_one_station_both_have_to_end(textbook):
    world_of, run_world, _, _ = textbook
    gateway = {"name": "g", "device": "instant", "servers": 1, "service_s": {"encode": 4.0}}
    faults = [
        {"kind": "gateway", "name": "a", "outages": [{"start_s": 1.0, "duration_s": 5.0}]},
        {"kind": "gateway", "name": "b", "outages": [{"start_s": 3.0, "duration_s": 9.0}]},
    ]
    run = run_world(world_of(sources=at(0.0), gateways=[gateway], faults=faults))
    assert run["encoded_s"][0] == 15.0


def outages(name, *intervals, **more):
    return {"name": name, "outages": [{"start_s": s, "duration_s": d} for s, d in intervals], **more}


@pytest.mark.parametrize(
    ("kind", "column", "sections"),
    [
        (
            "gateway",
            "encoded_s",
            {"gateways": [{"name": "g", "device": "instant", "servers": 2, "service_s": {"encode": 4.0}}]},
        ),
        ("gpu", "reconstructed_s", {"data_network": {"gpus": 2, "service_s": {"inpainting": 4.0}}}),
    ],
)
def test_overlapping_faults_of_one_server_each_leave_a_pool_of_two_none(textbook, kind, column, sections):
    # Server 0 is down from 1 to 11 s, server 1 from 3 to 23 s: none is up from 3 to 11 s. One image waits from 1 s on;
    # server 0 takes up the two interrupted, one after the other.
    world_of, run_world, _, _ = textbook
    faults = [
        outages("a", (1.0, 10.0), kind=kind, servers=1),
        outages("b", (3.0, 20.0), kind=kind, servers=1),
    ]
    run = run_world(world_of(sources=at(0.0, 0.0), faults=faults, **sections))
    # The image of server 0 has 3 s left from 11 s on, that of server 1 (1 s left) follows.
    np.testing.assert_allclose(sorted(run[column]), [14.0, 15.0])


def test_a_third_fault_of_one_server_begins_with_the_first_server_again(textbook):
    world_of, run_world, _, _ = textbook
    gateway = {"name": "g", "device": "instant", "servers": 2, "service_s": {"encode": 4.0}}
    faults = [
        outages("a", (1.0, 2.0), kind="gateway", servers=1),
        outages("b", (50.0, 1.0), kind="gateway", servers=1),
        outages("c", (2.0, 10.0), kind="gateway", servers=1),
    ]
    run = run_world(world_of(sources=at(0.0, 0.0), gateways=[gateway], faults=faults))
    # Server 1 works on from 0 to 4 s and then finishes the image that server 0 held, 3 s of which are left.
    np.testing.assert_allclose(sorted(run["encoded_s"]), [4.0, 7.0])


def jobs_in_two_breaking_servers(arrival_rate, service_rate, failure_rate, repair_rate, most=300):
    """Return the mean number in M/M/2 whose servers break independently: its Markov chain over (jobs, servers up)."""
    states = 3 * (most + 1)
    flow = np.zeros((states, states))
    for jobs in range(most + 1):
        for up in range(3):
            here = 3 * jobs + up
            if jobs < most:
                flow[here, here + 3] = arrival_rate
            if jobs and up:
                flow[here, here - 3] = min(jobs, up) * service_rate
            if up:
                flow[here, here - 1] = up * failure_rate
            if up < 2:
                flow[here, here + 1] = (2 - up) * repair_rate
    flow -= np.diag(flow.sum(axis=1))
    balance = flow.T.copy()
    balance[0] = 1.0  # the shares add up to one
    shares = np.linalg.solve(balance, np.eye(states)[0])
    assert shares[-3:].sum() < 1e-9  # no state that matters is cut off
    return shares.reshape(-1, 3).sum(axis=1) @ np.arange(most + 1)


def test_two_servers_that_break_independently_delay_as_their_markov_chain_says(textbook):
    world_of, run_world, assert_mean, exponential = textbook
    gateway = {"name": "g", "device": "instant", "servers": 2, "service_s": {"encode": exponential(1.0)}}
    faults = [
        {
            "kind": "gateway",
            "name": name,
            "servers": 1,
            "time_to_failure_s": exponential(20.0),
            "time_to_repair_s": exponential(10.0),
        }
        for name in ("a", "b")
    ]
    run = run_world(world_of(gateways=[gateway], faults=faults, horizon={"n_jobs": 60_000}))
    # Little: mean number over arrival rate.
    expected_s = jobs_in_two_breaking_servers(0.7, 1.0, 1 / 20, 1 / 10) / 0.7
    assert_mean(run["delay_s"], expected_s, within=0.15)


@pytest.mark.parametrize("kind", ["gateway", "gpu", "access", "delivery", "feeder"])
def test_restart_after_an_earlier_resume_does_all_of_it_again(textbook, kind):
    # 4 s of work from 0 s; resumed after an outage from 3 to 5 s, it is cut again at 5.5 s and begins anew at 15.5 s.
    world_of, run_world, _, _ = textbook
    sections, column = STATIONS[kind]
    if kind == "access":
        sections = {"gateways": [{"name": "g", "device": "instant", "access": {"service_s": 4.0}}]}
    faults = [
        outages("a", (3.0, 2.0), kind=kind, work_in_progress="resume"),
        outages("b", (5.5, 10.0), kind=kind, work_in_progress="restart"),
    ]
    run = run_world(world_of(sources=at(0.0), faults=faults, **sections))
    assert run[column][0] == pytest.approx(19.5, abs=1e-6) and run["interruptions"][0] == 2


def test_only_the_targeted_gateway_and_its_copies_fail(textbook):
    world_of, run_world, _, _ = textbook
    gateways = [
        {"name": "a", "device": "instant", "servers": 1, "service_s": {"encode": 4.0}},
        {"name": "b", "count": 2, "device": "instant", "servers": 1, "service_s": {"encode": 4.0}},
    ]
    sources = [
        {"name": "x", "gateway": "a", "arrivals": {"kind": "trace", "times_s": [0.0]}},
        {"name": "y", "gateway": "b", "count": 2, "arrivals": {"kind": "trace", "times_s": [0.0]}},
    ]
    run = run_world(
        world_of(sources=sources, gateways=gateways, faults=fault("gateway", 1.0, 10.0, target="b"))
    )
    assert dict(zip(run["source"], run["encoded_s"], strict=True)) == {"x": 4.0, "y-0": 14.0, "y-1": 14.0}


def test_rain_leaves_a_share_of_the_rate(textbook):
    world_of, run_world, _, _ = textbook
    run = run_world(
        world_of(
            sources=at(0.0),
            satellite_link={"kind": "constant", "rate_bps": 0.25e6},
            faults=fault("rain", 2.0, 4.0, rate_factor=0.5),
        )
    )
    # 2 s at full rate, 4 s at half, as good as 2: all 4 s' worth is through at 6 s.
    assert run["link_end_s"][0] == 6.0 and run["interruptions"][0] == 0


def test_random_faults_break_as_often_as_their_means_say(textbook):
    world_of, run_world, _, exponential = textbook
    faults = [
        {
            "kind": "gateway",
            "name": "f",
            "time_to_failure_s": exponential(90.0),
            "time_to_repair_s": {"kind": "constant", "value": 10.0},
        }
    ]
    scenario = world_of(
        sources=[{"name": "c", "arrivals": {"kind": "periodic", "period_s": 50_000}}],
        horizon={"n_jobs": None, "duration_s": 100_000, "drain": False},
        faults=faults,
        output={"timeline_step_s": 1e5},
    )
    run = run_world(scenario)
    rows = [
        (t, quantity)
        for batch in run.timeline
        for t, kind, quantity in zip(batch["time_s"], batch["kind"], batch["quantity"], strict=True)
        if kind == "fault"
    ]
    begins = np.array([t for t, quantity in rows if quantity == "begin"])
    ends = np.array([t for t, quantity in rows if quantity == "end"])
    assert len(begins) == pytest.approx(1000, abs=4 * np.sqrt(1000))
    np.testing.assert_allclose(ends - begins[: len(ends)], 10.0, atol=1e-6)


def test_fault_that_hits_nothing_is_refused(textbook):
    world_of, run_world, _, _ = textbook
    with pytest.raises(ScenarioError, match="fault 'f': target 'parma' is none of the gateways gateway"):
        run_world(world_of(faults=fault("gateway", 1.0, 1.0, target="parma")))


def test_decibels_of_rain_need_a_radio(textbook):
    world_of, run_world, _, _ = textbook
    with pytest.raises(ScenarioError, match="attenuation_db needs satellite_link kind orbit"):
        run_world(world_of(faults=fault("rain", 1.0, 1.0, attenuation_db=6.0)))


def flat_profile_source(n=400, satellites=("low", "high"), switch_at=100, efficiency_at=None):
    """A source of 1 s steps at 0.25 Mbit/s and 10 dB; the second satellite takes over at *switch_at*."""

    class Source:
        def __call__(self, start_s):
            rate = np.full(n, 0.25e6)
            return RateProfile(
                start_s=start_s,
                step_s=1.0,
                rate_bps=rate,
                propagation_s=np.zeros(n),
                satellite_index=(np.arange(n) + start_s >= switch_at).astype(np.int32),
                contact_end_s=np.full(n, start_s + n),
                next_contact_s=np.full(n, np.nan),
                elevation_deg=np.full(n, 45.0),
                sinr_db=np.full(n, 10.0),
                satellites=satellites,
            )

    source = Source()
    if efficiency_at is not None:
        source.efficiency_at = efficiency_at
    return source


def test_rain_takes_decibels_off_the_sinr_and_the_rate_follows_link_adaptation(textbook):
    world_of, run_world, _, _ = textbook
    source = flat_profile_source(efficiency_at=lambda sinr_db: np.maximum(sinr_db, 0.0) / 10)
    run = run_world(
        world_of(
            sources=at(0.0),
            gateways=[{"name": "g", "device": "instant"}],
            satellite_link={"kind": "orbit"},
            faults=fault("rain", 2.0, 100.0, attenuation_db=6.0),
        ),
        profile_sources={"g": source},
    )
    # 4 s of work: 2 s in the clear, the other 2 s' worth at 40 % of the rate.
    assert run["link_end_s"][0] == pytest.approx(2.0 + 2.0 / 0.4)


@pytest.mark.parametrize(("target", "end_s"), [("low", 14.0), ("h*", 4.0), ("*", 14.0)])
def test_only_the_satellite_that_serves_takes_the_link_down_with_it(textbook, target, end_s):
    world_of, run_world, _, _ = textbook
    run = run_world(
        world_of(
            sources=at(0.0),
            gateways=[{"name": "g", "device": "instant"}],
            satellite_link={"kind": "orbit"},
            faults=fault("satellite", 3.0, 10.0, target=target),
        ),
        profile_sources={"g": flat_profile_source()},
    )
    assert run["link_end_s"][0] == end_s and run["interruptions"][0] == (end_s > 4.0)


def test_outages_of_satellites_are_told_to_who_chooses_the_serving_one(textbook):
    world_of, _, _, _ = textbook
    scenario = world_of(satellite_link={"kind": "orbit"}, faults=fault("satellite", 3.0, 10.0, target="a-*"))
    outage = satellite_outages(scenario.faults, scenario.seed)
    assert outage is not None
    assert outage("a-1", np.array([2.9, 3.0, 12.9, 13.0])).tolist() == [False, True, True, False]
    assert not outage("b-1", np.array([5.0])).any()
    assert satellite_outages((), 1) is None


def test_a_named_satellite_of_a_link_without_names_is_refused(textbook):
    world_of, _, _, _ = textbook
    with pytest.raises(
        ScenarioError, match=r"faults\[0\].target: satellite_link.kind constant names no sat.*'a-1'"
    ):
        world_of(faults=fault("satellite", 3.0, 10.0, target="a-1"))


def test_orbit_link_without_profiles_names_the_gateway(textbook):
    world_of, run_world, _, _ = textbook
    with pytest.raises(ScenarioError, match="gateway 'gateway': satellite_link kind orbit has no profile"):
        run_world(world_of(satellite_link={"kind": "orbit"}))
