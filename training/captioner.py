"""The tiny captioner: a BLIP network that learns the captions which the data's own tables give (``text.py``).

Some nine hundred photographs cannot teach a transformer to see. The image half therefore also learns to predict what
EfficientNet-lite0, trained on ImageNet, makes of the same view; that part is dropped afterwards. What remains names
people and the commonest surroundings, and little else.
"""

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import (
    BertTokenizer,
    BlipConfig,
    BlipForConditionalGeneration,
    BlipImageProcessor,
    BlipProcessor,
)

from ntnsim.networks.lite0 import imagenet_trunk
from training import text
from training.loop import Progress, recipe_arguments
from training.photographs import Photograph, UInt8Image, load_photographs

IMAGE_PX = 128
WIDTH = 160
LAYERS = 4
MAX_WORDS = 24
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
PAD, BEGIN, END = 0, 2, 3


def new_tokenizer(captions: list[str]) -> BertTokenizer:
    """Return a tokenizer whose vocabulary is the captions' words."""
    words = sorted({word for caption in captions for word in caption.split()})
    tokenizer = BertTokenizer(vocab={token: index for index, token in enumerate([*SPECIAL, *words])})
    if len(tokenizer) != len(SPECIAL) + len(words):
        raise RuntimeError(f"the tokenizer kept {len(tokenizer)} of {len(SPECIAL) + len(words)} tokens")
    return tokenizer


def new_captioner(vocabulary_size: int) -> BlipForConditionalGeneration:
    """Return the untrained network, 1.9 M parameters."""
    shared = {"hidden_size": WIDTH, "intermediate_size": 3 * WIDTH, "num_attention_heads": 4}
    config = BlipConfig(
        vision_config={**shared, "num_hidden_layers": LAYERS, "image_size": IMAGE_PX, "patch_size": 16},
        text_config={
            **shared,
            "num_hidden_layers": 2,
            "vocab_size": vocabulary_size,
            "encoder_hidden_size": WIDTH,
            "max_position_embeddings": 32,
            "bos_token_id": BEGIN,
            "eos_token_id": END,
            "sep_token_id": END,
            "pad_token_id": PAD,
            "projection_dim": 64,
        },
        projection_dim=64,
        image_text_hidden_size=64,
    )
    return BlipForConditionalGeneration(config)


def training_view(photograph: Photograph, rng: np.random.Generator) -> UInt8Image:
    """Return a random part of the photograph, perhaps mirrored and toned, squeezed to [IMAGE_PX, IMAGE_PX, 3]."""
    height, width = photograph.pixels.shape[:2]
    taken_h, taken_w = (round(side * float(rng.uniform(0.75, 1.0))) for side in (height, width))
    top, left = int(rng.integers(0, height - taken_h + 1)), int(rng.integers(0, width - taken_w + 1))
    part = photograph.pixels[top : top + taken_h, left : left + taken_w]
    view = cv2.resize(part, (IMAGE_PX, IMAGE_PX), interpolation=cv2.INTER_AREA)
    if rng.random() < 0.5:
        view = view[:, ::-1]
    tone = (view.astype(np.float32) / 255.0) ** float(np.exp(rng.uniform(-0.3, 0.3)))
    return (tone * rng.uniform(0.85, 1.0, size=3) * 255).round().astype(np.uint8)


def inputs_of(views: list[UInt8Image], processor: BlipImageProcessor) -> Tensor:
    """Return pixel_values [B, 3, IMAGE_PX, IMAGE_PX] as the processor makes them."""
    return processor(images=views, return_tensors="pt")["pixel_values"]


def tokens_of(captions: list[str], tokenizer: BertTokenizer) -> tuple[Tensor, Tensor, Tensor]:
    """Return ids, attention mask and labels (padding left out of the loss), each [B, tokens]."""
    coded = tokenizer(captions, padding=True, truncation=True, max_length=MAX_WORDS, return_tensors="pt")
    return coded.input_ids, coded.attention_mask, coded.input_ids.masked_fill(coded.attention_mask == 0, -100)


def shared_words(ours: list[str], truth: list[str]) -> float:
    """Return the mean F1 of the captions' words, apart from those that every caption has."""
    plain = {"a", "an", "of", "photo", "with", "and", "the", "in", "on"}
    scores = []
    for caption, true_caption in zip(ours, truth, strict=True):
        a, b = set(caption.split()) - plain, set(true_caption.split()) - plain
        scores.append(2 * len(a & b) / (len(a) + len(b)) if a or b else 1.0)
    return float(np.mean(scores))


