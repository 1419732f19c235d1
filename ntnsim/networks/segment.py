"""Semantic segmentation at the gateway: a network of the bundle, or text-prompted Grounded-SAM (SAM or SAM 2).

Both return class maps at the image's own size: the picture is resized to what the network was made for, never cropped,
and the logits are resized back. A data set's ground truth is the third kind and needs no code here.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ntnsim.arrays import ClassMap, UInt8Image
from ntnsim.errors import BundleError, first_line
from ntnsim.networks.bundle import Member
from ntnsim.networks.loading import load_network, load_processor
from ntnsim.protocols.segmenter import Segmenter

OTHER = "other"

# What a mask network's config.json may call itself, and transformers' classes for it. The published SAM 2 checkpoints
# are video models; without the memory of past frames their parameters are those of Sam2Model.
SAM_CLASSES = {
    "sam": ("SamModel", "SamProcessor"),
    "sam2": ("Sam2Model", "Sam2Processor"),
    "sam2_video": ("Sam2Model", "Sam2Processor"),
}


def fitted_size(height: int, width: int, options: Mapping[str, Any]) -> tuple[int, int]:
    """Return the (height, width) a network sees: its longest or shortest side as asked, both multiples as asked."""
    if "longest_side_px" in options:
        scale = float(options["longest_side_px"]) / max(height, width)
    else:
        scale = float(options["shortest_side_px"]) / min(height, width)
    multiple = int(options.get("multiple_px", 32))
    fitted = [max(multiple, round(side * scale / multiple) * multiple) for side in (height, width)]
    return fitted[0], fitted[1]


class NetworkSegmenter:
    """Any network of transformers' AutoModelForSemanticSegmentation (MobileViT + DeepLabV3, the tiny bundle's …).

    Options of the bundle's member: ``longest_side_px`` or ``shortest_side_px``, ``multiple_px``, ``channel_order``
    ("rgb", "bgr"), ``value_range`` ([low, high] that 0…255 maps to).
    """

    def __init__(self, directory: Path, options: Mapping[str, Any], *, device: str = "cpu") -> None:
        from transformers import AutoModelForSemanticSegmentation

        import ntnsim.networks.segmentation_network  # noqa: F401  (registers the tiny bundle's class)

        model = load_network(
            AutoModelForSemanticSegmentation,
            directory,
            "a segmentation network",
            dtype="float32",
            trust_remote_code=False,
        )
        self._model = model.eval().to(device)
        self._device = device
        self._options = options
        self._low, self._high = (float(value) for value in options.get("value_range", (0.0, 1.0)))
        self._reverse = options.get("channel_order", "rgb") == "bgr"
        labels = model.config.id2label
        self.class_names = tuple(str(labels[index]) for index in range(len(labels)))

    def class_maps(self, images: Sequence[UInt8Image]) -> list[ClassMap]:
        """Return the most likely class of every pixel; the same bytes whatever else is in the batch."""
        from ntnsim.networks.per_image import map_images

        return map_images(self._one, images)

    def _one(self, pixels: UInt8Image) -> ClassMap:
        import torch
        from torch.nn.functional import interpolate

        height, width = pixels.shape[:2]
        seen_height, seen_width = fitted_size(height, width, self._options)
        shrinks = seen_height * seen_width < height * width
        method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        seen = cv2.resize(pixels, (seen_width, seen_height), interpolation=method)
        if self._reverse:
            seen = seen[:, :, ::-1]
        values = torch.from_numpy(np.ascontiguousarray(seen)).permute(2, 0, 1)[None].float()
        values = values.div(255.0).mul(self._high - self._low).add(self._low).to(self._device)
        logits = self._model(pixel_values=values).logits
        full = interpolate(logits.float(), size=(height, width), mode="bilinear", align_corners=False)
        labels: ClassMap = full.argmax(dim=1)[0].to(torch.uint8).cpu().numpy()
        return labels


class GroundedSamSegmenter:
    """Text prompts to boxes (Grounding DINO), boxes to masks (SAM or SAM 2); class 0 is what no prompt claims.

    Which of the two is in *sam_directory*, its config.json says (``model_type``: sam, sam2 or sam2_video).
    Where masks overlap, the surer box wins. *categories* are the prompts and, in order, the classes after "other".
    """

    def __init__(
        self,
        detector_directory: Path,
        sam_directory: Path,
        categories: Sequence[str],
        *,
        box_threshold: float = 0.3,
        text_threshold: float = 0.25,
        device: str = "cpu",
    ) -> None:
        from transformers import AutoProcessor, GroundingDinoForObjectDetection

        if not categories:
            raise BundleError("Grounded-SAM needs at least one category to look for, got none")
        sam, self._sam_processor = _load_sam(sam_directory)
        what = "a Grounding DINO detector"
        detector = load_network(GroundingDinoForObjectDetection, detector_directory, what)
        self._detector_processor = load_processor(AutoProcessor, detector_directory, what)
        self._detector, self._sam = detector.eval().to(device), sam.eval().to(device)
        self._box_threshold, self._text_threshold = box_threshold, text_threshold
        self._device = device
        self.class_names = (OTHER, *(category.strip().lower() for category in categories))
        # Grounding DINO's own form: lower case, each phrase closed by a full stop.
        self._text = " ".join(f"{name}." for name in self.class_names[1:])

    def class_maps(self, images: Sequence[UInt8Image]) -> list[ClassMap]:
        """Return the class maps of *images*."""
        from ntnsim.networks.per_image import map_images

        return map_images(self._one, images)

    def _one(self, pixels: UInt8Image) -> ClassMap:
        boxes, labels, scores = self._detected(pixels)
        class_map = np.zeros(pixels.shape[:2], np.uint8)
        if not len(boxes):
            return class_map
        masks = self._masks(pixels, boxes)
        for index in np.argsort(scores, kind="stable"):  # the surest is painted last
            class_map[masks[index]] = labels[index]
        return class_map

    def _detected(self, pixels: UInt8Image) -> tuple[NDArray[np.float32], list[int], NDArray[np.float32]]:
        """Return boxes [n, 4] as (left, top, right, bottom) in pixels, their classes, and scores [n]."""
        height, width = pixels.shape[:2]
        inputs = self._detector_processor(images=pixels, text=self._text, return_tensors="pt").to(
            self._device
        )
        outputs = self._detector(**inputs)
        found = self._detector_processor.post_process_grounded_object_detection(
            outputs,
            inputs["input_ids"],
            threshold=self._box_threshold,
            text_threshold=self._text_threshold,
            target_sizes=[(height, width)],
        )[0]
        kept, labels = [], []
        for index, phrase in enumerate(found["text_labels"]):
            named = self.class_of(phrase)
            if named:
                kept.append(index)
                labels.append(named)
        boxes = found["boxes"].detach().cpu().numpy()[kept].reshape(-1, 4)
        return boxes, labels, found["scores"].detach().cpu().numpy()[kept]

    def class_of(self, phrase: str) -> int:
        """Return the class whose name shares most words with the detector's *phrase*; 0 if none does."""
        words = set(re.findall(r"\w+", phrase.lower()))
        shared = [len(words & set(re.findall(r"\w+", name))) for name in self.class_names[1:]]
        return 1 + int(np.argmax(shared)) if max(shared) else 0

    def _masks(self, pixels: UInt8Image, boxes: NDArray[np.float32]) -> list[NDArray[np.bool_]]:
        inputs = self._sam_processor(images=pixels, input_boxes=[boxes.tolist()], return_tensors="pt")
        outputs = self._sam(
            pixel_values=inputs["pixel_values"].to(self._device),
            input_boxes=inputs["input_boxes"].to(self._device, dtype=self._sam.dtype),
            multimask_output=False,
        )
        # SAM pads the resized picture, and its masks are cut to that size first; SAM 2 stretches the picture instead.
        sizes = [inputs[name].cpu() for name in ("original_sizes", "reshaped_input_sizes") if name in inputs]
        masks = self._sam_processor.image_processor.post_process_masks(
            outputs.pred_masks.detach().cpu(), *sizes
        )[0]
        return [mask[0].numpy().astype(bool) for mask in masks]


