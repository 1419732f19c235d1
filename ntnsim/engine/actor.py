"""The deterministic actor π(s | η, λ): state and requirement in, configuration x in [0, 1] out."""

import numpy as np
import torch
from torch import Tensor

from ntnsim.arrays import Float32Array
from ntnsim.engine.stacked_mlp import StackedMlp

OVERSHOOT = 0.05  # x = clip((1 + 2·overshoot)·σ(z) − overshoot): the corners of the cube lie at finite z
FIRST_OUTPUT_SCALE = 3e-3  # Lillicrap et al. 2015: the first actions lie in the middle of the cube


class Actor:
    """Two hidden layers and a stretched sigmoid, so that exactly 0 and 1 can be chosen and left again."""

    def __init__(
        self, *, n_inputs: int, dimension: int, n_hidden: int, learning_rate: float, rng: np.random.Generator
    ) -> None:
        self.network = StackedMlp(
            n_networks=1,
            n_inputs=n_inputs,
            n_hidden=n_hidden,
            n_outputs=dimension,
            learning_rate=learning_rate,
            rng=rng,
            output_scale=FIRST_OUTPUT_SCALE,
        )
        self._sigmoid: Tensor | None = None

    def act_one(self, inputs: Float32Array) -> Float32Array:
        """Return x [dimension] for one input, in NumPy."""
        share = 1.0 / (1.0 + np.exp(-self.network.forward_one(inputs)[0]))
        action: Float32Array = np.clip((1.0 + 2.0 * OVERSHOOT) * share - OVERSHOOT, 0.0, 1.0)
        return action

    def act(self, inputs: Tensor) -> Tensor:
        """Return x [batch, dimension] for *inputs* [batch, n_inputs], and keep what `descend` needs."""
        self._sigmoid = torch.sigmoid(self.network.forward(inputs)[0])
        return ((1.0 + 2.0 * OVERSHOOT) * self._sigmoid - OVERSHOOT).clamp_(0.0, 1.0)

    def descend(self, cost_gradient: Tensor) -> None:
        """Take one step against ∂cost/∂x [batch, dimension] of the last `act`: ∇_x C^agg · ∇_η π.

        Where x is clipped, a gradient that would push it further out is dropped; one that leads back in passes.
        """
        if self._sigmoid is None:
            raise RuntimeError("descend needs act first")
        share = self._sigmoid
        raw = (1.0 + 2.0 * OVERSHOOT) * share - OVERSHOOT
        outward = ((raw >= 1.0) & (cost_gradient < 0.0)) | ((raw <= 0.0) & (cost_gradient > 0.0))
        slope = (1.0 + 2.0 * OVERSHOOT) * share * (1.0 - share)
        pull = (cost_gradient * slope).masked_fill_(outward, 0.0)
        self.network.backward(pull.unsqueeze(0), n_fit=len(pull))
        self.network.step()
