"""The networks behind PF and SF: what compares two pictures place by place, and what a whole picture says."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ntnsim.errors import BundleError, first_line
from ntnsim.fidelity import st_lpips
from ntnsim.networks import lite0
from ntnsim.spiff.resize import resized


class PerceptualBackend(Protocol):
    """A spatial perceptual distance."""

    @property
    def name(self) -> str:
        """What every PF number is labelled with."""
        ...

    def features(self, pixels: NDArray[np.uint8]) -> Any:
        """Return what :meth:`distance_map` needs of one image."""
        ...

    def distance_map(self, first: Any, second: Any) -> NDArray[np.float32]:
        """Return the distance at every pixel, float32 [H, W]; 0 where nothing differs."""
        ...


class SemanticBackend(Protocol):
    """Features whose angle says how alike two images are in content."""

    @property
    def name(self) -> str:
        """What every SF number is labelled with."""
        ...

    def features(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Return unit vectors [N, D] of *images*, each uint8 [H, W, 3]."""
        ...

    def caption_similarity(self, pixels: NDArray[np.uint8], caption: str) -> float | None:
        """Return the cosine between image and caption; None if the backend knows no text."""
        ...


class StLpipsBackend:
    """ST-LPIPS (AlexNet); works offline."""

    name = "st-lpips"

    @torch.inference_mode()
    def features(self, pixels: NDArray[np.uint8]) -> tuple[tuple[int, int], list[Tensor]]:
        """Return the image's size and its normalised feature maps."""
        height, width = pixels.shape[:2]
        minimum = st_lpips.MIN_SIDE_PX
        padded = np.pad(
            pixels, ((0, max(0, minimum - height)), (0, max(0, minimum - width)), (0, 0)), mode="edge"
        )
        return (height, width), st_lpips.pretrained().features(picture_tensor(padded))

    @torch.inference_mode()
    def distance_map(self, first: Any, second: Any) -> NDArray[np.float32]:
        """Return the sum of the taps' distances, each enlarged bilinearly to the image's size."""
        (height, width), maps = first
        size = (max(height, st_lpips.MIN_SIDE_PX), max(width, st_lpips.MIN_SIDE_PX))
        taps = st_lpips.pretrained().distance_maps(maps, second[1])
        enlarged = [functional.interpolate(tap, size, mode="bilinear", align_corners=False) for tap in taps]
        total: NDArray[np.float32] = sum(enlarged)[0, 0, :height, :width].numpy()  # type: ignore[index]
        return total


