"""The LLM in the middle of replies: a batch of rows, each at its own position.

B rows, R of them in one step, S positions of the longest prompt, n new positions, H width.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from vargpt_model.generation.text_cache import TextCache
from vargpt_model.vargpt import VargptForConditionalGeneration


class LanguageState:
    """Reads blocks of embeddings and gives the states behind the last norm."""

    def __init__(self, model: VargptForConditionalGeneration, batch_size: int) -> None:
        self.model = model
        self.cache = TextCache(batch_size=batch_size, max_length=model.config.context_length)

    def free(self, row: int) -> int:
        """Positions left in a row's context."""
        return self.model.config.context_length - self.cache.lengths[row]

    def read_prompts(self, embeds: Tensor, attention_mask: Tensor) -> Tensor:
        """Prompts with padding on either side, (B, S, H) and (B, S) -> the last states (B, H)."""
        counts = attention_mask.sum(dim=1)
        # A stable sort brings each row's own positions to the front, in order.
        order = attention_mask.long().sort(dim=1, descending=True, stable=True).indices
        compact = embeds.gather(1, order[..., None].expand_as(embeds))
        rows = list(range(len(embeds)))
        hidden = self._run(rows, compact, counts.tolist())
        return hidden[torch.arange(len(rows), device=hidden.device), counts - 1]

    def read(self, rows: Sequence[int], embeds: Tensor) -> Tensor:
        """A block for some rows: (R, n, H) -> (R, n, H)"""
        return self._run(list(rows), embeds, [embeds.shape[1]] * len(rows))

    def read_tokens(self, rows: Sequence[int], token_ids: Tensor) -> Tensor:
        """One token a row: (R,) -> (R, H)"""
        embeds = self.model.get_input_embeddings()(token_ids[:, None])
        return self.read(rows, embeds)[:, -1]

    def text_logits(self, hidden: Tensor) -> Tensor:
        """(R, H) -> (R, vocabulary) float32"""
        return self.model.language_model.lm_head(hidden).float()

    def _run(self, rows: list[int], embeds: Tensor, counts: list[int]) -> Tensor:
        language_model = self.model.language_model
        position_ids, mask = self.cache.begin(rows, embeds.shape[1], embeds.device)
        if language_model.config._attn_implementation != "sdpa":
            lowest = torch.finfo(embeds.dtype).min
            mask = torch.zeros_like(mask, dtype=embeds.dtype).masked_fill(~mask, lowest)
        hidden = language_model.model(
            inputs_embeds=embeds,
            attention_mask=mask,
            position_ids=position_ids,
            past_key_values=self.cache,
            use_cache=True,
        ).last_hidden_state
        self.cache.advance(counts)
        return hidden
