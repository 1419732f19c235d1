"""From a scenario's policy to a working one. Learning policies are imported only when asked for."""

from dataclasses import replace
from typing import TYPE_CHECKING

from ntnsim.engine.fixed import FixedPolicy
from ntnsim.errors import ScenarioError
from ntnsim.protocols.configuration import Configuration, ConfigurationSpace
from ntnsim.protocols.policy import Policy, Requirement
from ntnsim.scenario.policy import (
    CustomPolicySpec,
    FixedPolicySpec,
    LearningSpec,
    LinearBanditSpec,
    NeuralContextualBanditSpec,
    OraclePolicySpec,
    PolicySpec,
    RandomPolicySpec,
    RequirementSpec,
    SpiffEngineSpec,
)
from ntnsim.streams import stream

if TYPE_CHECKING:
    from ntnsim.engine.actor_bandit import ActorBandit
    from ntnsim.engine.bandit import Bandit
    from ntnsim.engine.linear import LinearBandit


def requirement_from(entity: RequirementSpec) -> Requirement:
    """Return the engine's requirement that a scenario describes: that of the run's start."""
    return Requirement(**entity.model_dump(exclude={"changes"}))


def changes_from(entity: RequirementSpec) -> tuple[tuple[float, Requirement], ...]:
    """Return the requirements that follow, each whole, with the second from which it holds."""
    now, changes = requirement_from(entity), []
    for change in entity.changes:
        now = replace(now, **change.model_dump(exclude={"from_s"}, exclude_none=True))
        changes.append((change.from_s, now))
    return tuple(changes)


def fixed_configuration(entity: FixedPolicySpec, space: ConfigurationSpace) -> Configuration:
    """Return the configuration of a fixed policy, checked against the codec's *space*."""
    below_top = space.n_ranks - 1
    fractions = entity.patch_fractions
    if isinstance(fractions, float | int):
        fractions = (float(fractions),) * below_top
    if len(fractions) != below_top:
        raise ScenarioError(
            f"policy.patch_fractions has {len(fractions)} entries; {space.n_ranks} ranks need {below_top}"
        )
    if entity.coarse_quality > 0 and not space.has_coarse_layer:
        raise ScenarioError(
            f"policy.coarse_quality is {entity.coarse_quality}; this codec has no coarse layer: leave it at 0"
        )
    return Configuration(entity.box_growth, fractions, entity.coarse_quality)


def build_policy(
    entity: PolicySpec, space: ConfigurationSpace, seed: int, own: Policy | None = None
) -> Policy:
    """Return the policy that *entity* describes, for a codec with *space*; all its draws come from *seed*.

    own: the user's policy, where *entity* is of kind ``custom``.
    """
    policy = _unguarded(entity, space, seed) if own is None else own
    if isinstance(entity, OraclePolicySpec) or entity.guard is None:
        return policy
    from ntnsim.engine.guard import GuardedPolicy

    return GuardedPolicy(policy, entity.guard, space)


def _unguarded(entity: PolicySpec, space: ConfigurationSpace, seed: int) -> Policy:
    if isinstance(entity, FixedPolicySpec):
        return FixedPolicy(fixed_configuration(entity, space))
    if isinstance(entity, RandomPolicySpec):
        from ntnsim.engine.uniform import RandomPolicy

        return RandomPolicy(space, stream(seed, "policy", "random"))
    if isinstance(entity, OraclePolicySpec):
        from ntnsim.engine.oracle import OraclePolicy
        from ntnsim.engine.outcome_table import OutcomeTable

        table = OutcomeTable.load(entity.table.location)
        return OraclePolicy(table, space, entity.margin_s, keeps_targets=entity.keeps_targets)
    if isinstance(entity, CustomPolicySpec):
        raise ScenarioError(f"policy {entity.kind} {entity.wanted!r}: no policy was given under this name")
    return build_bandit(entity, space, seed)


def build_bandit(
    entity: SpiffEngineSpec | NeuralContextualBanditSpec | LinearBanditSpec,
    space: ConfigurationSpace,
    seed: int,
) -> "Bandit":
    """Return a learning policy of any kind without its guard."""
    if entity.warm_up == "trials" and not space.has_coarse_layer:
        raise ScenarioError("policy.warm_up: trials needs a codec with a coarse layer, such as spiff")
    if isinstance(entity, LinearBanditSpec):
        return build_linear(entity, space, seed)
    return build_engine(entity, space, seed)


def build_linear(entity: LinearBanditSpec, space: ConfigurationSpace, seed: int) -> "LinearBandit":
    """Return least squares without their guard, restored from their checkpoint if they name one."""
    from ntnsim.engine.linear import LinearBandit

    policy = LinearBandit(entity, space, seed)
    _restore(policy, entity)
    return policy


def _restore(policy: "Bandit", entity: LearningSpec) -> None:
    if entity.checkpoint is not None:
        policy.restore(entity.checkpoint.location)


def build_engine(
    entity: SpiffEngineSpec | NeuralContextualBanditSpec, space: ConfigurationSpace, seed: int
) -> "ActorBandit":
    """Return a policy that learns by networks, without its guard, restored from its checkpoint if it names one."""
    from ntnsim.engine.ncb import NeuralContextualBandit
    from ntnsim.engine.spiff_engine import SpiffEngine

    engine: ActorBandit
    if isinstance(entity, SpiffEngineSpec):
        engine = SpiffEngine(entity, space, seed)
    else:
        engine = NeuralContextualBandit(entity, space, seed)
    _restore(engine, entity)
    return engine