class LpipsBackend:
    """LPIPS (AlexNet, Zhang et al. 2018): heads from the ``lpips`` wheel, trunk from a local torchvision checkpoint."""

    name = "lpips"

    @classmethod
    def from_file(cls, path: Path) -> "LpipsBackend":
        """Return it with the trunk in *path*, a saved state of ``torchvision.models.alexnet``."""
        return cls(saved_weights(path, "lpips needs torchvision's AlexNet weights in one"))

    def __init__(self, trunk: dict[str, Tensor]) -> None:
        """Build the network around *trunk*, the state of ``torchvision.models.alexnet``."""
        import lpips

        self._network = lpips.LPIPS(net="alex", pnet_rand=True, spatial=True, verbose=False)
        slices = self._network.net
        state = {}
        for key in slices.state_dict():
            _, index, kind = key.split(".")
            if f"features.{index}.{kind}" not in trunk:
                raise BundleError(
                    f"lpips trunk: lacks features.{index}.{kind}; it must be torchvision's AlexNet"
                )
            state[key] = trunk[f"features.{index}.{kind}"]
        try:
            slices.load_state_dict(state)
        except RuntimeError as error:  # weights of other shapes
            raise BundleError(f"lpips trunk: is not torchvision's AlexNet ({first_line(error)})") from None
        self._network.eval().requires_grad_(False)

    def features(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the image itself: the package computes both sides together."""
        return pixels

    @torch.inference_mode()
    def distance_map(self, first: Any, second: Any) -> NDArray[np.float32]:
        """Return the package's spatial map."""
        height, width = first.shape[:2]
        pad = ((0, max(0, 64 - height)), (0, max(0, 64 - width)), (0, 0))
        a, b = (picture_tensor(np.pad(image, pad, mode="edge")) / 127.5 - 1 for image in (first, second))
        spatial: NDArray[np.float32] = self._network(a, b)[0, 0, :height, :width].numpy()
        return spatial


class EfficientNetLite0Backend:
    """Pooled ImageNet features of EfficientNet-lite0: an offline stand-in for CLIP, named as such."""

    name = "efficientnet-lite0"
    _SIDE_PX = 224

    @torch.inference_mode()
    def features(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Return unit vectors [N, 1280]; each whole image is resized to 224×224, nothing is cropped away."""
        side = (self._SIDE_PX, self._SIDE_PX)
        batch = torch.cat([picture_tensor(resized(image, side)) for image in images])
        vectors = lite0.pretrained().features(lite0.normalised(batch))
        unit: NDArray[np.float32] = functional.normalize(vectors, dim=1).numpy()
        return unit

    def caption_similarity(self, pixels: NDArray[np.uint8], caption: str) -> float | None:
        """Return None: the network knows no text."""
        return None


class ClipBackend:
    """CLIP image–image and image–text similarity, from a local directory in the transformers format."""

    name = "clip"
    _MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073])[:, None, None]
    _STD = torch.tensor([0.26862954, 0.26130258, 0.27577711])[:, None, None]

    def __init__(self, directory: Path) -> None:
        """Load model and tokenizer from *directory*; nothing is downloaded."""
        from transformers import AutoTokenizer, CLIPModel

        try:
            self._model: Any = CLIPModel.from_pretrained(
                directory, local_files_only=True, use_safetensors=True
            )
            self._tokenizer: Any = AutoTokenizer.from_pretrained(directory, local_files_only=True)
        except (OSError, ValueError) as error:
            raise BundleError(f"{directory}: no CLIP model in the transformers format ({error})") from None
        self._model.eval().requires_grad_(False)
        config: Any = self._model.config
        self._side_px = int(config.vision_config.image_size)

    @torch.inference_mode()
    def features(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Return unit vectors [N, D]; each whole image is resized to the model's square, nothing is cropped away."""
        side = (self._side_px, self._side_px)
        batch = torch.cat(
            [(picture_tensor(resized(image, side)) / 255 - self._MEAN) / self._STD for image in images]
        )
        vectors = self._model.get_image_features(pixel_values=batch).pooler_output
        unit: NDArray[np.float32] = functional.normalize(vectors, dim=1).numpy()
        return unit

    def distance(self, first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
        """Return one minus the cosine of the two images' vectors."""
        a, b = self.features([first, second])
        return max(1 - float(a @ b), 0.0)

    @torch.inference_mode()
    def caption_similarity(self, pixels: NDArray[np.uint8], caption: str) -> float | None:
        """Return the cosine between image and *caption*, as CLIPScore without its weight."""
        tokens = self._tokenizer([caption], truncation=True, return_tensors="pt")
        text = functional.normalize(self._model.get_text_features(**tokens).pooler_output, dim=1)
        return float(self.features([pixels])[0] @ text[0].numpy())


def picture_tensor(pixels: NDArray[np.uint8]) -> Tensor:
    """Return float32 [1, 3, H, W] of *pixels* [H, W, 3]."""
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))[None]).float()


def saved_weights(path: Path, need: str) -> dict[str, Tensor]:
    """Return the weights by name that torch saved in *path*; *need* says in an error what they are for."""
    if not path.is_file():
        raise BundleError(f"{path}: is no file; {need}")
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # pickles fail in many ways
        raise BundleError(f"{path}: not readable as saved weights ({first_line(error)})") from None
    if not isinstance(weights, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in weights.items()
    ):
        raise BundleError(f"{path}: holds no weights by name")
    return weights
