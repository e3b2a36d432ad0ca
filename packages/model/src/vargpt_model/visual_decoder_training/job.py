"""One step of training a visual decoder class-conditionally (VAR, section 3.2 and its trainer)."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from vargpt_model.image_tokenizer import ImageTokenizer
from vargpt_model.training.batch_order import batch_at
from vargpt_model.training.loop import refuse_nan
from vargpt_model.training.optimizer import adamw, set_rates
from vargpt_model.training.schedules import LearningRate, WeightDecay
from vargpt_model.visual_decoder import VisualDecoder, code_cross_entropy
from vargpt_model.visual_decoder_training.code_metrics import code_weights, mean_by_scale
from vargpt_model.visual_decoder_training.config import VisualDecoderTraining
from vargpt_model.visual_decoder_training.labelled_codes import LabelledCodes


class VisualDecoderJob:
    """Decoder, optimizer, and the codes they see; the tokenizer makes the inputs and is frozen."""

    def __init__(
        self,
        decoder: VisualDecoder,
        tokenizer: ImageTokenizer,
        config: VisualDecoderTraining,
        codes: LabelledCodes,
    ) -> None:
        self.decoder = decoder.train()
        self.tokenizer = tokenizer.eval().requires_grad_(False)
        self.config = config
        self.codes = codes
        self.device = decoder.pos_start.device
        patch_nums = decoder.config.patch_nums
        self.weights = code_weights(patch_nums, config.loss_weights).to(self.device)  # (L,)
        self.optimizer = adamw(decoder.named_parameters())
        self.learning_rate = LearningRate(
            peak=config.peak_lr,
            num_steps=config.num_steps,
            num_warmup_steps=int(config.num_steps * config.warmup_frac),
            end_frac=config.end_lr_frac,
        )
        self.weight_decay = WeightDecay(
            start=config.weight_decay, end=config.end_weight_decay, num_steps=config.num_steps
        )
        self._per_code: list[tuple[Tensor, Tensor]] = []  # loss and hits, (B, L) each, last step's

    def step(self, step: int) -> Mapping[str, Any]:
        """The batch in `num_micro_batches` passes, then one optimizer step."""
        config = self.config
        rows = [
            draw.item
            for draw in batch_at(
                step,
                num_items=len(self.codes.labels),
                batch_size=config.batch_size,
                seed=config.seed,
            )
        ]
        lr, weight_decay = self.learning_rate.at(step), self.weight_decay.at(step)
        set_rates(self.optimizer, lr=lr, weight_decay=weight_decay)
        self.optimizer.zero_grad(set_to_none=True)
        self._per_code = []
        total = torch.zeros((), device=self.device)
        for part in range(config.num_micro_batches):
            micro = rows[part :: config.num_micro_batches]
            loss = self._loss(micro) * (len(micro) / len(rows))
            refuse_nan(loss, step, lambda micro=micro: [self.codes.names[row] for row in micro])
            loss.backward()
            total += loss.detach()
        grad_norm = nn.utils.clip_grad_norm_(self.decoder.parameters(), config.max_grad_norm)
        self.optimizer.step()
        return {
            "loss": total,
            "lr": lr,
            "weight_decay": weight_decay,
            "grad_norm": grad_norm,
            "num_images": len(rows),
        }

    def report(self, step: int) -> Mapping[str, Any]:  # noqa: ARG002, the loop tells every job
        """Loss and accuracy of the last step: of all codes, and scale by scale."""
        losses, hits = (torch.cat(parts) for parts in zip(*self._per_code, strict=True))
        patch_nums = self.decoder.config.patch_nums
        return {
            "code_loss": losses.mean(),
            "code_accuracy": hits.mean(),
            "loss_by_scale": mean_by_scale(losses, patch_nums),
            "accuracy_by_scale": mean_by_scale(hits, patch_nums),
        }

    def state_dict(self) -> dict[str, Any]:
        """Weights and optimizer."""
        return {"decoder": self.decoder.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from such a state."""
        self.decoder.load_state_dict(state["decoder"])
        self.optimizer.load_state_dict(state["optimizer"])

    def _loss(self, rows: list[int]) -> Tensor:
        """mean_b sum_t w_t CE_bt"""
        ids = torch.from_numpy(self.codes.code_ids[rows].astype("int64")).to(self.device)  # (B, L)
        labels = torch.from_numpy(self.codes.labels[rows]).to(self.device)  # (B,)
        features = self.tokenizer.quantize.teacher_forcing_features(ids)
        logits = self.decoder(labels, features)
        losses = code_cross_entropy(logits, ids, label_smoothing=self.config.label_smoothing)
        hits = (logits.detach().argmax(dim=-1) == ids).float()
        self._per_code.append((losses.detach(), hits))
        return (losses * self.weights).sum(dim=1).mean()
