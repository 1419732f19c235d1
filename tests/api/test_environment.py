"""The world as a Gymnasium environment: a step is one image of the run that ``ntnsim.run`` makes, with its own cost."""

import gc
import threading
import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.utils.env_checker import logger as checker_log
from PIL import Image

import ntnsim
from ntnsim import schemes
from ntnsim.engine.conditioning import interleaved
from ntnsim.engine.objective import realised_cost
from ntnsim.fidelity.metrics import Scorer
from ntnsim.images.outcome_store import OutcomeStore

SPIFF = {"kind": "spiff", "inpaint": {"method": "nearest"}}
SCENARIO = {
    "name": "agent",
    "seed": 3,
    "horizon": {"n_jobs": 4},
    "sources": [{"name": "camera", "arrivals": {"kind": "periodic", "period_s": 30}}],
    "task": {"segmenter": "truth"},
    "gateways": [{"name": "parma", "latitude_deg": 44.8, "longitude_deg": 10.3}],
    "satellite_link": {"kind": "constant", "rate_bps": 1e4},
    "requirement": {"deadline_s": 1.5},
    "output": {"gallery_images": 0, "timeline_step_s": None},
}
BUSY = {
    "sources": [
        {"name": "harbour", "arrivals": {"kind": "poisson", "rate_per_s": 0.7}},
        {"name": "road", "arrivals": {"kind": "poisson", "rate_per_s": 0.7}, "deadline_s": 9.0},
    ]
}
X = (0.25, 0.5, 0.375)
FIXED = {"kind": "fixed", "box_growth": X[0], "patch_fractions": X[1], "coarse_quality": X[2]}


class Greyness:
    """A judge without networks, for tests of the environment: differences of grey, and of mean colours."""

    name = "greyness"

    def features(self, pixels):
        if isinstance(pixels, list):
            colours = np.array([[*image.mean((0, 1)), 1.0] for image in pixels])
            return colours / np.linalg.norm(colours, axis=1, keepdims=True)
        return pixels.mean(2) / 255

    def distance_map(self, first, second):
        return np.abs(first - second)


@pytest.fixture(autouse=True)
def quick_judge(request, monkeypatch):
    """Judge by greyness, but where a test is of real networks."""
    if "real" not in request.node.name:
        monkeypatch.setattr(schemes, "_scorer", lambda task: Scorer(Greyness(), Greyness()))


@pytest.fixture(scope="module")
def store() -> OutcomeStore:
    return OutcomeStore()


@pytest.fixture(scope="module")
def photographs(tmp_path_factory, astronaut):
    """Four small photographs, each with a mask of its middle, wider from one to the next."""
    directory = tmp_path_factory.mktemp("photographs")
    for name in ("images", "masks"):
        (directory / name).mkdir()
    for number in range(4):
        mask = np.zeros((64, 96), np.uint8)
        mask[16:48, 40 - 8 * number : 56 + 8 * number] = 255
        pixels = astronaut[20 * number : 20 * number + 64, 10 * number : 10 * number + 96]
        Image.fromarray(pixels).save(directory / "images" / f"{number}.jpg", quality=95)
        Image.fromarray(mask).save(directory / "masks" / f"{number}.png")
    return {"kind": "folder", "path": str(directory / "images"), "masks": str(directory / "masks")}


@pytest.fixture
def scenario_of(photographs):
    def scenario(scheme=None, **change):
        schemes = [{"name": "agent", "codec": SPIFF} | (scheme or {})]
        return ntnsim.Scenario(**SCENARIO | {"datasets": {"few": photographs}, "schemes": schemes} | change)

    return scenario


@pytest.fixture
def make(scenario_of, store):
    made = []

    def environment(*, scheme=None, options=None, **change):
        made.append(ntnsim.ImageDeliveryEnv(scenario_of(scheme, **change), store=store, **options or {}))
        return made[-1]

    yield environment
    for env in made:
        env.close()


