"""The model of `vargpt-eval run`, by what its config.json says it is."""

import json
from pathlib import Path

import torch

from vargpt_eval.answering.answerer import Answerer
from vargpt_eval.answering.image_text import ChatForm, open_image_text_model
from vargpt_eval.answering.vargpt import VargptAnswerer
from vargpt_model import VargptConfig
from vargpt_model.weights.model_folder import open_model
from vargpt_schema import UserError


def architecture_of(folder: Path) -> str:
    """`model_type` of a model's folder; UserError when there is none."""
    path = folder / "config.json"
    try:
        model_type = json.loads(path.read_text("utf-8"))["model_type"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path}: no architecture found ({error}), the folder of a model expected. "
            "Make one with `vargpt init`, or download one, such as LLaVA-1.5, with "
            "`hf download llava-hf/llava-1.5-7b-hf --local-dir DIR`."
        ) from error
    return str(model_type)


def chat_form_of(folder: Path) -> ChatForm:
    """The form that questions are put in: LLaVA-1.5's that of the authors' runs."""
    return "vicuna" if architecture_of(folder) == "llava" else "processor"


def open_answerer(folder: Path, *, dtype: torch.dtype | None, device: torch.device) -> Answerer:
    """VARGPT or an image-text model of transformers, ready to answer."""
    model_type = architecture_of(folder)
    if model_type == VargptConfig.model_type:
        return VargptAnswerer(open_model(folder, dtype=dtype, device=str(device)))
    return open_image_text_model(
        folder, model_type=model_type, form=chat_form_of(folder), dtype=dtype, device=device
    )
