"""What the entry point `lmms_eval.models` names: lmms-eval calls it to learn of the model."""

from typing import Any


def manifest() -> Any:
    """`--model vargpt`, asked with text and images as the paper's runs were, not with messages."""
    from lmms_eval.models.registry_v2 import (  # pyright: ignore[reportMissingImports]
        ModelManifest,
    )

    return ModelManifest(model_id="vargpt", simple_class_path="vargpt_eval.lmms.model.VargptLmms")
