"""Literals, special tokens and the one chat form that training, generation and evaluation share."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

Role = Literal["user", "assistant"]

# What data sets contain.
IMAGE = "<image>"  # an image to understand
IMAGE_GEN = "<image_gen>"  # an image to draw

# What IMAGE_GEN becomes at tokenisation: start, one pad per code of every scale, end.
IMAGE_GEN_START = "<|image_gen_start|>"
IMAGE_GEN_PAD = "<|image_gen_pad|>"
IMAGE_GEN_END = "<|image_gen_end|>"
PAD = "<pad>"

# Ids in the official checkpoint's vocabulary; they belong to the `7b` preset alone.
TOKEN_IDS_7B = {
    IMAGE: 32000,
    PAD: 32001,
    IMAGE_GEN_START: 32002,
    IMAGE_GEN_END: 32003,
    IMAGE_GEN_PAD: 32004,
}
PATCH_NUMS_7B = (1, 2, 3, 4, 5, 6, 8, 10, 13, 16)  # VAR, 256 px

END_OF_TURN = "</s>"
SYSTEM_SENTENCE = (  # Vicuna v1.1, as the official training template has it
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives "
    "helpful, detailed, and polite answers to the user's questions."
)


class Message(NamedTuple):
    """One turn."""

    role: str  # a Role
    content: str


def num_image_codes(patch_nums: Sequence[int]) -> int:
    """Codes of one image over all scales: 680 for the `7b` preset."""
    return sum(side * side for side in patch_nums)


def expand_image_gen(text: str, patch_nums: Sequence[int]) -> str:
    """`text` with every IMAGE_GEN replaced by start + pads + end, as the tokenizer gets it."""
    block = IMAGE_GEN_START + IMAGE_GEN_PAD * num_image_codes(patch_nums) + IMAGE_GEN_END
    return text.replace(IMAGE_GEN, block)


def chat_text(messages: Sequence[Message]) -> str:
    """`SYSTEM USER: ... ASSISTANT: ...</s>`; a last user turn leaves the answer open.

    No BOS, as in the official training. ValueError unless turns alternate, the user first.
    """
    expect_alternating(messages)
    parts = [SYSTEM_SENTENCE]
    for message in messages:
        if message.role == "user":
            parts.append(f" USER: {message.content} ASSISTANT:")
        else:
            parts.append(f" {message.content}{END_OF_TURN}")
    return "".join(parts)


def expect_alternating(messages: Sequence[Message]) -> None:
    """ValueError unless there is a turn and turns alternate user, assistant, user, ..."""
    roles = [message.role for message in messages]
    wanted = [("user", "assistant")[turn % 2] for turn in range(len(roles))]
    if not roles or roles != wanted:
        raise ValueError(f"turns must alternate user, assistant, user first; got {roles}")
