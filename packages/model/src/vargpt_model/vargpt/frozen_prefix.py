"""Positions before the first drawn image, read without gradient where nothing there is trained.

In stages 1 and 3 the LLM is frozen and all that is trained enters at the image's rows. What comes
before them needs one pass forward and none back: same losses, same gradients, less time.
B rows of S positions, H LLM width.
"""

import torch
from torch import Tensor
from transformers import LlamaModel


def frozen_columns(language_model: LlamaModel, embeds: Tensor, is_code: Tensor) -> int:
    """Leading columns that no gradient needs to reach; 0 where it would gain nothing.

    `embeds` (B, S, H) are the inputs without drawn images, `is_code` (B, S) where those belong.
    """
    is_learning = embeds.requires_grad or any(
        parameter.requires_grad for parameter in language_model.parameters()
    )
    # transformers keeps no keys and values where it computes blocks twice.
    if not torch.is_grad_enabled() or is_learning or language_model.gradient_checkpointing:
        return 0
    columns = is_code.any(dim=0)
    return int(columns.int().argmax()) if bool(columns.any()) else 0


def states_behind(
    language_model: LlamaModel,
    embeds: Tensor,
    attention_mask: Tensor | None,
    position_ids: Tensor | None,
    prefix: int,
) -> Tensor:
    """States behind the last norm of all positions: (B, S, H) -> same.

    The first `prefix` columns are read without gradient; the others see their keys and values.
    """
    if not prefix:
        return language_model(
            inputs_embeds=embeds,
            attention_mask=attention_mask,
            position_ids=position_ids,
            use_cache=False,
        ).last_hidden_state
    if position_ids is None:
        position_ids = torch.arange(embeds.shape[1], device=embeds.device)[None]
    with torch.no_grad():
        read = language_model(
            inputs_embeds=embeds[:, :prefix],
            attention_mask=None if attention_mask is None else attention_mask[:, :prefix],
            position_ids=position_ids[:, :prefix],
            use_cache=True,
        )
    behind = language_model(
        inputs_embeds=embeds[:, prefix:],
        attention_mask=attention_mask,
        position_ids=position_ids[:, prefix:],
        past_key_values=read.past_key_values,
        use_cache=True,
    ).last_hidden_state
    return torch.cat([read.last_hidden_state, behind], dim=1)
