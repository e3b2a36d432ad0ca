"""Rows of images in the place of their placeholders: B rows of S positions, H LLM width."""

from torch import Tensor


def scattered(embeds: Tensor, mask: Tensor, rows: Tensor) -> Tensor:
    """`embeds` (B, S, H) with the positions of `mask` (B, S) replaced by `rows`, in order."""
    return embeds.masked_scatter(mask[..., None], rows.to(embeds.dtype))


def expect_count(mask: Tensor, count: int, each: int, placeholder: str, given: str) -> None:
    """ValueError unless the placeholders are those of `count` images of `each` positions."""
    found = int(mask.sum())
    if found != count * each:
        raise ValueError(
            f"{found} positions of {placeholder} found in input_ids, {given} holds {count} images "
            f"of {each} positions each; they must be equal"
        )
