"""What all learning policies have in common: state, warm-up, memory, feedback, checkpoints and their diagnostics.

A bandit chooses uniformly at random during the warm-up; from there on it learns with every delivery, and counts the
targets of requirements in the spread of the warm-up's outcomes. What it learns, and how it chooses, is the subclass's
matter: networks with an actor (`actor_bandit.py`) or least squares (`linear.py`).
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ntnsim.arrays import Float32Array, FloatArray
from ntnsim.engine.checkpoint import read_checkpoint, write_checkpoint
from ntnsim.engine.conditioning import Priced, conditioning_features, interleaved, requirement_vector
from ntnsim.engine.features import feature_names, state_features
from ntnsim.engine.first_guess import FirstGuess
from ntnsim.engine.objective import realised_cost
from ntnsim.engine.queue_price import backlog_price
from ntnsim.engine.replay import Replay
from ntnsim.engine.sizes import Looks, SeenSizes
from ntnsim.engine.stacked_mlp import StackedMlp
from ntnsim.engine.standardisation import Standardisation
from ntnsim.protocols.configuration import Configuration, ConfigurationSpace
from ntnsim.protocols.network_state import NetworkState
from ntnsim.protocols.policy import Decision, DeliveredImage, ImageState, Policy, Requirement
from ntnsim.scenario.policy import LearningSpec
from ntnsim.streams import stream

LONGEST_DEADLINES = (
    5.0  # a delay beyond this many nominal deadlines is learned as this: an outage would swamp the scale
)
RECENT_IMAGES = 500  # deliveries over which diagnostics are taken


class Bandit(Policy, ABC):
    """A policy that learns from what its decisions came to."""

    def __init__(self, settings: LearningSpec, space: ConfigurationSpace, seed: int) -> None:
        self.settings = settings
        self.space = space
        self.seed = seed
        self.n_features = len(
            feature_names(space.n_ranks, paper_state=settings.paper_state, trial_state=settings.trial_state)
        )
        self.n_conditions = 4 * space.n_ranks + 2
        self.replay = Replay(
            settings.replay_capacity,
            n_features=self.n_features,
            dimension=space.dimension,
            n_ranks=space.n_ranks,
            half_life=settings.memory_half_life_images,
        )
        self.exploration_rng = stream(seed, "engine", "exploration")
        self.update_rng = stream(seed, "engine", "updates")
        self.standard = Standardisation.none(2 * space.n_ranks + 2)
        self.standardised = False
        self.n_updates = 0
        self.n_unscored = 0
        self._first_guess = FirstGuess(space) if settings.warm_up == "trials" else None
        self._conditions: dict[Requirement, Float32Array] = {}
        self._prices: dict[Requirement, Priced] = {}
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

    def predicted_bits(self, state: Float32Array, actions: Float32Array) -> Float32Array:
        """Return the expected bits share of *actions* [rows, dimension], of policies that tell bits apart."""
        raise NotImplementedError(f"{type(self).__name__} does not tell bits apart")

    def decision_costs(
        self,
        state: Float32Array,
        image: ImageState,
        network: NetworkState,
        requirement: Requirement,
        actions: Float32Array,
    ) -> Float32Array:
        """Return what decisions minimise over *actions* [rows, dimension]: C^agg, and the queue's price of the bits.

        state: that of *image* in *network*.
        """
        cost = self.predicted_costs(state, actions, requirement, self.elapsed(image))
        price = backlog_price(network, requirement.deadline_s, self.settings.queue_price)
        if price > 0.0:
            cost = cost + np.float32(price) * self.predicted_bits(state, actions)
        return cost

    @abstractmethod
    def _take_updates(self, n_updates: int) -> None:
        """Learn from the memory, and count the updates."""

    def state_of(self, image: ImageState, network: NetworkState) -> Float32Array:
        """Return the state vector [n_features] of this engine's kind."""
        return state_features(
            image,
            network,
            paper_state=self.settings.paper_state,
            nominal_deadline_s=self.settings.nominal_deadline_s,
            trial_state=self.settings.trial_state,
        )

    @abstractmethod
    def best_action(self, image: ImageState, network: NetworkState, requirement: Requirement) -> Float32Array:
        """Return the x [dimension] that this policy believes best."""

    @abstractmethod
    def candidates(self, state: Float32Array, requirement: Requirement) -> Float32Array:
        """Return the x [rows, dimension] among which a decision is made."""

    def ranked(
        self, image: ImageState, network: NetworkState, requirement: Requirement
    ) -> list[Configuration]:
        """Return the configurations among which a decision is made, cheapest first."""
        state = self.state_of(image, network)
        tried = self.candidates(state, requirement)
        cost = self.decision_costs(state, image, network, requirement, tried)
        return [self.space.configuration(x) for x in tried[np.argsort(cost, kind="stable")].tolist()]

    def seen_sizes(self) -> SeenSizes:
        """Return the sizes of what is remembered."""
        what = Looks(density=not self.settings.paper_state, trials=self.settings.trial_state)
        seen = what.of_states(self.replay.part("state").astype(np.float64), self.space.n_ranks)
        log_shares = np.log(self.replay.part("outcome")[:, 0].astype(np.float64))
        return SeenSizes(what, seen, self.replay.part("action").astype(np.float64), log_shares)

    @abstractmethod
    def exploring_action(
        self, image: ImageState, network: NetworkState, requirement: Requirement
    ) -> Float32Array:
        """Return the x [dimension] to send while learning."""

    def elapsed(self, image: ImageState) -> float:
        """Return the image's age in nominal deadlines, as far as this kind of state knows it."""
        return 0.0 if self.settings.paper_state else image.age_s / self.settings.nominal_deadline_s

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

    def _priced(self, requirement: Requirement) -> Priced:
        """Return the weights and targets of *requirement*, one row."""
        price = self._prices.get(requirement)
        if price is None:
            vector = requirement_vector(requirement, self.settings.nominal_deadline_s)
            price = self._prices[requirement] = Priced.of(vector[None])
        return price

    def choose(self, image: ImageState, network: NetworkState, requirement: Requirement) -> Decision:
        """Return the best action's configuration; while learning, the exploring one's, or the warm-up's."""
        if self.settings.evaluate:
            action = self.best_action(image, network, requirement)
        elif self.standardised:
            action = self.exploring_action(image, network, requirement)
        else:
            action = self._warm_up_action(image, network, requirement)
        return Decision(self.space.configuration(action.tolist()))

    def _warm_up_action(
        self, image: ImageState, network: NetworkState, requirement: Requirement
    ) -> npt.NDArray[np.floating]:
        """Return the x [dimension] to send before anything was learned."""
        if self._first_guess is None:
            return self.exploration_rng.random(self.space.dimension)
        return self._first_guess.drawn(self.state_of(image, network), requirement, self.exploration_rng)

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
        outcome = self.outcome_of(delivered)
        if outcome is None:
            self.n_unscored += 1
            return False
        state = self.state_of(delivered.image, delivered.network)
        action = self.space.vector(delivered.configuration)
        if self.standardised:
            self._recent.append(self._judge(delivered, state, action, outcome))
        self.replay.append(
            state=state,
            action=action,
            outcome=outcome,
            requirement=requirement_vector(delivered.requirement, self.settings.nominal_deadline_s),
            elapsed=self.elapsed(delivered.image),
        )
        return True

    def outcome_of(self, delivered: DeliveredImage) -> FloatArray | None:
        """Return bits share, fidelities and remaining delay in nominal deadlines [2R+2]; None if a rank is unscored."""
        fidelities = interleaved(delivered.pf, delivered.sf)
        if not np.isfinite(fidelities).all():
            return None
        delay = delivered.delay_s / self.settings.nominal_deadline_s - self.elapsed(delivered.image)
        share = delivered.size_bits / delivered.image.source_bits
        return np.array((share, *fidelities, min(delay, LONGEST_DEADLINES)))

    def update(self, n_updates: int) -> None:
        """Take *n_updates* updates; the first one standardises the targets on what the memory holds."""
        if not self.standardised:
            self.standard = Standardisation.of(self.replay.part("outcome").astype(np.float64))
            self.standardised = True
            self._conditions.clear()
        self._take_updates(n_updates)

    def _judge(
        self, delivered: DeliveredImage, state: Float32Array, action: tuple[float, ...], outcome: FloatArray
    ) -> tuple[float, ...]:
        """Return one delivery's figures for the diagnostics, in the order of `_judged_names`."""
        requirement, elapsed = delivered.requirement, self.elapsed(delivered.image)
        price = self._priced(requirement)
        whole = outcome.copy()
        whole[-1] += elapsed
        cost = realised_cost(whole[None], price.weights, price.targets, price.delay_weight, price.deadline)
        expected = self.predicted_costs(state, np.array([action], dtype=np.float32), requirement, elapsed)
        return (
            float(cost[0]),
            float(expected[0]),
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
        met = (*(f"{name}_met" for name in self.fidelity_names()), "deadline_met")
        return ("cost", "predicted_cost", "bits_share", *met)

    def diagnostics(self) -> Mapping[str, float]:
        """Return counters, and means over the last deliveries after the warm-up (``recent_…``)."""
        figures: dict[str, float] = {
            "images_learned": float(self.replay.n_seen),
            "images_unscored": float(self.n_unscored),
            "updates": float(self.n_updates),
        }
        if self._recent:
            means = np.mean(np.array(self._recent), axis=0)
            names = self._judged_names()
            figures.update({f"recent_{name}": float(mean) for name, mean in zip(names, means, strict=True)})
        return figures

    def lesson(self) -> Mapping[str, float]:
        """Return the last delivery's figures, as it was predicted before it was learned; empty in the warm-up."""
        return dict(zip(self._judged_names(), self._recent[-1], strict=True)) if self._recent else {}

    def save(self, directory: Path) -> None:
        """Write a checkpoint into *directory*; in evaluation nothing was learned, and nothing is written."""
        if self.learns:
            arrays = {name: network.state() for name, network in self.networks().items()} | self.arrays()
            write_checkpoint(directory, self.identity(), self.variables(), arrays, self.replay)

    def restore(self, directory: Path) -> None:
        """Go on from the checkpoint in *directory*, of an engine with the same kind, space and network settings."""
        variables, arrays, rows = read_checkpoint(directory, self.identity())
        for name, network in self.networks().items():
            network.restore(arrays[name])
        self.restore_arrays(arrays)
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
            "hidden_units": getattr(settings, "hidden_units", None),
            "n_quantiles": getattr(settings, "n_quantiles", None),
            "nominal_deadline_s": settings.nominal_deadline_s,
            "replay_capacity": settings.replay_capacity,
        }

    def arrays(self) -> dict[str, dict[str, FloatArray]]:
        """Return what has been learned besides networks and memory, as groups of named arrays."""
        return {}

    def restore_arrays(self, arrays: Mapping[str, Mapping[str, Any]]) -> None:
        """Take over what `arrays` returned."""

    def variables(self) -> dict[str, Any]:
        """Return all that a resumed engine needs outside networks, arrays and memory, as JSON values."""
        return {
            "n_seen": self.replay.n_seen,
            "n_updates": self.n_updates,
            "n_unscored": self.n_unscored,
            "standardised": self.standardised,
            **self.standard.variables(),
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
        self.exploration_rng.bit_generator.state = variables["exploration_rng"]
        self.update_rng.bit_generator.state = variables["update_rng"]
        self._recent = deque((tuple(row) for row in variables["recent"]), maxlen=RECENT_IMAGES)
        self._conditions.clear()
