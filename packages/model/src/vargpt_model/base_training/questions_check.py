"""Questions about pictures that are not trained on, asked now and then while training goes on."""

from collections.abc import Mapping, Sequence

import torch

from vargpt_model.base_training.world import World
from vargpt_model.processor import VargptProcessor
from vargpt_model.vargpt import VargptForConditionalGeneration
from vargpt_schema import IMAGE, Message
from vargpt_schema.world import questions_at


class QuestionsCheck:
    """One question of one kind for each row, the kinds in turn.

    Their pictures are kept out of training; another picture may show the same scene, so this tells
    how far training is, not how well the model does on new scenes.
    """

    def __init__(self, processor: VargptProcessor, world: World, rows: Sequence[int]) -> None:
        questions = [
            (found := questions_at(world.indices[row]))[number % len(found)]
            for number, row in enumerate(rows)
        ]
        self.kinds = [question.kind for question in questions]
        encoded = [
            processor.encode(
                [
                    Message("user", f"{IMAGE}\n{question.question.capitalize()}"),
                    Message("assistant", question.answer),
                ],
                [world.picture(row)],
            )
            for question, row in zip(questions, rows, strict=True)
        ]
        self.inputs = processor.pad(encoded, padding_side="right", return_labels=True)
        self.inputs["pixel_values"] = processor.understood_pixels(
            [picture for one in encoded for picture in one.understood]
        )

    @torch.no_grad()
    def accuracies(self, model: VargptForConditionalGeneration) -> Mapping[str, float]:
        """Share of answers all of whose tokens are the likeliest: in all, and about shapes."""
        is_training = model.training
        inputs = {name: tensor.to(model.device) for name, tensor in self.inputs.items()}
        output = model.eval()(**inputs)
        model.train(is_training)
        assert output.text_logits is not None
        targets = inputs["labels"][:, 1:]
        is_target = targets != model.config.ignore_index
        hits = torch.ones_like(is_target)
        hits[is_target] = output.text_logits.argmax(dim=-1) == targets[is_target]
        is_right = hits.all(dim=1).tolist()
        of_shape = [
            right for right, kind in zip(is_right, self.kinds, strict=True) if kind == "shape"
        ]
        shares = {"question_accuracy": sum(is_right) / len(is_right)}
        if of_shape:
            shares["shape_question_accuracy"] = sum(of_shape) / len(of_shape)
        return shares
