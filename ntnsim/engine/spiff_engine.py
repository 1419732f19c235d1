"""The paper's engine (Sec. VI): distributional critics learn the terms of BITS, the actor descends through them."""

import numpy as np
import torch

from ntnsim.engine.bandit import Bandit, Float32Array, FloatArray
from ntnsim.engine.conditioning import Priced, RequirementLaw, conditioning_features
from ntnsim.engine.critics import QuantileCritics, quantile_at
from ntnsim.engine.objective import hinges
from ntnsim.engine.policy import DeliveredImage
from ntnsim.engine.stacked_mlp import StackedMlp
from ntnsim.scenario.policy import SpiffEngine as Settings
from ntnsim.spiff.configuration import ConfigurationSpace
from ntnsim.streams import stream


class SpiffEngine(Bandit):
    """Actor and 2R+2 quantile critics."""

    settings: Settings

    def __init__(self, settings: Settings, space: ConfigurationSpace, seed: int) -> None:
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
        self.law = RequirementLaw.of(settings.requirement_range, space.n_ranks, settings.seen_share)

    def networks(self) -> dict[str, StackedMlp]:
        """Return actor and critics."""
        return {"actor": self.actor.network, "critics": self.critics.network}

    def _update(self) -> None:
        settings = self.settings
        rows = self.replay.draw(settings.minibatch, self.update_rng)
        states = torch.from_numpy(rows["state"])
        targets = torch.from_numpy(((rows["outcome"] - self.offset) / self.scale).T.astype(np.float32))
        asked = self.law.draw(rows["requirement"], self.update_rng)
        conditions = torch.from_numpy(conditioning_features(asked, self.offset, self.scale))

        proposed = self.actor.act(torch.cat((states, conditions), 1))
        # Some rows are priced a second time, at a uniformly drawn x.
        n_searched = round(settings.search_share * settings.minibatch)
        drawn = self.update_rng.random((n_searched, self.space.dimension), dtype=np.float32)
        actions = torch.cat((torch.from_numpy(rows["action"]), proposed, torch.from_numpy(drawn)))
        price = Priced.of(np.concatenate((asked, asked[:n_searched])))
        elapsed = rows["elapsed"][:, 0]
        cost, gradient = self.critics.fit_and_price(
            torch.cat((torch.cat((states, states, states[:n_searched])), actions.mul(2.0).sub_(1.0)), 1),
            targets,
            bits_offset=float(self.offset[0]),
            bits_scale=float(self.scale[0]),
            penalties=hinges(
                price.weights,
                price.targets,
                price.delay_weight,
                price.deadline,
                np.concatenate((elapsed, elapsed[:n_searched])),
                self.offset,
                self.scale,
            ),
            risk_level=settings.risk_level,
            dimension=self.space.dimension,
            n_proposed=settings.minibatch,
        )
        gradient = 2.0 * gradient  # of x in [0, 1]
        if n_searched:
            n_proposed = settings.minibatch
            gradient[:n_searched] += secant(
                proposed[:n_searched], cost[:n_searched], drawn, cost[n_proposed:]
            )
        self.actor.descend(gradient / settings.minibatch)

    def predicted_quantiles(self, state: Float32Array, action: tuple[float, ...]) -> FloatArray:
        """Return the critics' sorted quantiles [2R+2, N] in natural units.

        Bits as a share of the source, fidelities, and remaining delay in nominal deadlines.
        """
        inputs = np.concatenate((state, 2.0 * np.asarray(action, dtype=np.float32) - 1.0)).astype(np.float32)
        ordered = self.critics.quantiles_one(inputs)
        # The delay's scale is negative, so its natural order is the reverse.
        return np.sort(self.offset[:, None] + self.scale[:, None] * ordered, axis=-1)

    def _judge(
        self, delivered: DeliveredImage, state: Float32Array, action: tuple[float, ...], outcome: FloatArray
    ) -> tuple[float, ...]:
        ordered = self.predicted_quantiles(state, action)
        alpha = self.settings.risk_level
        levels = (0.5, *([alpha] * (2 * self.space.n_ranks)), 1.0 - alpha)
        covered = (
            float(outcome[critic] <= quantile_at(ordered[critic], level))
            for critic, level in enumerate(levels)
        )
        return (*super()._judge(delivered, state, action, outcome), *covered)

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
