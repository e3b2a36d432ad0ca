"""What each stage of training trains (section 3.2): these parts and nothing else, at every size."""

from typing import Literal

Stage = Literal["1", "2", "3"]

# Prefixes of parameter names. The official code's stage 1 also trains the condition table, and its
# stage 2 leaves the understanding projector frozen; the paper says otherwise.
TRAINED_PARTS: dict[Stage, tuple[str, ...]] = {
    "1": ("image_gen_projector.", "image_gen_projector_out."),
    "2": ("language_model.", "multi_modal_projector."),
    "3": (
        "vargpt_gen.",
        "image_gen_projector.",
        "image_gen_projector_out.",
        "guidance_null_states",
    ),
}

# Other choices of what a stage trains, by name.
VARIANTS: dict[Stage, dict[str, tuple[str, ...]]] = {
    "1": {
        "paper": TRAINED_PARTS["1"],
        "official": (*TRAINED_PARTS["1"], "vargpt_gen.class_emb."),  # the released code
    },
    "2": {
        "paper": TRAINED_PARTS["2"],
        "official": ("language_model.",),  # the released code
        "frozen_projector": ("language_model.",),  # Table 5
        "frozen_llm": ("multi_modal_projector.",),  # Table 5
    },
    "3": {
        "paper": TRAINED_PARTS["3"],
        "official": TRAINED_PARTS["3"],  # the released code agrees with the paper
        "frozen_projector": ("vargpt_gen.", "guidance_null_states"),  # Table 4
        "frozen_decoder": (  # Table 4
            "image_gen_projector.",
            "image_gen_projector_out.",
            "guidance_null_states",
        ),
    },
}


def is_trained(stage: Stage, parameter_name: str, variant: str = "paper") -> bool:
    """Whether a stage trains this parameter."""
    return parameter_name.startswith(VARIANTS[stage][variant])
