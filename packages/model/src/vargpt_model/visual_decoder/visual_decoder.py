"""The visual decoder: a block-causal transformer over the codes of all scales (VAR, section 3).

B rows, S scales, L codes of an image, n codes of one scale, C width, V codebook rows,
E code width. Position i of the input predicts code i: there is no shift, because the input of a
scale is made of coarser scales only. Parameter names are those of VAR's checkpoints.
"""

from collections.abc import Callable
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vargpt_model.scales import num_codes, scale_ranges
from vargpt_model.visual_decoder.block import Block, ConditionProjection
from vargpt_model.visual_decoder.block_causal_attention import block_causal_mask, scale_ids
from vargpt_model.visual_decoder.config import VisualDecoderConfig
from vargpt_model.visual_decoder.key_value_cache import KeyValueCache


class Modulations(NamedTuple):
    """What the condition does to every block and to the head; computed once an image."""

    blocks: list[Tensor]  # (B, 1, 6, C) each
    head: Tensor  # (B, 1, 2, C): scale, shift


class Head(nn.Module):
    """LN(x) (1 + scale) + shift before the code logits."""

    def __init__(self, config: VisualDecoderConfig) -> None:
        super().__init__()
        self.norm_eps = config.norm_eps
        self.ada_lin = ConditionProjection(config.hidden_dim, 2)

    def modulation(self, condition: Tensor) -> Tensor:
        """(B, C) -> (B, 1, 2, C)"""
        return self.ada_lin(condition)

    def forward(self, x: Tensor, modulation: Tensor) -> Tensor:
        """(B, L, C) -> same"""
        scale, shift = modulation.unbind(2)
        return torch.addcmul(shift, F.layer_norm(x, x.shape[-1:], eps=self.norm_eps), 1 + scale)


class VisualDecoder(nn.Module):
    """Condition table, input embedding, blocks and code head."""

    lvl_1L: Tensor  # noqa: N815, (1, L) int64, the scale of every code; a checkpoint key
    attn_bias_for_masking: Tensor  # (1, 1, L, L) 0 or -inf; a checkpoint key, not used here

    def __init__(self, config: VisualDecoderConfig) -> None:
        super().__init__()
        self.config = config
        self.ranges = scale_ranges(config.patch_nums)
        width, length = config.hidden_dim, num_codes(config.patch_nums)
        first = self.ranges[0][1]

        self.word_embed = nn.Linear(config.code_dim, width)
        self.class_emb = nn.Embedding(config.num_classes + 1, width)
        self.pos_start = nn.Parameter(torch.zeros(1, first, width))
        self.pos_1LC = nn.Parameter(torch.zeros(1, length, width))
        self.lvl_embed = nn.Embedding(len(config.patch_nums), width)
        self.shared_ada_lin = (
            ConditionProjection(width, 6) if config.shared_adaln else nn.Identity()
        )
        last = max(config.num_layers - 1, 1)
        self.blocks = nn.ModuleList(
            Block(config, drop_path=config.drop_path * layer / last)
            for layer in range(config.num_layers)
        )
        self.head_nm = Head(config)
        self.head = nn.Linear(width, config.vocab_size)

        mask = block_causal_mask(self.ranges)
        self.register_buffer("lvl_1L", scale_ids(self.ranges)[None])
        self.register_buffer(
            "attn_bias_for_masking",
            torch.zeros(1, 1, length, length).masked_fill(~mask, -torch.inf),
        )

    @property
    def layers(self) -> list[Block]:
        """The blocks, first to last."""
        return cast("list[Block]", list(self.blocks))

    @property
    def no_class(self) -> int:
        """Row of the condition table that means "no class"."""
        return self.config.num_classes

    def conditions(self, class_ids: Tensor) -> Tensor:
        """(B,) rows of the condition table -> (B, C)"""
        return self.class_emb(class_ids)

    def dropped_conditions(self, class_ids: Tensor) -> Tensor:
        """In training, `class_ids` with a random `condition_dropout` of them set to "no class"."""
        if not self.training or self.config.condition_dropout == 0:
            return class_ids
        dropped = torch.rand(class_ids.shape, device=class_ids.device)
        return class_ids.masked_fill(dropped < self.config.condition_dropout, self.no_class)

    def modulations(self, condition: Tensor) -> Modulations:
        """(B, C) -> the scales, shifts and gates of all blocks and the head."""
        shared = self.shared_ada_lin(condition)
        return Modulations(
            [block.modulation(shared) for block in self.layers], self.head_nm.modulation(condition)
        )

    def first_inputs(self, condition: Tensor) -> Tensor:
        """Inputs of the coarsest scale: (B, C) -> (B, n, C)"""
        start, end = self.ranges[0]
        return condition[:, None] + self.pos_start + self._positions(start, end)

    def next_inputs(self, features: Tensor, scale: int) -> Tensor:
        """Inputs of one finer scale: its features (B, n, E) -> (B, n, C)"""
        start, end = self.ranges[scale]
        return self.word_embed(features) + self._positions(start, end)

    def teacher_forcing_inputs(self, condition: Tensor, features: Tensor) -> Tensor:
        """(B, C) and the features of the finer scales (B, L - n_0, E) -> (B, L, C).

        Features may end with any scale; L is then what they cover.
        """
        first = self.ranges[0][1]
        length = first + features.shape[1]
        if length not in {end for _, end in self.ranges}:
            raise ValueError(
                f"features of {features.shape[1]} codes found: with the first scale's {first} "
                f"they must end with a scale of patch_nums {self.config.patch_nums}"
            )
        finer = self.word_embed(features) + self._positions(first, length)
        return torch.cat([self.first_inputs(condition), finer], dim=1)

    def _positions(self, start: int, end: int) -> Tensor:
        levels = self.lvl_embed(self.lvl_1L[:, start:end])
        return levels + self.pos_1LC[:, start:end]

    def decode(
        self,
        x: Tensor,
        modulations: Modulations,
        cache: KeyValueCache | None = None,
        run: Callable[..., Tensor] | None = None,
    ) -> Tensor:
        """Blocks and head: inputs (B, L, C) -> logits (B, L, V) float32.

        With a cache, `x` is the next scale's inputs alone. `run(block, *arguments)` replaces the
        plain call of a block, for gradient checkpointing.
        """
        for layer, (block, modulation) in enumerate(
            zip(self.layers, modulations.blocks, strict=True)
        ):
            if run is None:
                x = block(x, modulation, self.ranges, cache, layer)
            else:
                x = run(block, x, modulation, self.ranges, cache, layer)
        return self.head(self.head_nm(x, modulations.head)).float()

    def forward(self, class_ids: Tensor, features: Tensor) -> Tensor:
        """Class-conditional teacher forcing: (B,), (B, L - n_0, E) -> logits (B, L, V) float32.

        Some classes are dropped in training only; the reference drops them in evaluation too.
        """
        condition = self.conditions(self.dropped_conditions(class_ids))
        inputs = self.teacher_forcing_inputs(condition, features)
        return self.decode(inputs, self.modulations(condition))

    def new_cache(self, batch_size: int) -> KeyValueCache:
        """An empty cache for `batch_size` rows."""
        weight = self.head.weight
        return KeyValueCache(
            num_layers=self.config.num_layers,
            batch_size=batch_size,
            num_heads=self.config.num_heads,
            max_length=self.ranges[-1][1],
            head_dim=self.config.head_dim,
            dtype=weight.dtype,
            device=weight.device,
        )
