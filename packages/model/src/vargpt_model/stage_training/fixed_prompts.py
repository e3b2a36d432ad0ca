"""Pictures of the same prompts, drawn now and then while a stage trains."""

from collections.abc import Sequence
from pathlib import Path

import torch

from vargpt_model.generation import GenerationOptions, answer
from vargpt_model.processor import VargptProcessor
from vargpt_model.stage_training.rows import Rows
from vargpt_model.training.curves.drawn import save_pictures
from vargpt_model.vargpt import VargptForConditionalGeneration
from vargpt_schema import IMAGE, IMAGE_GEN, Message

NUM_PROMPTS = 6
MAX_PART_TOKENS = 48  # of the words around a picture


class FixedPrompts:
    """Prompts of the first rows that ask for one picture; each is drawn from one seed for ever."""

    def __init__(self, rows: Rows, processor: VargptProcessor, out: Path) -> None:
        self.prompts = drawing_prompts(rows, NUM_PROMPTS)
        self._processor = processor
        self._out = out

    def draw(self, model: VargptForConditionalGeneration, step: int, precision: str) -> None:
        """Draw all of them into OUT/samples; the model goes on as it was."""
        if not self.prompts:
            return
        is_training = model.training
        is_half = precision == "bfloat16"
        with torch.no_grad(), torch.autocast(model.device.type, torch.bfloat16, enabled=is_half):
            replies = answer(
                model.eval(),
                self._processor,
                [[Message("user", prompt)] for prompt in self.prompts],
                seeds=range(len(self.prompts)),
                options=GenerationOptions(
                    min_images=1, max_images=1, max_part_tokens=MAX_PART_TOKENS
                ),
            )
        model.train(is_training)
        pictures = [reply.images[0].picture() if reply.images else None for reply in replies]
        save_pictures(self._out, step, self.prompts, pictures)


def drawing_prompts(rows: Rows, count: int) -> Sequence[str]:
    """What the first `count` rows of one request and one picture to draw ask for."""
    prompts: list[str] = []
    for row in range(len(rows)):
        if len(prompts) == count:
            break
        messages = rows.at(row).messages
        if len(messages) == 2 and IMAGE_GEN in messages[1]["content"]:
            asked = messages[0]["content"]
            if IMAGE not in asked and asked not in prompts:
                prompts.append(asked)
    return prompts
