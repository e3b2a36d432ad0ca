"""Random start of a visual decoder, as VAR trains it (section 4.1 and its `init_weights`)."""

import math

import torch
from torch import nn

from vargpt_model.visual_decoder.block import INITIAL_LOG_TEMPERATURE
from vargpt_model.visual_decoder.visual_decoder import VisualDecoder

ADALN_GAIN = 0.5
HEAD_GAIN = 0.02


@torch.no_grad()
def initialize(decoder: VisualDecoder, *, gamma_gain: float = 1e-5) -> None:
    """Fill every parameter, from torch's global random stream.

    The standard deviation is sqrt(1 / (3 C)); outputs of the two branches of a block shrink with
    depth, its gates by `gamma_gain`: 1e-3 for d16 and d20, 1e-4 for d24, 1e-5 for d30. Short
    training needs larger ones.
    """
    config = decoder.config
    std = math.sqrt(1 / config.hidden_dim / 3)
    for module in decoder.modules():
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.trunc_normal_(module.weight, std=std)
        if isinstance(module, nn.Linear) and module.bias is not None:
            module.bias.zero_()
    for positions in (decoder.pos_start, decoder.pos_1LC):
        nn.init.trunc_normal_(positions, std=std)
    decoder.head.weight.mul_(HEAD_GAIN)
    decoder.head_nm.ada_lin.linear.weight.mul_(ADALN_GAIN)
    depth_gain = 1 / math.sqrt(2 * config.num_layers)
    gates = 2 * config.hidden_dim
    for block in decoder.layers:
        block.attn.q_bias.zero_()
        block.attn.v_bias.zero_()
        if config.qk_norm:
            block.attn.scale_mul_1H11.fill_(INITIAL_LOG_TEMPERATURE)
        block.attn.proj.weight.mul_(depth_gain)
        block.ffn.fc2.weight.mul_(depth_gain)
        if config.shared_adaln:
            block.ada_gss.normal_(std=1 / math.sqrt(config.hidden_dim))
            block.ada_gss[:, :, :2].mul_(gamma_gain)
            block.ada_gss[:, :, 2:].mul_(ADALN_GAIN)
        else:
            block.ada_lin.linear.weight[:gates].mul_(gamma_gain)
            block.ada_lin.linear.weight[gates:].mul_(ADALN_GAIN)
