"""Single journeys worked out by hand, and the promises that hold for every run."""

from math import isnan, nan

import numpy as np
import pytest

from ntnsim.errors import ScenarioError
from ntnsim.protocols.configuration import Configuration
from ntnsim.protocols.policy import Decision
from ntnsim.results.record import OMEGA_COLUMNS, record_columns


class Recording:
    """A policy that keeps what it saw and was taught; it rejects images when told so."""

    learns = True

    def __init__(self, rejects=()):
        self.rejects = set(rejects)
        self.seen, self.taught = [], []

    def choose(self, image, network, requirement):
        self.seen.append((image, network, requirement))
        if len(self.seen) - 1 in self.rejects:
            return Decision(None, "too late anyway")
        return Decision(Configuration(0.25, (0.5,)), "as asked")

    def learn(self, delivered):
        self.taught.append(delivered)

    def diagnostics(self):
        return {}


def at(*times_s):
    return [{"name": "c", "arrivals": {"kind": "trace", "times_s": times_s}}]


BUSY = {
    "gateways": [
        {
            "name": "g",
            "device": "instant",
            "servers": 1,
            "service_s": {"segmentation": 1.0, "encode": 0.5},
            "access": {"rate": 1e6, "propagation_s": 0.1},
        }
    ],
    "satellite_link": {
        "kind": "windows",
        "rate_bps": 1e6,
        "period_s": 100,
        "contact_s": 10,
        "offset_s": 20,
        "propagation_s": 0.01,
    },
    "data_network": {"service_s": {"inpainting": 2.0}},
    "delivery": {"rate": 4e6, "propagation_s": 0.2},
    "horizon": {"n_jobs": None},
    "schemes": [
        {
            "name": "s",
            "codec": {"kind": "sizes", "size_bits": 3e6, "source_bits": 2e6, "reconstructed_bits": 4e6},
        }
    ],
}


def test_two_images_walk_through_all_stages_as_worked_out_by_hand(textbook):
    world_of, run_world, _, _ = textbook
    run = run_world(world_of(sources=at(0.0, 0.5), **BUSY))
    # Access 2 s each, one after the other: at the gateway at 2.1 and 4.1 (0.1 propagation). Segmented until 3.1 and 5.1,
    # encoded until 3.6 and 5.6, no queue. Contact from 20: sent until 23 and 26, received at 23.01 and 26.01.
    # Reconstructed until 25.01 and 28.01; delivered 1 s + 0.2 s later.
    for name, expected in {
        "access_start_s": (0.0, 2.0),
        "at_gateway_s": (2.1, 4.1),
        "gateway_start_s": (2.1, 4.1),
        "decided_s": (3.1, 5.1),
        "encoded_s": (3.6, 5.6),
        "link_start_s": (20.0, 23.0),
        "link_end_s": (23.0, 26.0),
        "at_data_network_s": (23.01, 26.01),
        "reconstruction_start_s": (23.01, 26.01),
        "reconstructed_s": (25.01, 28.01),
        "delivery_start_s": (25.01, 28.01),
        "delivered_s": (26.21, 29.21),
        "contact_wait_s": (16.4, 0.0),
        "gw_comm_wait_s": (0.0, 1.5),
        "ntn_comm_wait_s": (16.4, 17.4),
        "dn_comm_service_s": (1.2, 1.2),
    }.items():
        np.testing.assert_allclose(run[name], expected, rtol=0, atol=1e-9, err_msg=name)
    assert list(run["state"]) == ["late", "late"]  # the deadline is 20 s
    assert list(run["savings"]) == [-0.5, -0.5]


def test_image_that_outlasts_a_contact_goes_on_in_the_next(textbook):
    world_of, run_world, _, _ = textbook
    sections = {
        **BUSY,
        "schemes": [{"name": "s", "codec": {"kind": "sizes", "size_bits": 12e6, "source_bits": 1e6}}],
    }
    run = run_world(world_of(sources=at(0.0), **sections))
    assert run["link_start_s"][0] == 20.0 and run["link_end_s"][0] == pytest.approx(122.0)


