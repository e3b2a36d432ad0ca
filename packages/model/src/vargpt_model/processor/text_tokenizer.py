"""The text tokenizer of models without a published one: byte-level BPE of the sample world."""

import json
from collections.abc import Iterator

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from vargpt_model.vargpt.config import VargptConfig
from vargpt_model.vargpt.presets import BEGIN, WORLD_SPECIAL_TOKENS
from vargpt_schema import IMAGE, IMAGE_GEN_END, IMAGE_GEN_PAD, IMAGE_GEN_START, SYSTEM_SENTENCE
from vargpt_schema.conversation import END_OF_TURN, PAD
from vargpt_schema.world import caption_at, questions_at

NUM_SCENES = 5_000  # captions and questions that the merges are learned from
# Words of requests and replies that captions and questions do not have.
TALK = (
    SYSTEM_SENTENCE,
    " USER: Please draw an image of a circle. ASSISTANT: Here is a drawing of it.",
    " USER: Can you generate a picture for me? ASSISTANT: I have designed a picture for you.",
    " USER: I need a designed painting of this. ASSISTANT: Here's a rendered photo of that.",
    " USER: Yes, no, or how many? ASSISTANT: yes no 0 1 2",
)
TALK_REPEATS = 200


def world_tokenizer(config: VargptConfig) -> PreTrainedTokenizerFast:
    """Train the tokenizer of a configuration: same configuration, same tokenizer.

    Ids of special tokens are the configuration's; ids that no merge fills, as in `7b`, are
    placeholders `<|unused_n|>`.
    """
    specials = {
        PAD: config.pad_token_id,
        BEGIN: config.bos_token_id,
        END_OF_TURN: config.eos_token_id,
        IMAGE: config.image_token_index,
        IMAGE_GEN_START: config.image_gen_start_token_id,
        IMAGE_GEN_END: config.image_gen_end_token_id,
        IMAGE_GEN_PAD: config.image_gen_pad_token_id,
    }
    room = config.text.vocab_size - len(WORLD_SPECIAL_TOKENS)
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=room,
        min_frequency=2,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    trained.train_from_iterator(_world_text(), trainer)
    words = sorted(trained.get_vocab(), key=trained.get_vocab().__getitem__)
    taken = {id_ for id_ in specials.values() if isinstance(id_, int)}
    free = (id_ for id_ in range(config.text.vocab_size) if id_ not in taken)
    vocabulary = dict(zip(words, free, strict=False))
    vocabulary |= {token: id_ for token, id_ in specials.items() if isinstance(id_, int)}
    # Up to the last special token ids must be without a gap.
    used = set(vocabulary.values())
    vocabulary |= {f"<|unused_{id_}|>": id_ for id_ in range(max(used)) if id_ not in used}
    merges = _merges(trained)
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        bos_token=BEGIN,
        eos_token=END_OF_TURN,
        additional_special_tokens=[IMAGE, IMAGE_GEN_START, IMAGE_GEN_END, IMAGE_GEN_PAD],
        model_max_length=config.context_length,
        clean_up_tokenization_spaces=False,
    )


def _world_text() -> Iterator[str]:
    for _ in range(TALK_REPEATS):
        yield from TALK
    for index in range(NUM_SCENES):
        yield " " + caption_at(index) + "."
        for question in questions_at(index):
            yield " " + question.question
            yield " " + question.answer


def _merges(tokenizer: Tokenizer) -> list[tuple[str, str]]:
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    return [tuple(pair) if isinstance(pair, list) else tuple(pair.split(" ")) for pair in merges]
