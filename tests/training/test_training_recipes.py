"""The recipes' own formulas, against the libraries that read the networks they make."""

import numpy as np
import pytest
import torch
from diffusers import AutoencoderTiny

from training import text
from training.degradation import received
from training.inpainter import Predicted, latent_loss, new_scheduler, predicted
from training.texture import BANDS, GAINS, band_kernels, missing_texture
from training.vae import new_vae, psnr_db, start_in_closed_form, to_tensor


class Identity:
    """Stands in for a VAE whose latents are its pictures: the recipe reads nothing else of it."""

    class config:  # noqa: N801
        scaling_factor = 1.0

    def encode(self, latents):
        return type("Output", (), {"latents": latents})


def example_of(original: torch.Tensor, fill: torch.Tensor, *, coarse: bool):
    """An example of one picture, all of it unsent."""
    mask = torch.ones(1, 1, *fill.shape[2:])
    has_coarse = torch.tensor([coarse])
    return type("Example", (), {"original": original, "fill": fill, "mask": mask, "has_coarse": has_coarse})


@pytest.mark.parametrize("steps", [2, 4])
def test_second_step_of_training_starts_where_the_librarys_sampler_does(steps):
    scheduler = new_scheduler()
    scheduler.set_timesteps(steps)
    seen = []

    def network(inputs, time, states):
        seen.append((inputs[:, :4], int(time[0])))
        return type("Output", (), {"sample": 0.3 * inputs[:, :4] + 0.1 * inputs[:, 5:]})

    latents = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(1))
    example = example_of(latents, latents, coarse=True)
    middle = int(scheduler.timesteps[1])
    predicted(network, Identity(), scheduler, example, None, torch.ones(1), middle)
    (noise, first), (noisy, second) = seen
    assert (first, second) == (int(scheduler.timesteps[0]), middle)
    v = 0.3 * noise + 0.1 * latents
    expected = scheduler.step(v, scheduler.timesteps[0], noise).prev_sample
    assert torch.allclose(noisy, expected, atol=1e-5)


@pytest.mark.parametrize("coarse", [True, False])
def test_missing_texture_is_as_strong_as_what_the_fill_lacks(coarse):
    generator = torch.Generator().manual_seed(3)
    kernels = band_kernels()
    noise = torch.randn(1, 4, 256, 256, generator=generator)
    original = torch.randn(1, 4, 256, 256, generator=generator)
    fill = 0.6 * original  # lacks 1 − 0.36 of the energy in every band
    texture = missing_texture(original, fill, noise, torch.tensor([coarse]), kernels)
    energies = [float(kernel.square().sum()) for kernel in kernels]  # of white noise seen through each band
    expected = sum(g**2 * 0.64 * e for g, e in zip(GAINS[coarse], energies, strict=True))
    assert float(texture.square().mean()) == pytest.approx(expected, rel=0.05)
    lacks_nothing = missing_texture(original, original, noise, torch.tensor([coarse]), kernels)
    assert not lacks_nothing.any()
    halved = missing_texture(original, fill, 0.5 * noise, torch.tensor([coarse]), kernels)
    assert torch.allclose(halved, 0.5 * texture)


def test_finest_band_lies_around_a_period_of_five_pixels():
    assert len(BANDS) == len(GAINS[True]) == len(GAINS[False])
    kernel = np.pad(band_kernels()[0][0, 0].numpy(), 64)
    row = np.abs(np.fft.fft2(kernel))[0, : len(kernel) // 2]
    period_px = 2 * len(kernel) / np.argmax(row)  # a latent is two pixels wide
    assert 4 <= period_px < 6


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


def test_loss_is_zero_at_the_true_residual_with_its_texture_and_nowhere_near():
    generator = torch.Generator().manual_seed(2)
    original, fill, noise = (torch.randn(1, 4, 64, 64, generator=generator) for _ in range(3))
    kernels, weights = band_kernels(), torch.ones(4, 1, 1)
    example = example_of(original, fill, coarse=True)
    target = original - fill
    target[:, :1] += missing_texture(original, fill, noise, torch.tensor([True]), kernels)

    def loss(residual):
        return float(latent_loss(Identity(), example, Predicted(residual, noise, fill), kernels, weights))

    assert loss(2 * target) < 1e-10
    assert loss(2 * target + 0.1) == pytest.approx(0.01, rel=0.01)
    assert loss(2 * (original - fill)) > 1e-3  # the mean alone is not what noise should become


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