def test_state_at_decision_is_what_the_policy_saw_and_what_the_record_keeps(textbook):
    world_of, run_world, _, _ = textbook
    policy = Recording()
    run = run_world(world_of(sources=at(0.0, 0.5, 17.0), **BUSY), policy=policy)
    assert tuple(column.name for column in OMEGA_COLUMNS) == tuple(policy.seen[0][1].flat())
    for number, (_, network, _) in enumerate(policy.seen):
        for name, value in network.flat().items():
            recorded = run[name][number]
            assert recorded == value or (isnan(recorded) and isnan(value)), name
    first, second, third = (network for _, network, _ in policy.seen)
    # At 3.1 s: image 1 is on the access link, nothing was sent, contact begins at 20.
    assert (first.time_s, first.gateway.access_queue, first.gateway.access_rate_bps) == (3.1, 1, 1e6)
    assert (first.satellite_link.satellite, first.satellite_link.next_contact_s) == ("", pytest.approx(16.9))
    assert first.satellite_link.backlog_bits == 0 and first.data_network.free_gpus == 1
    # At 5.1 s image 0 waits for contact, whole.
    assert second.satellite_link.backlog_bits == pytest.approx(3e6)
    # At 20.1 s the contact is 0.1 s old: 0.1 Mbit of 6 are sent, 9.9 s of it are left.
    assert third.time_s == pytest.approx(20.1)
    assert third.satellite_link.backlog_bits == pytest.approx(5.9e6)
    assert third.satellite_link.remaining_pass_s == pytest.approx(9.9)
    assert third.satellite_link.rate_bps == 1e6 and third.satellite_link.propagation_s == 0.01


def test_rejected_image_is_dropped_with_the_policys_reason_and_teaches_nothing(textbook):
    world_of, run_world, _, _ = textbook
    policy = Recording(rejects={1})
    run = run_world(world_of(sources=at(0.0, 0.5, 1.0), **BUSY), policy=policy)
    assert list(run["state"]) == ["late", "dropped", "late"] and run["reason"][1] == "too late anyway"
    assert run["note"][0] == "as asked" and isnan(run["delay_s"][1]) and run["transmitted_bits"][1] is None
    assert run["ended_s"][1] == run["decided_s"][1]
    assert len(policy.taught) == 2 and policy.taught[0].size_bits == 3_000_000
    assert policy.taught[0].delay_s == run["delay_s"][0]
    assert all(isnan(value) for value in policy.taught[0].pf) and len(policy.taught[0].pf) == 2


def test_policy_learns_after_the_return_delay(textbook):
    world_of, run_world, _, _ = textbook
    link = {"kind": "constant", "rate_bps": 1e6, "return_delay_s": 5.0}
    taught_before_decision = []

    class Watching(Recording):
        def choose(self, image, network, requirement):
            taught_before_decision.append(len(self.taught))
            return super().choose(image, network, requirement)

    run_world(world_of(sources=at(0.0, 3.0, 5.0, 7.0), satellite_link=link), policy=Watching())
    # Image 0 is delivered at 1 s and known at 6 s.
    assert taught_before_decision == [0, 0, 0, 1]


def test_deadline_of_a_source_goes_before_the_requirements(textbook):
    world_of, run_world, _, _ = textbook
    policy = Recording()
    sources = [{**at(0.0)[0], "deadline_s": 30.0}]
    run = run_world(world_of(sources=sources, **BUSY), policy=policy)
    assert run["deadline_s"][0] == 30.0 and run["state"][0] == "delivered"
    assert policy.seen[0][2].deadline_s == 30.0


