"""VARGPT as an answerer: text alone, it draws nothing here."""

from collections.abc import Sequence

from vargpt_eval.answering.answerer import Answer, Asked, message_parts
from vargpt_model.generation import GenerationOptions, answer
from vargpt_model.generation.parts import Reply, TextPart
from vargpt_model.weights.model_folder import Opened


class VargptAnswerer:
    """A VARGPT in the chat form stored with its processor."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened

    def answers(self, asked: Sequence[Asked], max_new_tokens: int) -> list[Answer]:
        replies = answer(
            self._opened.model,
            self._opened.processor,
            [[{"role": "user", "content": message_parts(one.pieces)}] for one in asked],
            [one.images for one in asked],
            seeds=[0] * len(asked),  # greedy: nothing is drawn from them
            options=GenerationOptions(max_part_tokens=max_new_tokens, max_images=0),
        )
        return [_answer(reply) for reply in replies]


def _answer(reply: Reply) -> Answer:
    num_tokens = sum(len(part.token_ids) for part in reply.parts if isinstance(part, TextPart))
    return Answer(
        reply.text,
        "stop" if reply.finish_reason == "stop" else "length",
        num_tokens,
        wanted_image=reply.num_images_refused > 0,
    )
