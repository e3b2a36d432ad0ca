"""Names on disk: the model's own are the official checkpoint's; others' are mapped here.

A model's state dict and its files have the same names (`vision_tower.vision_model.`,
`multi_modal_projector.`, `language_model.`, `vae_local.`, `vargpt_gen.`, `image_gen_projector.`,
`image_gen_projector_out.`), so nothing is renamed when it is loaded or saved.
"""

import re

IMAGE_TOKENIZER = "vae_local."
VISUAL_DECODER = "vargpt_gen."
LLAVA_PARTS = ("vision_tower.", "multi_modal_projector.", "language_model.")
NULL_STATES = "guidance_null_states"
CLASS_ROWS = "vargpt_gen.class_emb.weight"

# LLaVA-1.5 as published, and as later releases of transformers save it.
_LLAVA = (
    (re.compile(r"^(?:model\.)?language_model\.(?!model\.|lm_head\.)"), "language_model.model."),
    (re.compile(r"^model\.(vision_tower|multi_modal_projector)\."), r"\1."),
    (re.compile(r"^lm_head\."), "language_model.lm_head."),
    (re.compile(r"^vision_tower\.(?!vision_model\.)"), "vision_tower.vision_model."),
)
# Written by old releases, computed by new ones.
_DERIVED = re.compile(r"rotary_emb\.inv_freq$|embeddings\.position_ids$")


def official_from_llava(name: str) -> str | None:
    """The official name of a tensor of LLaVA-1.5; None for one that a model computes itself."""
    if _DERIVED.search(name):
        return None
    for pattern, replacement in _LLAVA:
        name = pattern.sub(replacement, name)
    return name


def official_from_var(name: str) -> str:
    """The official name of a tensor of `var_d30.pth`."""
    return VISUAL_DECODER + name


def official_from_vae(name: str) -> str:
    """The official name of a tensor of `vae_ch160v4096z32.pth`."""
    return IMAGE_TOKENIZER + name
