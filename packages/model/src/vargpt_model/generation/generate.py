"""Replies of text and images, for a batch of prompts at once.

Rows write text token by token, together. A row that opens an image waits until every other row has
opened one or ended; then they draw together and go on writing. What a row says and draws depends on
its own prompt and seed alone.
B rows, R of them at work, S positions of the longest prompt.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from vargpt_model.errors import ContextFullError
from vargpt_model.generation.drawing_in_context import ImagesInContext
from vargpt_model.generation.language_state import LanguageState
from vargpt_model.generation.options import GenerationOptions
from vargpt_model.generation.parts import (
    EndEvent,
    Event,
    FinishReason,
    ImageEvent,
    ImageStartEvent,
    OnEvent,
    Reply,
    TextPart,
    TokenEvent,
)
from vargpt_model.generation.random_streams import stream_seed
from vargpt_model.sampler import (
    exponential_noise,
    filtered_logits,
    row_generators,
    sample_codes,
)
from vargpt_model.vargpt import VargptForConditionalGeneration

Decode = Callable[[Sequence[int]], str]


@torch.no_grad()
def generate(
    model: VargptForConditionalGeneration,
    *,
    input_ids: Tensor,
    attention_mask: Tensor | None = None,
    pixel_values: Tensor | None = None,
    image_code_ids: Tensor | None = None,
    seeds: Sequence[int],
    options: GenerationOptions = GenerationOptions(),  # noqa: B008, frozen
    decode: Decode | None = None,
    vocabulary_size: int | None = None,
    on_event: OnEvent | None = None,
) -> list[Reply]:
    """Continue B prompts, row b with the random streams of `seeds[b]`.

    Prompts are (B, S) with padding on either side, as the processor makes them, with images to
    understand and images drawn earlier as in `forward`. `decode` turns token ids into the text of
    parts; ids from `vocabulary_size` on, which the text tokenizer lacks, are never chosen.

    ContextFullError when a prompt leaves no room in the context; ValueError for another number of
    seeds.
    """
    if len(seeds) != len(input_ids):
        raise ValueError(f"{len(input_ids)} prompts and {len(seeds)} seeds: give one seed a prompt")
    if attention_mask is None:
        attention_mask = torch.ones_like(input_ids)
    _expect_room(attention_mask, model.config.context_length)
    was_training = model.training
    model.eval()
    try:
        embeds = model.embedded(
            input_ids, pixel_values, image_code_ids, model.config.inference_condition or 0
        )
        batch = _Batch(model, seeds, options, decode, vocabulary_size, on_event)
        return batch.run(embeds, attention_mask)
    finally:
        model.train(was_training)


def _expect_room(attention_mask: Tensor, context_length: int) -> None:
    lengths = attention_mask.sum(dim=1).tolist()
    for row, length in enumerate(lengths):
        if not 0 < length < context_length:
            raise ContextFullError(
                f"prompt {row}: {length:,} positions found, 1 to {context_length - 1:,} expected, "
                f"so that an answer fits the model's context of {context_length:,}. Shorten it."
            )


@dataclass(slots=True)
class _Row:
    """One reply in the making."""

    seed: int
    reply: Reply = field(default_factory=Reply)
    text_ids: list[int] = field(default_factory=list)  # of the part that is being written
    num_images: int = 0


class _Batch:
    def __init__(
        self,
        model: VargptForConditionalGeneration,
        seeds: Sequence[int],
        options: GenerationOptions,
        decode: Decode | None,
        vocabulary_size: int | None,
        on_event: OnEvent | None,
    ) -> None:
        self.model, self.options, self.on_event = model, options, on_event
        self.decode = decode or (lambda _: "")
        self.rows = [_Row(seed) for seed in seeds]
        self.state = LanguageState(model, len(seeds))
        self.generators = row_generators(
            [stream_seed(seed, "text") for seed in seeds], model.device
        )
        self.banned = self._banned(vocabulary_size)

    def run(self, embeds: Tensor, attention_mask: Tensor) -> list[Reply]:
        writing = list(range(len(self.rows)))
        drawing: list[int] = []
        hidden = self.state.read_prompts(embeds, attention_mask)
        while writing:
            tokens = self._choose(writing, self.state.text_logits(hidden))
            kept: list[tuple[int, int]] = []
            for row, token in zip(writing, tokens, strict=True):
                step = self._take(row, token)
                if step == "write":
                    kept.append((row, token))
                elif step == "draw":
                    drawing.append(row)
            writing = [row for row, _ in kept]
            if writing:
                ids = torch.tensor([token for _, token in kept], device=hidden.device)
                hidden = self.state.read_tokens(writing, ids)
            elif drawing:
                writing, drawing = sorted(drawing), []
                hidden = self._draw(writing)
        return [row.reply for row in self.rows]

    def _banned(self, vocabulary_size: int | None) -> Tensor:
        """(vocabulary,) True for ids that no text holds: all special ones but start and end."""
        config = self.model.config
        banned = torch.zeros(config.text.vocab_size, dtype=torch.bool)
        for id_ in (
            config.image_token_index,
            config.pad_token_id,
            config.bos_token_id,
            config.image_gen_end_token_id,
            config.image_gen_pad_token_id,
        ):
            if id_ is not None:
                banned[id_] = True
        if vocabulary_size is not None:
            banned[vocabulary_size:] = True
        banned[list(config.eos_token_ids)] = False
        return banned.to(self.model.device)

    def _choose(self, rows: list[int], logits: Tensor) -> list[int]:
        """The next token of each row: (R, vocabulary) logits."""
        options = self.options
        logits = logits.masked_fill(self.banned, -torch.inf)
        self._refuse_images(rows, logits)
        if options.temperature == 0:
            return logits.argmax(dim=-1).tolist()
        logits = filtered_logits(
            logits / options.temperature, top_k=options.top_k, top_p=options.top_p
        )
        generators = [self.generators[row] for row in rows]
        noise = exponential_noise(tuple(logits.shape[1:]), generators, logits.device)
        return sample_codes(logits, noise).tolist()

    def _refuse_images(self, rows: list[int], logits: Tensor) -> None:
        """Rule out, in place, the start of an image in rows that have all they may."""
        full = [
            place
            for place, row in enumerate(rows)
            if self.rows[row].num_images >= self.options.max_images
        ]
        if not full:
            return
        start = self.model.config.image_gen_start_token_id
        wanted = logits[full].argmax(dim=-1) == start
        for place, is_wanted in zip(full, wanted.tolist(), strict=True):
            self.rows[rows[place]].reply.num_images_refused += is_wanted
        logits[full, start] = -torch.inf

    def _take(self, index: int, token: int) -> str:
        """Enter a row's next token: write on, draw, or be done."""
        row, config = self.rows[index], self.model.config
        owes_image = row.num_images < self.options.min_images
        if token == config.image_gen_start_token_id:
            return self._open_image(index)
        if token in config.eos_token_ids:
            return self._open_image(index) if owes_image else self._end(index, "stop")
        if len(row.text_ids) == self.options.max_part_tokens:
            return self._open_image(index) if owes_image else self._end(index, "length")
        row.text_ids.append(token)
        self._tell(TokenEvent(index, token))
        return "write" if self.state.free(index) else self._end(index, "context")

    def _open_image(self, index: int) -> str:
        if self.state.free(index) < self.model.config.num_image_codes + 2:
            return self._end(index, "context")
        self._close_text(index)
        self._tell(ImageStartEvent(index, self.rows[index].num_images))
        return "draw"

    def _end(self, index: int, reason: FinishReason) -> str:
        self._close_text(index)
        self.rows[index].reply.finish_reason = reason
        self._tell(EndEvent(index, reason))
        return "done"

    def _close_text(self, index: int) -> None:
        row = self.rows[index]
        if row.text_ids:
            row.reply.parts.append(TextPart(tuple(row.text_ids), self.decode(row.text_ids)))
            row.text_ids = []

    def _draw(self, indices: list[int]) -> Tensor:
        """Draw an image for each of these rows; the LLM's states (R, H) at their end tokens."""
        rows = [self.rows[index] for index in indices]
        drawing = self.options.drawing or self.model.config.drawing_config
        images = ImagesInContext(
            self.state,
            indices,
            seeds=[row.seed for row in rows],
            image_indices=[row.num_images for row in rows],
            config=drawing,
        )
        drawn, hidden = images.draw(self.on_event)
        for index, row, image in zip(indices, rows, drawn, strict=True):
            row.reply.parts.append(image)
            self._tell(ImageEvent(index, row.num_images, image))
            row.num_images += 1
        return hidden

    def _tell(self, event: Event) -> None:
        if self.on_event is not None:
            self.on_event(event)
