"""A model of the tiny preset's form, smaller still, shared by the tests of a file."""

from typing import Any

import pytest


def small_config(**changes: Any):
    """Two layers, images of 12 px: 14 codes (1, 2, 3) each to draw, 4 positions to understand."""
    from vargpt_model.image_tokenizer import ImageTokenizerConfig
    from vargpt_model.vargpt.presets import world_config

    config = world_config(
        ImageTokenizerConfig(
            vocab_size=32,
            code_dim=4,
            base_channels=8,
            channel_multipliers=(1, 1, 2),
            num_res_blocks=1,
            num_norm_groups=4,
            patch_nums=(1, 2, 3),
        ),
        width=32,
        num_layers=2,
        num_heads=2,
        vision_patch_px=6,
        vision_width=16,
        vision_layers=2,
        decoder_layers=2,
        decoder_width=32,
        context_length=256,
        text_vocab_size=640,
    )
    return type(config)(**{**config.to_dict(), **changes})


def small_model(seed: int = 0, **changes: Any) -> Any:
    """A model with random weights large enough to tell inputs apart."""
    import torch

    from vargpt_model.vargpt import VargptForConditionalGeneration
    from vargpt_model.visual_decoder import initialize

    torch.set_num_threads(1)  # small tensors; test processes share the cores
    torch.manual_seed(seed)
    model = VargptForConditionalGeneration(small_config(**changes))
    initialize(model.vargpt_gen, gamma_gain=1.0)
    with torch.no_grad():
        model.vargpt_gen.head.weight.mul_(200)
        for name, parameter in model.named_parameters():
            if "projector" in name and name.endswith("weight"):
                parameter.normal_(std=parameter.shape[1] ** -0.5)
            if "language_model" in name and parameter.dim() == 2:
                parameter.normal_(std=1.5 * parameter.shape[1] ** -0.5)
    return model.eval()


@pytest.fixture(scope="session")
def tokenizer():
    from vargpt_model.processor import world_tokenizer

    return world_tokenizer(small_config())


@pytest.fixture(scope="session")
def processor(tokenizer):
    from vargpt_model.processor import VargptProcessor

    return VargptProcessor.of(small_config(), tokenizer)
