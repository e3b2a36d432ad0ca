"""The visual decoder, its losses and its drawing agree with VAR's on the golden vectors."""

import pytest
import torch

from tests.model import golden
from tests.model.golden import assert_close, tiny_decoder, tiny_tokenizer, vectors
from vargpt_model import DrawingConfig, ScaleSampler, draw_classes
from vargpt_model.visual_decoder import code_cross_entropy, progressive_weights

SCALES = range(4)
GREEDY = DrawingConfig(guidance_scale=1.5, top_k=1, top_p=0)


@pytest.fixture(scope="module")
def expected():
    return vectors("var_tiny")


@pytest.fixture(scope="module")
def targets(expected):
    return torch.cat([expected[f"idx.{scale}"] for scale in SCALES], dim=1)


@torch.no_grad()
def test_every_stage_of_the_teacher_forced_pass(expected):
    decoder = tiny_decoder()
    condition = decoder.conditions(expected["in.label"])
    modulations = decoder.modulations(condition)
    x = decoder.teacher_forcing_inputs(condition, expected["var_input"])
    assert_close(x, expected["tf.block_in"], 2e-5)
    attention_outputs = []
    decoder.layers[0].attn.register_forward_hook(
        lambda _module, _inputs, output: attention_outputs.append(output)
    )
    for layer, (block, modulation) in enumerate(
        zip(decoder.layers, modulations.blocks, strict=True)
    ):
        x = block(x, modulation, decoder.ranges, None, layer)
        assert_close(x, expected[f"tf.block{layer}_out"], 2e-5)
    assert_close(attention_outputs[0], expected["tf.block0_attn_out"], 2e-5)
    assert_close(decoder.head_nm(x, modulations.head), expected["tf.head_nm_out"], 2e-5)
    assert_close(decoder(expected["in.label"], expected["var_input"]), expected["logits"], 5e-5)


def test_losses_with_and_without_label_smoothing(expected, targets):
    logits = expected["logits"]
    per_code = code_cross_entropy(logits, targets)
    assert_close(per_code, expected["train.per_token_ce_ls0"], 2e-5)
    assert_close(per_code.mean()[None], expected["train.loss_ls0"], 2e-5)
    smoothed = code_cross_entropy(logits, targets, label_smoothing=0.1)
    assert_close(smoothed.mean()[None], expected["train.loss_ls0p1"], 2e-5)
    assert_close(per_code.mean()[None], expected["train.val_L_mean"], 2e-5)
    assert_close(per_code[:, -16:].mean()[None], expected["train.val_L_tail"], 2e-5)


@torch.no_grad()
def test_progressive_training_sees_fewer_scales_and_weighs_the_newest(expected, targets):
    decoder = tiny_decoder()
    logits = decoder(expected["in.label"], expected["var_input"][:, :13])
    weights = progressive_weights(golden.TINY_PATCH_NUMS, 2, newest_weight=0.3)
    loss = (code_cross_entropy(logits, targets[:, :14]) * weights).sum(dim=1).mean()
    assert_close(loss[None], expected["train.loss_prog_si2_wp0p3"], 2e-5)


def test_gradients_of_the_training_loss(expected, targets):
    decoder = tiny_decoder()
    logits = decoder(expected["in.label"], expected["var_input"])
    code_cross_entropy(logits, targets).mean().backward()
    gradients = {}
    for name, parameter in decoder.named_parameters():
        assert parameter.grad is not None, name
        gradients[name] = parameter.grad
        if f"train.grad.{name}" in expected:
            assert_close(parameter.grad, expected[f"train.grad.{name}"], 2e-6)
    norms = golden.facts()["train_grad_norms_ls0"]
    assert {name: gradients[name].norm().item() for name in norms} == pytest.approx(norms, rel=1e-4)


@torch.no_grad()
def test_greedy_drawing_scale_by_scale(expected):
    decoder, tokenizer = tiny_decoder(), tiny_tokenizer()
    condition = decoder.conditions(torch.tensor([3, 7, decoder.no_class, decoder.no_class]))
    modulations = decoder.modulations(condition)
    cache, sampler = decoder.new_cache(4), ScaleSampler(tokenizer, [0, 0], GREEDY)
    x = decoder.first_inputs(condition)
    for scale in SCALES:
        logits = decoder.decode(x, modulations, cache)
        assert_close(logits, expected[f"ar_greedy.logits_2B.{scale}"], 5e-5)
        guided = sampler.guided(*logits.chunk(2))
        assert_close(guided, expected[f"ar_greedy.logits_cfg.{scale}"], 1e-4)
        features = sampler.step(guided)
        assert torch.equal(sampler.code_ids[scale], expected[f"ar_greedy.idx.{scale}"])
        assert_close(sampler.f_hat, expected[f"ar_greedy.f_hat.{scale}"], 1e-5)
        if features is not None:
            next_in = expected[f"ar_greedy.next_in.{scale}"].flatten(2).transpose(1, 2)
            assert_close(features, next_in, 1e-5)
            x = decoder.next_inputs(features, scale + 1).repeat(2, 1, 1)


def test_greedy_drawing_in_one_call(expected):
    drawing = draw_classes(tiny_decoder(), tiny_tokenizer(), [3, 7], seeds=[5, 6], config=GREEDY)
    for scale in SCALES:
        assert torch.equal(drawing.code_ids[scale], expected[f"ar_greedy.idx.{scale}"])
    assert_close(drawing.images, expected["ar_greedy.image01"], 5e-5)


@pytest.mark.parametrize(("more_smooth", "name"), [(False, "ar_sample"), (True, "ar_smooth")])
def test_sampled_drawing_consumes_random_numbers_as_the_reference_does(expected, more_smooth, name):
    config = DrawingConfig(guidance_scale=1.5, top_k=20, top_p=0.9, more_smooth=more_smooth)
    drawing = draw_classes(tiny_decoder(), tiny_tokenizer(), [3], seeds=[0], config=config)
    for scale in SCALES:
        assert torch.equal(drawing.code_ids[scale], expected[f"{name}_seed0.idx.{scale}"])
    if more_smooth:
        seen = drawing.images[..., ::2, ::2]
        assert_close(seen, expected["ar_smooth_seed0.image01_stride2"], 5e-5)
