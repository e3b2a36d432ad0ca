"""The vision tower's phase: pictures and the words that they show, told apart in a batch.

B pictures, W words of the world, P patches, H width of the LLM. After CLIP (arXiv 2103.00020), with
the LLM's own embeddings for a text tower: a picture comes to the LLM as the words that it shows,
which the next phase then need not learn.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vargpt_model.base_training.config import BaseTraining
from vargpt_model.base_training.hard_negatives import ContrastBatches
from vargpt_model.base_training.part_optimizer import PartOptimizer
from vargpt_model.base_training.parts import is_trained_by_contrast
from vargpt_model.base_training.world import World
from vargpt_model.processor import VargptProcessor
from vargpt_model.training.loop import refuse_nan
from vargpt_model.vargpt import VargptForConditionalGeneration
from vargpt_schema.world import BACKGROUNDS, COLOURS, POSITIONS, SHAPES, SIZES, Scene

WORDS = (*SHAPES, *COLOURS, *SIZES, *POSITIONS, *(f"{ground} ground" for ground in BACKGROUNDS))
INITIAL_SCALE = 10.0  # of cosines; learned
MAX_SCALE = 30.0  # CLIP's 100 lets directions that differ little suffice


class ContrastScores(nn.Module):
    """Cosines of what the LLM sees of a picture and of its embeddings of words, scaled."""

    word_directions: Tensor

    def __init__(self, word_embeddings: Tensor) -> None:
        """(W, H), which stay as they are"""
        super().__init__()
        directions = F.normalize(word_embeddings.detach().float(), dim=-1)
        self.register_buffer("word_directions", directions)
        self.log_scale = nn.Parameter(torch.tensor(INITIAL_SCALE).log())

    def forward(self, features: Tensor, bags: Tensor) -> Tensor:
        """(B, P, H) features of patches, (B, W) -> (B, B) scores, a row a picture"""
        pictures = F.normalize(features.mean(dim=1), dim=-1)
        words = F.normalize(bags @ self.word_directions, dim=-1)
        return self.log_scale.exp().clamp(max=MAX_SCALE) * pictures @ words.T


class ContrastJob:
    """Vision tower, understanding projector and optimizer."""

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
        self.scores = ContrastScores(word_embeddings(model, processor)).to(model.device)
        self.optimizer = PartOptimizer(
            model,
            {
                **{
                    name: parameter
                    for name, parameter in model.named_parameters()
                    if is_trained_by_contrast(model.config, name)
                },
                "scores.log_scale": self.scores.log_scale,
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
        features = self.model.image_features(pixels.to(self.model.device))
        logits = self.scores(features.float(), bags)
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
        return {"logit_scale": self.scores.log_scale.detach().exp()}

    def state_dict(self) -> dict[str, Any]:
        """Trained weights and optimizer."""
        return self.optimizer.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from such a state."""
        self.optimizer.load_state_dict(state)


def word_embeddings(model: VargptForConditionalGeneration, processor: VargptProcessor) -> Tensor:
    """The LLM's input embeddings of WORDS, each the mean of its tokens': (W, H)"""
    table = model.get_input_embeddings()
    assert isinstance(table, nn.Embedding)
    ids = [processor.tokenizer(f" {word}", add_special_tokens=False).input_ids for word in WORDS]
    return torch.stack([table.weight[tokens].mean(dim=0) for tokens in ids])


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
