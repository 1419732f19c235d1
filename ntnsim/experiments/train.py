"""Train engines where they will work: simulate a scenario, let its learning policies learn, keep what they became.

Each scheme with a learning policy is simulated in its own world; its engine is saved under the scheme's name. A
scenario uses it by `policy: {kind: …, checkpoint: DIR/NAME, evaluate: true}`; without `evaluate` it learns on.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ntnsim.engine.bandit import Bandit
from ntnsim.engine.build import requirement_from
from ntnsim.engine.checkpoint import save_engine
from ntnsim.engine.guard import GuardedPolicy
from ntnsim.engine.policy import Policy
from ntnsim.errors import ScenarioError
from ntnsim.results.provenance import code_digest, digest, package_versions
from ntnsim.run import default_store
from ntnsim.scenario.load import load_scenario
from ntnsim.scenario.policy import Learning
from ntnsim.scenario.scenario import Scenario
from ntnsim.schemes import SchemeAssembly
from ntnsim.spiff.outcome_store import OutcomeStore
from ntnsim.world.build import simulate
from ntnsim.world.space_segment import TerminalLink, terminal_profile_source


@dataclass(frozen=True)
class Trained:
    """One engine, where it was saved, and its figures at the end."""

    scheme: str
    directory: Path
    diagnostics: Mapping[str, float]


def train_scenario_file(
    path: Path,
    overrides: Sequence[str],
    out: Path,
    *,
    store: OutcomeStore | None = None,
    progress: Callable[[str, int, float], None] | None = None,
) -> list[Trained]:
    """Simulate the scenario at *path* and save each learning scheme's engine to *out*/SCHEME.

    progress: called now and then with scheme, images that ended, simulated seconds.
    """
    scenario = load_scenario(path, overrides)
    learners = [
        scheme
        for scheme in scenario.schemes
        if isinstance(scheme.policy, Learning) and not scheme.policy.evaluate
    ]
    if not learners:
        kinds = ", ".join(sorted({scheme.policy.kind for scheme in scenario.schemes}))
        raise ScenarioError(
            f"{path}: no scheme has a policy that learns (spiff-engine or ncb); found {kinds}"
        )
    assembly = assembly_of(scenario, path.parent, store)
    links = links_of(scenario)
    trained = []
    for scheme in learners:
        assembled = assembly.assemble(scheme)
        simulate(
            scenario,
            scheme.name,
            assembled.imaging,
            assembled.policy,
            requirement_from(scheme.requirement or scenario.requirement),
            lambda columns: None,
            profile_sources=links,
            progress=None if progress is None else partial(progress, scheme.name),
            base=path.parent,
        )
        save_engine(engine_of(assembled.policy), out / scheme.name)
        trained.append(Trained(scheme.name, out / scheme.name, dict(assembled.policy.diagnostics())))
    return trained


def engine_of(policy: Policy) -> Bandit:
    """Return the engine within *policy*, guarded or not."""
    inner = policy.guarded if isinstance(policy, GuardedPolicy) else policy
    if not isinstance(inner, Bandit):
        raise TypeError(f"{type(inner).__name__} is not a learning policy")
    return inner


def assembly_of(scenario: Scenario, base: Path, store: OutcomeStore | None = None) -> SchemeAssembly:
    """Return the maker of *scenario*'s schemes; its outcomes are shared with runs of the same program."""
    versions = digest({"code": code_digest(), "packages": package_versions()})
    return SchemeAssembly(scenario, base, store or default_store(), versions)


def links_of(scenario: Scenario) -> dict[str, TerminalLink]:
    """Return the satellite link of every gateway, if satellites fly in this scenario."""
    if scenario.satellite_link.kind != "orbit":
        return {}
    return {
        gateway.name: terminal_profile_source(
            scenario.space, scenario.radio, gateway, scenario.seed, start_utc=scenario.start_utc
        )
        for gateway in scenario.gateways
    }
