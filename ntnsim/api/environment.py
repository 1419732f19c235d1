"""The simulated world as a Gymnasium environment: one step is one image, the action is its configuration."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from ntnsim.api.agent import BOUND, AgentPolicy, AgentView, acting
from ntnsim.api.stepped_world import SteppedWorld
from ntnsim.arrays import Float32Array
from ntnsim.engine.bandit import LONGEST_DEADLINES
from ntnsim.engine.build import changes_from, requirement_from
from ntnsim.errors import InputError
from ntnsim.given import parts_given
from ntnsim.own_parts import ChannelMaker, OwnParts, PolicyMaker
from ntnsim.protocols.codec import Codec
from ntnsim.protocols.policy import DeliveredImage, LostImage, Policy, Requirement
from ntnsim.runs import default_store, pictures_digest, profile_sources, way_of
from ntnsim.scenario.codec import CaptionCodecSpec, WholeImageCodecSpec
from ntnsim.scenario.load import scenario_given
from ntnsim.scenario.policy import CustomPolicySpec, FixedPolicySpec
from ntnsim.scenario.scenario import Scenario
from ntnsim.scenario.scheme import SchemeSpec
from ntnsim.scenario.sizes import SizesCodecSpec
from ntnsim.schemes import Assembled, SchemeAssembly
from ntnsim.sky.space_segment import terminal_links
from ntnsim.world.faults import satellite_outages
from ntnsim.world.world import World

try:
    import gymnasium
except ImportError:
    raise InputError(
        "ImageDeliveryEnv: needs gymnasium, which is not installed; pip install 'ntnsim[rl]'"
    ) from None

if TYPE_CHECKING:
    from ntnsim.images.outcome_store import OutcomeStore

ENVIRONMENT_ID = "ntnsim/ImageDelivery-v0"
_NONE: Mapping[str, Any] = MappingProxyType({})
_LARGEST_SEED = 2**31


class ImageDeliveryEnv(gymnasium.Env[Float32Array, Float32Array]):
    """A scheme of a scenario, with its decisions left to an agent.

    The world is that of ``ntnsim.run`` with the same seed: sources, queues, passes and faults as the scenario has them.
    A step sends one image and ends when its outcome is known and the next decision is due. Images that fall due in
    between are decided by the scheme's own policy or, where that is a custom one that was not given (the agent to be),
    with the x of the step; where arrivals are rarer than deliveries there are none.

    Observation: float32, the engine's state s and Ω_t; ``view.names`` says what each entry is. Times are in deadlines.
    Action: x = (β, p(0) … p(R−2)[, q]), float32 in [0, 1].
    Reward: −C of BITS (Eq. 2, the deadline as a penalty): bits as a share of the source's, λ times what each fidelity
    lacks of F_min, and λ times the delay's excess, in deadlines. As for the engine, a delay counts as five deadlines at
    most; a lost image counts as that late and has fidelity 0.
    Episode: the scenario's horizon; its end truncates. An image's cost is its own, so a discount of 0 fits.

    ``info`` of a step: ``cost`` and its terms, ``bits_share``, ``penalty_pf_0`` …, ``penalty_sf_0`` … and
    ``penalty_delay``; what they are made of, ``size_bits``, ``pf_0`` …, ``sf_0`` …, ``delay_s`` (inf if lost) and
    ``deadline_s``; ``end``: ``delivered``, why it was dropped, or ``in flight`` where the horizon cut it off (its bits
    then count as 0).

    scenario: a `Scenario` or the path of one. scheme: name of the scheme; the first unless given.
    policies, codecs, channels: parts of your own, as for ``ntnsim.run``.
    paper_state: the rank fractions alone. trial_state: with what the codec's trial encoding showed (its ``trial``).
    store: where outcomes of the networks are kept between runs; the user's cache directory unless given.

    Raises InputError where scenario or scheme leave an agent nothing to decide or to learn from.

    >>> import ntnsim
    >>> env = ntnsim.ImageDeliveryEnv("scenarios/quickstart.yaml")
    >>> observation, info = env.reset(seed=1)
    >>> observation, reward, ended, cut_off, info = env.step(env.action_space.sample())
    >>> len(observation) == len(env.view.names), reward == -info["cost"]
    (True, True)
    >>> env.close()
    """

    def __init__(
        self,
        scenario: Scenario | Path | str,
        scheme: str | None = None,
        *,
        policies: Mapping[str, Policy | PolicyMaker] = _NONE,
        codecs: Mapping[str, Codec] = _NONE,
        channels: Mapping[str, ChannelMaker] = _NONE,
        paper_state: bool = False,
        trial_state: bool = False,
        store: "OutcomeStore | None" = None,
        render_mode: None = None,
    ) -> None:
        self.scenario = scenario_given(scenario)
        self._own = OwnParts(
            parts_given("policies", policies),
            parts_given("codecs", codecs),
            parts_given("channels", channels),
        )
        self._store = store or default_store()
        self._program = pictures_digest()
        self._scheme = _scheme_named(self.scenario, scheme)
        own_policy = self._scheme.policy
        self._agent_to_be = (
            isinstance(own_policy, CustomPolicySpec)
            and own_policy.kind == "custom"
            and own_policy.name not in policies
        )
        if self._agent_to_be:
            self._scheme = self._scheme.model_copy(update={"policy": FixedPolicySpec()})
        assembled = self._assembled(self.scenario)
        self._requirement = requirement_from(self._scheme.requirement or self.scenario.requirement)
        n_ranks = assembled.imaging.n_ranks
        if len(self._requirement.pf_min) != n_ranks:
            raise InputError(
                f"requirement: has targets for {len(self._requirement.pf_min)} ranks, the task has {n_ranks}"
            )
        if trial_state and not getattr(self._scheme.codec, "trial_qualities", ()):
            raise InputError(
                f"trial_state: scheme {self._scheme.name!r} has a codec that makes no trial encoding"
            )
        self.view = AgentView(assembled.space, paper_state=paper_state, trial_state=trial_state)
        shape = (len(self.view.names),)
        self.observation_space = gymnasium.spaces.Box(-BOUND, BOUND, shape, np.float32)
        self.action_space = gymnasium.spaces.Box(0.0, 1.0, (assembled.space.dimension,), np.float32)
        self._observation: Float32Array = np.zeros(shape, dtype=np.float32)
        self._world: SteppedWorld | None = None

    def reset(
        self, *, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Float32Array, dict[str, Any]]:
        """Start an episode and return its first observation, and ``seed`` in the info.

        seed: of the world, as ``seed`` of a scenario; the same seed is the same world. Without it, one is drawn.
        options: none are known.
        """
        super().reset(seed=seed)
        self.close()
        world_seed = int(self.np_random.integers(_LARGEST_SEED)) if seed is None else seed
        scenario = self.scenario.model_copy(update={"seed": world_seed})
        assembled = self._assembled(scenario)
        terminals = terminal_links(scenario, satellite_outages(scenario.faults, scenario.seed))
        way = way_of(scenario)

        def world(policy: Policy) -> World:
            """Return the scheme's world under *policy*; its records go nowhere."""
            return World(
                scenario,
                self._scheme.name,
                assembled.imaging,
                policy,
                self._requirement,
                write=lambda columns: None,
                changes=changes_from(self._scheme.requirement or self.scenario.requirement),
                profile_sources=profile_sources(scenario, terminals, self._own),
                way=way,
            )

        self._world = SteppedWorld(world, None if self._agent_to_be else assembled.policy)
        if not self._observed():
            raise InputError(f"scenario {scenario.name!r}: ends before any image needs a decision")
        return self._observation.copy(), {"seed": world_seed}

    def step(self, action: Float32Array) -> tuple[Float32Array, float, bool, bool, dict[str, Any]]:
        """Send the image that waits with x = *action*, clipped to [0, 1]; return when the next one waits."""
        if self._world is None or self._world.question is None:
            raise gymnasium.error.ResetNeeded("step: no episode is under way; call reset first")
        configuration = self.view.configuration(action)
        requirement = self._world.question.requirement
        source_bits = self._world.question.image.source_bits
        outcome = self._world.decide(configuration)
        cost, info = judged(outcome, requirement, source_bits)
        goes_on = self._observed()
        return self._observation.copy(), -cost, False, not goes_on, info

    def policy(self, agent: Any) -> Policy:
        """Return *agent* as a policy, for ``ntnsim.run(…, policies={…})`` of any scenario with the same kind of codec.

        agent: a trained agent of Stable-Baselines3 (its ``predict``), or a function from an observation to an action.
        """
        return AgentPolicy(acting(agent), self.view)

    def close(self) -> None:
        """End the episode that is under way, if any."""
        if self._world is not None:
            self._world.close()
        self._world = None

    def _assembled(self, scenario: Scenario) -> Assembled:
        return SchemeAssembly(scenario, self._store, self._program, self._own).assemble(self._scheme)

    def _observed(self) -> bool:
        """Look at the image that waits; return whether one does. At the end the last observation stays."""
        question = self._world.question if self._world is not None else None
        if question is not None:
            self._observation = self.view.observation(*question)
        return question is not None


