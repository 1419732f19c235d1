"""From a scenario's policy to a working one. Learning policies are imported only when asked for."""

from ntnsim.engine.fixed import FixedPolicy
from ntnsim.engine.policy import Policy
from ntnsim.engine.policy import Requirement as Requirement
from ntnsim.errors import ScenarioError
from ntnsim.scenario import policy as spec
from ntnsim.spiff.configuration import Configuration, ConfigurationSpace


def requirement_from(entity: spec.Requirement) -> Requirement:
    """Return the engine's requirement that a scenario describes."""
    return Requirement(**entity.model_dump())


def fixed_configuration(entity: spec.FixedPolicy, space: ConfigurationSpace) -> Configuration:
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


def build_policy(entity: spec.Policy, space: ConfigurationSpace, seed: int) -> Policy:
    """Return the policy that *entity* describes, for a codec with *space*; its draws come from *seed*."""
    if isinstance(entity, spec.FixedPolicy):
        return FixedPolicy(fixed_configuration(entity, space))
    raise ScenarioError(f"policy kind {entity.kind!r} is not available")
