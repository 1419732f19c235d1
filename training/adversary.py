"""The adversary: two discriminators that tell photographs from restored ones, and what their verdict weighs.

A mean of all that could have been there is smooth; a photograph is not. One discriminator sees pixels in patches,
beside the fill they were made from (Isola et al., "Image-to-image translation with conditional adversarial networks",
CVPR 2017); the other judges feature maps of frozen networks, small heads on each (Sauer et al., "Projected GANs
converge faster", NeurIPS 2021). Both are trained with the hinge loss, their convolutions under spectral normalisation
(Miyato et al., ICLR 2018). Their weight in the generator's loss follows the gradients at its last layer, as in VQGAN
(Esser et al., CVPR 2021), so that they never drown the distance to the original.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

_SLOPE = 0.2


def _convolution(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Module:
    return spectral_norm(nn.Conv2d(inputs, outputs, kernel, stride, padding=(kernel - 1) // 2))


class PixelJudge(nn.Module):
    """Pictures and their fills, each [B, 3, H, W] in [−1, 1], to verdicts [B, 1, H/8, W/8]: above zero is real."""

    def __init__(self) -> None:
        super().__init__()
        widths = (6, 64, 128, 256)
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            layers += [_convolution(inputs, outputs, 4, 2), nn.LeakyReLU(_SLOPE)]
        layers += [_convolution(256, 256, 3, 1), nn.LeakyReLU(_SLOPE), _convolution(256, 1, 3, 1)]
        self.layers = nn.Sequential(*layers)

    def forward(self, picture: Tensor, fill: Tensor) -> Tensor:
        verdict: Tensor = self.layers(torch.cat([picture, fill], dim=1))
        return verdict


class FeatureJudge(nn.Module):
    """Normalised feature maps [B, C, h, w], of the given channels, to verdicts, one map for each."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            nn.Sequential(
                _convolution(inputs, 128, 1, 1),
                nn.LeakyReLU(_SLOPE),
                _convolution(128, 128, 3, 1),
                nn.LeakyReLU(_SLOPE),
                _convolution(128, 1, 3, 1),
            )
            for inputs in channels
        )
        self.gains = [inputs**0.5 for inputs in channels]  # unit vectors to unit values

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        judged = zip(self.heads, maps, self.gains, strict=True)
        return [head(values * gain) for head, values, gain in judged]


class Adversary(nn.Module):
    """Both judges as one: verdicts on pictures, given their fills and feature maps of the given channels."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.pixels, self.features = PixelJudge(), FeatureJudge(channels)

    def forward(self, picture: Tensor, fill: Tensor, maps: list[Tensor]) -> list[Tensor]:
        """Return the verdict maps; *maps* are the frozen networks', normalised."""
        return [self.pixels(picture, fill), *self.features(maps)]


def judges_loss(real: list[Tensor], made: list[Tensor]) -> Tensor:
    """Return what the judges pay: the hinge loss of both verdicts, half for the pixels', half for the features'."""
    losses = [
        functional.relu(1 - a.float()).mean() + functional.relu(1 + b.float()).mean()
        for a, b in zip(real, made, strict=True)
    ]
    return _half_and_half(losses)


def makers_loss(made: list[Tensor]) -> Tensor:
    """Return what the generator pays for being told."""
    return _half_and_half([-verdict.float().mean() for verdict in made])


def _half_and_half(losses: list[Tensor]) -> Tensor:
    return 0.5 * losses[0] + 0.5 * torch.stack(losses[1:]).mean()


class Balance:
    """The adversary's weight: the ratio of both losses' gradients at the generator's last layer, times *share*."""

    EVERY = 8  # steps between two measurements

    def __init__(self, share: float) -> None:
        self._share = share
        self._weight: Tensor | None = None
        self._calls = 0

    @property
    def current(self) -> float:
        """The running mean; zero before the first measurement."""
        return 0.0 if self._weight is None else float(self._weight)

    def weight(self, distance: Tensor, adversarial: Tensor, last_layer: Tensor) -> Tensor:
        """Return the weight for this step; a running mean, measured anew every ``EVERY`` steps."""
        if self._weight is None or self._calls % self.EVERY == 0:
            norms = [
                torch.autograd.grad(loss, last_layer, retain_graph=True)[0].norm()
                for loss in (distance, adversarial)
            ]
            now = (self._share * norms[0] / (norms[1] + 1e-6)).clamp(0, 100).detach()
            self._weight = now if self._weight is None else 0.9 * self._weight + 0.1 * now
        self._calls += 1
        return self._weight