def judged(
    outcome: DeliveredImage | LostImage | None, requirement: Requirement, source_bits: float
) -> tuple[float, dict[str, Any]]:
    """Return the cost of an image's *outcome* (None: cut off on its way), and the terms that it is the sum of."""
    n_ranks = len(requirement.pf_min)
    if isinstance(outcome, DeliveredImage):
        pf, sf, delay_s, end = outcome.pf, outcome.sf, outcome.delay_s, "delivered"
    else:
        pf = sf = (0.0,) * n_ranks
        delay_s, end = np.inf, "in flight" if outcome is None else outcome.reason
    size_bits = 0 if outcome is None else outcome.size_bits
    terms = {"bits_share": size_bits / source_bits}
    for rank in range(n_ranks):
        terms[f"penalty_pf_{rank}"] = requirement.lambda_pf[rank] * max(
            requirement.pf_min[rank] - pf[rank], 0.0
        )
        terms[f"penalty_sf_{rank}"] = requirement.lambda_sf[rank] * max(
            requirement.sf_min[rank] - sf[rank], 0.0
        )
    deadlines = min(delay_s / requirement.deadline_s, LONGEST_DEADLINES)
    terms["penalty_delay"] = requirement.lambda_delay * max(deadlines - 1.0, 0.0)
    cost = float(sum(terms.values()))
    info: dict[str, Any] = {"cost": cost, **terms, "size_bits": size_bits}
    for rank in range(n_ranks):
        info |= {f"pf_{rank}": pf[rank], f"sf_{rank}": sf[rank]}
    return cost, {**info, "delay_s": float(delay_s), "deadline_s": requirement.deadline_s, "end": end}


def _scheme_named(scenario: Scenario, name: str | None) -> SchemeSpec:
    """Return the scheme called *name*, or the first; refuse one whose codec an agent can do nothing with."""
    schemes = {scheme.name: scheme for scheme in scenario.schemes}
    if name is not None and name not in schemes:
        raise InputError(f"scheme: {name!r} is not one of {', '.join(schemes)}")
    scheme = scenario.schemes[0] if name is None else schemes[name]
    if isinstance(scheme.codec, SizesCodecSpec):
        raise InputError(
            f"scheme {scheme.name!r}: codec sizes has no fidelity that an agent could learn from"
        )
    if isinstance(scheme.codec, WholeImageCodecSpec | CaptionCodecSpec):
        raise InputError(
            f"scheme {scheme.name!r}: codec {scheme.codec.kind} leaves an agent nothing to decide"
        )
    return scheme


if ENVIRONMENT_ID not in gymnasium.registry:
    gymnasium.register(ENVIRONMENT_ID, f"{__name__}:{ImageDeliveryEnv.__name__}")