def _load_sam(directory: Path) -> tuple[Any, Any]:
    """Return the SAM or SAM 2 model in *directory*, whichever its config.json names, and its processor."""
    import transformers

    try:
        model_type = json.loads((directory / "config.json").read_text()).get("model_type")
    except (OSError, ValueError, AttributeError) as error:
        raise BundleError(f"{directory}: not loadable as SAM ({first_line(error)})") from error
    if model_type not in SAM_CLASSES:
        raise BundleError(
            f"{directory}: config.json says model_type {model_type!r}; allowed are {', '.join(SAM_CLASSES)}"
        )
    model_class, processor_class = (getattr(transformers, name) for name in SAM_CLASSES[model_type])
    # A video model's files hold its memory of past frames too, which Sam2Model has no place for.
    model = load_network(model_class, directory, "SAM", more_allowed=model_type == "sam2_video")
    return model, load_processor(processor_class, directory, "SAM")


def segmenter_of_member(member: Member, directory: Path, *, device: str = "cpu") -> Segmenter:
    """Return the segmenter that the bundle's *member* in *directory* describes."""
    if member.kind == "semantic-segmentation":
        return NetworkSegmenter(directory, member.options, device=device)
    if member.kind == "grounded-sam":
        return GroundedSamSegmenter(
            directory / "detector",
            directory / "sam",
            member.options["categories"],
            box_threshold=float(member.options.get("box_threshold", 0.3)),
            text_threshold=float(member.options.get("text_threshold", 0.25)),
            device=device,
        )
    raise BundleError(
        f"{directory}: segmenter kind {member.kind!r} is not semantic-segmentation or grounded-sam"
    )
