"""What the SPIFF engine and NCB have in common: the actor, exploration, replay and the pace of learning.

A bandit chooses uniformly at random during the warm-up; then it standardises its targets once, on the warm-up's
outcomes, and from there on learns with every delivery. What its critics are, and how they move the actor, is the
subclass's matter.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ntnsim.arrays import Float32Array, FloatArray
from ntnsim.engine.actor import Actor
from ntnsim.engine.checkpoint import read_checkpoint, write_checkpoint
from ntnsim.engine.conditioning import conditioning_features, interleaved, requirement_vector
from ntnsim.engine.exploration import decayed_share, ou_step
from ntnsim.engine.features import feature_names, state_features
from ntnsim.engine.replay import Replay
from ntnsim.engine.stacked_mlp import StackedMlp, small_network_mode
from ntnsim.engine.standardisation import Standardisation
from ntnsim.protocols.configuration import ConfigurationSpace
from ntnsim.protocols.network_state import NetworkState
from ntnsim.protocols.policy import Decision, DeliveredImage, ImageState, Policy, Requirement
from ntnsim.scenario.policy import LearningSpec
from ntnsim.streams import stream

LONGEST_DEADLINES = (
    5.0  # a delay beyond this many nominal deadlines is learned as this: an outage would swamp the scale
)
RECENT_IMAGES = 500  # deliveries over which diagnostics are taken


class Bandit(Policy, ABC):
    """A learning policy with a deterministic, requirement-conditioned actor."""

    def __init__(self, settings: LearningSpec, space: ConfigurationSpace, seed: int) -> None:
        self.settings = settings
        self.space = space
        self.seed = seed
        self.n_features = len(
            feature_names(space.n_ranks, paper_state=settings.paper_state, trial_state=settings.trial_state)
        )
        self.n_conditions = 4 * space.n_ranks + 2
        self.actor = self.new_actor("actor")
        self.replay = Replay(
            settings.replay_capacity,
            n_features=self.n_features,
            dimension=space.dimension,
            n_ranks=space.n_ranks,
        )
        self.exploration_rng = stream(seed, "engine", "exploration")
        self.update_rng = stream(seed, "engine", "updates")
        self.noise: FloatArray = np.zeros(space.dimension)
        self.standard = Standardisation.none(2 * space.n_ranks + 2)
        self.standardised = False
        self.n_updates = 0
        self.n_unscored = 0
        self._conditions: dict[Requirement, Float32Array] = {}
        self._recent: deque[tuple[float, ...]] = deque(maxlen=RECENT_IMAGES)

    @property
    def learns(self) -> bool:
        """Whether delivered images must be scored: not in evaluation."""
        return not self.settings.evaluate

    @abstractmethod
    def networks(self) -> dict[str, StackedMlp]:
        """Return every network by name, for checkpoints."""

    @abstractmethod
    def predicted_costs(
        self, state: Float32Array, actions: Float32Array, requirement: Requirement, elapsed: float
    ) -> Float32Array:
        """Return what the critics expect each of *actions* [rows, dimension] to cost under *requirement* [rows].

        elapsed: the image's age in nominal deadlines.
        """

    @abstractmethod
    def _update(self) -> None:
        """Take one step of the critics and one of the actor on a minibatch."""

    def new_actor(self, name: str) -> Actor:
        """Return an actor that has learned nothing; *name* is that of its random stream."""
        return Actor(
            n_inputs=self.n_features + self.n_conditions,
            dimension=self.space.dimension,
            n_hidden=self.settings.hidden_units,
            learning_rate=self.settings.actor_learning_rate,
            rng=stream(self.seed, "engine", name),
        )

    def state_of(self, image: ImageState, network: NetworkState) -> Float32Array:
        """Return the state vector [n_features] of this engine's kind."""
        return state_features(
            image,
            network,
            paper_state=self.settings.paper_state,
            nominal_deadline_s=self.settings.nominal_deadline_s,
            trial_state=self.settings.trial_state,
        )

    def best_action(self, image: ImageState, network: NetworkState, requirement: Requirement) -> Float32Array:
        """Return the actor's x [dimension], or the same with β = 1 where the critics find that cheaper."""
        state = self.state_of(image, network)
        action = self.greedy_action(state, requirement)
        if not self.settings.compare_whole_image:
            return action
        both = np.stack((action, action))
        both[1, 0] = 1.0
        elapsed = 0.0 if self.settings.paper_state else image.age_s / self.settings.nominal_deadline_s
        cost = self.predicted_costs(state, both, requirement, elapsed)
        return both[int(cost[1] < cost[0])]

    def greedy_action(self, state: Float32Array, requirement: Requirement) -> Float32Array:
        """Return the actor's x [dimension], without exploration."""
        return self.actor.act_one(np.concatenate((state, self._condition(requirement))))

    def _condition(self, requirement: Requirement) -> Float32Array:
        """Return the inputs [n_conditions] that stand for *requirement*."""
        condition = self._conditions.get(requirement)
        if condition is None:
            vector = requirement_vector(requirement, self.settings.nominal_deadline_s)
            if len(vector) != self.n_conditions:
                raise ValueError(f"a requirement for {self.space.n_ranks} ranks is needed, got {requirement}")
            condition = conditioning_features(vector, self.standard)
            self._conditions[requirement] = condition
        return condition

    def choose(self, image: ImageState, network: NetworkState, requirement: Requirement) -> Decision:
        """Return the best action's configuration, with exploration noise unless in evaluation."""
        if not self.standardised and not self.settings.evaluate:
            return Decision(
                self.space.configuration(self.exploration_rng.random(self.space.dimension).tolist())
            )
        action = self.best_action(image, network, requirement)
        if not self.settings.evaluate:
            settings = self.settings
            self.noise = ou_step(self.noise, settings.noise_theta, settings.noise_sigma, self.exploration_rng)
            share = decayed_share(self.replay.n_seen, settings.noise_half_life_images, settings.noise_floor)
            action = np.clip(action + share * self.noise, 0.0, 1.0)
        return Decision(self.space.configuration(action.tolist()))

    def learn(self, delivered: DeliveredImage) -> None:
        """Remember a delivery and, after the warm-up, update; deliveries that nobody scored teach nothing."""
        if self.settings.evaluate:
            return
        share = self.settings.feedback_share
        if share < 1.0 and self.update_rng.random() >= share:
            self.n_unscored += 1
            return
        if not self.remember(delivered):
            return
        if self.replay.n_seen >= self.settings.warm_up_images:
            self.update(self.settings.updates_per_image)

    def remember(self, delivered: DeliveredImage) -> bool:
        """Put a delivery in the memory; return whether it could be used (every rank scored)."""
        fidelities = interleaved(delivered.pf, delivered.sf)
        if not np.isfinite(fidelities).all():
            self.n_unscored += 1
            return False
        nominal_s = self.settings.nominal_deadline_s
        elapsed_s = 0.0 if self.settings.paper_state else delivered.image.age_s
        outcome = np.array(
            (
                delivered.size_bits / delivered.image.source_bits,
                *fidelities,
                min((delivered.delay_s - elapsed_s) / nominal_s, LONGEST_DEADLINES),
            )
        )
        state = self.state_of(delivered.image, delivered.network)
        action = self.space.vector(delivered.configuration)
        if self.standardised:
            self._recent.append(self._judge(delivered, state, action, outcome))
        self.replay.append(
            state=state,
            action=action,
            outcome=outcome,
            requirement=requirement_vector(delivered.requirement, nominal_s),
            elapsed=elapsed_s / nominal_s,
        )
        return True

    def update(self, n_updates: int) -> None:
        """Take *n_updates* updates; the first one standardises the targets on what the memory holds."""
        if not self.standardised:
            self.standard = Standardisation.of(self.replay.part("outcome").astype(np.float64))
            self.standardised = True
            self._conditions.clear()
        settings = self.settings
        steps = [(network, network.learning_rate) for network in self.networks().values()]
        with small_network_mode():
            for _ in range(n_updates):
                share = decayed_share(
                    self.n_updates, settings.learning_rate_half_life_updates, settings.learning_rate_floor
                )
                for network, full_step in steps:
                    network.learning_rate = full_step * share
                self._update()
                self.n_updates += 1
        for network, full_step in steps:
            network.learning_rate = full_step

    def _judge(
        self, delivered: DeliveredImage, state: Float32Array, action: tuple[float, ...], outcome: FloatArray
    ) -> tuple[float, ...]:
        """Return one delivery's figures for the diagnostics, in the order of `_judged_names`."""
        requirement = delivered.requirement
        return (
            float(outcome[0]),
            *(
                float(reached >= wanted)
                for reached, wanted in zip(
                    outcome[1:-1], interleaved(requirement.pf_min, requirement.sf_min), strict=True
                )
            ),
            float(delivered.delay_s <= requirement.deadline_s),
        )

    def fidelity_names(self) -> tuple[str, ...]:
        """Return the fidelities' names in the order of critics."""
        return tuple(f"{kind}_{rank}" for rank in range(self.space.n_ranks) for kind in ("pf", "sf"))

    def _judged_names(self) -> tuple[str, ...]:
        return ("bits_share", *(f"{name}_met" for name in self.fidelity_names()), "deadline_met")

    def diagnostics(self) -> Mapping[str, float]:
        """Return counters, and means over the last deliveries after the warm-up (``recent_…``)."""
        figures: dict[str, float] = {
            "images_learned": float(self.replay.n_seen),
            "images_unscored": float(self.n_unscored),
            "updates": float(self.n_updates),
            "noise_share": decayed_share(
                self.replay.n_seen, self.settings.noise_half_life_images, self.settings.noise_floor
            ),
        }
        if self._recent:
            means = np.mean(np.array(self._recent), axis=0)
            names = self._judged_names()
            figures.update({f"recent_{name}": float(mean) for name, mean in zip(names, means, strict=True)})
        return figures

    def save(self, directory: Path) -> None:
        """Write a checkpoint into *directory*; in evaluation nothing was learned, and nothing is written."""
        if self.learns:
            networks = {name: network.state() for name, network in self.networks().items()}
            write_checkpoint(directory, self.identity(), self.variables(), networks, self.replay)

    def restore(self, directory: Path) -> None:
        """Go on from the checkpoint in *directory*, of an engine with the same kind, space and network settings."""
        variables, networks, rows = read_checkpoint(directory, self.identity())
        for name, network in self.networks().items():
            network.restore(networks[name])
        self.replay.restore(rows, int(variables["n_seen"]))
        self.restore_variables(variables)

    def identity(self) -> dict[str, Any]:
        """Return what must agree between a checkpoint and the engine that takes it over."""
        settings = self.settings
        return {
            "kind": getattr(settings, "kind", type(self).__name__),
            "n_ranks": self.space.n_ranks,
            "has_coarse_layer": self.space.has_coarse_layer,
            "paper_state": settings.paper_state,
            "hidden_units": settings.hidden_units,
            "n_quantiles": getattr(settings, "n_quantiles", None),
            "nominal_deadline_s": settings.nominal_deadline_s,
            "replay_capacity": settings.replay_capacity,
        }

    def variables(self) -> dict[str, Any]:
        """Return everything outside the networks and the memory that a resumed engine needs, as JSON values."""
        return {
            "n_seen": self.replay.n_seen,
            "n_updates": self.n_updates,
            "n_unscored": self.n_unscored,
            "standardised": self.standardised,
            **self.standard.variables(),
            "noise": self.noise.tolist(),
            "exploration_rng": self.exploration_rng.bit_generator.state,
            "update_rng": self.update_rng.bit_generator.state,
            "recent": [list(row) for row in self._recent],
        }

    def restore_variables(self, variables: dict[str, Any]) -> None:
        """Take over what `variables` returned; the memory's rows are restored apart."""
        self.n_updates = int(variables["n_updates"])
        self.n_unscored = int(variables["n_unscored"])
        self.standardised = bool(variables["standardised"])
        self.standard = Standardisation(np.array(variables["offset"]), np.array(variables["scale"]))
        self.noise = np.array(variables["noise"])
        self.exploration_rng.bit_generator.state = variables["exploration_rng"]
        self.update_rng.bit_generator.state = variables["update_rng"]
        self._recent = deque((tuple(row) for row in variables["recent"]), maxlen=RECENT_IMAGES)
        self._conditions.clear()
