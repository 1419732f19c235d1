"""From a bundle to its networks: the one module that knows every kind of them."""

from ntnsim.errors import BundleError, InputError
from ntnsim.networks.bundle import Bundle, check_device
from ntnsim.networks.caption import captioner_of_member
from ntnsim.networks.diffusion import LatentResidualInpainter
from ntnsim.networks.segment import segmenter_of_member
from ntnsim.networks.stable_diffusion import StableDiffusionInpainter
from ntnsim.protocols.captioner import Captioner
from ntnsim.protocols.inpainter import Inpainter
from ntnsim.protocols.segmenter import Segmenter
from ntnsim.spiff.classical import CLASSICAL, ClassicalInpainter

INPAINTER_NAMES = ("bundle", *CLASSICAL)


def load_segmenter(bundle: Bundle, device: str = "cpu") -> Segmenter:
    """Return the bundle's segmentation network on the torch *device*."""
    check_device(device)
    return segmenter_of_member(*bundle.member("segmenter"), device=device)


def load_captioner(bundle: Bundle, device: str = "cpu") -> Captioner:
    """Return the bundle's captioner on the torch *device*."""
    check_device(device)
    return captioner_of_member(*bundle.member("captioner"), device=device)


def inpainter_named(
    name: str,
    bundle: Bundle | None,
    *,
    steps: int | None = None,
    device: str = "cpu",
    dtype: str | None = None,
) -> Inpainter:
    """Return the inpainter *name*: "bundle", or a classical fill ("telea", "ns", "nearest", "none").

    steps: of the sampler; the bundle's own number unless given. dtype: float32 on the CPU and float16 on CUDA unless
    given. Bytes are promised to repeat on the CPU; on CUDA batches run as batches.
    """
    if name in CLASSICAL:
        return ClassicalInpainter(name)
    if name != "bundle":
        raise InputError(f"inpainter must be one of {', '.join(INPAINTER_NAMES)}, got {name!r}")
    if bundle is None:
        raise InputError("inpainter 'bundle' needs a model bundle, none was given")
    if steps is not None and steps < 1:
        raise InputError(f"steps must be at least 1, got {steps}")
    kinds = {
        "one-step-residual": LatentResidualInpainter,
        "stable-diffusion-inpaint": StableDiffusionInpainter,
    }
    member, directory = bundle.member("inpainter")
    if member.kind not in kinds:
        raise BundleError(
            f"bundle {bundle.name}: inpainter kind {member.kind!r} is not one of {', '.join(kinds)}"
        )
    return kinds[member.kind](member, directory, steps=steps, device=device, dtype=dtype)
