"""Image to caption, by a BLIP network of the bundle: SPIFF's prompt, and all that the SC baseline sends."""

from collections.abc import Sequence
from pathlib import Path

from ntnsim.arrays import UInt8Image
from ntnsim.errors import BundleError
from ntnsim.networks.bundle import Member
from ntnsim.networks.loading import load_network, load_processor
from ntnsim.protocols.captioner import Captioner

DEFAULT_MAX_TOKENS = 100  # paper, Table II


class BlipCaptioner:
    """BlipForConditionalGeneration with its own processor, decoding greedily: the same image, the same words."""

    def __init__(self, directory: Path, *, max_tokens: int = DEFAULT_MAX_TOKENS, device: str = "cpu") -> None:
        from transformers import BlipForConditionalGeneration, BlipProcessor

        what = "a BLIP captioner"
        model = load_network(BlipForConditionalGeneration, directory, what, dtype="float32")
        self._processor = load_processor(BlipProcessor, directory, what)
        self._model = model.eval().to(device)
        self._max_tokens = max_tokens
        self._device = device

    def captions(self, images: Sequence[UInt8Image]) -> list[str]:
        """Return the captions of *images*; each is computed alone."""
        from ntnsim.networks.per_image import map_images

        return map_images(self._one, images)

    def _one(self, pixels: UInt8Image) -> str:
        inputs = self._processor(images=pixels, return_tensors="pt")
        tokens = self._model.generate(
            pixel_values=inputs["pixel_values"].to(self._device),
            max_length=self._max_tokens,
            do_sample=False,
            num_beams=1,
        )
        return str(self._processor.decode(tokens[0], skip_special_tokens=True)).strip()


def captioner_of_member(member: Member, directory: Path, *, device: str = "cpu") -> Captioner:
    """Return the captioner that the bundle's *member* in *directory* describes."""
    if member.kind != "blip":
        raise BundleError(f"{directory}: captioner kind {member.kind!r} is not blip")
    max_tokens = int(member.options.get("max_tokens", DEFAULT_MAX_TOKENS))
    return BlipCaptioner(directory, max_tokens=max_tokens, device=device)
