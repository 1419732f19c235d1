"""The CLIP backend, on a tiny random model saved as transformers does: the code, never a reported score."""

import numpy as np
import pytest

from ntnsim.fidelity.backends import ClipBackend
from ntnsim.fidelity.metrics import scorer_named
from ntnsim.fidelity.panel import judged


@pytest.fixture(scope="module")
def clip_directory(tmp_path_factory):
    import torch
    from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

    directory = tmp_path_factory.mktemp("clip")
    torch.manual_seed(0)
    letters = "abcdefghijklmnopqrstuvwxyz"
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    tokenizer = CLIPTokenizer(vocab={token: index for index, token in enumerate(tokens)}, merges=[])
    assert len(tokenizer) == len(tokens)
    small = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    ends = {"bos_token_id": len(tokens) - 2, "eos_token_id": len(tokens) - 1, "pad_token_id": len(tokens) - 1}
    config = CLIPConfig(
        text_config={**small, **ends, "vocab_size": len(tokens), "max_position_embeddings": 32},
        vision_config={**small, "image_size": 32, "patch_size": 8},
        projection_dim=16,
    )
    CLIPModel(config).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


def test_clip_scores_images_and_captions(clip_directory, astronaut):
    backend = ClipBackend(clip_directory)
    vectors = backend.features([astronaut, 255 - astronaut])
    assert vectors.shape == (2, 16)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1], abs=1e-5)
    cosine = backend.caption_similarity(astronaut, "an astronaut")
    assert cosine is not None and -1 <= cosine <= 1
    assert backend.caption_similarity(astronaut, "a cup") != cosine


def test_scorer_with_clip_reports_caption_sf_under_its_name(clip_directory, astronaut):
    scorer = scorer_named(semantic="clip", clip_directory=clip_directory)
    pixels = np.ascontiguousarray(astronaut[:64, :64])
    ranks = np.zeros((64, 64), np.uint8)
    with_words, without = scorer.score([pixels] * 2, [pixels] * 2, [ranks] * 2, 2, ["a face", ""])
    assert with_words.sf_backend == "clip" and with_words.sf == pytest.approx(1, abs=1e-5)
    assert with_words.caption_sf is not None and without.caption_sf is None


def test_the_panel_has_clip_where_its_model_is_named(clip_directory, astronaut, monkeypatch):
    monkeypatch.setenv("NTNSIM_CLIP", str(clip_directory))
    other = 255 - astronaut
    first, second = ClipBackend(clip_directory).features([astronaut, other])
    found = judged(astronaut, other, judges=("clip",))
    assert found["clip"] == pytest.approx(1 - float(first @ second), abs=1e-5) and found["clip"] > 0
    assert judged(astronaut, astronaut, judges=("clip",))["clip"] == pytest.approx(0, abs=1e-5)
