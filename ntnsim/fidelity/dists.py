"""DISTS: structure and texture of two pictures together, in VGG16's features (Ding, Ma, Wang & Simoncelli 2022).

"Image Quality Assessment: Unifying Structure and Texture Similarity", IEEE TPAMI 44(5). The network and its weights of
channels are the package ``torchmetrics``' (extra ``judges``); the trunk is read from a local file.
"""

from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import torch

from ntnsim.arrays import UInt8Image
from ntnsim.errors import BundleError
from ntnsim.fidelity.backends import picture_tensor, saved_weights


class DistsJudge:
    """One minus the similarity of two pictures; zero for the same."""

    def __init__(self, path: Path) -> None:
        """Load the trunk in *path*, a saved state of ``torchvision.models.vgg16``.

        Raises BundleError where it cannot be read, is no VGG16's, or the package is not there.
        """
        state = saved_weights(path, "dists needs torchvision's VGG16 weights in one")
        trunk = {
            key.removeprefix("features."): value
            for key, value in state.items()
            if key.startswith("features.")
        }
        try:
            from torchmetrics.functional.image import dists
        except ImportError as error:
            raise BundleError("dists needs the package torchmetrics: pip install 'ntnsim[judges]'") from error
        from torchvision.models.vgg import cfgs, make_layers

        layers = make_layers(cfgs["D"], batch_norm=False)
        try:
            layers.load_state_dict(trunk)
        except RuntimeError:  # other names or shapes
            raise BundleError(f"{path}: is not the state of torchvision's VGG16") from None
        # Its constructor knows no trunk but one that is downloaded.
        with patch.object(dists, "vgg16", lambda weights: SimpleNamespace(features=layers)):
            self._network = dists.DISTSNetwork().eval()

    @torch.inference_mode()
    def distance(self, first: UInt8Image, second: UInt8Image) -> float:
        """Return DISTS of two pictures [H, W, 3]."""
        return max(float(self._network(picture_tensor(first) / 255, picture_tensor(second) / 255)), 0.0)
