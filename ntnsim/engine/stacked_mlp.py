"""J perceptrons of equal shape, evaluated and differentiated together: one kernel per layer for all of them.

Backpropagation is written out (two hidden ReLU layers, linear output), because with nets this small autograd's
bookkeeping costs as much as the arithmetic. A test compares every gradient with autograd's. Parameters live in one
flat tensor whose NumPy view serves the decision without entering torch.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from ntnsim.arrays import Float32Array


@contextmanager
def small_network_mode() -> Iterator[None]:
    """Run torch on one thread inside the block: with nets this small, waking a second one costs more than it does.

    Numbers below 1e-38 count as zero meanwhile: Adam's moments of idle units decay into them, and they are slow.
    """
    before = torch.get_num_threads()
    if before != 1:
        torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    try:
        with torch.inference_mode():  # no autograd bookkeeping: gradients are written out
            yield
    finally:
        torch.set_flush_denormal(False)
        if before != 1:
            torch.set_num_threads(before)


class StackedMlp:
    """J networks [n_inputs → n_hidden → n_hidden → n_outputs], with their gradients and Adam.

    Initialised uniformly in ±1/√fan_in, as torch's own linear layers are.

    output_scale: bound of the output layer's initial weights; None for ±1/√fan_in.
    """

    def __init__(
        self,
        *,
        n_networks: int,
        n_inputs: int,
        n_hidden: int,
        n_outputs: int,
        learning_rate: float,
        rng: np.random.Generator,
        output_scale: float | None = None,
    ) -> None:
        self.shapes = (
            (n_networks, n_inputs, n_hidden),
            (n_networks, 1, n_hidden),
            (n_networks, n_hidden, n_hidden),
            (n_networks, 1, n_hidden),
            (n_networks, n_hidden, n_outputs),
            (n_networks, 1, n_outputs),
        )
        hidden_bound = n_hidden**-0.5
        last_bound = hidden_bound if output_scale is None else output_scale
        bounds = (n_inputs**-0.5, n_inputs**-0.5, hidden_bound, hidden_bound, last_bound, last_bound)
        start = [
            rng.uniform(-bound, bound, int(np.prod(shape)))
            for bound, shape in zip(bounds, self.shapes, strict=True)
        ]
        self.flat = torch.from_numpy(np.concatenate(start).astype(np.float32))
        self.gradient = torch.zeros_like(self.flat)
        self.learning_rate = learning_rate
        self._weights = self._views(self.flat)
        self._gradients = self._views(self.gradient)
        self._numpy_weights = [weight.numpy() for weight in self._weights]
        self._adam_mean = torch.zeros_like(self.flat)
        self._adam_square = torch.zeros_like(self.flat)
        self._adam_step = torch.zeros(())
        self._tape: tuple[Tensor, Tensor, Tensor] | None = None

    def _views(self, flat: Tensor) -> list[Tensor]:
        views, start = [], 0
        for shape in self.shapes:
            size = int(np.prod(shape))
            views.append(flat[start : start + size].view(shape))
            start += size
        return views

    @property
    def n_inputs(self) -> int:
        """Width of the input."""
        return self.shapes[0][1]

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the outputs [n_networks, batch, n_outputs] for *inputs* [batch, n_inputs], and keep the tape."""
        if inputs.ndim != 2 or inputs.shape[1] != self.n_inputs:
            raise ValueError(f"inputs must be [batch, {self.n_inputs}], got {tuple(inputs.shape)}")
        w1, b1, w2, b2, w3, b3 = self._weights
        stacked = inputs.expand(self.shapes[0][0], -1, -1)
        h1 = torch.baddbmm(b1, stacked, w1).relu_()
        h2 = torch.baddbmm(b2, h1, w2).relu_()
        self._tape = (stacked, h1, h2)
        return torch.baddbmm(b3, h2, w3)

    def forward_one(self, inputs: Float32Array) -> Float32Array:
        """Return the outputs [n_networks, n_outputs] for one input [n_inputs], in NumPy: for the decision itself."""
        return self.forward_few(inputs, np.empty((1, 0), dtype=np.float32))[:, 0]

    def forward_few(self, shared: Float32Array, rows: Float32Array) -> Float32Array:
        """Return the outputs [n_networks, rows, n_outputs], in NumPy and without a tape: for decisions.

        shared: the first inputs [n_shared], the same in each row; rows: the others [rows, n_inputs − n_shared].
        """
        w1, b1, w2, b2, w3, b3 = self._numpy_weights
        hidden = rows @ w1[:, len(shared) :]
        hidden += shared[None] @ w1[:, : len(shared)] + b1
        np.maximum(hidden, 0.0, out=hidden)
        hidden = hidden @ w2
        hidden += b2
        np.maximum(hidden, 0.0, out=hidden)
        outputs: Float32Array = hidden @ w3
        outputs += b3
        return outputs

    def backward(self, output_gradient: Tensor, *, n_fit: int, n_columns: int = 0) -> Tensor:
        """Send *output_gradient* [n_networks, batch, n_outputs] back through the last forward.

        The first *n_fit* rows set the parameters' gradient. For the other rows, the gradient with respect to the last
        *n_columns* inputs is returned [batch − n_fit, n_columns], summed over the networks. One pass serves both: the
        critics' own rows and the actor's proposals. Rows of the forward beyond *output_gradient*'s are left out.
        """
        if self._tape is None:
            raise RuntimeError("backward needs a forward pass first")
        stacked, h1, h2 = (kept[:, : output_gradient.shape[1]] for kept in self._tape)
        w1, _, w2, _, w3, _ = self._weights
        d2 = torch.ops.aten.threshold_backward(torch.bmm(output_gradient, w3.transpose(1, 2)), h2, 0)
        d1 = torch.ops.aten.threshold_backward(torch.bmm(d2, w2.transpose(1, 2)), h1, 0)
        if n_fit:
            gw1, gb1, gw2, gb2, gw3, gb3 = self._gradients
            fit = slice(0, n_fit)
            torch.bmm(stacked[:, fit].transpose(1, 2), d1[:, fit], out=gw1)
            torch.sum(d1[:, fit], 1, keepdim=True, out=gb1)
            torch.bmm(h1[:, fit].transpose(1, 2), d2[:, fit], out=gw2)
            torch.sum(d2[:, fit], 1, keepdim=True, out=gb2)
            torch.bmm(h2[:, fit].transpose(1, 2), output_gradient[:, fit], out=gw3)
            torch.sum(output_gradient[:, fit], 1, keepdim=True, out=gb3)
        columns = w1[:, self.n_inputs - n_columns :]
        return torch.bmm(d1[:, n_fit:], columns.transpose(1, 2)).sum(0)

    def step(self) -> None:
        """Take one Adam step (Kingma & Ba 2015, default decay rates) along the gradient that `backward` left."""
        # The kernel behind torch.optim.Adam(fused=True), without that class's 0.1 ms of bookkeeping a call.
        torch.ops.aten._fused_adam_(
            [self.flat],
            [self.gradient],
            [self._adam_mean],
            [self._adam_square],
            [],
            [self._adam_step.add_(1.0)],
            lr=self.learning_rate,
            beta1=0.9,
            beta2=0.999,
            weight_decay=0.0,
            eps=1e-8,
            amsgrad=False,
            maximize=False,
        )

    def predict_constant(self, outputs: Float32Array) -> None:
        """Set the last layer so that every input gives *outputs* [n_networks, n_outputs]."""
        self._weights[4].zero_()
        self._weights[5].copy_(torch.from_numpy(outputs)[:, None, :])

    def state(self) -> dict[str, Float32Array]:
        """Return parameters and Adam's moments, copied."""
        tensors = {
            "parameters": self.flat,
            "adam_mean": self._adam_mean,
            "adam_square": self._adam_square,
            "adam_step": self._adam_step.view(1),
        }
        return {name: tensor.numpy().copy() for name, tensor in tensors.items()}

    def restore(self, state: dict[str, Float32Array]) -> None:
        """Take over what `state` returned."""
        if state["parameters"].shape != tuple(self.flat.shape):
            raise ValueError(f"{state['parameters'].shape} parameters do not fit {tuple(self.flat.shape)}")
        self.flat.copy_(torch.from_numpy(state["parameters"]))
        self._adam_mean.copy_(torch.from_numpy(state["adam_mean"]))
        self._adam_square.copy_(torch.from_numpy(state["adam_square"]))
        self._adam_step.fill_(float(state["adam_step"][0]))
