"""How much of the codebook each scale uses: a moving average of the choices during training.

S scales, V codebook rows.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

EARLY_UPDATES = 100  # the average forgets faster until then
USED_SHARE = 0.08  # of the hits a row would get were all rows chosen equally often


class CodebookUse(nn.Module):
    """Keeps the average under VAR's name, `ema_vocab_hit_SV`."""

    ema_vocab_hit_SV: Tensor  # noqa: N815, (S, V) float32, hits of a step; a checkpoint key

    def __init__(self, num_scales: int, vocab_size: int) -> None:
        super().__init__()
        self.register_buffer("ema_vocab_hit_SV", torch.zeros(num_scales, vocab_size))
        self.num_updates = 0  # no tensor of the checkpoint; a resumed training sets it

    @torch.no_grad()
    def record_code_use(self, code_ids: Sequence[Tensor]) -> None:
        """Add one step's choices, S times (N, p * p) over all ranks together."""
        vocab_size = self.ema_vocab_hit_SV.shape[1]
        hits = torch.stack(
            [torch.bincount(ids.flatten(), minlength=vocab_size).float() for ids in code_ids]
        )  # (S, V)
        kept = 0.0 if self.num_updates == 0 else 0.9 if self.num_updates < EARLY_UPDATES else 0.99
        self.ema_vocab_hit_SV.mul_(kept).add_(hits, alpha=1 - kept)
        self.num_updates += 1

    def codebook_use(self, num_features: int) -> Tensor:
        """(S,) share of the codebook in use, in [0, 1].

        A row is in use at a scale when its average reaches 8 % of an even share of
        `num_features`, the N * H * H features of a step over all ranks.
        """
        fewest_hits = num_features / self.ema_vocab_hit_SV.shape[1] * USED_SHARE
        return (self.ema_vocab_hit_SV >= fewest_hits).float().mean(dim=1)
