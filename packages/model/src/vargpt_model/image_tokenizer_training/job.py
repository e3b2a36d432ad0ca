"""One step of training an image tokenizer: rebuild a batch, through codes once they have begun."""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vargpt_model.image_tokenizer import ImageTokenizer
from vargpt_model.image_tokenizer_training.adversary import Adversary
from vargpt_model.image_tokenizer_training.codebook_learning import (
    CodebookConfig,
    CodebookLearning,
)
from vargpt_model.image_tokenizer_training.config import ImageTokenizerTraining
from vargpt_model.image_tokenizer_training.perceptual import PerceptualDistance
from vargpt_model.training.image_batches import ImageBatches
from vargpt_model.training.loop import refuse_nan, warn
from vargpt_model.training.optimizer import adamw, set_rates
from vargpt_model.training.schedules import LearningRate

START_VECTORS_A_CODE = 16  # of each scale; k-means chooses the first codes among so many
COLLAPSED_FRAC = 0.1  # of the codebook; fewer codes in use than this is a collapse


class ImageTokenizerJob:
    """Model, codebook averages, optimizer, and the batches they see."""

    def __init__(
        self,
        tokenizer: ImageTokenizer,
        config: ImageTokenizerTraining,
        batches: ImageBatches,
        *,
        perceptual: PerceptualDistance | None = None,
    ) -> None:
        self.tokenizer = tokenizer.train()
        self.config = config
        self.batches = batches
        self.perceptual = perceptual
        self.adversary = (
            Adversary(config.peak_lr * config.adversary_lr_frac, batches.device)
            if config.adversarial_weight
            else None
        )
        self.codebook = CodebookLearning(
            tokenizer.quantize,
            CodebookConfig(decay=config.codebook_decay, dead_hits=config.dead_hits),
        )
        self.optimizer = adamw(tokenizer.named_parameters())
        self.learning_rate = LearningRate(
            peak=config.peak_lr,
            num_steps=config.num_steps,
            num_warmup_steps=max(1, int(config.num_steps * config.warmup_frac)),
            shape="cosine",
            start_frac=0.05,
            end_frac=config.end_lr_frac,
        )
        self.num_restarted = 0
        self.has_collapsed = False

    def step(self, step: int) -> Mapping[str, Any]:
        """Autoencoder first, then codes; the codebook starts from features between the two."""
        config = self.config
        if step == config.num_plain_steps:
            self.codebook.start_from(self._start_features(step))
        batch = self.batches.at(step)
        lr = self.learning_rate.at(step)
        set_rates(self.optimizer, lr=lr, weight_decay=config.weight_decay)

        metrics: dict[str, Any] = {"lr": lr, "num_images": len(batch.names)}
        has_codes = step >= config.num_plain_steps
        if has_codes:
            rebuilt, quantizer_loss, code_ids, vectors = self.tokenizer(batch.pixels)
            metrics["quantizer_loss"] = quantizer_loss.detach()
            loss = config.quantizer_weight * quantizer_loss
        else:
            rebuilt = self.tokenizer.forward_without_codes(batch.pixels)
            code_ids = vectors = None
            loss = torch.zeros((), device=batch.pixels.device)
        loss = loss + self._rebuilding_loss(rebuilt, batch.pixels, step, metrics)
        refuse_nan(loss, step, lambda: batch.names)
        metrics["loss"] = loss.detach()

        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        metrics["grad_norm"] = nn.utils.clip_grad_norm_(
            self.tokenizer.parameters(), config.max_grad_norm
        )
        self.optimizer.step()
        if self.adversary and self._has_adversary(step):
            metrics |= self.adversary.step(batch.pixels, rebuilt.detach())
        if code_ids is not None and vectors is not None:
            self._follow(code_ids, vectors, step)
        return metrics

    def report(self, step: int) -> Mapping[str, Any]:
        """Use of the codebook: in all, and of each scale; says so when it has collapsed."""
        if step <= self.config.num_plain_steps:
            return {}
        state = self.codebook.state()
        vocab_size = self.tokenizer.config.vocab_size
        if state.num_used < COLLAPSED_FRAC * vocab_size and not self.has_collapsed:
            self.has_collapsed = True
            warn(
                f"step {step}: codebook collapse, {state.num_used} of {vocab_size} codes in use "
                f"(at least {COLLAPSED_FRAC:.0%} expected). Lower peak_lr, raise restart_frac or "
                "lower vocab_size, and start in a new folder."
            )
        side = self.tokenizer.config.patch_nums[-1]
        use = self.tokenizer.quantize.codebook_use(self.config.batch_size * side * side)
        return {
            "num_codes_used": state.num_used,
            "code_perplexity": state.perplexity,
            "codebook_use_by_scale": use,
            "num_codes_restarted": self.num_restarted,
            "num_images_unreadable": len(self.batches.unreadable),
        }

    def state_dict(self) -> dict[str, Any]:
        """Weights, averages, optimizer, counts."""
        return {
            "tokenizer": self.tokenizer.state_dict(),
            "num_use_updates": self.tokenizer.quantize.num_updates,
            "codebook": self.codebook.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "adversary": self.adversary.state_dict() if self.adversary else {},
            "num_restarted": self.num_restarted,
            "has_collapsed": self.has_collapsed,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from such a state."""
        self.tokenizer.load_state_dict(state["tokenizer"])
        self.tokenizer.quantize.num_updates = state["num_use_updates"]
        self.codebook.load_state_dict(state["codebook"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.adversary:
            self.adversary.load_state_dict(state["adversary"])
        self.num_restarted = state["num_restarted"]
        self.has_collapsed = state["has_collapsed"]

    def _rebuilding_loss(
        self, rebuilt: Tensor, pixels: Tensor, step: int, metrics: dict[str, Any]
    ) -> Tensor:
        config = self.config
        l1, mse = F.l1_loss(rebuilt, pixels), F.mse_loss(rebuilt, pixels)
        metrics |= {"l1": l1.detach(), "mse": mse.detach()}
        loss = config.l1_weight * l1 + config.mse_weight * mse
        if self.perceptual is not None:
            distance = self.perceptual(rebuilt, pixels).mean()
            metrics["perceptual"] = distance.detach()
            loss = loss + config.perceptual_weight * distance
        if self.adversary and self._has_adversary(step):
            fooling = self.adversary.fooling_loss(rebuilt)
            weight = self.adversary.balance(loss, fooling, self.tokenizer.decoder.conv_out.weight)
            metrics |= {"fooling_loss": fooling.detach(), "adversarial_balance": weight}
            loss = loss + config.adversarial_weight * weight * fooling
        return loss

    def _has_adversary(self, step: int) -> bool:
        return step >= self.config.adversarial_start_frac * self.config.num_steps

    @torch.no_grad()
    def _start_features(self, step: int) -> Tensor:
        """Features of the batches just seen: (N, C, H, H)"""
        vectors = START_VECTORS_A_CODE * self.tokenizer.config.vocab_size
        # Scale 1 has the fewest vectors an image but one.
        an_image = self.tokenizer.config.patch_nums[1] ** 2
        count = max(1, -(-vectors // (an_image * self.config.batch_size)))
        steps = range(max(0, step - count), step)
        return torch.cat([self.tokenizer.features(self.batches.at(past).pixels) for past in steps])

    @torch.no_grad()
    def _follow(self, code_ids: Tensor, vectors: Tensor, step: int) -> None:
        self.tokenizer.quantize.record_code_use(self.tokenizer.split_scales(code_ids))
        self.num_restarted += self.codebook.follow(
            vectors.flatten(0, 1),
            code_ids.flatten(),
            may_restart=step < self.config.restart_frac * self.config.num_steps,
        )
