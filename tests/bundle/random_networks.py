"""Tiny random networks of the real classes, saved as the libraries save them: the true code paths, without weights."""

from pathlib import Path

WORDS = ["a", "photo", "of", "person", "dog", "water", "two", "people"]


def clip_tokenizer():
    from transformers import CLIPTokenizer

    letters = [chr(code) for code in range(33, 127)]
    vocabulary = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    tokenizer = CLIPTokenizer(
        vocab={token: index for index, token in enumerate(vocabulary)},
        merges=[],
        model_max_length=16,
        pad_token="<|endoftext|>",
    )
    assert len(tokenizer) == len(vocabulary)
    return tokenizer


def bert_tokenizer():
    from transformers import BertTokenizer

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "?"]
    vocabulary = {token: index for index, token in enumerate([*special, *WORDS])}
    tokenizer = BertTokenizer(vocab=vocabulary)
    assert len(tokenizer) == len(vocabulary)
    return tokenizer


def text_encoder(tokenizer):
    from transformers import CLIPTextConfig, CLIPTextModel

    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=16,
            projection_dim=16,
            bos_token_id=len(tokenizer) - 2,
            eos_token_id=len(tokenizer) - 1,
            pad_token_id=len(tokenizer) - 1,
        )
    )


def unet(levels: int):
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        sample_size=16,
        in_channels=9,
        out_channels=4,
        block_out_channels=(16, 24, 24, 32)[:levels],
        layers_per_block=1,
        down_block_types=("DownBlock2D",) * (levels - 1) + ("CrossAttnDownBlock2D",),
        up_block_types=("CrossAttnUpBlock2D",) + ("UpBlock2D",) * (levels - 1),
        cross_attention_dim=16,
        attention_head_dim=2,
        norm_num_groups=8,
    )


def save_pipeline(directory: Path, vae, levels: int, prediction_type: str) -> None:
    from diffusers import DDIMScheduler, StableDiffusionInpaintPipeline

    tokenizer = clip_tokenizer()
    StableDiffusionInpaintPipeline(
        vae=vae,
        text_encoder=text_encoder(tokenizer),
        tokenizer=tokenizer,
        unet=unet(levels),
        scheduler=DDIMScheduler(
            prediction_type=prediction_type,
            rescale_betas_zero_snr=prediction_type == "v_prediction",
            timestep_spacing="trailing",
            steps_offset=1,
            clip_sample=False,
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(directory)