def played(env, seed: int, act=lambda observation: X):
    """Return the observations, rewards and infos of an episode."""
    observation, _ = env.reset(seed=seed)
    observations, rewards, infos, over = [observation], [], [], False
    while not over:
        action = np.array(act(observation), dtype=np.float32)
        observation, reward, terminated, over, info = env.step(action)
        assert not terminated
        observations.append(observation)
        rewards.append(reward)
        infos.append(info)
    return np.array(observations), rewards, infos


def test_gymnasiums_own_checker_is_content(make, monkeypatch):
    said = []
    monkeypatch.setattr(checker_log, "warn", lambda message, *more: said.append(message))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(make(), skip_render_check=True)
    assert said == []


def test_gymnasium_makes_it_by_its_id_alone_and_several_at_once(scenario_of, store):
    name = "ntnsim.api.environment:ntnsim/ImageDelivery-v0"
    scenario = scenario_of()
    env = gymnasium.make(name, scenario=scenario, store=store)
    assert isinstance(env.unwrapped, ntnsim.ImageDeliveryEnv)
    check_env(env.unwrapped)  # makes and closes further ones from the specification
    several = gymnasium.make_vec(name, num_envs=3, vectorization_mode="sync", scenario=scenario, store=store)
    observations, _ = several.reset(seed=5)
    assert len(np.unique(observations, axis=0)) == 3  # seeds 5, 6 and 7: three worlds
    rewards = [several.step(several.action_space.sample())[1] for _ in range(6)]  # beyond an episode's end
    assert np.isfinite(rewards).all()
    several.close()
    env.close()


@pytest.mark.parametrize("change", [{}, BUSY], ids=["rare arrivals, real judges", "several on the way"])
def test_an_episode_is_the_run_of_the_same_seed(make, store, change):
    """Where agent and scheme choose alike, steps are images of that run: what the records say, and their cost."""
    env = make(scheme={"policy": FIXED}, **change)
    _, rewards, infos = played(env, seed=11)
    scenario = env.scenario.model_copy(update={"seed": 11})
    records = ntnsim.run(scenario, store=store).records
    assert len(infos) <= len(records)
    assert (len(infos) == len(records)) == (change == {})
    requirement = scenario.requirement
    by_size_and_delay = {(row.transmitted_bits, row.delay_s): row for row in records.itertuples()}
    late = 0
    for reward, info in zip(rewards, infos, strict=True):
        row = by_size_and_delay[info["size_bits"], info["delay_s"]]
        fidelities = [row.pf_rank_0, row.sf_rank_0, row.pf_rank_1, row.sf_rank_1]
        assert [info["pf_0"], info["sf_0"], info["pf_1"], info["sf_1"]] == fidelities
        assert info["deadline_s"] == row.deadline_s
        cost = realised_cost(
            np.array([row.transmitted_bits / row.original_bits, *fidelities, row.delay_s / row.deadline_s]),
            np.array(interleaved(requirement.lambda_pf, requirement.lambda_sf)),
            np.array(interleaved(requirement.pf_min, requirement.sf_min)),
            np.array(requirement.lambda_delay),
            np.array(1.0),
        )
        assert -reward == info["cost"] == pytest.approx(float(cost))
        terms = [value for name, value in info.items() if name == "bits_share" or name.startswith("penalty_")]
        assert len(terms) == 6 and sum(terms) == pytest.approx(info["cost"])
        late += info["penalty_delay"] > 0
    assert late  # the deadline is missed somewhere, so that its term was looked at