def test_requirement_changes_for_images_captured_from_then_on_and_each_change_keeps_what_it_does_not_name(
    textbook,
):
    world_of, run_world, _, _ = textbook
    policy = Recording()
    requirement = {
        "deadline_s": 20.0,
        "pf_min": [0.8, 0.9],
        "changes": [
            {"from_s": 10.0, "deadline_s": 1.0},
            {"from_s": 20.0, "pf_min": [0.5, 0.6], "lambda_pf": [2.0, 3.0]},
        ],
    }
    # Encoding takes 1.5 s in all: under the second deadline everything is late.
    run = run_world(
        world_of(sources=at(9.9, 10.0, 19.0, 20.0), requirement=requirement, **BUSY), policy=policy
    )
    assert run["deadline_s"].tolist() == [20.0, 1.0, 1.0, 1.0]
    assert run["state"].tolist() == ["delivered", "late", "late", "late"]
    asked = [requirement for _, _, requirement in policy.seen]
    assert [seen.pf_min for seen in asked] == [(0.8, 0.9)] * 3 + [(0.5, 0.6)]
    assert [seen.lambda_pf for seen in asked] == [(1.25, 10.0)] * 3 + [(2.0, 3.0)]
    assert [taught.requirement for taught in policy.taught] == asked


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([{"from_s": 20.0}, {"from_s": 10.0}], r"ascending from_s, got \[20.0, 10.0\]"),
        (
            [{"from_s": 10.0, "pf_min": [0.5]}],
            "changes from 10 s: pf_min has 1 entries, the requirement 2 ranks",
        ),
        ([{"from_s": 0.0}], r"requirement\.changes\[0\]\.from_s: 0\.0 is not > 0"),
    ],
)
def test_impossible_changes_of_a_requirement_are_refused(textbook, changes, message):
    with pytest.raises(ScenarioError, match=message):
        textbook[0](requirement={"changes": changes})


def test_earliest_deadline_goes_first(textbook):
    world_of, run_world, _, _ = textbook
    arrivals = {"kind": "trace", "times_s": [0.0]}
    sources = [
        {"name": name, "arrivals": arrivals, "deadline_s": deadline}
        for name, deadline in (("first", 90.0), ("slack", 80.0), ("tight", 10.0))
    ]
    gateway = {
        "name": "g",
        "device": "instant",
        "servers": 1,
        "service_s": {"encode": 1.0},
        "queue": {"discipline": "edf"},
    }
    run = run_world(world_of(sources=sources, gateways=[gateway]))
    ends = dict(zip(run["source"], run["encoded_s"], strict=True))
    assert ends == {"first": 1.0, "tight": 2.0, "slack": 3.0}  # the first was in service already


@pytest.mark.parametrize(
    ("policy", "lost"), [("drop_new", {3, 4}), ("drop_oldest", {1, 2}), ("drop_worst", {3, 4})]
)
def test_full_buffer_drops_whom_its_policy_says(textbook, policy, lost):
    world_of, run_world, _, _ = textbook
    gateway = {
        "name": "g",
        "device": "instant",
        "servers": 1,
        "service_s": {"encode": 10.0},
        "queue": {"buffer": 2, "when_full": policy},
    }
    run = run_world(world_of(sources=at(0.0, 1.0, 2.0, 3.0, 4.0), gateways=[gateway]))
    assert set(run["index"][run["state"] == "dropped"]) == lost


def test_worst_of_a_priority_line_is_its_least_urgent_latest(textbook):
    world_of, run_world, _, _ = textbook
    sources = [
        {"name": name, "priority": p, "arrivals": {"kind": "trace", "times_s": [t]}}
        for name, p, t in (("served", 0, 0.0), ("low", 0, 1.0), ("lower", 0, 2.0), ("high", 5, 3.0))
    ]
    queue = {"discipline": "priority", "buffer": 2, "when_full": "drop_worst"}
    gateway = {"name": "g", "device": "instant", "servers": 1, "service_s": {"encode": 10.0}, "queue": queue}
    run = run_world(world_of(sources=sources, gateways=[gateway]))
    assert list(run["source"][run["state"] == "dropped"]) == ["lower"]


def test_terminal_that_cannot_store_an_image_drops_it(textbook):
    world_of, run_world, _, _ = textbook
    link = {
        "kind": "windows",
        "rate_bps": 1e6,
        "period_s": 100,
        "contact_s": 50,
        "offset_s": 20,
        "buffer_bits": 2.5e6,
    }
    run = run_world(world_of(sources=at(0.0, 1.0, 2.0, 21.0), satellite_link=link))
    assert list(run["state"]) == ["late", "late", "dropped", "delivered"]
    assert run["reason"][2] == "satellite link buffer full"


