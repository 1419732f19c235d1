"""The deadline guard: what it lets through, shrinks and rejects, and how often images are late under it."""

import numpy as np
import pytest

from ntnsim.engine.bandit import Bandit
from ntnsim.engine.build import build_bandit, build_policy
from ntnsim.engine.delay_model import known_delay_s
from ntnsim.engine.fixed import FixedPolicy
from ntnsim.engine.guard import GuardedPolicy
from ntnsim.engine.practice import learn_online
from ntnsim.engine.synthetic import REQUIREMENT, SPACE, SyntheticBits, network_state
from ntnsim.protocols.configuration import Configuration, ConfigurationSpace
from ntnsim.protocols.policy import DeliveredImage, ImageState, Requirement, Trial
from ntnsim.scenario.policy import GuardSpec, LinearBanditSpec, RandomPolicySpec
from ntnsim.streams import stream

IMAGE = ImageState((0.6, 0.4), 4_000_000, 640, 480)


def guarded(configuration: Configuration, **settings: object) -> GuardedPolicy:
    return GuardedPolicy(FixedPolicy(configuration), GuardSpec(**settings), SPACE)


def trained(instance: SyntheticBits, n_images: int = 400, **settings: object) -> GuardedPolicy:
    policy = GuardedPolicy(build_policy(RandomPolicySpec(), SPACE, seed=3), GuardSpec(**settings), SPACE)
    learn_online(policy, instance, [REQUIREMENT], n_images, stream(0, "guard"))
    return policy


def test_known_delay_by_hand():
    # 3 Mbit ahead and 1 Mbit of our own at 2 Mbit/s, 5 ms up, 4 Mbit delivered at 100 Mbit/s.
    network = network_state(2e6, backlog_bits=3e6)
    assert known_delay_s(IMAGE, network, 1e6, 2e6) == pytest.approx(2.0 + 0.005 + 0.04)


def test_bits_that_outlast_the_pass_never_arrive_as_far_as_is_known():
    network = network_state(1e4)  # 600 s of pass carry 6 Mbit
    assert known_delay_s(IMAGE, network, 7e6, 1e4) == float("inf")
    assert np.isfinite(known_delay_s(IMAGE, network, 5e6, 1e4))


def test_decision_that_fits_passes_unchanged_and_unremarked():
    policy = guarded(Configuration(0.5, (0.5,)))
    decision = policy.choose(IMAGE, network_state(10e6), REQUIREMENT)
    assert decision.configuration == Configuration(0.5, (0.5,))
    assert decision.reason == ""
    assert policy.diagnostics()["guard_passed"] == 1.0


def test_image_that_is_already_old_is_rejected_with_a_reason():
    old = ImageState((0.6, 0.4), 4_000_000, 640, 480, age_s=19.9)
    decision = trained(SyntheticBits()).choose(old, network_state(1e6), REQUIREMENT)
    assert decision.configuration is None
    assert decision.reason.startswith("guard: predicted ")
    assert "deadline 20.0 s" in decision.reason


def test_smallest_is_sent_where_the_scenario_asks_for_it():
    old = ImageState((0.6, 0.4), 4_000_000, 640, 480, age_s=19.9)
    policy = trained(SyntheticBits(), when_late="send-smallest")
    assert policy.choose(old, network_state(1e6), REQUIREMENT).configuration == Configuration(0.0, (0.0,))


def test_size_is_learned_so_that_shrinking_makes_an_image_fit():
    policy = trained(SyntheticBits())
    policy.guarded = FixedPolicy(Configuration(1.0, (1.0,)))
    # At 100 kbit/s the whole image (0.37 of 4 Mbit) takes 15 s, plus 3 s fixed, plus margin: too long; a part fits.
    decision = policy.choose(IMAGE, network_state(100e3), REQUIREMENT)
    assert decision.configuration is not None
    assert decision.configuration.box_growth < 1.0
    assert decision.reason.startswith("guard: predicted")


def learned_bandit(instance: SyntheticBits) -> Bandit:
    bandit = build_bandit(LinearBanditSpec(explore="none", warm_up_images=50), SPACE, seed=0)
    learn_online(bandit, instance, [REQUIREMENT], 200, stream(2, "bandit"))
    return bandit


