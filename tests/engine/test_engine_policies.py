"""The protocol's edges: what is imported, what is built, what is refused, what is explored."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from ntnsim.engine.build import build_engine, build_policy, requirement_from
from ntnsim.engine.conditioning import RequirementLaw, conditioning_features, requirement_vector
from ntnsim.engine.exploration import decayed_share, ou_step
from ntnsim.engine.features import feature_names, state_features
from ntnsim.engine.practice import learn_online
from ntnsim.engine.replay import Replay
from ntnsim.engine.standardisation import Standardisation
from ntnsim.engine.synthetic import REQUIREMENT, SPACE, SyntheticBits, network_state
from ntnsim.errors import ScenarioError
from ntnsim.protocols.configuration import Configuration, ConfigurationSpace
from ntnsim.protocols.policy import ImageState, Trial
from ntnsim.scenario.policy import (
    FixedPolicySpec,
    PolicySpec,
    RandomPolicySpec,
    RequirementRangeSpec,
    RequirementSpec,
    SpiffEngineSpec,
)
from ntnsim.streams import stream

IMAGE = ImageState((0.6, 0.4), 4_000_000, 640, 480)
NETWORK = network_state(1e6)
WITH_COARSE = ConfigurationSpace(n_ranks=3, has_coarse_layer=True)


def test_protocol_and_fixed_policy_load_no_torch():
    code = (
        "import sys, ntnsim.protocols.policy, ntnsim.engine.build, ntnsim.scenario.policy as spec\n"
        "from ntnsim.protocols.configuration import ConfigurationSpace\n"
        "space = ConfigurationSpace(2, False)\n"
        "for entity in (spec.FixedPolicySpec(guard=spec.GuardSpec()), spec.RandomPolicySpec()):\n"
        "    ntnsim.engine.build.build_policy(entity, space, 0)\n"
        "print('torch' in sys.modules)"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "False\n"
    )


def test_every_kind_is_told_apart_by_its_name():
    adapter = TypeAdapter(PolicySpec)
    for kind in ("fixed", "random", "spiff-engine", "ncb"):
        assert adapter.validate_python({"kind": kind}).kind == kind
    assert adapter.validate_python({"kind": "oracle", "table": "t.parquet"}).margin_s == 0.0
    with pytest.raises(ValidationError, match="magic"):
        adapter.validate_python({"kind": "magic"})


def test_requirement_with_uneven_ranks_is_refused():
    with pytest.raises(ValidationError, match="one entry per rank"):
        RequirementSpec(pf_min=(0.8, 0.9, 1.0))


def test_one_patch_fraction_serves_every_lower_rank():
    policy = build_policy(FixedPolicySpec(patch_fractions=0.3, coarse_quality=0.2), WITH_COARSE, seed=0)
    assert policy.choose(IMAGE, NETWORK, REQUIREMENT).configuration == Configuration(0.0, (0.3, 0.3), 0.2)


def test_fixed_policy_that_does_not_fit_the_codec_is_refused():
    with pytest.raises(ScenarioError, match="has 2 entries; 2 ranks need 1"):
        build_policy(FixedPolicySpec(patch_fractions=(0.1, 0.2)), SPACE, seed=0)
    with pytest.raises(ScenarioError, match=r"coarse_quality is 0\.5; this codec has no coarse layer"):
        build_policy(FixedPolicySpec(coarse_quality=0.5), SPACE, seed=0)


def test_evaluation_without_a_checkpoint_is_refused():
    with pytest.raises(ValidationError, match="needs a checkpoint"):
        SpiffEngineSpec(evaluate=True)


def test_random_policy_covers_the_cube_and_repeats_with_its_seed():
    def draw(seed: int) -> list[tuple[float, ...]]:
        policy = build_policy(RandomPolicySpec(), SPACE, seed)
        return [SPACE.vector(policy.choose(IMAGE, NETWORK, REQUIREMENT).configuration) for _ in range(400)]

    assert draw(1) == draw(1) != draw(2)
    values = np.array(draw(1))
    assert values.min() < 0.02
    assert values.max() > 0.98


def test_learning_policies_take_three_ranks_and_a_coarse_layer():
    engine = build_engine(SpiffEngineSpec(), WITH_COARSE, seed=0)
    requirement = requirement_from(
        RequirementSpec(pf_min=(0.5,) * 3, sf_min=(0.5,) * 3, lambda_pf=(1.0,) * 3, lambda_sf=(1.0,) * 3)
    )
    image = ImageState((0.5, 0.3, 0.2), 1_000_000, 100, 100)
    configuration = engine.choose(image, NETWORK, requirement).configuration
    assert len(configuration.patch_fractions) == 2
    action = engine.greedy_action(engine.state_of(image, NETWORK), requirement)
    assert action.shape == (4,)
    with pytest.raises(ValueError, match="a requirement for 3 ranks is needed"):
        engine.greedy_action(engine.state_of(image, NETWORK), REQUIREMENT)


def test_paper_state_is_the_rank_fractions_alone():
    state = state_features(IMAGE, NETWORK, paper_state=True, nominal_deadline_s=20.0)
    np.testing.assert_allclose(state, [0.2, -0.2], atol=1e-6)
    assert feature_names(2, paper_state=True) == ("fraction_0", "fraction_1")


def test_trial_state_adds_what_the_trials_showed():
    names = feature_names(2, paper_state=True, trial_state=True)[2:]
    assert names[:3] == ("trial_low_bits", "trial_low_pf_0", "trial_low_sf_0")
    assert [name.split("_")[1] for name in names] == [
        name for name in ("low", "middle", "high", "whole") for _ in range(5)
    ]
    layers = [
        Trial(Configuration(0.0, (0.0,), q), bits, (pf, 1.0), (0.91, 1.0))
        for q, bits, pf in ((0.5, 600_000, 0.95), (0.75, 800_000, 0.97), (0.3, 400_000, 0.91))
    ]
    whole = Trial(Configuration(1.0, (0.0,)), 600_000, (0.99, 0.99), (1.0, 1.0))
    tried = replace(IMAGE, trials=(*layers, whole))
    state = state_features(tried, NETWORK, paper_state=True, nominal_deadline_s=20.0, trial_state=True)
    # Half the logarithm of the bits share and of 1.01 − fidelity, and 1; the layers are at the q that are read.
    shares = np.array((400_000, 600_000, 800_000, 600_000)) / IMAGE.source_bits
    np.testing.assert_allclose(state[2::5], 0.5 * np.log(shares) + 1.0, rtol=1e-6)
    np.testing.assert_allclose(state[3::5], 0.5 * np.log((0.1, 0.06, 0.04, 0.02)) + 1.0, rtol=1e-6)
    both = state_features(tried, NETWORK, paper_state=False, nominal_deadline_s=20.0, trial_state=True)
    assert len(both) == len(feature_names(2, paper_state=False, trial_state=True))
    # A single layer stands for every q, and for the whole image where that was not tried.
    once = replace(IMAGE, trials=tuple(layers[:1]))
    state = state_features(once, NETWORK, paper_state=True, nominal_deadline_s=20.0, trial_state=True)
    for reading in range(1, 4):
        np.testing.assert_allclose(state[2:7], state[2 + 5 * reading : 7 + 5 * reading])
    # Without a top rank, β does nothing: the whole image is out of reach.
    nobody = replace(tried, rank_fractions=(1.0, 0.0))
    state = state_features(nobody, NETWORK, paper_state=True, nominal_deadline_s=20.0, trial_state=True)
    np.testing.assert_allclose(state[12:17], state[17:])
    with pytest.raises(ValueError, match="the codec made none"):
        state_features(IMAGE, NETWORK, paper_state=True, nominal_deadline_s=20.0, trial_state=True)


def test_network_features_are_named_finite_and_follow_the_network():
    names = feature_names(2, paper_state=False)
    idle = state_features(IMAGE, NETWORK, paper_state=False, nominal_deadline_s=20.0)
    loaded = state_features(
        IMAGE, network_state(1e6, backlog_bits=5e7), paper_state=False, nominal_deadline_s=20.0
    )
    dark = state_features(
        IMAGE, network_state(0.0, backlog_bits=1.0), paper_state=False, nominal_deadline_s=20.0
    )
    boundless = state_features(IMAGE, network_state(float("inf")), paper_state=False, nominal_deadline_s=20.0)
    assert len(idle) == len(names)
    assert np.isfinite(dark).all()
    assert np.isfinite(boundless).all()
    changed = {name for name, a, b in zip(names, idle, loaded, strict=True) if a != b}
    assert changed == {"backlog_drain"}


def test_noise_has_the_stationary_spread_of_its_formula():
    rng, state, values = np.random.default_rng(0), np.zeros(50), []
    for _ in range(2000):
        state = ou_step(state, 0.15, 0.15, rng)
        values.append(state)
    assert np.std(values[200:]) == pytest.approx(0.15 / np.sqrt(1.0 - 0.85**2), rel=0.02)
    lagged = np.corrcoef(np.array(values[200:-1]).ravel(), np.array(values[201:]).ravel())[0, 1]
    assert lagged == pytest.approx(0.85, abs=0.01)


def test_noise_halves_and_stops_at_its_floor():
    assert decayed_share(500, 500.0, 0.1) == 0.5
    assert decayed_share(100_000, 500.0, 0.1) == 0.1


def test_memory_forgets_the_oldest():
    memory = Replay(3, n_features=1, dimension=2, n_ranks=2)
    for index in range(5):
        memory.append(state=[index], action=[0, 0], outcome=[0.0] * 6, requirement=[0.0] * 10, elapsed=0.0)
    assert sorted(memory.part("state")[:, 0].tolist()) == [2.0, 3.0, 4.0]
    assert memory.draw(8, np.random.default_rng(0))["action"].shape == (8, 2)


def test_drawn_requirements_stay_in_range_and_some_are_kept():
    span = RequirementRangeSpec(
        pf_min=(0.4, 0.6), sf_min=(0.7, 0.9), weight=(0.1, 10.0), deadline_factor=(0.5, 2.0)
    )
    seen = np.tile(requirement_vector(REQUIREMENT, 20.0), (4000, 1))
    drawn = RequirementLaw.of(span, 2, seen_share=0.25).draw(seen, np.random.default_rng(0))
    kept = (drawn == seen).all(1)
    assert kept.mean() == pytest.approx(0.25, abs=0.03)
    fresh = drawn[~kept]
    assert fresh[:, :4].min() >= -1.0
    assert fresh[:, :4].max() <= 1.0
    np.testing.assert_array_less(fresh[:, [4, 6]], 0.6001)
    np.testing.assert_array_less(0.6999, fresh[:, [5, 7]])
    assert set(fresh[:, 8]) == {1.0}  # λ^del = 10 is not drawn
    assert np.abs(fresh[:, 9]).max() <= np.log10(2.0) + 1e-6


def test_an_unattainable_target_stays_within_the_actors_inputs():
    offset, scale = np.array([0.5, 0.7, 0.8, 0.97, 0.98, 0.5]), np.array([0.2, 0.1, 0.1, 1e-3, 1e-3, -0.3])
    features = conditioning_features(requirement_vector(REQUIREMENT, 20.0), Standardisation(offset, scale))
    assert np.abs(features).max() <= 3.0


def test_deliveries_that_nobody_scored_teach_nothing():
    engine = build_engine(SpiffEngineSpec(), SPACE, seed=0)
    instance, rng = SyntheticBits(), stream(0, "test")
    image, network = instance.context(rng)
    delivered = instance.deliver(image, network, REQUIREMENT, Configuration(0.5, (0.5,)), rng)
    unscored = type(delivered)(
        image,
        network,
        REQUIREMENT,
        delivered.configuration,
        delivered.size_bits,
        (float("nan"), 1.0),
        delivered.sf,
        5.0,
    )
    engine.learn(unscored)
    assert len(engine.replay) == 0
    assert engine.diagnostics()["images_unscored"] == 1.0


def test_feedback_may_come_back_for_a_share_of_deliveries():
    engine = build_engine(SpiffEngineSpec(feedback_share=0.25, updates_per_image=0), SPACE, seed=0)
    learn_online(engine, SyntheticBits(), [REQUIREMENT], 400, stream(0, "share"))
    assert engine.diagnostics()["images_learned"] == pytest.approx(100, abs=25)
    assert engine.diagnostics()["images_learned"] + engine.diagnostics()["images_unscored"] == 400
