"""What holds for visual decoders of every size and setting."""

import itertools

import pytest
import torch
import torch.nn.functional as F

from tests.model.golden import assert_close
from vargpt_model import (
    DrawingConfig,
    ImageTokenizer,
    ImageTokenizerConfig,
    ScaleSampler,
    VisualDecoder,
    VisualDecoderConfig,
    draw_classes,
)
from vargpt_model.scales import num_codes
from vargpt_model.visual_decoder import initialize
from vargpt_model.visual_decoder.block_causal_attention import (
    block_causal_attention,
    block_causal_mask,
)

TEN_SCALES = (1, 2, 3, 4, 5, 6, 8, 10, 13, 16)
SETTINGS = [
    {"shared_adaln": shared, "qk_norm": qk_norm, "patch_nums": patch_nums}
    for shared, qk_norm, patch_nums in itertools.product(
        (False, True), (False, True), ((1, 2, 3), TEN_SCALES)
    )
]


def random_decoder(**changes) -> VisualDecoder:
    """2 layers of width 32; gates are wide open, so that every part matters."""
    torch.manual_seed(0)
    sizes = {
        "num_layers": 2,
        "hidden_dim": 32,
        "num_heads": 2,
        "num_classes": 5,
        "vocab_size": 16,
        "code_dim": 4,
        "patch_nums": (1, 2, 3),
    }
    decoder = VisualDecoder(VisualDecoderConfig(**{**sizes, **changes})).eval()
    initialize(decoder, gamma_gain=1.0)
    with torch.no_grad():
        decoder.head.weight.mul_(50)
    return decoder


def fitting_tokenizer(decoder: VisualDecoder) -> ImageTokenizer:
    torch.manual_seed(1)
    config = ImageTokenizerConfig(
        vocab_size=decoder.config.vocab_size,
        code_dim=decoder.config.code_dim,
        base_channels=4,
        num_norm_groups=2,
        channel_multipliers=(1, 2),
        patch_nums=decoder.config.patch_nums,
    )
    return ImageTokenizer(config).eval()


def random_codes(decoder: VisualDecoder, count: int = 2) -> torch.Tensor:
    torch.manual_seed(2)
    length = num_codes(decoder.config.patch_nums)
    return torch.randint(decoder.config.vocab_size, (count, length))


@pytest.mark.parametrize("setting", SETTINGS)
@torch.no_grad()
def test_drawing_scale_by_scale_with_a_cache_equals_teacher_forcing(setting):
    decoder = random_decoder(**setting)
    quantizer = fitting_tokenizer(decoder).quantize
    codes = random_codes(decoder)
    features = quantizer.teacher_forcing_features(codes)
    class_ids = torch.tensor([0, 4])
    at_once = decoder(class_ids, features)
    condition = decoder.conditions(class_ids)
    modulations, cache = decoder.modulations(condition), decoder.new_cache(2)
    for scale, (start, end) in enumerate(decoder.ranges):
        if scale == 0:
            x = decoder.first_inputs(condition)
        else:
            first = decoder.ranges[0][1]
            x = decoder.next_inputs(features[:, start - first : end - first], scale)
        assert_close(decoder.decode(x, modulations, cache), at_once[:, start:end], 1e-4)


@pytest.mark.parametrize("setting", SETTINGS)
@torch.no_grad()
def test_coarse_scales_alone_give_the_logits_they_give_among_all(setting):
    decoder = random_decoder(**setting)
    features = fitting_tokenizer(decoder).quantize.teacher_forcing_features(random_codes(decoder))
    class_ids = torch.tensor([1, 2])
    at_once = decoder(class_ids, features)
    for _, end in decoder.ranges[:-1]:
        cut = features[:, : end - decoder.ranges[0][1]]
        assert_close(decoder(class_ids, cut), at_once[:, :end], 1e-4)


@torch.no_grad()
def test_features_of_half_a_scale_are_refused():
    decoder = random_decoder()
    with pytest.raises(ValueError, match=r"features of 3 codes found.*\(1, 2, 3\)"):
        decoder(torch.tensor([0]), torch.zeros(1, 3, 4))


def test_mask_of_two_scales_written_out():
    mask = block_causal_mask([(0, 1), (1, 5)])
    assert mask.int().tolist() == [[1, 0, 0, 0, 0]] + 4 * [[1, 1, 1, 1, 1]]


@pytest.mark.parametrize("num_scales", [3, 8, 9, 10])
def test_attention_by_scales_equals_attention_with_one_dense_mask(num_scales):
    torch.manual_seed(0)
    ranges = VisualDecoder(
        VisualDecoderConfig(num_layers=1, hidden_dim=8, num_heads=1, vocab_size=2, code_dim=2)
    ).ranges[:num_scales]
    q, k, v = torch.randn(3, 2, 2, ranges[-1][1], 8).unbind(0)
    dense = F.scaled_dot_product_attention(q, k, v, attn_mask=block_causal_mask(ranges), scale=0.7)
    assert_close(block_causal_attention(q, k, v, ranges, scale=0.7), dense, 1e-5)


def test_without_qk_norm_attention_is_scaled_by_a_quarter_of_the_usual():
    decoder = random_decoder(qk_norm=False)
    assert decoder.layers[0].attn.softmax_scale == 0.25 / 16**0.5
    assert "scale_mul_1H11" not in dict(decoder.layers[0].attn.named_parameters())


