"""The written-out backpropagation and Adam against torch's own."""

import numpy as np
import pytest
import torch

from ntnsim.engine.stacked_mlp import StackedMlp, small_network_mode

J, N_IN, HIDDEN, N_OUT, BATCH = 3, 5, 16, 4, 7


def network(learning_rate: float = 1e-3) -> StackedMlp:
    return StackedMlp(
        n_networks=J,
        n_inputs=N_IN,
        n_hidden=HIDDEN,
        n_outputs=N_OUT,
        learning_rate=learning_rate,
        rng=np.random.default_rng(1),
    )


def reference(net: StackedMlp, flat: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
    """The same networks, one by one, in plain torch."""
    parts, start = [], 0
    for shape in net.shapes:
        size = int(np.prod(shape))
        parts.append(flat[start : start + size].view(shape))
        start += size
    w1, b1, w2, b2, w3, b3 = parts
    outputs = []
    for j in range(J):
        hidden = torch.relu(inputs @ w1[j] + b1[j])
        hidden = torch.relu(hidden @ w2[j] + b2[j])
        outputs.append(hidden @ w3[j] + b3[j])
    return torch.stack(outputs)


def test_gradients_of_weights_and_inputs_equal_autograd():
    net = network()
    inputs = torch.randn(BATCH, N_IN, generator=torch.Generator().manual_seed(0))
    upstream = torch.randn(J, BATCH, N_OUT, generator=torch.Generator().manual_seed(1))
    n_fit = 4
    outputs = net.forward(inputs)
    input_gradient = net.backward(upstream, n_fit=n_fit, n_columns=2)

    flat = net.flat.clone().requires_grad_()
    fit = reference(net, flat, inputs[:n_fit])
    torch.testing.assert_close(outputs[:, :n_fit], fit.detach())
    fit.backward(upstream[:, :n_fit])
    torch.testing.assert_close(net.gradient, flat.grad, rtol=1e-4, atol=1e-6)

    priced = inputs[n_fit:].clone().requires_grad_()
    reference(net, net.flat, priced).backward(upstream[:, n_fit:])
    torch.testing.assert_close(input_gradient, priced.grad[:, -2:], rtol=1e-4, atol=1e-6)


def test_step_equals_torch_adam():
    net = network(learning_rate=1e-2)
    flat = net.flat.clone().requires_grad_()
    adam = torch.optim.Adam([flat], lr=1e-2)
    generator = torch.Generator().manual_seed(2)
    with small_network_mode():
        for _ in range(20):
            gradient = torch.randn(flat.shape, generator=generator)
            net.gradient.copy_(gradient)
            net.step()
            flat.grad = gradient.clone()
            with torch.inference_mode(False), torch.no_grad():
                adam.step()
    torch.testing.assert_close(net.flat, flat.detach(), rtol=1e-5, atol=1e-6)


def test_numpy_forward_sees_the_weights_that_torch_has_stepped():
    net = network()
    inputs = torch.randn(1, N_IN, generator=torch.Generator().manual_seed(0))
    before = net.forward_one(inputs[0].numpy())
    net.gradient.fill_(1.0)
    net.step()
    after = net.forward_one(inputs[0].numpy())
    assert not np.allclose(before, after)
    np.testing.assert_allclose(after, net.forward(inputs)[:, 0].numpy(), rtol=1e-5, atol=1e-6)


def test_rows_with_shared_inputs_are_seen_as_when_each_has_its_own():
    net = network()
    inputs = torch.randn(BATCH, N_IN, generator=torch.Generator().manual_seed(0))
    inputs[:, :3] = inputs[0, :3]
    few = net.forward_few(inputs[0, :3].numpy(), inputs[:, 3:].numpy())
    np.testing.assert_allclose(few, net.forward(inputs).numpy(), rtol=1e-5, atol=1e-6)


def test_restored_network_steps_on_exactly_as_the_original():
    original, copy = network(), network()
    generator = torch.Generator().manual_seed(4)
    gradients = [torch.randn(original.flat.shape, generator=generator) for _ in range(6)]
    for gradient in gradients[:3]:
        original.gradient.copy_(gradient)
        original.step()
    copy.restore(original.state())
    for net in (original, copy):
        for gradient in gradients[3:]:
            net.gradient.copy_(gradient)
            net.step()
    assert torch.equal(original.flat, copy.flat)


def test_thread_count_is_given_back():
    before = torch.get_num_threads()
    with small_network_mode():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


def test_wrong_input_width_is_named():
    with pytest.raises(ValueError, match=r"inputs must be \[batch, 5\], got \(2, 4\)"):
        network().forward(torch.zeros(2, 4))