def test_batch_starts_when_full_or_when_its_first_image_has_waited(textbook):
    world_of, run_world, _, _ = textbook
    network = {"service_s": {"inpainting": 1.0}, "batching": {"max_size": 3, "max_wait_s": 2.0}}
    run = run_world(world_of(sources=at(0.0, 0.5, 10.0, 10.1, 10.2, 10.3), data_network=network))
    # Three together take 3 s (the device gains nothing from batches), so the last one finds the GPU free at 13.2.
    np.testing.assert_allclose(run["reconstruction_start_s"], [2.0, 2.0, 10.2, 10.2, 10.2, 13.2], atol=1e-6)
    assert list(run["batch_size"]) == [2, 2, 3, 3, 3, 1]


def test_images_arrive_in_the_order_sent_although_the_path_shortens(textbook):
    from ntnsim.protocols.rate_profile import RateProfile

    world_of, run_world, _, _ = textbook

    def source(start_s):
        # A handover at 10 s to a satellite that is 50 ms nearer.
        n = 20
        far = np.arange(n) < 10
        rate = np.full(n, 1e6)
        return RateProfile(
            start_s=start_s,
            step_s=1.0,
            rate_bps=rate,
            propagation_s=np.where(far, 0.06, 0.01),
            satellite_index=np.where(far, 0, 1).astype(np.int32),
            contact_end_s=np.full(n, start_s + 20.0),
            next_contact_s=np.full(n, nan),
            elevation_deg=np.full(n, 45.0),
            sinr_db=np.full(n, 7.0),
            satellites=("far", "near"),
        )

    codec = {"kind": "sizes", "size_bits": 0.02e6}
    sections = {
        "sources": at(9.97, 10.0),
        "schemes": [{"name": "s", "codec": codec}],
        "gateways": [{"name": "g", "device": "instant"}],
    }
    ordered = run_world(world_of(satellite_link={"kind": "orbit"}, **sections), profile_sources={"g": source})
    # Sent until 9.99 and 10.02; 60 and 10 ms on the way: 10.05 and 10.03, held until 10.05.
    np.testing.assert_allclose(ordered["at_data_network_s"], [10.05, 10.05])
    assert list(ordered["satellite"]) == ["far", "near"] and set(ordered["omega_ntn_elevation_deg"]) == {45.0}
    loose = run_world(
        world_of(satellite_link={"kind": "orbit", "in_order": False}, **sections),
        profile_sources={"g": source},
    )
    np.testing.assert_allclose(loose["at_data_network_s"], [10.05, 10.03])


def test_records_hold_the_declared_columns_in_order(textbook):
    world_of, run_world, _, _ = textbook
    run = run_world(world_of(sources=at(0.0), **BUSY), n_ranks=3, score_names=("pf", "sf"))
    assert list(run.columns) == [column.name for column in record_columns(3, ("pf", "sf"))]
    assert (
        run["bits_rank_0"][0] + run["bits_rank_1"][0] + run["overhead_bits"][0] == run["transmitted_bits"][0]
    )
    assert run["bits_rank_2"][0] is None and isnan(run["pf"][0])


def test_every_job_ends_delivered_late_dropped_or_in_flight(textbook):
    world_of, run_world, _, exponential = textbook
    run = run_world(
        world_of(
            horizon={"n_jobs": None, "duration_s": 2000, "drain": False},
            gateways=[
                {
                    "name": "g",
                    "device": "instant",
                    "service_s": {"encode": exponential(3.0)},
                    "queue": {"buffer": 3},
                }
            ],
            satellite_link={"kind": "windows", "rate_bps": 2e6, "period_s": 300, "contact_s": 170},
        )
    )
    counts = run.result.ends
    assert run.result.created == sum(counts.values()) == len(run["job"])
    assert all(counts[state] == (run["state"] == state).sum() > 0 for state in counts)
    in_flight = run["state"] == "in_flight"
    assert (
        np.isnan(run["ended_s"][in_flight].astype(float)).all() and not run["deadline_met"][in_flight].any()
    )
    little = run.result.little
    assert little["mean_in_system"] == pytest.approx(
        little["arrival_rate_per_s"] * little["mean_time_s"], rel=1e-12
    )
    assert run.result.duration_s == 2000


