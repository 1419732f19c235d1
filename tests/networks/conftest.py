"""Fixtures of the bundle tests: a bundle of random weights, and a photograph."""

import numpy as np
import pytest
from random_networks import save_mobilevit, save_pipeline

from ntnsim.networks.bundle import Bundle, Member, open_bundle, write_manifest


@pytest.fixture(scope="session")
def random_bundle(tmp_path_factory) -> Bundle:
    """Latent-residual inpainter (as in the tiny bundle) and a MobileViT segmenter, with random weights."""
    import torch
    from diffusers import AutoencoderTiny

    torch.manual_seed(1)
    directory = tmp_path_factory.mktemp("bundles") / "random"
    vae = AutoencoderTiny(
        encoder_block_out_channels=(16, 16),
        decoder_block_out_channels=(16, 16),
        num_encoder_blocks=(0, 0),
        num_decoder_blocks=(1, 0),
        scaling_factor=2.0,
    )
    save_pipeline(directory / "inpainter", vae, levels=4, prediction_type="v_prediction")
    save_mobilevit(directory / "segmenter", ["background", "person", "dog"])
    write_manifest(
        directory,
        "random weights",
        [
            Member(
                "inpainter",
                "one-step-residual",
                options={
                    "steps": 1,
                    "stride_px": 16,
                    "residual_gain": 0.5,
                    "coarse_mask": 0.5,
                    "noise_unit_grey": 8.0,
                    "coarse_share": 1.0,
                    "coarse_share_without_grain": 1.0,
                },
            ),
            Member(
                "segmenter",
                "semantic-segmentation",
                options={"shortest_side_px": 64, "multiple_px": 32, "channel_order": "bgr"},
            ),
        ],
    )
    return open_bundle(directory)


@pytest.fixture
def photograph() -> np.ndarray:
    """A real photograph, 96×128, that scikit-image ships (in the public domain)."""
    from skimage import data

    return np.ascontiguousarray(data.astronaut()[40:232:2, 120:376:2])
