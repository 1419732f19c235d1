"""The tiny segmenter: person against other, from EfficientNet-lite0's ImageNet weights.

The head learns first, with the trunk frozen; then all of it at a lower rate. Scenes without people are shown as well,
as examples of 'other'.
"""

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ntnsim.networks.lite0 import imagenet_trunk
from ntnsim.networks.segmentation_network import Lite0ForSemanticSegmentation, Lite0SegmentationConfig
from training.loop import Progress, recipe_arguments
from training.photographs import Photograph, UInt8Image, load_photographs

CROP_PX = 256
LABELS = {0: "other", 1: "person"}
SCENE_SHARE = 0.12  # of the batch: photographs without a person
HEAD_ONLY_SHARE = 0.1  # of the time


def new_segmenter() -> Lite0ForSemanticSegmentation:
    """Return the network with ImageNet trunk and untrained head."""
    config = Lite0SegmentationConfig(
        id2label=LABELS, label2id={name: index for index, name in LABELS.items()}
    )
    model = Lite0ForSemanticSegmentation(config)
    model.trunk.load_state_dict(imagenet_trunk().state_dict())
    return model


def training_view(
    photograph: Photograph, rng: np.random.Generator, size_px: int = CROP_PX
) -> tuple[UInt8Image, NDArray[np.uint8]]:
    """Return a randomly scaled, cropped, mirrored and toned view [S, S, 3] and its labels [S, S]."""
    pixels = photograph.pixels
    labels = (
        np.zeros(pixels.shape[:2], np.uint8)
        if photograph.person is None
        else photograph.person.astype(np.uint8)
    )
    height, width = labels.shape
    # At scale one the longest side is the side used at inference, 384.
    scale = 384 / max(height, width) * float(np.exp(rng.uniform(-0.45, 0.45)))
    stretch = float(np.exp(rng.uniform(-0.12, 0.12)))
    taken_h = min(height, round(size_px / (scale * stretch)))
    taken_w = min(width, round(size_px / scale * stretch))
    top, left = int(rng.integers(0, height - taken_h + 1)), int(rng.integers(0, width - taken_w + 1))
    window = np.s_[top : top + taken_h, left : left + taken_w]
    view = cv2.resize(pixels[window], (size_px, size_px), interpolation=cv2.INTER_AREA)
    target = cv2.resize(labels[window], (size_px, size_px), interpolation=cv2.INTER_NEAREST)
    if rng.random() < 0.5:
        view, target = view[:, ::-1], target[:, ::-1]
    tone = view.astype(np.float32) / 255.0
    tone = np.clip(tone * rng.uniform(0.75, 1.25, size=(1, 1, 3)) ** np.array(0.5), 0, 1)
    tone = tone ** float(np.exp(rng.uniform(-0.25, 0.25)))
    if rng.random() < 0.1:
        tone = np.repeat(tone.mean(axis=2, keepdims=True), 3, axis=2)
    return (tone * 255).round().astype(np.uint8), np.ascontiguousarray(target)


def loss_of(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy plus a soft Jaccard loss of the person class, at the labels' resolution."""
    logits = functional.interpolate(
        logits.float(), size=target.shape[1:], mode="bilinear", align_corners=False
    )
    person = logits.softmax(dim=1)[:, 1]
    truth = target.float()
    overlap = (person * truth).sum(dim=(1, 2))
    union = (person + truth - person * truth).sum(dim=(1, 2))
    jaccard = 1 - (overlap + 100) / (union + 100)
    return functional.cross_entropy(logits, target) + 0.5 * jaccard.mean()


def person_tensor(pixels: UInt8Image) -> Tensor:
    """uint8 [B, S, S, 3] → float [B, 3, S, S] in [−1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).float().div(127.5).sub(1.0)


def validation_iou(
    model: nn.Module, photographs: list[Photograph], longest_px: int = 384
) -> tuple[float, float]:
    """Return (mean IoU of the two classes, person IoU) over all pixels of *photographs*, at native size."""
    counts = np.zeros((2, 2), np.int64)
    for photograph in photographs:
        assert photograph.person is not None
        height, width = photograph.person.shape
        scale = longest_px / max(height, width)
        fit_h, fit_w = (max(32, round(side * scale / 32) * 32) for side in (height, width))
        view = cv2.resize(photograph.pixels, (fit_w, fit_h), interpolation=cv2.INTER_AREA)
        with torch.no_grad():
            logits = model(pixel_values=person_tensor(view[None])).logits
        logits = functional.interpolate(logits, size=(height, width), mode="bilinear", align_corners=False)
        predicted = logits.argmax(dim=1)[0].numpy()
        counts += np.bincount(2 * photograph.person.ravel() + predicted.ravel(), minlength=4).reshape(2, 2)
    iou = [counts[c, c] / (counts[c].sum() + counts[:, c].sum() - counts[c, c]) for c in (0, 1)]
    return float(np.mean(iou)), float(iou[1])


def main() -> None:
    arguments = recipe_arguments(__doc__ or "", minutes=30, batch=10, seed=21).parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    cv2.setNumThreads(1)
    progress = Progress("segmenter", arguments.work, arguments.minutes)
    model = new_segmenter()
    trunk, head = (
        list(model.trunk.parameters()),
        [p for n, p in model.named_parameters() if not n.startswith("trunk")],
    )
    optimizer = torch.optim.AdamW(
        [{"params": trunk, "base": 4e-4}, {"params": head, "base": 2e-3}], lr=1e-3, weight_decay=0.02
    )
    if arguments.resume:
        state = progress.resume()
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
    persons = load_photographs(arguments.data, held_out=False, scenes=False)
    scenes = load_photographs(arguments.data, held_out=False, persons=False)
    held_out = load_photographs(arguments.data, held_out=True, scenes=False)
    rng = np.random.default_rng([arguments.seed, progress.step])
    fresh = progress.step == 0
    next_report = 0.1
    while True:
        fraction = progress.fraction
        head_only = fresh and fraction < HEAD_ONLY_SHARE
        for group in optimizer.param_groups:
            group["lr"] = group["base"] * (0.01 + 0.99 * (1 - fraction))
        model.train()
        # Statistics of small batches of one kind of picture are worse than ImageNet's.
        model.trunk.eval()
        for parameter in trunk:
            parameter.requires_grad_(not head_only)
        sources = [scenes if rng.random() < SCENE_SHARE else persons for _ in range(arguments.batch)]
        views = [training_view(source[int(rng.integers(len(source)))], rng) for source in sources]
        pixels = person_tensor(np.stack([view for view, _ in views]))
        target = torch.from_numpy(np.stack([labels for _, labels in views])).long()
        loss = loss_of(model(pixel_values=pixels).logits, target)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 2.0)
        optimizer.step()
        progress.step += 1
        if fraction >= next_report or fraction >= 1.0:
            next_report = fraction + 0.1
            model.eval()
            mean_iou, person_iou = validation_iou(model, held_out)
            progress.log(loss=loss.item(), mean_iou=mean_iou, person_iou=person_iou)
            progress.save(model=model.state_dict(), optimizer=optimizer.state_dict())
        if fraction >= 1.0:
            break
    model.eval().save_pretrained(arguments.work / "segmenter")


if __name__ == "__main__":
    main()