def test_run_that_can_never_drain_ends_at_the_limit(textbook):
    world_of, run_world, _, _ = textbook
    dark = {"kind": "trace", "times_s": [0.0, 5.0], "bps": [1e6, 0.0]}
    run = run_world(world_of(sources=at(0.0, 6.0), satellite_link=dark, horizon={"drain_limit_s": 100.0}))
    assert list(run["state"]) == ["delivered", "in_flight"] and run.result.duration_s == 106.0


def test_the_timeline_tells_the_propagation_of_the_satellite_link(textbook):
    world_of, run_world, _, _ = textbook
    link = {"kind": "constant", "rate_bps": 1e6, "propagation_s": 0.12}
    run = run_world(world_of(satellite_link=link, horizon={"n_jobs": 2}, output={"timeline_step_s": 1.0}))
    told = [
        value
        for batch in run.timeline
        for quantity, value in zip(batch["quantity"], batch["value"], strict=True)
        if quantity == "propagation_s"
    ]
    assert told and set(told) == {0.12}


def test_sampling_the_timeline_changes_no_record(textbook):
    world_of, run_world, _, exponential = textbook
    sections = {
        "gateways": [{"name": "g", "count": 3, "beam": "b", "device": "xeon-2vcpu", "access": {"rate": 5e6}}],
        "sources": [{"name": "c", "count": 6, "arrivals": {"kind": "poisson", "rate_per_s": 0.05}}],
        "satellite_link": {"kind": "windows", "rate_bps": 1e6, "period_s": 60, "contact_s": 40},
        "schemes": [{"name": "s", "codec": {"kind": "sizes", "size_bits": exponential(2e6)}}],
        "horizon": {"n_jobs": 30},
        "background": {"kind": "on_off", "on_load": 0.5, "on_s": exponential(20), "off_s": exponential(20)},
    }
    quiet = run_world(world_of(**sections))
    watched = run_world(world_of(**sections, output={"timeline_step_s": 0.7}))
    assert not quiet.timeline and watched.timeline
    for name, values in quiet.columns.items():
        assert (
            values.tolist() == watched[name].tolist() or name.startswith("omega") or values.dtype.kind == "f"
        ), name
        if values.dtype.kind == "f":
            np.testing.assert_array_equal(values, watched[name], err_msg=name)


def test_policy_is_told_how_old_the_image_is_and_taught_the_same(textbook):
    world_of, run_world, _, _ = textbook
    policy = Recording()
    gateway = {
        "name": "g",
        "device": "instant",
        "servers": 1,
        "service_s": {"segmentation": 2.0},
        "access": {"service_s": 1.0},
    }
    run_world(world_of(sources=at(10.0, 10.5), gateways=[gateway]), policy=policy)
    # The first waits 1 s for access and 2 s for segmentation; the second reaches the gateway at 12 s, is begun at 13 s.
    assert [image.age_s for image, _, _ in policy.seen] == [3.0, 4.5]
    assert [delivered.image.age_s for delivered in policy.taught] == [3.0, 4.5]


def test_links_carry_sizes_as_drawn_and_records_whole_bits(textbook):
    world_of, run_world, _, _ = textbook
    codec = {"kind": "sizes", "size_bits": 0.5, "source_bits": 2.75, "reconstructed_bits": 0.0}
    run = run_world(
        world_of(
            sources=at(0.0),
            gateways=[{"name": "g", "device": "instant", "access": {"rate": 1.0}}],
            satellite_link={"kind": "constant", "rate_bps": 1.0},
            delivery={"rate": 1.0},
            schemes=[{"name": "sizes", "codec": codec}],
        )
    )
    assert run["delay_s"][0] == 3.25 and run["link_bits"][0] == 0.5
    assert (run["original_bits"][0], run["transmitted_bits"][0], run["reconstructed_bits"][0]) == (3, 0, 0)
    assert run["bits_rank_0"][0] + run["bits_rank_1"][0] + run["overhead_bits"][0] == 0


def test_a_source_without_bits_has_no_savings_to_tell(textbook):
    world_of, run_world, _, _ = textbook
    codec = {"kind": "sizes", "size_bits": 1e6, "source_bits": 0}
    run = run_world(world_of(sources=at(0.0), schemes=[{"name": "sizes", "codec": codec}]))
    assert isnan(run["savings"][0]) and run["state"][0] == "delivered"
