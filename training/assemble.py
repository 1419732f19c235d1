"""Put the trained networks together as a bundle: fp16 safetensors, one directory per member, and the manifest."""

import argparse
import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderTiny, StableDiffusionInpaintPipeline, UNet2DConditionModel
from transformers import BlipForConditionalGeneration, CLIPTextModel, CLIPTokenizer

from ntnsim.networks.bundle import Member, write_manifest
from ntnsim.networks.segmentation_network import Lite0ForSemanticSegmentation, Lite0SegmentationConfig
from training import text
from training.examples import MASK_COARSE, NOISE_UNIT_GREY
from training.restorer import RESIDUAL_GAIN, new_scheduler, new_unet
from training.segmenter import new_segmenter

# Of the residual to a coarse layer, with strengths of its lost texture and without. Chosen on eight training
# photographs by judges that no claim uses (VSI, HaarPSI, MDSI, GMSD, ST-LPIPS with VGG); see models/tiny/README.md.
COARSE_SHARE, COARSE_SHARE_WITHOUT_GRAIN = 0.75, 0.5

DESCRIPTION = (
    "Small real networks for machines without a GPU or a network connection; see README.md beside this file."
)


def assemble_inpainter(work: Path, directory: Path, name: str) -> Member:
    """Write the diffusion pipeline, from the averaged weights of the recipe's newest checkpoint."""
    unet: UNet2DConditionModel = new_unet()
    unet.load_state_dict(torch.load(work / f"{name}.pt", weights_only=True)["average"])
    pipeline = StableDiffusionInpaintPipeline(
        vae=AutoencoderTiny.from_pretrained(work / "vae", local_files_only=True).half(),
        text_encoder=CLIPTextModel.from_pretrained(
            work / text.DIRECTORY / "text_encoder", local_files_only=True
        ).half(),
        tokenizer=CLIPTokenizer.from_pretrained(work / text.DIRECTORY / "tokenizer", local_files_only=True),
        unet=unet.half(),
        scheduler=new_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    shutil.rmtree(directory / "inpainter", ignore_errors=True)
    pipeline.save_pretrained(directory / "inpainter")
    options = {
        "steps": 1,
        "stride_px": 16,
        "residual_gain": RESIDUAL_GAIN,
        "coarse_mask": MASK_COARSE,
        "noise_unit_grey": NOISE_UNIT_GREY,
        "coarse_share": COARSE_SHARE,
        "coarse_share_without_grain": COARSE_SHARE_WITHOUT_GRAIN,
    }
    return Member("inpainter", "one-step-residual", options=options)


def assemble_segmenter(work: Path, directory: Path) -> Member:
    """Write the segmenter from the recipe's newest checkpoint; without one, keep the bundle's own."""
    if (work / "segmenter.pt").exists():
        model: Lite0ForSemanticSegmentation = new_segmenter()
        model.load_state_dict(torch.load(work / "segmenter.pt", weights_only=True)["model"])
        shutil.rmtree(directory / "segmenter", ignore_errors=True)
        model.eval().half().save_pretrained(directory / "segmenter")
    config = Lite0SegmentationConfig.from_pretrained(directory / "segmenter", local_files_only=True)
    options = {
        "longest_side_px": config.longest_side_px,
        "multiple_px": 32,
        "channel_order": "rgb",
        "value_range": [-1.0, 1.0],
    }
    return Member("segmenter", "semantic-segmentation", options=options)


def assemble_captioner(work: Path, directory: Path) -> Member:
    """Write the captioner that the recipe saved."""
    from transformers import BlipProcessor

    shutil.rmtree(directory / "captioner", ignore_errors=True)
    model = BlipForConditionalGeneration.from_pretrained(work / "captioner", local_files_only=True)
    model.half().save_pretrained(directory / "captioner")
    BlipProcessor.from_pretrained(work / "captioner", local_files_only=True).save_pretrained(
        directory / "captioner"
    )
    return Member("captioner", "blip", options={"max_tokens": 24})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("training_work"))
    parser.add_argument("--out", type=Path, default=Path("models/tiny"))
    parser.add_argument("--inpainter", default="inpainter", help="name of the inpainter's checkpoint")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    members = [
        assemble_inpainter(arguments.work, arguments.out, arguments.inpainter),
        assemble_segmenter(arguments.work, arguments.out),
    ]
    if (arguments.work / "captioner" / "config.json").exists():
        members.append(assemble_captioner(arguments.work, arguments.out))
    for file in arguments.out.rglob("*.safetensors"):
        file.chmod(0o644)  # transformers writes them for the owner only
    path = write_manifest(arguments.out, DESCRIPTION, members)
    weights_bytes = sum(file.stat().st_size for file in arguments.out.rglob("*.safetensors"))
    print(f"{path}: {weights_bytes:,} bytes of weights")


if __name__ == "__main__":
    main()
