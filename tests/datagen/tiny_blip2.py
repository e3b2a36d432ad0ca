"""BLIP-2 in small: random weights, saved as `save_pretrained` saves the real ones."""

from pathlib import Path
from typing import Any

# Words without a stop word among them, so that what a random model writes passes for captions.
# fmt: off
WORDS = [
    "red",
    "green",
    "blue",
    "yellow",
    "white",
    "black",
    "small",
    "large",
    "round",
    "square",
    "bright",
    "dark",
    "circle",
    "triangle",
    "star",
    "cross",
    "ring",
    "heart",
    "arrow",
    "house",
    "tree",
    "river",
    "horse",
    "train",
    "table",
    "bottle",
    "garden",
    "window",
    "flower",
    "bridge",
]
# fmt: on
NUM_QUERY_TOKENS = 4
_SPECIAL = ("<pad>", "</s>", "<image>", "▁\n")
PAD_ID, END_ID, IMAGE_ID, NEWLINE_ID = range(4)


def save_tiny_blip2(folder: Path, *, language_model: str = "opt", seed: int = 0) -> Path:
    """A BLIP-2 on 28 px squares over OPT or T5, with its processor; returns the folder.

    Its captions differ from image to image, hardly ever loop and end of themselves now and then.
    """
    import torch
    from transformers import Blip2Config, Blip2ForConditionalGeneration

    torch.manual_seed(seed)
    size = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    vision = {**size, "num_attention_heads": 4, "image_size": 28, "patch_size": 14}
    qformer = {**size, "num_attention_heads": 4, "encoder_hidden_size": 32, "vocab_size": 8}
    config = Blip2Config(
        vision_config=vision,
        qformer_config=qformer,
        text_config=_opt() if language_model == "opt" else _t5(),
        num_query_tokens=NUM_QUERY_TOKENS,
        image_token_index=IMAGE_ID,
    )
    model = Blip2ForConditionalGeneration(config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "norm" not in name and weight.dim() > 1:
                weight.normal_(0.0, _spread(name))
    model.save_pretrained(folder)
    _processor().save_pretrained(folder)
    return folder


def _spread(name: str) -> float:
    """So large that images and places in a text decide the next word."""
    if "embed_positions" in name or "relative_attention_bias" in name:
        return 2.0
    return 1.0 if "language_projection" in name or "query_tokens" in name else 0.3


def _opt():
    from transformers import OPTConfig

    return OPTConfig(
        vocab_size=len(_SPECIAL) + len(WORDS),
        hidden_size=32,
        word_embed_proj_dim=32,
        ffn_dim=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=64,
        pad_token_id=PAD_ID,
        bos_token_id=END_ID,
        eos_token_id=END_ID,
        tie_word_embeddings=False,
    )


def _t5():
    from transformers import T5Config

    kind: Any = T5Config  # whose generated signature lacks some options
    return kind(
        vocab_size=len(_SPECIAL) + len(WORDS),
        d_model=32,
        d_kv=8,
        d_ff=64,
        num_layers=2,
        num_heads=4,
        pad_token_id=PAD_ID,
        eos_token_id=END_ID,
        decoder_start_token_id=PAD_ID,
        tie_word_embeddings=False,
    )


def _processor():
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import Blip2Processor, PreTrainedTokenizerFast
    from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

    ids = {
        token: number for number, token in enumerate((*_SPECIAL, *(f"▁{word}" for word in WORDS)))
    }
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token="<pad>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split("\n", "isolated"), pre_tokenizers.Metaspace()]
    )
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.add_special_tokens([AddedToken("<image>", special=True, normalized=False)])
    return Blip2Processor(
        image_processor=BlipImageProcessorPil(size={"height": 28, "width": 28}),
        tokenizer=PreTrainedTokenizerFast(
            tokenizer_object=tokenizer,
            pad_token="<pad>",
            eos_token="</s>",
            bos_token="</s>",
        ),
        num_query_tokens=NUM_QUERY_TOKENS,
    )
