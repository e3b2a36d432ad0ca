"""Weight decay by name, as VAR groups its parameters."""

from vargpt_model import VisualDecoder, VisualDecoderConfig
from vargpt_model.training.optimizer import adamw, is_decayed, set_rates

DECODER = VisualDecoderConfig(
    num_layers=1,
    hidden_dim=8,
    num_heads=2,
    num_classes=3,
    vocab_size=5,
    code_dim=4,
    patch_nums=(1, 2),
)


def test_matrices_are_decayed_and_positions_levels_biases_temperatures_are_not():
    decayed = {
        name
        for name, parameter in VisualDecoder(DECODER).named_parameters()
        if is_decayed(name, parameter)
    }
    assert decayed == {
        "word_embed.weight",
        "class_emb.weight",
        "blocks.0.attn.mat_qkv.weight",
        "blocks.0.attn.proj.weight",
        "blocks.0.ffn.fc1.weight",
        "blocks.0.ffn.fc2.weight",
        "blocks.0.ada_lin.1.weight",
        "head_nm.ada_lin.1.weight",
        "head.weight",
    }


def test_rates_reach_both_groups_and_decay_one():
    optimizer = adamw(VisualDecoder(DECODER).named_parameters())
    set_rates(optimizer, lr=0.5, weight_decay=0.25)
    rates = [(group["lr"], group["weight_decay"]) for group in optimizer.param_groups]
    assert rates == [(0.5, 0.25), (0.5, 0.0)]


def test_frozen_parameters_stay_out():
    decoder = VisualDecoder(DECODER)
    decoder.blocks.requires_grad_(False)
    optimizer = adamw(decoder.named_parameters())
    held = sum(len(group["params"]) for group in optimizer.param_groups)
    assert held == sum(parameter.requires_grad for parameter in decoder.parameters())