def test_same_seed_same_episode_and_another_seed_another(make):
    env = make(**BUSY)
    first, again, other = (played(env, seed)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert first.shape != other.shape or (first != other).any()
    # Without a seed, worlds follow from the last one.
    seeds = []
    for _ in range(2):
        env.reset(seed=1)
        seeds.append([env.reset()[1]["seed"] for _ in range(3)])
    assert seeds[0] == seeds[1] and len(set(seeds[0])) == 3


def test_an_observation_says_what_its_names_promise(make):
    env = make()
    observations, _, _ = played(env, seed=3)
    assert env.observation_space.shape == (len(env.view.names),)
    assert all(env.observation_space.contains(observation) for observation in observations)
    seen = dict(zip(env.view.names, observations[0], strict=True))
    assert (seen["fraction_0"] + 1) / 2 + (seen["fraction_1"] + 1) / 2 == pytest.approx(1)
    assert seen["rate"] == pytest.approx(np.log10(1e4 / 1e6) / 2)


def test_states_of_the_engine_can_be_chosen(make):
    assert make(options={"paper_state": True}).view.names == ("fraction_0", "fraction_1")
    tried = make(scheme={"codec": SPIFF | {"trial": 0.3}}, options={"trial_state": True})
    assert "trial_low_bits" in tried.view.names
    assert np.isfinite(played(tried, seed=1)[0]).all()


def test_a_lost_image_costs_what_the_documentation_says(make):
    # Its transfer finds no room in the link's buffer.
    env = make(satellite_link={"kind": "constant", "rate_bps": 1e4, "buffer_bits": 1.0})
    _, rewards, infos = played(env, seed=0)
    asked = env.scenario.requirement
    floors = zip(asked.lambda_pf + asked.lambda_sf, asked.pf_min + asked.sf_min, strict=True)
    none_met = sum(weight * floor for weight, floor in floors)
    for reward, info in zip(rewards, infos, strict=True):
        assert info["end"] not in ("delivered", "in flight") and info["delay_s"] == np.inf
        assert -reward == pytest.approx(info["bits_share"] + none_met + 4 * asked.lambda_delay)
    assert len(infos) == 4


def test_an_image_that_the_horizon_cuts_off_is_in_flight(make):
    link = {"kind": "constant", "rate_bps": 1.0}
    env = make(satellite_link=link, horizon={"duration_s": 100, "drain": False})
    _, _, infos = played(env, seed=0, act=lambda observation: (0, 0, 0))
    assert [info["end"] for info in infos] == ["in flight"]


def test_images_that_fall_due_meanwhile_are_decided_by_the_schemes_policy_or_like_the_step(make, store):
    asked = []

    class Meanwhile(ntnsim.Policy):
        def choose(self, image, network, requirement):
            asked.append(image)
            return ntnsim.Decision(ntnsim.Configuration(0.0, (0.0,), 0.2))

    own = {"policy": {"kind": "custom", "name": "mine"}}
    _, _, infos = played(make(scheme=own, options={"policies": {"mine": Meanwhile()}}, **BUSY), seed=11)
    assert len(infos) + len(asked) == 8 and len(infos) > 1 and len(asked) > 1
    # Not given: the agent to be. With one x throughout, the episode is that of the fixed policy with this x.
    _, rewards, _ = played(make(scheme=own, **BUSY), seed=11)
    _, expected, _ = played(make(scheme={"policy": FIXED}, **BUSY), seed=11)
    assert rewards == expected


def test_an_agent_decides_for_every_image_of_a_run(make, store):
    own = {"policy": {"kind": "custom", "name": "agent"}}
    env = make(scheme=own, **BUSY)

    def act(observation):
        return [0.0, 0.0, 0.25 if observation[env.view.names.index("fraction_1")] > -0.5 else 0.75]

    run = ntnsim.run(env.scenario, policies={"agent": env.policy(act)}, store=store)
    expected = np.where(run.records["rank_fraction_1"] > 0.25, 0.25, 0.75)
    np.testing.assert_array_equal(run.records["x_coarse_quality"], expected)
    assert set(expected) == {0.25, 0.75}
    with pytest.raises(ntnsim.InputError, match="agent: must have predict"):
        env.policy(7)


def test_what_goes_wrong_in_the_world_is_raised_where_the_step_waits(make):
    class Broken(ntnsim.Policy):
        def choose(self, image, network, requirement):
            raise ArithmeticError("no answer")

    own = {"policy": {"kind": "custom", "name": "mine"}}
    env = make(scheme=own, options={"policies": {"mine": Broken()}}, **BUSY)
    env.reset(seed=11)
    with pytest.raises(ArithmeticError, match="no answer"):
        for _ in range(8):
            env.step(np.array(X, dtype=np.float32))
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(np.array(X, dtype=np.float32))
    env.reset(seed=12)


def test_no_world_is_left_behind(scenario_of, store):
    def worlds():
        return [thread for thread in threading.enumerate() if thread.name == "ntnsim world"]

    before = len(worlds())
    env = ntnsim.ImageDeliveryEnv(scenario_of(), store=store)
    for seed in range(3):
        env.reset(seed=seed)
    assert len(worlds()) == before + 1
    [last] = worlds()[-1:]
    del env
    gc.collect()
    last.join(timeout=10)
    assert not last.is_alive()


THREE = {"pf_min": [1, 1, 1], "sf_min": [1, 1, 1], "lambda_pf": [1, 1, 1], "lambda_sf": [1, 1, 1]}


@pytest.mark.parametrize(
    ("scheme", "options", "message"),
    [
        (
            {"codec": {"kind": "sizes", "size_bits": 1e5}},
            {},
            "scheme 'agent': codec sizes has no fidelity that an agent could learn from",
        ),
        ({"codec": {"kind": "jpeg"}}, {}, "scheme 'agent': codec jpeg leaves an agent nothing to decide"),
        ({}, {"scheme": "other"}, "scheme: 'other' is not one of agent"),
        ({}, {"trial_state": True}, "trial_state: scheme 'agent' has a codec that makes no trial encoding"),
        ({"requirement": THREE}, {}, "requirement: has targets for 3 ranks, the task has 2"),
    ],
)
def test_what_is_no_task_for_an_agent_is_refused(make, scheme, options, message):
    with pytest.raises(ntnsim.InputError, match=message):
        make(scheme=scheme, options=options)


def test_wrong_actions_are_refused_and_the_image_still_waits(make):
    env = make()
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(np.array(X, dtype=np.float32))
    env.reset(seed=0)
    for action in (np.zeros(2, np.float32), np.array([0.0, np.nan, 0.0]), "high"):
        with pytest.raises(ntnsim.InputError, match="action: must be 3 finite numbers"):
            env.step(action)
    assert env.step(np.array([-0.1, 1.2, 0.5], dtype=np.float32))[-1]["end"] == "delivered"


def test_without_gymnasium_the_error_says_what_to_install(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "gymnasium", None)
    monkeypatch.delitem(sys.modules, "ntnsim.api.environment", raising=False)
    monkeypatch.delattr(ntnsim, "ImageDeliveryEnv", raising=False)
    with pytest.raises(ntnsim.InputError, match=r"needs gymnasium.*ntnsim\[rl\]"):
        ntnsim.ImageDeliveryEnv  # noqa: B018


@pytest.mark.parametrize(("library", "name"), [("stable_baselines3", "DDPG"), ("sb3_contrib", "TQC")])
def test_stable_baselines_trains_on_it(make, store, library, name):
    import importlib

    kind = getattr(importlib.import_module(library), name)
    own = {"policy": {"kind": "custom", "name": "agent"}}
    env = make(scheme=own)
    agent = kind(
        "MlpPolicy", env, learning_starts=4, batch_size=4, gamma=0.0, seed=0, policy_kwargs={"net_arch": [16]}
    )
    before = [weights.clone() for weights in agent.actor.parameters()]
    agent.learn(total_timesteps=10)
    assert any((old != new).any() for old, new in zip(before, agent.actor.parameters(), strict=True))
    run = ntnsim.run(env.scenario, policies={"agent": env.policy(agent)}, store=store)
    observations, _, _ = played(
        env, SCENARIO["seed"], lambda seen: agent.predict(seen, deterministic=True)[0]
    )
    chosen = [agent.predict(seen, deterministic=True)[0] for seen in observations[:-1]]
    np.testing.assert_allclose(run.records["x_box_growth"], [x[0] for x in chosen], atol=1e-6)
