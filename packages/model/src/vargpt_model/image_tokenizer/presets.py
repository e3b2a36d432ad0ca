"""Sizes of the image tokenizer by preset."""

from vargpt_model.image_tokenizer.config import ImageTokenizerConfig

# Of the sample world's pictures at 32 px; measured in docs/training.md.
TINY = ImageTokenizerConfig(
    vocab_size=512,
    code_dim=16,
    base_channels=64,
    channel_multipliers=(1,),
    stem_stride=4,
    use_attention=False,
    num_res_blocks=1,
    num_norm_groups=8,
    patch_nums=(1, 2, 4, 8),
)

IMAGE_TOKENIZER_PRESETS = {"tiny": TINY, "7b": ImageTokenizerConfig()}
