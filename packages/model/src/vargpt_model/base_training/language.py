"""The phases that the LLM takes part in: on text alone, then on text about pictures."""

import random
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from torch import Tensor

from vargpt_model.base_training.config import BaseTraining
from vargpt_model.base_training.conversations import (
    MAX_QUESTIONS,
    TEXT_KIND_WEIGHTS,
    TEXT_KINDS,
    Conversation,
    picture_description,
    picture_questions,
    text_conversation,
)
from vargpt_model.base_training.part_optimizer import PartOptimizer
from vargpt_model.base_training.parts import is_trained_by_base
from vargpt_model.base_training.questions_check import QuestionsCheck
from vargpt_model.base_training.world import World
from vargpt_model.processor import EncodedConversation, VargptProcessor
from vargpt_model.training.batch_order import batch_at
from vargpt_model.training.loop import refuse_nan
from vargpt_model.vargpt import VargptForConditionalGeneration

Phase = Literal["text", "joint"]
TOWER = "vision_tower."


class LanguageJob:
    """The text phase trains the LLM on every token; the joint one all three parts, on answers."""

    def __init__(
        self,
        model: VargptForConditionalGeneration,
        processor: VargptProcessor,
        config: BaseTraining,
        world: World,
        rows: Sequence[int],
        *,
        phase: Phase,
        check: QuestionsCheck | None = None,
    ) -> None:
        self.model, self.processor, self.config = model, processor, config
        self.world, self.rows, self.phase, self.check = world, rows, phase, check
        is_text = phase == "text"
        self.batch_size = config.text_batch_size if is_text else config.joint_batch_size
        num_steps = config.text_steps if is_text else config.joint_steps
        self.optimizer = PartOptimizer(
            model,
            {
                name: parameter
                for name, parameter in model.named_parameters()
                if is_trained_by_base(model.config, name)
                and (not is_text or name.startswith("language_model."))
                and (config.joint_tower_lr_frac or not name.startswith(TOWER))
            },
            config.learning_rate(config.text_lr if is_text else config.joint_lr, num_steps),
            max_grad_norm=config.max_grad_norm,
            lr_fracs={TOWER: config.joint_tower_lr_frac},
        )

    def step(self, step: int) -> Mapping[str, Any]:
        """One batch of conversations."""
        encoded, names = self._batch(step)
        batch = self.processor.pad(encoded, padding_side="right", return_labels=True)
        understood = [picture for one in encoded for picture in one.understood]
        if understood:
            batch["pixel_values"] = self.processor.understood_pixels(understood)
        inputs = {name: tensor.to(self.model.device) for name, tensor in batch.items()}
        output = self.model.train()(**inputs, run_every_part=False)
        assert output.text_loss is not None
        assert output.text_losses is not None
        refuse_nan(output.text_loss, step, lambda: names)
        mask: Tensor = batch["attention_mask"]
        return {
            **self.optimizer.update(output.text_loss, step),
            "num_positions": int(mask.sum()),
            "num_labels": len(output.text_losses),
            "num_images": len(understood),
            "padding_frac": 1 - float(mask.float().mean()),
        }

    def report(self, step: int) -> Mapping[str, Any]:  # noqa: ARG002, the loop tells every job
        """How many questions about pictures that are kept apart are answered right."""
        return self.check.accuracies(self.model) if self.check else {}

    def state_dict(self) -> dict[str, Any]:
        """Trained weights and optimizer."""
        return self.optimizer.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from such a state."""
        self.optimizer.load_state_dict(state)

    def _batch(self, step: int) -> tuple[list[EncodedConversation], list[str]]:
        """Conversations of a step and what they are about: a pure function of seed and step."""
        seed = f"{self.config.seed}/{self.phase}/{step}"
        # One number of questions, and in the text phase one kind of text, for a whole batch: its
        # rows are then of similar length.
        dice = random.Random(seed)
        num_questions = dice.randint(1, MAX_QUESTIONS)
        kind = dice.choices(TEXT_KINDS, TEXT_KIND_WEIGHTS)[0] if self.phase == "text" else None
        encoded, names = [], []
        draws = batch_at(
            step,
            num_items=len(self.rows),
            batch_size=self.batch_size,
            seed=self.config.seed,
        )
        for place, draw in enumerate(draws):
            dice = random.Random(f"{seed}/{place}")
            if kind or dice.random() < self.config.text_frac:
                conversation = text_conversation(dice, kind or "questions", num_questions)
                encoded.append(encode(self.processor, conversation, all_scored=bool(kind)))
                names.append("text")
                continue
            row = self.rows[draw.item]
            index = self.world.indices[row]
            if dice.random() < self.config.description_frac:
                conversation = picture_description(index, dice)
            else:
                conversation = picture_questions(index, dice, num_questions)
            pictures = [self.world.picture(row)]
            encoded.append(self.processor.encode(conversation.messages, pictures))
            names.append(self.world.names[row])
        return encoded, names


def encode(
    processor: VargptProcessor, conversation: Conversation, *, all_scored: bool
) -> EncodedConversation:
    """A conversation without pictures, scored on all its tokens or on the answers.

    A text by itself has no answers: all of it is scored, its end too.
    """
    if not conversation.messages:
        tokenizer = processor.tokenizer
        ids = [*tokenizer(conversation.text, add_special_tokens=False).input_ids]
        ids.append(tokenizer.eos_token_id)
        return EncodedConversation(ids, ids, [], [])
    encoded = processor.encode(conversation.messages)
    return encoded._replace(labels=encoded.input_ids) if all_scored else encoded
