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


def autoencoder_kl():
    """Stable Diffusion's own autoencoder, f8, as small as it gets."""
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(8, 8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
        norm_num_groups=4,
        sample_size=64,
    )


def save_mobilevit(directory: Path, classes) -> None:
    """Save MobileViT with DeepLabV3 that tells *classes* apart."""
    from transformers import MobileViTConfig, MobileViTForSemanticSegmentation

    config = MobileViTConfig(
        image_size=64,
        hidden_sizes=[8, 12, 16],
        neck_hidden_sizes=[4, 8, 8, 12, 16, 16, 32],
        num_attention_heads=2,
        aspp_out_channels=16,
        atrous_rates=[1, 2, 3],
        id2label=dict(enumerate(classes)),
    )
    MobileViTForSemanticSegmentation(config).eval().save_pretrained(directory)


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


def save_sam(directory: Path) -> None:
    from transformers import (
        SamConfig,
        SamImageProcessor,
        SamMaskDecoderConfig,
        SamModel,
        SamProcessor,
        SamPromptEncoderConfig,
        SamVisionConfig,
    )

    sam = SamModel(
        SamConfig(
            vision_config=SamVisionConfig(
                hidden_size=16,
                num_hidden_layers=1,
                num_attention_heads=2,
                image_size=64,
                patch_size=16,
                output_channels=16,
                num_pos_feats=8,
                mlp_dim=16,
                window_size=2,
                global_attn_indexes=[0],
            ).to_dict(),
            prompt_encoder_config=SamPromptEncoderConfig(
                hidden_size=16, image_size=64, patch_size=16
            ).to_dict(),
            mask_decoder_config=SamMaskDecoderConfig(
                hidden_size=16, mlp_dim=16, num_hidden_layers=1, num_attention_heads=2, iou_head_hidden_dim=16
            ).to_dict(),
        )
    ).eval()
    sam.save_pretrained(directory)
    SamProcessor(
        SamImageProcessor(
            size={"longest_edge": 64},
            pad_size={"height": 64, "width": 64},
            mask_size={"longest_edge": 16},
            mask_pad_size={"height": 16, "width": 16},
        )
    ).save_pretrained(directory)


def save_sam2(directory: Path, *, video: bool = False) -> None:
    """Save SAM 2 for images, or the video model that the published checkpoints are, with its own processor."""
    from transformers import (
        Sam2Config,
        Sam2HieraDetConfig,
        Sam2ImageProcessor,
        Sam2Model,
        Sam2Processor,
        Sam2VideoConfig,
        Sam2VideoModel,
        Sam2VideoProcessor,
        Sam2VideoVideoProcessor,
        Sam2VisionConfig,
    )

    parts = {
        "vision_config": Sam2VisionConfig(
            backbone_config=Sam2HieraDetConfig(
                hidden_size=8,
                image_size=[64, 64],
                blocks_per_stage=[1, 1, 2, 1],
                embed_dim_per_stage=[8, 16, 24, 32],
                num_attention_heads_per_stage=[1, 1, 2, 2],
                window_size_per_stage=[8, 4, 4, 2],
                global_attention_blocks=[3],
            ).to_dict(),
            backbone_channel_list=[32, 24, 16, 8],
            backbone_feature_sizes=[[16, 16], [8, 8], [4, 4]],
            fpn_hidden_size=16,
        ).to_dict(),
        "prompt_encoder_config": {"hidden_size": 16, "image_size": 64, "patch_size": 16},
        "mask_decoder_config": {
            "hidden_size": 16,
            "mlp_dim": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "iou_head_hidden_dim": 16,
        },
    }
    size = {"height": 64, "width": 64}
    image_processor = Sam2ImageProcessor(size=size, mask_size={"height": 16, "width": 16})
    if video:
        config = Sam2VideoConfig(
            **parts,
            image_size=64,
            memory_attention_hidden_size=16,
            memory_attention_num_layers=1,
            memory_attention_feed_forward_hidden_size=16,
            memory_attention_rope_feat_sizes=[4, 4],
            memory_encoder_hidden_size=16,
            memory_encoder_output_channels=16,
            mask_downsampler_embed_dim=16,
            memory_fuser_embed_dim=16,
            memory_fuser_intermediate_dim=16,
        )
        Sam2VideoModel(config).eval().save_pretrained(directory)
        Sam2VideoProcessor(image_processor, Sam2VideoVideoProcessor(size=size)).save_pretrained(directory)
    else:
        Sam2Model(Sam2Config(**parts)).eval().save_pretrained(directory)
        Sam2Processor(image_processor).save_pretrained(directory)


def save_blip(directory: Path) -> None:
    """Save BLIP for captions, and its processor."""
    from transformers import BlipConfig, BlipForConditionalGeneration, BlipImageProcessor, BlipProcessor

    tokenizer = bert_tokenizer()
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": 16,
        "encoder_hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "max_position_embeddings": 32,
        "bos_token_id": 2,
        "eos_token_id": 3,
        "sep_token_id": 3,
        "pad_token_id": 0,
        "projection_dim": 16,
    }
    vision = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": 32,
        "patch_size": 16,
        "projection_dim": 16,
    }
    config = BlipConfig(text_config=text, vision_config=vision, projection_dim=16, image_text_hidden_size=16)
    BlipForConditionalGeneration(config).eval().save_pretrained(directory)
    processor = BlipProcessor(BlipImageProcessor(size={"height": 32, "width": 32}), tokenizer)
    processor.save_pretrained(directory)
