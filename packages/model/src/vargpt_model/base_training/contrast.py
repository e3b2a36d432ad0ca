"""The vision tower's phase: pictures and the words that they show, told apart in a batch.

B pictures, W words of the world, D width. After CLIP (arXiv 2103.00020), with a bag of words for a
text tower; both heads are thrown away when the phase ends.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vargpt_model.base_training.config import BaseTraining
from vargpt_model.base_training.hard_negatives import ContrastBatches
from vargpt_model.base_training.part_optimizer import PartOptimizer
from vargpt_model.base_training.parts import is_vision_used
from vargpt_model.base_training.world import World
from vargpt_model.processor import VargptProcessor
from vargpt_model.training.loop import refuse_nan
from vargpt_model.vargpt import VargptForConditionalGeneration
from vargpt_schema.world import BACKGROUNDS, COLOURS, POSITIONS, SHAPES, SIZES, Scene

WORDS = (*SHAPES, *COLOURS, *SIZES, *POSITIONS, *(f"{ground} ground" for ground in BACKGROUNDS))
INITIAL_SCALE = 10.0  # of cosines; learned
MAX_SCALE = 100.0


class ContrastHeads(nn.Module):
    """Pictures and bags of words to one space."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.of_pictures = nn.Linear(width, width)
        self.of_words = nn.Linear(len(WORDS), width)
        self.log_scale = nn.Parameter(torch.tensor(INITIAL_SCALE).log())

    def forward(self, features: Tensor, bags: Tensor) -> Tensor:
        """(B, P, D) features of patches, (B, W) -> (B, B) scaled cosines, a row a picture"""
        pictures = F.normalize(self.of_pictures(features.mean(dim=1)), dim=-1)
        words = F.normalize(self.of_words(bags), dim=-1)
        return self.log_scale.exp().clamp(max=MAX_SCALE) * pictures @ words.T


class ContrastJob:
    """Vision tower, heads and optimizer."""

    def __init__(
        self,
        model: VargptForConditionalGeneration,
        processor: VargptProcessor,
        config: BaseTraining,
        world: World,
        rows: Sequence[int],
    ) -> None:
        self.model, self.processor = model, processor
        self.config, self.world, self.rows = config, world, rows
        self.batches = ContrastBatches(
            [world.scene(row) for row in rows],
            batch_size=config.contrast_batch_size,
            hard_frac=config.hard_frac,
            seed=config.seed,
        )
        torch.manual_seed(config.seed)
        self.heads = ContrastHeads(model.config.vision.hidden_size).to(model.device)
        self.optimizer = PartOptimizer(
            model,
            {
                **{
                    name: parameter
                    for name, parameter in model.named_parameters()
                    if name.startswith("vision_tower.") and is_vision_used(model.config, name)
                },
                **{f"heads.{name}": value for name, value in self.heads.named_parameters()},
            },
            config.learning_rate(config.contrast_lr, config.contrast_steps),
            max_grad_norm=config.max_grad_norm,
        )

    def step(self, step: int) -> Mapping[str, Any]:
        """One batch; equal bags share the target of their row."""
        places, num_hard = self.batches.at(step)
        rows = [self.rows[place] for place in places]
        pixels = self.processor.understood_pixels([self.world.picture(row) for row in rows])
        bags = torch.stack([bag_of(self.world.scene(row)) for row in rows]).to(self.model.device)
        layer = self.model.config.vision_feature_layer
        features = self.model.vision_tower(pixels.to(self.model.device), layer)[:, 1:]
        logits = self.heads(features.float(), bags)
        is_same = (bags[:, None] == bags).all(dim=-1)
        loss = contrast_loss(logits, is_same)
        refuse_nan(loss, step, lambda: [self.world.names[row] for row in rows])
        updated = self.optimizer.update(loss, step)
        found = is_same.gather(1, logits.argmax(dim=1, keepdim=True))
        return {
            **updated,
            "num_images": len(rows),
            "accuracy": found.float().mean(),
            **({"hard_accuracy": found[:num_hard].float().mean()} if num_hard else {}),
        }

    def report(self, step: int) -> Mapping[str, Any]:  # noqa: ARG002, the loop tells every job
        """The scale of the cosines."""
        return {"logit_scale": self.heads.log_scale.detach().exp()}

    def state_dict(self) -> dict[str, Any]:
        """Trained weights and optimizer."""
        return self.optimizer.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from such a state."""
        self.optimizer.load_state_dict(state)


def bag_of(scene: Scene) -> Tensor:
    """(W,) how often each word holds: every attribute of every object, and the background."""
    bag = torch.zeros(len(WORDS))
    bag[WORDS.index(f"{scene.background} ground")] = 1
    for thing in scene.objects:
        for word in (thing.shape, thing.colour, thing.size, thing.position):
            bag[WORDS.index(str(word))] += 1
    return bag


def contrast_loss(logits: Tensor, is_same: Tensor) -> Tensor:
    """Mean cross-entropy of pictures among texts and of texts among pictures: (B, B) twice -> ()

    Where several rows show the same words, each of them is right.
    """
    target = is_same.float() / is_same.sum(dim=1, keepdim=True)
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