def test_shared_adaln_has_one_modulation_layer_for_all_blocks():
    keys = random_decoder(shared_adaln=True).state_dict().keys()
    assert {"shared_ada_lin.1.weight", "blocks.0.ada_gss"} <= keys
    assert not any(".ada_lin." in key and key.startswith("blocks") for key in keys)


def test_condition_is_dropped_in_training_only():
    decoder = random_decoder(condition_dropout=0.5)
    classes = torch.zeros(4000, dtype=torch.int64)
    assert torch.equal(decoder.dropped_conditions(classes), classes)
    torch.manual_seed(0)
    dropped = decoder.train().dropped_conditions(classes)
    assert set(dropped.tolist()) == {0, 5}
    assert 0.46 < (dropped == 5).float().mean() < 0.54  # 5 standard errors


def test_drop_path_rises_with_depth_and_drops_whole_rows():
    decoder = random_decoder(num_layers=3, drop_path=0.4).train()
    assert [block.drop_path for block in decoder.layers] == [0, 0.2, 0.4]
    torch.manual_seed(0)
    kept = decoder.layers[2]._kept(torch.ones(3000, 2, 4))
    assert kept.unique().tolist() == pytest.approx([0, 1 / 0.6])
    assert torch.equal(kept.amin(dim=(1, 2)), kept.amax(dim=(1, 2)))


def test_a_row_draws_the_same_codes_alone_and_in_any_batch():
    decoder = random_decoder(patch_nums=(1, 2, 3, 4))
    tokenizer = fitting_tokenizer(decoder)
    config = DrawingConfig(guidance_scale=2.0, top_k=8, top_p=0.9)
    batch = draw_classes(decoder, tokenizer, [0, 3, 5, 1], seeds=[1, 2, 3, 4], config=config)
    for row, (class_id, seed) in enumerate([(0, 1), (3, 2), (5, 3), (1, 4)]):
        alone = draw_classes(decoder, tokenizer, [class_id], seeds=[seed], config=config)
        for ours, theirs in zip(batch.code_ids, alone.code_ids, strict=True):
            assert torch.equal(ours[row], theirs[0])
    other = draw_classes(decoder, tokenizer, [0], seeds=[99], config=config)
    assert not all(
        torch.equal(ours[0], theirs[0])
        for ours, theirs in zip(batch.code_ids, other.code_ids, strict=True)
    )


def test_drawn_images_are_the_decoded_codes():
    decoder = random_decoder()
    tokenizer = fitting_tokenizer(decoder)
    drawing = draw_classes(decoder, tokenizer, [1], seeds=[0])
    assert_close(drawing.images, (tokenizer.decode(drawing.code_ids) + 1) / 2, 1e-5)


def test_guidance_rises_linearly_or_stays_constant():
    linear = DrawingConfig(guidance_scale=1.5)
    assert [linear.guidance(scale, 4) for scale in range(4)] == [0, 0.5, 1.0, 1.5]
    constant = DrawingConfig(guidance_scale=1.5, guidance_schedule="constant")
    assert [constant.guidance(scale, 4) for scale in range(4)] == [1.5] * 4


def test_guided_logits_move_away_from_the_null_logits():
    tokenizer = fitting_tokenizer(random_decoder())
    config = DrawingConfig(guidance_scale=3.0, guidance_schedule="constant")
    sampler = ScaleSampler(tokenizer, [0], config)
    found = sampler.guided(torch.tensor([2.0]), torch.tensor([0.5]))
    assert found.tolist() == [4 * 2.0 - 3 * 0.5]


@pytest.mark.parametrize(
    ("class_ids", "seeds", "message"),
    [
        ([], [], "0 classes and 0 seeds"),
        ([1, 2], [0], "2 classes and 1 seeds"),
        ([6], [0], "class 6 found, this decoder has 0 to 4, and 5 for no class"),
        ([-1], [0], "class -1 found"),
    ],
)
def test_classes_and_seeds_that_do_not_fit_are_refused(class_ids, seeds, message):
    decoder = random_decoder()
    with pytest.raises(ValueError, match=message):
        draw_classes(decoder, fitting_tokenizer(decoder), class_ids, seeds=seeds)


def test_a_tokenizer_of_other_sizes_is_refused():
    tokenizer = fitting_tokenizer(random_decoder(patch_nums=(1, 2)))
    with pytest.raises(ValueError, match=r"patch_nums: the visual decoder has \(1, 2, 3\)"):
        draw_classes(random_decoder(), tokenizer, [0], seeds=[0])


def test_drawing_in_training_mode_is_refused():
    decoder = random_decoder()
    tokenizer = fitting_tokenizer(decoder)
    decoder.train()
    with pytest.raises(ValueError, match=r"training mode found.*call .eval\(\) on both"):
        draw_classes(decoder, tokenizer, [0], seeds=[0])


@pytest.mark.parametrize(
    "setting",
    [
        {"guidance_scale": -1.0},
        {"top_k": -1},
        {"top_p": 1.5},
        {"guidance_schedule": "cosine"},
    ],
)
def test_drawing_settings_out_of_range_are_refused(setting):
    with pytest.raises(ValueError, match="must be"):
        DrawingConfig(**setting)


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(
        ValueError, match="hidden_dim must be a multiple of num_heads, got 30 and 4"
    ):
        VisualDecoderConfig(hidden_dim=30, num_heads=4)
