"""Text for the tiny bundle: captions from the data's own tables, and a small frozen text encoder.

The encoder is a CLIPTextModel with random weights: it only gives every word its own direction. The inpainter is trained
with the empty prompt alone; the encoder is there because diffusers' pipeline asks for one.
"""

import argparse
import csv
import json
from pathlib import Path

import cv2
import numpy as np
import torch
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from training.loop import add_data_argument

DIRECTORY = "inpaint_parts"  # below WORK: tokenizer and text encoder
TEXT_WIDTH = 64
MAX_TOKENS = 32
SEED = 7
NUMBER_WORDS = ("no", "one", "two", "three", "four", "five")
SCENE_PHRASES = {
    "plants": "a photo of plants",
    "water": "a photo of water",
    "ground_mountain": "a photo of mountain and ground",
    "aerial": "an aerial photo of land from above",
    "buildings_urban": "a photo of buildings in a city",
    "sky": "a photo of the sky",
    "objects_texture": "a close photo of a texture",
    "animals": "a photo of animals",
    "maritime": "a photo of the sea with a boat",
    "satellite": "a satellite photo of the earth",
    "coco_outdoor": "an outdoor photo",
    "coco_indoor_objects": "an indoor photo of objects",
}
# Words a prompt may hold beside those of the captions.
EXTRA_WORDS = (
    "person people man woman in on with and the a of near behind outdoors indoors grass road field sand "
    "snow tree wall floor room street beach red green blue white black dark bright"
)


def class_words(name: str) -> str:
    """Return a data set's class name as plain words ("sky-other-merged" → "sky")."""
    for suffix in ("-merged", "-other", "-stuff"):
        name = name.replace(suffix, "")
    return name.replace("-", " ")


def person_caption(row: dict[str, str], classes: dict[str, dict[str, str]], class_map: Path) -> str:
    """Return the caption of one person photograph: how many people, and with what."""
    count = int(row["n_person_instances"] or 1)
    people = "one person" if count <= 1 else f"{NUMBER_WORDS[min(count, 5)]} people"
    scheme = row["classes_scheme"]
    if scheme == "ccp59":
        return "one person posing in clothes in a city"
    if not scheme or not class_map.exists():
        return f"a photo of {people}"
    labels = cv2.imread(str(class_map), cv2.IMREAD_GRAYSCALE)
    values, counts = np.unique(labels, return_counts=True)
    largest = [
        class_words(classes[scheme][str(value)])
        for value in values[np.argsort(-counts)]
        if value not in (0, 255) and classes[scheme].get(str(value), "person") != "person"
    ]
    return f"a photo of {people}" + (f" with {' and '.join(largest[:2])}" if largest else "")


def captions(data: Path) -> dict[str, str]:
    """Return the caption of every photograph, keyed like Photograph.name ("train/000001", "scenes/000007")."""
    texts: dict[str, str] = {}
    classes = json.loads((data / "persons" / "classes.json").read_text())
    with (data / "persons" / "index.csv").open() as stream:
        for row in csv.DictReader(stream):
            name = row["file"].removesuffix(".jpg")
            texts[name] = person_caption(row, classes, data / "persons" / f"{name}_classes.png")
    with (data / "scenes" / "index.csv").open() as stream:
        for row in csv.DictReader(stream):
            texts[f"scenes/{row['file'].removesuffix('.jpg')}"] = SCENE_PHRASES.get(
                row["category"], "a photo"
            )
    return texts


def word_tokenizer(words: list[str]) -> CLIPTokenizer:
    """Return a CLIP tokenizer that knows *words* whole and spells every other word in bytes."""
    letters = [chr(code) for code in (*range(33, 127), *range(161, 173), *range(174, 256))]
    letters += [chr(256 + index) for index in range(256 - len(letters))]
    vocabulary = letters + [f"{letter}</w>" for letter in letters]
    merges: list[tuple[str, str]] = []
    for word in sorted({word for word in words if word.isascii() and word.isalpha()}):
        pieces = [*word[:-1], f"{word[-1]}</w>"]
        left = pieces[0]
        for right in pieces[1:]:
            if (left, right) not in merges:
                merges.append((left, right))
                vocabulary.append(left + right)
            left += right
    vocabulary = [*dict.fromkeys(vocabulary), "<|startoftext|>", "<|endoftext|>"]
    tokenizer = CLIPTokenizer(
        vocab={token: index for index, token in enumerate(vocabulary)},
        merges=merges,
        model_max_length=MAX_TOKENS,
        pad_token="<|endoftext|>",
    )
    if len(tokenizer) != len(vocabulary):
        raise RuntimeError(f"the tokenizer kept {len(tokenizer)} of {len(vocabulary)} tokens")
    return tokenizer


def new_text_encoder(vocabulary_size: int, end_id: int) -> CLIPTextModel:
    """Return the frozen random text encoder; its weights follow from SEED."""
    torch.manual_seed(SEED)
    config = CLIPTextConfig(
        vocab_size=vocabulary_size,
        hidden_size=TEXT_WIDTH,
        intermediate_size=2 * TEXT_WIDTH,
        num_hidden_layers=1,
        num_attention_heads=4,
        max_position_embeddings=MAX_TOKENS,
        projection_dim=TEXT_WIDTH,
        bos_token_id=end_id - 1,
        eos_token_id=end_id,
        pad_token_id=end_id,
        initializer_factor=8.0,
    )
    return CLIPTextModel(config).eval().requires_grad_(False)


def build(data: Path, directory: Path) -> tuple[CLIPTokenizer, CLIPTextModel]:
    """Make tokenizer and encoder from the captions' words and save them under *directory*."""
    words = [word for text in captions(data).values() for word in text.split()] + EXTRA_WORDS.split()
    tokenizer = word_tokenizer(words)
    encoder = new_text_encoder(len(tokenizer), tokenizer.eos_token_id)
    tokenizer.save_pretrained(directory / "tokenizer")
    encoder.save_pretrained(directory / "text_encoder")
    return tokenizer, encoder


@torch.no_grad()
def embed(texts: list[str], tokenizer: CLIPTokenizer, encoder: CLIPTextModel) -> torch.Tensor:
    """Return the text states [len(texts), MAX_TOKENS, TEXT_WIDTH]."""
    ids = tokenizer(
        texts, padding="max_length", max_length=MAX_TOKENS, truncation=True, return_tensors="pt"
    ).input_ids
    return encoder(ids).last_hidden_state


def main() -> None:
    """Write tokenizer and text encoder, which are not trained: ``python -m training.text``."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_data_argument(parser)
    parser.add_argument("--work", type=Path, default=Path("training_work"), help="they go below it")
    arguments = parser.parse_args()
    build(arguments.data, arguments.work / DIRECTORY)


if __name__ == "__main__":
    main()
