"""The paper's engine (Sec. VI): distributional critics learn the terms of BITS, the actor descends through them.

The critics learn what least squares leave of each term, which is fitted anew as the memory grows.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch

from ntnsim.arrays import Float32Array, FloatArray
from ntnsim.engine.actor_bandit import ActorBandit
from ntnsim.engine.calibration import Calibration
from ntnsim.engine.conditioning import Priced, RequirementLaw, conditioning_features
from ntnsim.engine.critics import Pricing, QuantileCritics, quantile_at
from ntnsim.engine.effective import effective, has_box, pulled_back
from ntnsim.engine.least_squares import (
    LARGEST_LOG,
    fitted,
    from_log_terms,
    log_terms,
    pictures_of,
)
from ntnsim.engine.objective import expected_cost, hinges
from ntnsim.engine.spread import Spread
from ntnsim.engine.stacked_mlp import StackedMlp, small_network_mode
from ntnsim.engine.trials import TrialCurves, regressors_of
from ntnsim.protocols.configuration import ConfigurationSpace
from ntnsim.protocols.policy import DeliveredImage, Requirement
from ntnsim.scenario.policy import SpiffEngineSpec
from ntnsim.streams import stream

RIDGE, RIDGE_BESIDE_TRIALS = 1.0, 10.0  # of least squares, in deliveries; trials leave them less to explain
REFIT_GROWTH = 1.25  # least squares are fitted anew when so many times the deliveries have been seen,
REFIT_IMAGES = 50  # or so many more
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
        self.regressors = regressors_of(space, self.n_features, trial_state=settings.trial_state)
        self.told = TrialCurves(space, trial_state=settings.trial_state)
        # Of what the trials do not tell.
        self.coefficients: FloatArray = np.zeros((self.regressors.n_columns, 2 * space.n_ranks + 2))
        self.spread = Spread.one(2 * space.n_ranks + 2)  # of what they leave
        self.fitted_on = 0  # deliveries seen when least squares were fitted last
        self.law = RequirementLaw.of(settings.requirement_range, space.n_ranks, settings.seen_share)

    def networks(self) -> dict[str, StackedMlp]:
        """Return actor and critics."""
        return {"actor": self.actor.network, "critics": self.critics.network}

    def remember(self, delivered: DeliveredImage) -> bool:
        """Put a delivery in the memory, with what least squares leave of it."""
        used = super().remember(delivered)
        if used and self.fitted_on:
            place = (self.replay.n_seen - 1) % self.replay.capacity
            row = {name: self.replay.part(name)[place : place + 1] for name in ("state", "action", "outcome")}
            acts = self._acts(row["state"], row["action"])
            left = log_terms(row["outcome"].astype(np.float64))[0] - self._base(row["state"], acts)[:, 0]
            self.replay.part("residual")[place] = left / self.spread.of(acts)[:, 0]
        return used

    def _take_updates(self, n_updates: int) -> None:
        due = min(REFIT_GROWTH * self.fitted_on, self.fitted_on + REFIT_IMAGES)
        if self.replay.n_seen >= due:
            self._fit_least_squares()
        super()._take_updates(n_updates)

    def _fit_least_squares(self) -> None:
        """Fit what the critics start from; what they add to it stays."""
        outcomes, states = self.replay.part("outcome").astype(np.float64), self.replay.part("state")
        acts = self._acts(states, self.replay.part("action"))
        phi = self.regressors.columns(states, acts)
        # A log's outcome may be remembered in many surroundings; all but its delay is the same each time.
        _, different = np.unique(outcomes[:, :-1], axis=0, return_inverse=True)
        different = different.reshape(-1)
        groups = pictures_of(states[:, : self.regressors.n_of_image])
        fit = fitted(
            phi,
            log_terms(outcomes) - self.told.of(states, acts),
            RIDGE_BESIDE_TRIALS if self.told.known else RIDGE,
            self.replay.weights() * (different.max() + 1) / len(outcomes),
            different if groups is None else groups,
        )
        self.spread = Spread.fitted(fit.left_out, acts, self.told.qualities)
        counted = fit.left_out / self.spread.of(acts).T
        if not self.fitted_on:
            self.critics.begin(counted)
        self.replay.part("residual")[:] = counted
        self.coefficients, self.fitted_on = fit.coefficients, self.replay.n_seen

    def _update(self) -> None:
        settings = self.settings
        rows = self.replay.draw(settings.minibatch, self.update_rng)
        targets = torch.from_numpy(np.ascontiguousarray(rows["residual"].T))
        requirements = self.law.draw(rows["requirement"], self.update_rng)
        conditions = torch.from_numpy(conditioning_features(requirements, self.standard))

        states = rows["state"]
        proposed = self.actor.act(torch.cat((torch.from_numpy(states), conditions), 1)).numpy()
        # Some rows are priced a second time, at a uniformly drawn x.
        n_searched = round(settings.search_share * settings.minibatch)
        drawn = self.update_rng.random((n_searched, self.space.dimension), dtype=np.float32)
        actions = np.concatenate((rows["action"], proposed, drawn))
        price = Priced.of(np.concatenate((requirements, requirements[:n_searched])))
        elapsed = rows["elapsed"][:, 0]
        n_proposed = settings.minibatch
        every_state = np.concatenate((states, states, states[:n_searched]))
        acts = self._acts(every_state, actions)
        pricing = self.critics.fit_and_price(
            self._inputs(every_state, acts),
            targets,
            self._base(every_state[n_proposed:], acts[n_proposed:]),
            self.spread.of(acts[n_proposed:]),
            penalties=hinges(price, np.concatenate((elapsed, elapsed[:n_searched]))),
            risk_level=settings.risk_level,
            dimension=self.space.dimension,
            n_proposed=n_proposed,
        )
        gradient = self._gradient(pricing, states, proposed)
        if n_searched:
            gradient[:n_searched] += secant(
                proposed[:n_searched], pricing.cost[:n_searched], drawn, pricing.cost[n_proposed:]
            )
        self.actor.descend(torch.from_numpy(gradient / settings.minibatch))

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
                states = rows["state"]
                requirements = self.law.draw(rows["requirement"], self.update_rng)
                conditions = conditioning_features(requirements, self.standard)
                proposed = self.actor.act(torch.from_numpy(np.concatenate((states, conditions), 1))).numpy()
                drawn = self.update_rng.random((n_drawn, batch, dimension), dtype=np.float32)
                # Optima lie on the cube's faces more often than uniform draws do.
                drawn[self.update_rng.random(drawn.shape) < AT_ZERO] = 0.0
                x = np.concatenate((proposed, drawn.reshape(-1, dimension)))
                every = n_drawn + 1
                price = Priced.of(np.tile(requirements, (every, 1)))
                every_state = np.tile(states, (every, 1))
                acts = self._acts(every_state, x)
                pricing = self.critics.price(
                    self._inputs(every_state, acts),
                    self._base(every_state, acts),
                    self.spread.of(acts),
                    penalties=hinges(price, np.tile(rows["elapsed"][:, 0], every)),
                    risk_level=settings.risk_level,
                    dimension=dimension,
                    n_proposed=batch,
                )
                cost, drawn_cost = pricing.cost[:batch], pricing.cost[batch:].reshape(n_drawn, batch)
                best = drawn_cost.argmin(0)
                cheapest = np.arange(batch)
                towards = secant(proposed, cost, drawn[best, cheapest], drawn_cost[best, cheapest])
                beaten = (drawn_cost[best, cheapest] < cost)[:, None]
                along = self._gradient(pricing, states, proposed)
                self.actor.descend(torch.from_numpy(np.where(beaten, towards, along) / batch))
        self.actor.network.learning_rate = full_step

    def _acts(self, states: Float32Array, x: Float32Array) -> Float32Array:
        """Return *x* [rows, dimension] by what it acts on; states: [rows or 1, n_features]."""
        return effective(x, has_box(states, self.space), self.space)

    def _inputs(self, states: Float32Array, acts: Float32Array) -> torch.Tensor:
        """Return the critics' inputs for *states* [rows, n_features] and *acts* [rows, dimension]."""
        return torch.from_numpy(np.concatenate((states, 2.0 * acts - 1.0), 1))

    def _base(self, states: Float32Array, acts: Float32Array) -> Float32Array:
        """Return what trials tell and least squares add of each term [2R+2, rows]."""
        added = self.regressors.columns(states, acts) @ self.coefficients
        return (self.told.of(states, acts) + added).T.astype(np.float32)

    def _gradient(self, pricing: Pricing, states: Float32Array, x: Float32Array) -> Float32Array:
        """Return the gradient of *pricing*'s cost with respect to the *x* [rows, dimension] that it priced first."""
        by_columns = pricing.by_base.T @ self.coefficients.T
        acts = self._acts(states, x)
        by_acts: Float32Array = (2.0 * pricing.by_inputs).numpy()
        by_acts += self.regressors.pulled_back(by_columns, states, acts).astype(np.float32)
        by_acts += self.told.pulled_back(pricing.by_base.T, states, acts)
        by_acts += self.spread.pulled_back(pricing.by_spread, acts)
        return pulled_back(by_acts, x, has_box(states, self.space), self.space)

    def _terms(self, state: Float32Array, actions: Float32Array) -> Float32Array:
        """Return quantiles of the terms [2R+2, rows, N], in no order, for *actions* [rows, dimension]."""
        acts = self._acts(state[None], actions)
        of_monomials = self.regressors.expansion(state).T @ self.coefficients
        added = self.regressors.monomials(acts) @ of_monomials
        base = (self.told.of(state[None], acts) + added).T.astype(np.float32)
        return self.critics.terms(state, acts, base, self.spread.of(acts))

    def _spread_of(self, state: Float32Array, actions: Float32Array) -> Float32Array:
        """Return the spread of each term [2R+2, rows] at *actions* [rows, dimension]."""
        return self.spread.of(self._acts(state[None], actions))

    def _terms_read(self, state: Float32Array, actions: Float32Array) -> Float32Array:
        """Return the quantiles of `_terms` as decisions read them: where it is asked for, shifted to cover α."""
        terms = self._terms(state, actions)
        if self.settings.calibrated:
            shift = self.critics.offset[:, None] * self._spread_of(state, actions)
            terms += shift.astype(np.float32)[..., None]
        return terms

    def predicted_costs(
        self, state: Float32Array, actions: Float32Array, requirement: Requirement, elapsed: float
    ) -> Float32Array:
        """Return C^agg (Eq. 5) of *actions* [rows, dimension]."""
        penalties = hinges(self._priced(requirement), np.array([elapsed], dtype=np.float32))
        settings = self.settings
        terms = self._terms_read(state, actions)
        return expected_cost(terms, penalties, settings.risk_level, settings.expected_share)

    def predicted_bits(self, state: Float32Array, actions: Float32Array) -> Float32Array:
        """Return the expected bits share of *actions* [rows, dimension]."""
        share: Float32Array = np.exp(np.minimum(self._terms(state, actions)[0], LARGEST_LOG)).mean(-1)
        return share

    def predicted_quantiles(self, state: Float32Array, action: tuple[float, ...]) -> FloatArray:
        """Return the sorted quantiles [2R+2, N] that decisions read, in natural units.

        Bits as a share of the source, fidelities, and remaining delay in nominal deadlines.
        """
        terms = self._terms_read(state, np.array([action], dtype=np.float32))[:, 0].astype(np.float64)
        return np.sort(from_log_terms(terms.T).T, axis=-1)

    def _judge(
        self, delivered: DeliveredImage, state: Float32Array, action: tuple[float, ...], outcome: FloatArray
    ) -> tuple[float, ...]:
        one = np.array([action], dtype=np.float32)
        terms, spread = self._terms(state, one)[:, 0], self._spread_of(state, one)[:, 0]
        losses = self.critics.losses(terms, log_terms(outcome[None])[0], spread)
        bits, residuals = self._compared(terms, spread, outcome)
        # Of a calibrated engine, a share α of the outcomes is worse than the quantile that decisions are made by.
        worse = residuals <= -self.critics.offset[1:]
        self._calibrate_by(residuals)
        covered = (float(bits), *worse[:-1].astype(float).tolist(), 1.0 - float(worse[-1]))
        return (*super()._judge(delivered, state, action, outcome), *covered, *losses.tolist())

    def _calibrate_by(self, residuals: FloatArray) -> None:
        """Take in how much better one outcome was than the quantiles that decisions read [2R+1]."""
        if self.settings.calibrated:
            self.calibration.add(residuals.tolist())
            self.critics.offset[1:] = -self.calibration.shift

    def _compared(
        self, terms: Float32Array, spread: Float32Array, outcome: FloatArray
    ) -> tuple[bool, FloatArray]:
        """Return whether bits lie below their median, and by how many spreads the rest is better than the quantile
        that decisions read [2R+1].

        terms: predicted quantiles [2R+2, N], in no order. spread: [2R+2].
        """
        ordered = np.sort(terms, axis=-1)
        reached = log_terms(outcome[None])[0]
        high = np.array([quantile_at(terms, 1.0 - self.settings.risk_level) for terms in ordered[1:]])
        better: FloatArray = (high - reached[1:]) / spread[1:]
        return bool(reached[0] <= quantile_at(ordered[0], 0.5)), better

    def calibrate(self, deliveries: Iterable[DeliveredImage]) -> None:
        """Calibrate the low quantiles on scored *deliveries* that the critics have not learned from.

        Online there is no need: every delivery is compared with its prediction before it is learned.
        """
        for seen in deliveries:
            outcome = self.outcome_of(seen)
            if outcome is not None:
                state = self.state_of(seen.image, seen.network)
                action = np.array([self.space.vector(seen.configuration)], dtype=np.float32)
                terms, spread = self._terms(state, action)[:, 0], self._spread_of(state, action)[:, 0]
                self._calibrate_by(self._compared(terms, spread, outcome)[1])

    def arrays(self) -> dict[str, dict[str, FloatArray]]:
        """Return the fit of least squares."""
        return {"least_squares": {"coefficients": self.coefficients}}

    def restore_arrays(self, arrays: Mapping[str, Mapping[str, Any]]) -> None:
        """Take over what `arrays` returned."""
        self.coefficients = arrays["least_squares"]["coefficients"]

    def variables(self) -> dict[str, Any]:
        """Return the bandit's variables, the spread of residuals and the calibration's."""
        return {
            **super().variables(),
            "variances": self.spread.variances.tolist(),
            "fitted_on": self.fitted_on,
            "residuals": [list(row) for row in self.calibration.residuals],
        }

    def restore_variables(self, variables: dict[str, Any]) -> None:
        """Take over what `variables` returned."""
        super().restore_variables(variables)
        self.fitted_on = int(variables["fitted_on"])
        knots = self.told.qualities if self.fitted_on else ()
        self.spread = Spread(np.array(variables["variances"]), knots)
        self.calibration.restore(variables["residuals"])
        self.critics.offset[1:] = -self.calibration.shift

    def _judged_names(self) -> tuple[str, ...]:
        # Calibrated critics reach 0.5 for bits, α for each fidelity and 1 − α for the delay.
        terms = ("bits", *self.fidelity_names(), "delay")
        return (
            *super()._judged_names(),
            *(f"{name}_coverage" for name in terms),
            *(f"{name}_loss" for name in terms),
        )


def secant(
    proposed: Float32Array, cost: Float32Array, drawn: Float32Array, drawn_cost: Float32Array
) -> Float32Array:
    """Return the mean slope of C^agg from a cheaper *drawn* x up to the *proposed* one [rows, dimension]; else 0.

    C^agg is not convex: where the box is the whole image, p and q have no effect and their gradient vanishes, so an
    actor that follows gradients alone can stay there. The slope between two points leads out, and fades by itself
    where no draw is cheaper any more.
    """
    step = proposed - drawn
    gain = np.maximum(cost - drawn_cost, 0.0)
    slope: Float32Array = step * (gain / np.maximum((step**2).sum(-1), 1e-6))[:, None]
    return slope
