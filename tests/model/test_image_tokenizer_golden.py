"""The image tokenizer agrees with VAR's on the golden vectors."""

import pytest
import torch

from tests.model import golden
from tests.model.golden import assert_close, tiny_pixels, tiny_tokenizer, vectors
from vargpt_model import ImageTokenizer, ImageTokenizerConfig
from vargpt_model.image_tokenizer.residual_convolution import phi_index

SCALES = range(4)


@pytest.fixture(scope="module")
def tokenizer() -> ImageTokenizer:
    return tiny_tokenizer()


@pytest.fixture(scope="module")
def expected():
    return vectors("var_tiny")


@pytest.fixture(scope="module")
def code_ids(expected):
    return [expected[f"idx.{scale}"] for scale in SCALES]


def test_encoder_and_features(tokenizer, expected):
    with torch.no_grad():
        assert_close(tokenizer.encoder(tiny_pixels()), expected["vae_enc.encoder_out"], 1e-5)
        assert_close(tokenizer.features(tiny_pixels()), expected["vae_enc.f"], 1e-5)


def test_code_ids_are_equal(tokenizer, code_ids):
    found = tokenizer.encode(tiny_pixels())
    assert [ids.tolist() for ids in found] == [ids.tolist() for ids in code_ids]


def test_f_hat_after_every_scale_of_the_encoding(tokenizer, expected):
    scales = tokenizer.quantize.encode(expected["vae_enc.f"])
    for scale in SCALES:
        assert_close(scales[scale].f_hat, expected[f"f_hat.{scale}"], 1e-5)


@torch.no_grad()
def test_f_hat_from_codes_at_full_and_at_growing_size(tokenizer, expected, code_ids):
    full = tokenizer.quantize.f_hats(code_ids)
    growing = tokenizer.quantize.growing_f_hats(code_ids)
    for scale in SCALES:
        assert_close(full[scale], expected[f"f_hat.{scale}"], 1e-5)
        assert_close(growing[scale], expected[f"f_hat_growing.{scale}"], 1e-5)


@torch.no_grad()
def test_teacher_forcing_features(tokenizer, expected, code_ids):
    found = tokenizer.quantize.teacher_forcing_features(torch.cat(code_ids, dim=1))
    assert_close(found, expected["var_input"], 1e-5)


@torch.no_grad()
def test_decoded_images(tokenizer, expected, code_ids):
    assert_close(tokenizer.decode(code_ids), expected["recon.image"], 5e-5)
    before_the_cut = tokenizer.decoder(tokenizer.post_quant_conv(expected["f_hat.3"][:1]))
    assert_close(before_the_cut[..., ::2, ::2], expected["recon.preclamp_b0_stride2"], 5e-5)
    each = tokenizer.decode_each_scale(code_ids)
    assert_close(each[1][:1, :, ::2, ::2], expected["recon_same_shape_b0_stride2.1"], 5e-5)


@torch.no_grad()
def test_decoded_images_of_growing_size(tokenizer, expected, code_ids):
    each = tokenizer.decode_each_scale(code_ids, at_own_size=True)
    assert [tuple(image.shape[-2:]) for image in each] == [(16, 16), (32, 32), (48, 48), (64, 64)]
    assert_close(each[0][:1], expected["recon_growing_b0.0"], 5e-5)
    assert_close(each[1][:1], expected["recon_growing_b0.1"], 5e-5)


def test_training_loss_straight_through_and_codebook_use(tokenizer, expected):
    result = tokenizer.quantize.training_pass(expected["vae_enc.f"])
    assert_close(result.loss[None], expected["vae_train.vq_loss"], 1e-5)
    assert_close(result.f_hat, expected["vae_train.f_hat_ste"], 1e-5)
    percent = 100 * tokenizer.quantize.codebook_use(num_features=2 * 4 * 4)
    assert_close(percent, expected["vae_train.usages_percent"], 1e-5)


@torch.no_grad()
def test_unpatched_widths_with_weights_by_rule():
    expected = vectors("vae_ch32_seeded")
    seeded = golden.facts()["seeded_ch32"]
    config = ImageTokenizerConfig(
        vocab_size=32, code_dim=8, base_channels=32, patch_nums=golden.TINY_PATCH_NUMS
    )
    tokenizer = golden.seeded_tokenizer(config, seeded["seed"])
    for name, (total, absolute) in seeded["weight_checksums"].items():
        weight = tokenizer.state_dict()[name].double()
        assert weight.sum().item() == pytest.approx(total, rel=1e-6)
        assert weight.abs().sum().item() == pytest.approx(absolute, rel=1e-6)
    small = expected["in.image_u8_32"].float() / 255
    pixels = torch.nn.functional.interpolate(small + small - 1, scale_factor=2, mode="nearest")
    features = tokenizer.features(pixels)
    assert_close(features, expected["f"], 1e-5)
    scales = tokenizer.quantize.encode(features)
    assert torch.equal(torch.cat([scale.code_ids for scale in scales], dim=1), expected["idx_cat"])
    assert_close(scales[-1].f_hat, expected["f_hat"], 1e-5)
    rebuilt = tokenizer.decoder(tokenizer.post_quant_conv(scales[-1].f_hat))
    assert_close(rebuilt[..., ::2, ::2], expected["recon_preclamp_stride"], 5e-5)


@pytest.mark.parametrize(
    ("num_scales", "num_phi", "expected"),
    [
        (4, 4, [0, 1, 2, 3]),
        (10, 4, [0, 0, 1, 1, 1, 2, 2, 3, 3, 3]),
        (14, 4, [0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3]),
        (10, 10, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (10, 2, [0, 0, 0, 0, 0, 1, 1, 1, 1, 1]),
        (10, 1, [0] * 10),
    ],
)
def test_scales_share_the_phi_convolutions_of_the_reference(num_scales, num_phi, expected):
    assert [phi_index(scale, num_scales, num_phi) for scale in range(num_scales)] == expected
