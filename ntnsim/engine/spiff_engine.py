"""The paper's engine (Sec. VI): distributional critics learn the terms of BITS, the actor descends through them."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch

from ntnsim.arrays import Float32Array, FloatArray
from ntnsim.engine.actor_bandit import ActorBandit
from ntnsim.engine.calibration import Calibration
from ntnsim.engine.conditioning import Priced, RequirementLaw, conditioning_features, requirement_vector
from ntnsim.engine.critics import QuantileCritics, quantile_at
from ntnsim.engine.effective import effective, has_box, pulled_back
from ntnsim.engine.objective import expected_cost, hinges
from ntnsim.engine.stacked_mlp import StackedMlp, small_network_mode
from ntnsim.protocols.configuration import ConfigurationSpace
from ntnsim.protocols.policy import DeliveredImage, Requirement
from ntnsim.scenario.policy import SpiffEngineSpec
from ntnsim.streams import stream

AT_ZERO = 0.25  # share of the entries of x that a search sets to 0


class SpiffEngine(ActorBandit):
    """Actor and 2R+2 quantile critics."""

    settings: SpiffEngineSpec

    def __init__(self, settings: SpiffEngineSpec, space: ConfigurationSpace, seed: int) -> None:
        super().__init__(settings, space, seed)
        self.critics = QuantileCritics(
            n_critics=2 * space.n_ranks + 2,
            n_inputs=self.n_features + space.dimension,
            n_hidden=settings.hidden_units,
            n_quantiles=settings.n_quantiles,
            kappa=settings.huber_kappa,
            learning_rate=settings.critic_learning_rate,
            rng=stream(seed, "engine", "critics"),
        )
        self.calibration = Calibration(2 * space.n_ranks + 1, settings.risk_level)
        self._prices: dict[Requirement, Priced] = {}
        self.law = RequirementLaw.of(settings.requirement_range, space.n_ranks, settings.seen_share)

    def networks(self) -> dict[str, StackedMlp]:
        """Return actor and critics."""
        return {"actor": self.actor.network, "critics": self.critics.network}

    def _update(self) -> None:
        settings = self.settings
        rows = self.replay.draw(settings.minibatch, self.update_rng)
        states = torch.from_numpy(rows["state"])
        targets = torch.from_numpy(self.standard.applied(rows["outcome"]).T.copy())
        requirements = self.law.draw(rows["requirement"], self.update_rng)
        conditions = torch.from_numpy(conditioning_features(requirements, self.standard))

        proposed = self.actor.act(torch.cat((states, conditions), 1))
        # Some rows are priced a second time, at a uniformly drawn x.
        n_searched = round(settings.search_share * settings.minibatch)
        drawn = self.update_rng.random((n_searched, self.space.dimension), dtype=np.float32)
        actions = torch.cat((torch.from_numpy(rows["action"]), proposed, torch.from_numpy(drawn)))
        price = Priced.of(np.concatenate((requirements, requirements[:n_searched])))
        elapsed = rows["elapsed"][:, 0]
        cost, gradient = self.critics.fit_and_price(
            self._inputs(torch.cat((states, states, states[:n_searched])), actions),
            targets,
            standard=self.standard,
            penalties=hinges(
                price, np.concatenate((elapsed, elapsed[:n_searched])), self.standard, self._shift
            ),
            risk_level=settings.risk_level,
            dimension=self.space.dimension,
            n_proposed=settings.minibatch,
        )
        gradient = self._gradient(gradient, states, proposed)
        if n_searched:
            n_proposed = settings.minibatch
            gradient[:n_searched] += secant(
                proposed[:n_searched], cost[:n_searched], drawn, cost[n_proposed:]
            )
        self.actor.descend(gradient / settings.minibatch)

    def settle(self, n_steps: int, n_drawn: int = 16) -> None:
        """Let a new actor take *n_steps* steps through critics as they are: the end of offline learning.

        The old one may sit in a corner that it found while the critics knew little.
        Where the cheapest of *n_drawn* other x is cheaper than the proposal, the slope between the two replaces the
        gradient: from where the box is the whole image, no gradient leads to a better optimum elsewhere.
        """
        self.actor = self.new_actor("settled actor")
        settings, dimension = self.settings, self.space.dimension
        batch = settings.minibatch
        full_step = self.actor.network.learning_rate
        for step in range(n_steps):
            self.actor.network.learning_rate = full_step * (1.0 - step / n_steps)
            with small_network_mode():
                rows = self.replay.draw(batch, self.update_rng)
                states = torch.from_numpy(rows["state"])
                requirements = self.law.draw(rows["requirement"], self.update_rng)
                conditions = torch.from_numpy(conditioning_features(requirements, self.standard))
                proposed = self.actor.act(torch.cat((states, conditions), 1))
                drawn = self.update_rng.random((n_drawn, batch, dimension), dtype=np.float32)
                # Optima lie on the cube's faces more often than uniform draws do.
                drawn[self.update_rng.random(drawn.shape) < AT_ZERO] = 0.0
                x = torch.cat((proposed, torch.from_numpy(drawn.reshape(-1, dimension))))
                every = n_drawn + 1
                price = Priced.of(np.tile(requirements, (every, 1)))
                cost, gradient = self.critics.price(
                    self._inputs(states.repeat(every, 1), x),
                    standard=self.standard,
                    penalties=hinges(
                        price, np.tile(rows["elapsed"][:, 0], every), self.standard, self._shift
                    ),
                    risk_level=settings.risk_level,
                    dimension=dimension,
                    n_proposed=batch,
                )
                drawn_cost = cost[batch:].reshape(n_drawn, batch)
                best = drawn_cost.argmin(0)
                cheapest = np.arange(batch)
                towards = secant(proposed, cost[:batch], drawn[best, cheapest], drawn_cost[best, cheapest])
                beaten = torch.from_numpy(drawn_cost[best, cheapest] < cost[:batch])[:, None]
                self.actor.descend(
                    torch.where(beaten, towards, self._gradient(gradient, states, proposed)) / batch
                )
        self.actor.network.learning_rate = full_step

    def _inputs(self, states: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Return the critics' inputs for *states* [rows, n_features] and *x* [rows, dimension]."""
        return torch.cat((states, 2.0 * effective(x, has_box(states, self.space), self.space) - 1.0), 1)

    def _gradient(self, by_inputs: torch.Tensor, states: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Return the gradient with respect to *x* of what has gradient *by_inputs* [rows, dimension]."""
        return pulled_back(2.0 * by_inputs, x, has_box(states, self.space), self.space)

    def predicted_costs(
        self, state: Float32Array, actions: Float32Array, requirement: Requirement, elapsed: float
    ) -> Float32Array:
        """Return C^agg (Eq. 5) of *actions* [rows, dimension]."""
        states = torch.from_numpy(state).expand(len(actions), -1)
        inputs = self._inputs(states, torch.from_numpy(actions))
        quantiles = self.critics.network.forward_few(inputs.numpy())
        price = self._prices.get(requirement)
        if price is None:
            vector = requirement_vector(requirement, self.settings.nominal_deadline_s)
            price = self._prices[requirement] = Priced.of(vector[None])
        penalties = hinges(price, np.array([elapsed], dtype=np.float32), self.standard, self._shift)
        return expected_cost(quantiles, self.standard, penalties, self.settings.risk_level)

    def predicted_quantiles(self, state: Float32Array, action: tuple[float, ...]) -> FloatArray:
        """Return the critics' sorted quantiles [2R+2, N] in natural units.

        Bits as a share of the source, fidelities, and remaining delay in nominal deadlines.
        """
        inputs = self._inputs(torch.from_numpy(state)[None], torch.tensor([action], dtype=torch.float32))
        ordered = self.critics.quantiles_one(inputs[0].numpy())
        return self.standard.undone(ordered)

    def _judge(
        self, delivered: DeliveredImage, state: Float32Array, action: tuple[float, ...], outcome: FloatArray
    ) -> tuple[float, ...]:
        bits, residuals = self._compared(state, action, outcome)
        # Of a calibrated engine, a share α of the outcomes lies below the low quantile that decisions are made by.
        below = residuals <= self._shift
        if self.settings.calibrated:
            self.calibration.add(residuals.tolist())
        covered = (float(bits), *below[:-1].astype(float).tolist(), 1.0 - float(below[-1]))
        return (*super()._judge(delivered, state, action, outcome), *covered)

    @property
    def _shift(self) -> FloatArray | float:
        return self.calibration.shift if self.settings.calibrated else 0.0

    def _compared(
        self, state: Float32Array, action: tuple[float, ...], outcome: FloatArray
    ) -> tuple[bool, FloatArray]:
        """Return whether bits lie below their median, and by how much the rest above its low quantile [2R+1]."""
        inputs = self._inputs(torch.from_numpy(state)[None], torch.tensor([action], dtype=torch.float32))
        ordered = self.critics.quantiles_one(inputs[0].numpy())
        reached = self.standard.applied(outcome)
        low = np.array([quantile_at(terms, self.settings.risk_level) for terms in ordered[1:]])
        return bool(reached[0] <= quantile_at(ordered[0], 0.5)), reached[1:] - low

    def calibrate(self, deliveries: Iterable[DeliveredImage]) -> None:
        """Calibrate the low quantiles on scored *deliveries* that the critics have not learned from.

        Online there is no need: every delivery is compared with its prediction before it is learned.
        """
        for seen in deliveries:
            outcome = self.outcome_of(seen)
            if outcome is not None:
                state = self.state_of(seen.image, seen.network)
                action = self.space.vector(seen.configuration)
                self.calibration.add(self._compared(state, action, outcome)[1].tolist())

    def variables(self) -> dict[str, Any]:
        """Return the bandit's variables and the calibration's residuals."""
        return {**super().variables(), "residuals": [list(row) for row in self.calibration.residuals]}

    def restore_variables(self, variables: dict[str, Any]) -> None:
        """Take over what `variables` returned."""
        super().restore_variables(variables)
        self.calibration.restore(variables.get("residuals", []))

    def _judged_names(self) -> tuple[str, ...]:
        # Calibrated critics reach 0.5 for bits, α for each fidelity and 1 − α for the delay.
        covered = ("bits_coverage", *(f"{name}_coverage" for name in self.fidelity_names()), "delay_coverage")
        return (*super()._judged_names(), *covered)


def secant(
    proposed: torch.Tensor, cost: Float32Array, drawn: Float32Array, drawn_cost: Float32Array
) -> torch.Tensor:
    """Return the mean slope of C^agg from a cheaper *drawn* x up to the *proposed* one [rows, dimension]; else 0.

    C^agg is not convex: where the box is the whole image, p and q have no effect and their gradient vanishes, so an
    actor that follows gradients alone can stay there. The slope between two points leads out, and fades by itself
    where no draw is cheaper any more.
    """
    step = proposed.numpy() - drawn
    gain = np.maximum(cost - drawn_cost, 0.0)
    return torch.from_numpy(step * (gain / np.maximum((step**2).sum(-1), 1e-6))[:, None])
