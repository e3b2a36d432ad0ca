"""Three sizes of VARGPT: the paper's, one for a single GPU, one for two CPU cores."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from vargpt_model.drawing import DrawingConfig
from vargpt_model.image_tokenizer import ImageTokenizerConfig
from vargpt_model.image_tokenizer.presets import TINY
from vargpt_model.vargpt.config import VargptConfig
from vargpt_model.visual_decoder import VisualDecoderConfig
from vargpt_schema import IMAGE, IMAGE_GEN_END, IMAGE_GEN_PAD, IMAGE_GEN_START
from vargpt_schema.conversation import END_OF_TURN, PAD
from vargpt_schema.world import NUM_CLASSES

# Special tokens of the world's tokenizer, in the order of their ids from 0.
BEGIN = "<s>"
WORLD_SPECIAL_TOKENS = (
    PAD,
    BEGIN,
    END_OF_TURN,
    IMAGE,
    IMAGE_GEN_START,
    IMAGE_GEN_END,
    IMAGE_GEN_PAD,
)


def preset_7b() -> VargptConfig:
    """CLIP-L/14 at 336 px, Vicuna-7B, VAR-d30 at 256 px: the official checkpoint's sizes."""
    return VargptConfig(guidance_null="learned")


def preset_small(image_tokenizer: ImageTokenizerConfig | None = None) -> VargptConfig:
    """The sample world at 64 px on one GPU."""
    return world_config(
        image_tokenizer
        or ImageTokenizerConfig(
            vocab_size=512,
            code_dim=16,
            base_channels=64,
            channel_multipliers=(1, 2, 2),
            num_norm_groups=16,
            patch_nums=(1, 2, 3, 4, 6, 8, 12, 16),
        ),
        width=512,
        num_layers=6,
        num_heads=8,
        vision_patch_px=8,
        vision_width=256,
        vision_layers=6,
        decoder_layers=6,
        decoder_width=512,
        context_length=2048,
        text_vocab_size=640,
    )


def preset_tiny(image_tokenizer: ImageTokenizerConfig | None = None) -> VargptConfig:
    """The sample world at 32 px on two CPU cores."""
    return world_config(
        image_tokenizer or TINY,
        width=128,
        num_layers=4,
        num_heads=4,
        vision_patch_px=8,
        vision_width=128,
        vision_layers=3,
        decoder_layers=4,
        decoder_width=128,
        context_length=1024,
        text_vocab_size=640,
    )


PRESETS: dict[str, Callable[[], VargptConfig]] = {
    "tiny": preset_tiny,
    "small": preset_small,
    "7b": preset_7b,
}


def world_config(
    image_tokenizer: ImageTokenizerConfig,
    *,
    width: int,
    num_layers: int,
    num_heads: int,
    vision_patch_px: int,
    vision_width: int,
    vision_layers: int,
    decoder_layers: int,
    decoder_width: int,
    context_length: int,
    text_vocab_size: int,
) -> VargptConfig:
    """A model of the sample world, whose parts are trained here instead of downloaded.

    Rows 0 to NUM_CLASSES - 1 of the decoder's condition table are the world's classes, for which
    `vargpt train base` trains it; the next is the start token's and the last "no class". Stages
    and drawing both take the last, which the base has trained: in short runs another row, random
    still, would undo it.
    """
    ids = {token: index for index, token in enumerate(WORLD_SPECIAL_TOKENS)}
    decoder = VisualDecoderConfig(
        num_layers=decoder_layers,
        hidden_dim=decoder_width,
        num_heads=num_heads,
        num_classes=NUM_CLASSES + 1,
        vocab_size=image_tokenizer.vocab_size,
        code_dim=image_tokenizer.code_dim,
        patch_nums=image_tokenizer.patch_nums,
        drop_path=0.0,
    )
    text: dict[str, Any] = {
        "vocab_size": text_vocab_size,
        "hidden_size": width,
        "intermediate_size": 3 * width,
        "num_hidden_layers": num_layers,
        "num_attention_heads": num_heads,
        "num_key_value_heads": num_heads,
        "max_position_embeddings": context_length,
        "bos_token_id": ids[BEGIN],
        "eos_token_id": ids[END_OF_TURN],
        "pad_token_id": ids[PAD],
        # transformers' 0.02 is for widths of thousands.
        "initializer_range": width**-0.5,
    }
    vision = {
        "hidden_size": vision_width,
        "intermediate_size": 3 * vision_width,
        "num_hidden_layers": vision_layers,
        "num_attention_heads": num_heads,
        "patch_size": vision_patch_px,
        "image_size": image_tokenizer.image_size_px,
        "projection_dim": vision_width,
    }
    return VargptConfig(
        text_config=text,
        vision_config=vision,
        image_tokenizer=asdict(image_tokenizer),
        visual_decoder=asdict(decoder),
        drawing=asdict(DrawingConfig(top_k=0, top_p=0.0)),
        image_token_index=ids[IMAGE],
        pad_token_id=ids[PAD],
        bos_token_id=ids[BEGIN],
        eos_token_id=ids[END_OF_TURN],
        image_gen_start_token_id=ids[IMAGE_GEN_START],
        image_gen_end_token_id=ids[IMAGE_GEN_END],
        image_gen_pad_token_id=ids[IMAGE_GEN_PAD],
        training_condition=NUM_CLASSES + 1,
        guidance_null="learned",
        initializer_range=width**-0.5,
    )
