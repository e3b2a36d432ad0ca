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


def is_trained(stage: Stage, parameter_name: str) -> bool:
    """Whether a stage trains this parameter."""
    return parameter_name.startswith(TRAINED_PARTS[stage])