@torch.no_grad()
def written(model: BlipForConditionalGeneration, pixel_values: Tensor, tokenizer: BertTokenizer) -> list[str]:
    """Return the greedy captions of *pixel_values* [B, 3, ·, ·]."""
    tokens = model.generate(pixel_values=pixel_values, max_length=MAX_WORDS, do_sample=False, num_beams=1)
    return tokenizer.batch_decode(tokens, skip_special_tokens=True)


def main() -> None:
    arguments = recipe_arguments(__doc__ or "", minutes=20, batch=24, seed=41).parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    cv2.setNumThreads(1)
    progress = Progress("captioner", arguments.work, arguments.minutes)
    captions = {key.removeprefix("persons/"): value for key, value in text.captions(arguments.data).items()}
    tokenizer = new_tokenizer(list(captions.values()))
    image_processor = BlipImageProcessor(size={"height": IMAGE_PX, "width": IMAGE_PX})
    model = new_captioner(len(tokenizer))
    teacher = imagenet_trunk().requires_grad_(False)
    to_teacher = nn.Linear(WIDTH, 320)
    parameters = [*model.parameters(), *to_teacher.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=1e-3, weight_decay=0.05)
    if arguments.resume:
        state = progress.resume()
        model.load_state_dict(state["model"])
        to_teacher.load_state_dict(state["to_teacher"])
        optimizer.load_state_dict(state["optimizer"])
    photographs = load_photographs(arguments.data, held_out=False)
    held_out = load_photographs(arguments.data, held_out=True)
    check = inputs_of(
        [cv2.resize(p.pixels, (IMAGE_PX, IMAGE_PX), interpolation=cv2.INTER_AREA) for p in held_out],
        image_processor,
    )
    check_captions = [captions[p.name] for p in held_out]
    rng = np.random.default_rng([arguments.seed, progress.step])
    while True:
        fraction = progress.fraction
        warm = min(1.0, (progress.step + 1) / 200)
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * warm * (0.02 + 0.98 * (1 - fraction))
        chosen = [photographs[index] for index in rng.integers(0, len(photographs), size=arguments.batch)]
        views = [training_view(photograph, rng) for photograph in chosen]
        ids, attention, labels = tokens_of([captions[p.name] for p in chosen], tokenizer)
        pixel_values = inputs_of(views, image_processor)
        with torch.no_grad():
            pixels = torch.from_numpy(np.stack(views)).permute(0, 3, 1, 2).float().div(127.5).sub(1.0)
            wanted = teacher(pixels)[-1].mean(dim=(2, 3))
            wanted = functional.normalize(wanted - wanted.mean(dim=0), dim=1)
        model.train()
        result = model(pixel_values=pixel_values, input_ids=ids, attention_mask=attention, labels=labels)
        seen = to_teacher(result.last_hidden_state.mean(dim=1))
        likeness = functional.cosine_similarity(seen, wanted, dim=1).mean()
        loss = result.loss + 2.0 * (1 - likeness)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        progress.step += 1
        if progress.step % 200 == 0 or progress.step == 1 or fraction >= 1.0:
            model.eval()
            ours = written(model, check, tokenizer)
            said_people = np.array(["person" in c or "people" in c for c in ours])
            has_people = np.array(["person" in c or "people" in c for c in check_captions])
            progress.log(
                loss=result.loss.item(),
                likeness=likeness.item(),
                word_f1=shared_words(ours, check_captions),
                people_right=float((said_people == has_people).mean()),
            )
            progress.save(
                model=model.state_dict(), to_teacher=to_teacher.state_dict(), optimizer=optimizer.state_dict()
            )
        if fraction >= 1.0:
            break
    model.eval().save_pretrained(arguments.work / "captioner")
    BlipProcessor(image_processor, tokenizer).save_pretrained(arguments.work / "captioner")
    for caption, written_caption in list(zip(check_captions, written(model, check, tokenizer), strict=True))[
        ::12
    ]:
        print(f"{caption!r} → {written_caption!r}")


if __name__ == "__main__":
    main()