def test_a_fixed_x_passes_once_its_sizes_were_seen():
    """At 1.5 Mbit/s an image as large as its source would be late; coded at a fortieth it is not, as five sizes tell."""
    policy, x = guarded(Configuration(0.2, (0.1,))), Configuration(0.2, (0.1,))
    image = ImageState((0.6, 0.4), 40_000_000, 640, 480)
    network = network_state(1.5e6)
    assert policy.choose(image, network, REQUIREMENT).configuration == Configuration(0.0, (0.0,))
    for _ in range(5):
        delivered = DeliveredImage(image, network, REQUIREMENT, x, 1_000_000, (0.9, 1.0), (0.9, 1.0), 3.0)
        policy.learn(delivered)
    assert policy.choose(image, network, REQUIREMENT).configuration == x


def test_guard_of_a_policy_with_a_memory_knows_sizes_from_the_first_image_on():
    bandit = learned_bandit(SyntheticBits())
    policy = GuardedPolicy(bandit, GuardSpec(), SPACE)
    wanted = bandit.choose(IMAGE, network_state(1e6), REQUIREMENT).configuration
    assert wanted is not None
    size_bits = IMAGE.source_bits * float(SyntheticBits().bits_share(0.4, np.array(SPACE.vector(wanted))))
    # As a whole 4-Mbit file it would miss the deadline by far; by what the policy has seen it fits.
    rate_bps = size_bits / 12.0
    assert known_delay_s(IMAGE, network_state(rate_bps), IMAGE.source_bits, rate_bps) > REQUIREMENT.deadline_s
    decision = policy.choose(IMAGE, network_state(rate_bps), REQUIREMENT)
    assert decision.configuration == bandit.choose(IMAGE, network_state(rate_bps), REQUIREMENT).configuration
    assert policy.diagnostics()["guard_passed"] == 1.0


def test_what_a_bandit_would_send_next_is_the_cheapest_that_is_in_time():
    bandit = learned_bandit(SyntheticBits())
    policy = GuardedPolicy(bandit, GuardSpec(), SPACE)
    for rate_bps in np.geomspace(3e3, 3e5, 40):
        network = network_state(float(rate_bps))
        chosen = policy.choose(IMAGE, network, REQUIREMENT).configuration
        in_time = [
            x
            for x in bandit.ranked(IMAGE, network, REQUIREMENT)
            if policy.predicted_delay_s(IMAGE, network, x) <= REQUIREMENT.deadline_s
        ]
        if in_time:
            assert chosen == in_time[0]
    assert policy.diagnostics()["guard_shrunk"] > 0.0


def test_predicted_upper_size_covers_the_drawn_sizes():
    instance, rng = SyntheticBits(), stream(1, "sizes")
    policy = trained(instance)
    covered = []
    for _ in range(300):
        image, network = instance.context(rng)
        x = SPACE.configuration(rng.random(2).tolist())
        drawn = instance.deliver(image, network, REQUIREMENT, x, rng).size_bits
        covered.append(drawn <= policy._upper_size_bits(image, x))
    assert 0.90 <= np.mean(covered) <= 0.99  # 0.95 wanted


def test_sizes_follow_what_a_noisy_capture_and_trials_tell():
    """Coding leaves a smaller share of a denser file, and what a trial measured holds for other x."""
    rng, space = stream(5, "noisy"), ConfigurationSpace(n_ranks=2, has_coarse_layer=True)
    policy = GuardedPolicy(FixedPolicy(space.configuration([0.0, 0.0, 0.3])), GuardSpec(), space)
    network = network_state(1e6)

    def drawn() -> tuple[ImageState, Configuration, float]:
        bits_per_pixel, busy = float(rng.uniform(4.0, 16.0)), float(rng.uniform(-0.5, 0.5))
        source_bits = round(bits_per_pixel * 640 * 480)
        log_share = np.log(0.3 / bits_per_pixel) + busy
        tried = Configuration(0.0, (0.0,), 0.3)
        trial = Trial(tried, round(source_bits * np.exp(log_share)), (0.9, 0.9), (0.9, 0.9))
        x = space.configuration([0.0, 0.0, float(rng.uniform(0.1, 0.9))])
        share = float(np.exp(log_share + 2.0 * (x.coarse_quality - 0.3)))
        image = ImageState((0.6, 0.4), source_bits, 640, 480, trials=(trial,))
        return image, x, share * source_bits

    for _ in range(200):
        image, x, size_bits = drawn()
        policy.learn(DeliveredImage(image, network, REQUIREMENT, x, round(size_bits), (1, 1), (1, 1), 3.0))
    for image, x, size_bits in (drawn() for _ in range(50)):
        assert size_bits <= policy._upper_size_bits(image, x) * 1.02 <= 1.1 * size_bits


