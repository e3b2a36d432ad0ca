"""Sizes of the image tokenizer by preset."""

from vargpt_model.image_tokenizer.config import ImageTokenizerConfig

# Of the sample world's pictures at 32 px; measured in docs/training.md. One coarse code and then
# the finest scale: scales between them spill over the whole picture, and what the finest codes
# must take back again is most of what a visual decoder would have to learn.
TINY = ImageTokenizerConfig(
    vocab_size=1024,
    code_dim=16,
    base_channels=64,
    channel_multipliers=(1,),
    stem_stride=4,
    use_attention=False,
    num_res_blocks=1,
    num_norm_groups=8,
    patch_nums=(1, 8),
)

IMAGE_TOKENIZER_PRESETS = {"tiny": TINY, "7b": ImageTokenizerConfig()}
