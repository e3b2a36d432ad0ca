"""A random start for every tensor of a configuration, part by part, so that 7B fit in memory."""

import hashlib
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from vargpt_model.image_tokenizer import ImageTokenizer
from vargpt_model.vargpt import VargptConfig, VargptForConditionalGeneration
from vargpt_model.vargpt.projectors import GenerationProjector, UnderstandingProjector
from vargpt_model.vargpt.vision_tower import VisionTower
from vargpt_model.visual_decoder import VisualDecoder, initialize
from vargpt_model.weights.official_names import NULL_STATES
from vargpt_model.weights.stored_tensors import StoredTensor, StoredTensors

SHORT_TRAINING_GAMMA = 1.0  # gates of the decoder's blocks; VAR's 1e-5 is for hundreds of epochs
SMALL_DECODER_LAYERS = 16  # below VAR's smallest, training is short


def meta_tensors(config: VargptConfig) -> dict[str, Tensor]:
    """Names, shapes and types of a model's tensors, without memory for them."""
    with torch.device("meta"):
        return dict(VargptForConditionalGeneration(config).state_dict())


def random_tensors(config: VargptConfig, seed: int) -> StoredTensors:
    """A start for all tensors; each depends on the seed and on its own part or name alone.

    LLM: normal with the configuration's deviation; vision tower as CLIP; image tokenizer and
    decoder as VAR starts them; projectors as the official code.
    """
    parts = _Parts(config, seed)
    return {
        name: StoredTensor(tuple(own.shape), torch.float32, partial(parts.tensor, name, own))
        if own.dtype.is_floating_point
        else StoredTensor(tuple(own.shape), own.dtype, partial(parts.tensor, name, own))
        for name, own in meta_tensors(config).items()
    }


class _Parts:
    """Builds a part when its first tensor is asked for, and lets go of the one before."""

    def __init__(self, config: VargptConfig, seed: int) -> None:
        self.config, self.seed = config, seed
        width, decoder_width = config.text.hidden_size, config.visual_decoder_config.hidden_dim
        self.builders: dict[str, Callable[[], nn.Module]] = {
            "vision_tower": lambda: VisionTower(config),
            "multi_modal_projector": lambda: _projector(UnderstandingProjector(config), config),
            "vae_local": lambda: ImageTokenizer(config.image_tokenizer_config),
            "vargpt_gen": lambda: _decoder(config),
            "image_gen_projector": lambda: _projector(
                GenerationProjector(decoder_width, width), config
            ),
            "image_gen_projector_out": lambda: _projector(
                GenerationProjector(width, decoder_width), config
            ),
        }
        self.name = ""
        self.tensors: dict[str, Tensor] = {}

    def tensor(self, name: str, own: Tensor) -> Tensor:
        part, _, rest = name.partition(".")
        if part in self.builders:
            if part != self.name:
                self.tensors = {}
                with torch.random.fork_rng(devices=[]):
                    torch.manual_seed(_seed(self.seed, part))
                    self.tensors = dict(self.builders[part]().state_dict())
                self.name = part
            return self.tensors[rest]
        if own.dim() == 1:
            return torch.ones(own.shape)  # LLaMA's norms; it has no biases
        generator = torch.Generator().manual_seed(_seed(self.seed, name))
        std = 1.0 if name == NULL_STATES else self.config.text.initializer_range
        return torch.empty(own.shape).normal_(std=std, generator=generator)


def _decoder(config: VargptConfig) -> VisualDecoder:
    decoder = VisualDecoder(config.visual_decoder_config)
    if decoder.config.num_layers < SMALL_DECODER_LAYERS:
        initialize(decoder, gamma_gain=SHORT_TRAINING_GAMMA)
    else:
        initialize(decoder)
    return decoder


@torch.no_grad()
def _projector(projector: nn.Module, config: VargptConfig) -> nn.Module:
    for layer in projector.modules():
        if isinstance(layer, nn.Linear):
            layer.weight.normal_(std=config.initializer_range)
            layer.bias.zero_()
    return projector


def _seed(seed: int, name: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:8]) >> 1
