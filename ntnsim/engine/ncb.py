"""NCB, the paper's benchmark (Sec. VII): the same actor and exploration, one critic on the scalar penalised cost.

The critic regresses the mean of the realised cost (squared error) under the requirement that each image was delivered
under. It needs that requirement among its inputs, for the cost depends on it; nothing is drawn anew, since a scalar
cost cannot be priced again.
"""

import numpy as np
import torch

from ntnsim.arrays import Float32Array
from ntnsim.engine.actor_bandit import ActorBandit
from ntnsim.engine.conditioning import Priced, conditioning_features
from ntnsim.engine.effective import effective, has_box, pulled_back
from ntnsim.engine.objective import realised_cost
from ntnsim.engine.stacked_mlp import StackedMlp
from ntnsim.protocols.configuration import ConfigurationSpace
from ntnsim.protocols.policy import Requirement
from ntnsim.scenario.policy import NeuralContextualBanditSpec
from ntnsim.streams import stream


class NeuralContextualBandit(ActorBandit):
    """Actor and one mean-cost critic."""

    def __init__(self, settings: NeuralContextualBanditSpec, space: ConfigurationSpace, seed: int) -> None:
        super().__init__(settings, space, seed)
        self.critic = StackedMlp(
            n_networks=1,
            n_inputs=self.n_features + self.n_conditions + space.dimension,
            n_hidden=settings.hidden_units,
            n_outputs=1,
            learning_rate=settings.critic_learning_rate,
            rng=stream(seed, "engine", "critics"),
        )

    def networks(self) -> dict[str, StackedMlp]:
        """Return actor and critic."""
        return {"actor": self.actor.network, "critic": self.critic}

    def predicted_costs(
        self, state: Float32Array, actions: Float32Array, requirement: Requirement, elapsed: float
    ) -> Float32Array:
        """Return the critic's mean cost of *actions* [rows, dimension]; age is among the state's features."""
        context = np.concatenate((state, self._condition(requirement)))
        seen = 2.0 * effective(actions, has_box(state[None], self.space), self.space) - 1.0
        return self.critic.forward_few(context, seen)[0, :, 0]

    def _update(self) -> None:
        settings = self.settings
        rows = self.replay.draw(settings.minibatch, self.update_rng)
        requirements = rows["requirement"]
        price = Priced.of(requirements)
        whole = rows["outcome"].astype(np.float64)
        whole[:, -1] += rows["elapsed"][:, 0]
        cost = realised_cost(whole, price.weights, price.targets, price.delay_weight, price.deadline)
        conditions = torch.from_numpy(conditioning_features(requirements, self.standard))
        context = torch.cat((torch.from_numpy(rows["state"]), conditions), 1)
        boxed = has_box(rows["state"], self.space)

        proposed = self.actor.act(context).numpy()
        actions = np.concatenate((rows["action"], proposed))
        seen = 2.0 * effective(actions, np.tile(boxed, (2, 1)), self.space) - 1.0
        predicted = self.critic.forward(torch.cat((context.repeat(2, 1), torch.from_numpy(seen)), 1))
        gradient = torch.full_like(predicted, 1.0 / settings.minibatch)
        error = predicted[0, : settings.minibatch, 0] - torch.from_numpy(cost.astype(np.float32))
        gradient[0, : settings.minibatch, 0] = (2.0 / settings.minibatch) * error
        pull = self.critic.backward(gradient, n_fit=settings.minibatch, n_columns=self.space.dimension)
        by_acts: Float32Array = (2.0 * pull).numpy()
        self.critic.step()
        self.actor.descend(torch.from_numpy(pulled_back(by_acts, proposed, boxed, self.space)))
