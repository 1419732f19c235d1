"""The recipes' own formulas, against the libraries that read the networks they make."""

import numpy as np
import pytest
import torch
from diffusers import AutoencoderTiny

from training import text
from training.degradation import received
from training.inpainter import Predicted, likelihood_loss, new_scheduler, std_of, variance_output
from training.vae import new_vae, psnr_db, start_in_closed_form, to_tensor


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_last_step_of_the_sampler_draws_the_deviation_that_training_assumes(steps):
    scheduler = new_scheduler()
    scheduler.set_timesteps(steps)
    time = scheduler.timesteps[-1]
    output = torch.zeros(1, 8, 128, 128)
    output[:, 4:] = variance_output(0.1)
    # v = 0 at the noisy residual 0 means a mean of 0: what is left is the draw.
    drawn = scheduler.step(
        output, time, torch.zeros(1, 4, 128, 128), generator=torch.Generator().manual_seed(1)
    )
    standard_error = 1 / np.sqrt(2 * 4 * 128 * 128)
    expected = float(std_of(torch.tensor(variance_output(0.1)), scheduler.alphas_cumprod[time]))
    assert float(drawn.prev_sample.std()) == pytest.approx(expected, rel=4 * standard_error)
    if steps == 1:
        assert expected == pytest.approx(0.1, rel=0.005)  # 1 − ᾱ of the last time is 0.995


def test_closed_form_vae_keeps_what_half_the_resolution_holds():
    vae = new_vae()
    start_in_closed_form(vae)
    ramp = np.linspace(0, 255, 64).astype(np.uint8)
    picture = to_tensor(np.stack([np.stack([np.add.outer(ramp // 2, ramp // 2)] * 3, axis=-1)]))
    assert isinstance(vae, AutoencoderTiny)
    with torch.no_grad():
        assert (
            psnr_db(vae.decode(vae.encode(picture).latents).sample[..., 2:-2, 2:-2], picture[..., 2:-2, 2:-2])
            > 40
        )


def test_likelihood_is_least_at_the_true_mean_and_deviation():
    class Linear:
        """Stands in for a VAE whose latents are given: the loss reads nothing else of it."""

        class config:  # noqa: N801
            scaling_factor = 1.0

        def encode(self, latents):
            return type("Output", (), {"latents": latents})

    generator = torch.Generator().manual_seed(2)
    shape = (1, 4, 64, 64)
    base, truth = (
        torch.zeros(shape),
        0.3 + 0.2 * torch.randn(shape, generator=generator),
    )  # gain 2: N(0.6, 0.4²)
    example = type("Example", (), {"original": truth, "mask": torch.ones(1, 1, 64, 64)})

    def gradients(mean: float, std: float) -> tuple[float, float]:
        m, s = torch.full(shape, mean, requires_grad=True), torch.full(shape, std, requires_grad=True)
        likelihood_loss(Linear(), example, Predicted(m, s, base)).sum().backward()
        return float(m.grad.sum()), float(s.grad.sum())

    assert gradients(0.5, 0.4)[0] < 0 < gradients(0.7, 0.4)[0]
    assert gradients(0.6, 0.35)[1] < 0 < gradients(0.6, 0.45)[1]


def test_examples_keep_received_pixels_and_span_what_an_engine_may_choose():
    rng = np.random.default_rng(4)
    original = rng.integers(0, 256, size=(64, 64, 3), dtype=np.uint8)
    shares, with_coarse = [], 0
    for _ in range(120):
        draw = received(original, None, rng)
        assert draw.fill.shape == original.shape and draw.known.dtype == np.bool_
        shares.append(draw.known.mean())
        with_coarse += draw.has_coarse
    assert 40 < with_coarse < 120
    assert min(shares) == 0.0 and max(shares) > 0.6


def test_tokenizer_spells_every_word_of_a_caption_as_one_token():
    tokenizer = text.word_tokenizer(["person", "photo", "water"])
    ids = tokenizer("photo person water").input_ids
    assert len(ids) == 5  # with beginning and end
    assert tokenizer.decode(ids, skip_special_tokens=True).split() == ["photo", "person", "water"]