def test_a_bandits_memory_tells_of_sizes_what_its_images_did():
    space, rng = ConfigurationSpace(n_ranks=2, has_coarse_layer=True), stream(6, "memory")
    settings = {"trial_state": True, "warm_up_images": 50, "explore": "none"}
    bandit, images = build_bandit(LinearBanditSpec(**settings), space, seed=0), []
    for _ in range(60):
        trial = Trial(
            Configuration(0.0, (0.0,), 0.3), int(rng.integers(20_000, 200_000)), (0.9, 0.8), (0.9, 0.8)
        )
        share = float(rng.uniform(0.1, 0.9))
        image = ImageState((1.0 - share, share), int(rng.integers(10**6, 10**7)), 640, 480, trials=(trial,))
        x = space.configuration(rng.random(3).tolist())
        bandit.remember(
            DeliveredImage(image, network_state(1e6), REQUIREMENT, x, 90_000, (0.9, 0.9), (0.9, 0.9), 3.0)
        )
        images.append(image)
    seen = bandit.seen_sizes()
    np.testing.assert_allclose(seen.looks, [seen.what.of(image) for image in images], atol=1e-6)
    np.testing.assert_allclose(
        seen.log_shares, [np.log(90_000 / image.source_bits) for image in images], atol=1e-6
    )


def test_one_per_cent_of_admitted_images_is_late_where_unguarded_a_twentieth_is():
    instance = SyntheticBits()
    late, bare, rejected = [], [], 0
    rng = stream(2, "late")
    policy = trained(instance)
    random = build_policy(RandomPolicySpec(), SPACE, seed=9)
    for _ in range(1500):
        image, network = instance.context(rng)
        x = random.choose(image, network, REQUIREMENT).configuration
        bare.append(instance.deliver(image, network, REQUIREMENT, x, rng).delay_s > REQUIREMENT.deadline_s)
        decision = policy.choose(image, network, REQUIREMENT)
        if decision.configuration is None:
            rejected += 1
            continue
        delivered = instance.deliver(image, network, REQUIREMENT, decision.configuration, rng)
        late.append(delivered.delay_s > REQUIREMENT.deadline_s)
        policy.learn(delivered)
    assert np.mean(bare) > 0.05
    assert np.mean(late) <= 0.015  # 1 % wanted, 1,500 images
    assert rejected < 0.1 * 1500


def test_a_guard_that_rejects_everything_sends_a_probe():
    policy = trained(SyntheticBits(), probe_after_rejections=5)
    old = ImageState((0.6, 0.4), 4_000_000, 640, 480, age_s=19.9)
    decisions = [policy.choose(old, network_state(1e6), REQUIREMENT) for _ in range(6)]
    assert [decision.configuration is None for decision in decisions] == [True] * 5 + [False]
    assert decisions[-1].reason.startswith("guard: probe")


def test_a_guard_that_has_seen_nothing_shrinks_but_does_not_reject():
    old = ImageState((0.6, 0.4), 4_000_000, 640, 480, age_s=19.9)
    decision = guarded(Configuration(0.5, (0.5,))).choose(old, network_state(1e6), REQUIREMENT)
    assert decision.configuration == Configuration(0.0, (0.0,))


def test_margin_grows_when_the_network_gets_slower_than_it_tells():
    instance = SyntheticBits()
    policy = trained(instance)
    network, x = network_state(200e3), Configuration(0.5, (0.5,))
    before_s = policy.predicted_delay_s(IMAGE, network, x)
    slower = SyntheticBits(fixed_delay_s=9.0)
    lenient = Requirement(1e3, (0.0, 0.0), (0.0, 0.0), (0.1, 0.1), (0.1, 0.1))
    learn_online(policy, slower, [lenient], 100, stream(4, "slower"))
    # A hundred of five hundred deliveries took 6 s longer: the upper quantile knows.
    assert policy.predicted_delay_s(IMAGE, network, x) > before_s + 4.0
