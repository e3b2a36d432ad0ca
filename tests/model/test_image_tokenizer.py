"""What holds for image tokenizers of every size and setting."""

import itertools
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F

from tests.model import golden
from tests.model.golden import assert_close, tiny_pixels, tiny_tokenizer
from vargpt_model import ImageTokenizer, ImageTokenizerConfig

TEN_SCALES = (1, 2, 3, 4, 5, 6, 8, 10, 13, 16)
SETTINGS = [
    {"num_phi": num_phi, "cosine_codes": cosine, "patch_nums": patch_nums}
    for num_phi, cosine, patch_nums in itertools.product(
        (0, 1, 4), (False, True), ((1, 2, 3, 4), (1, 3, 4))
    )
] + [
    {"num_phi": 4, "patch_nums": TEN_SCALES},
    {"num_phi": 0, "patch_nums": TEN_SCALES},
    {"phi_ratio": 0.0},
]


def random_tokenizer(**changes) -> ImageTokenizer:
    """8 to 32 channels, random codes."""
    torch.manual_seed(0)
    sizes = {
        "vocab_size": 64,
        "code_dim": 4,
        "base_channels": 8,
        "num_norm_groups": 4,
        "patch_nums": (1, 2, 3, 4),
    }
    return ImageTokenizer(ImageTokenizerConfig(**{**sizes, **changes})).eval()


def random_pixels(tokenizer: ImageTokenizer, count: int = 2) -> torch.Tensor:
    torch.manual_seed(1)
    side = tokenizer.config.image_size_px
    return torch.rand(count, 3, side, side) * 2 - 1


@pytest.mark.parametrize("setting", SETTINGS)
@torch.no_grad()
def test_codes_alone_rebuild_the_features_that_the_encoding_saw(setting):
    tokenizer = random_tokenizer(**setting)
    features = tokenizer.features(random_pixels(tokenizer))
    scales = tokenizer.quantize.encode(features)
    rebuilt = tokenizer.quantize.f_hats([scale.code_ids for scale in scales])
    for scale, f_hat in zip(scales, rebuilt, strict=True):
        assert_close(f_hat, scale.f_hat, 1e-6)
    images = tokenizer.decode([scale.code_ids for scale in scales])
    assert_close(images, tokenizer.decode_features(scales[-1].f_hat), 5e-5)


@pytest.mark.parametrize("setting", SETTINGS)
@torch.no_grad()
def test_every_code_is_the_nearest_to_what_coarser_scales_left(setting):
    tokenizer = random_tokenizer(**setting)
    features = tokenizer.features(random_pixels(tokenizer))
    codebook = tokenizer.quantize.embedding.weight
    scales = tokenizer.quantize.encode(features)
    so_far = torch.zeros_like(features)
    for side, scale in zip(tokenizer.config.patch_nums, scales, strict=True):
        rest = F.adaptive_avg_pool2d(features - so_far, side).flatten(2).transpose(1, 2)
        if tokenizer.config.cosine_codes:
            angles = F.cosine_similarity(rest[:, :, None], codebook, dim=-1)
            chosen, best = angles.gather(2, scale.code_ids[..., None])[..., 0], angles.amax(2)
        else:
            distances = torch.cdist(rest, codebook.expand(len(rest), -1, -1))
            chosen = distances.gather(2, scale.code_ids[..., None])[..., 0]
            best = distances.amin(2)
        assert_close(chosen, best, 1e-4)
        so_far = scale.f_hat


def test_codes_of_other_patch_nums_on_the_same_weights():
    tokenizer = tiny_tokenizer()
    pixels = tiny_pixels()
    codes = tokenizer.encode(pixels, patch_nums=(1, 2, 4))
    assert [ids.shape[1] for ids in codes] == [1, 4, 16]
    assert tokenizer.decode(codes, patch_nums=(1, 2, 4)).shape == pixels.shape


def test_images_of_other_sizes_than_the_codes_are_refused():
    tokenizer = tiny_tokenizer()
    with pytest.raises(ValueError, match=r"\(4, 4\) does not fit patch_nums \(1, 2, 3\)"):
        tokenizer.encode(tiny_pixels(), patch_nums=(1, 2, 3))


def test_codes_outside_the_codebook_are_refused():
    tokenizer = tiny_tokenizer()
    codes = tokenizer.encode(tiny_pixels())
    codes[1][0, 0] = 32
    with pytest.raises(ValueError, match="a codebook of 32 rows has 0 to 31"):
        tokenizer.decode(codes)
    codes[1][0, 0] = -1
    with pytest.raises(ValueError, match="codes -1 to"):
        tokenizer.decode(codes)


@torch.no_grad()
def test_the_first_scales_alone_decode_to_a_coarser_image():
    tokenizer = tiny_tokenizer()
    codes = tokenizer.encode(tiny_pixels())
    assert_close(tokenizer.decode(codes[:2]), tokenizer.decode_each_scale(codes)[1], 1e-6)


@pytest.mark.parametrize("sizes", [[], [4], [1, 4, 9, 15], [1, 4, 9, 16, 25]])
def test_codes_of_other_sizes_than_the_scales_are_refused(sizes):
    codes = [torch.zeros(1, size, dtype=torch.int64) for size in sizes]
    with pytest.raises(ValueError, match=r"codes found, they do not fit patch_nums \(1, 2, 3, 4\)"):
        tiny_tokenizer().decode(codes)


def test_no_codes_give_no_teacher_forcing_features():
    none = torch.zeros(2, 0, dtype=torch.int64)
    assert tiny_tokenizer().quantize.teacher_forcing_features(none).shape == (2, 0, 8)


def test_codes_that_end_within_a_scale_are_refused():
    codes = torch.zeros(2, 4, dtype=torch.int64)
    with pytest.raises(ValueError, match="4 codes found: they must end with a scale"):
        tiny_tokenizer().quantize.teacher_forcing_features(codes)


@pytest.mark.parametrize("code", [-1, 64])
def test_codes_that_the_codebook_does_not_have_are_refused(code):
    tokenizer = tiny_tokenizer()
    codes = torch.zeros(2, 5, dtype=torch.int64)
    codes[1, 3] = code if code < 0 else tokenizer.config.vocab_size
    with pytest.raises(ValueError, match=r"codes from .* found: a codebook of \d+ has 0 to"):
        tokenizer.quantize.teacher_forcing_features(codes)


@pytest.mark.parametrize(
    "patch_nums", [(1, 2, 2), (2, 1), (0, 1), (4,), (), (1, 2.5), ("1", "2"), (None, 2)]
)
def test_patch_nums_that_do_not_rise_are_refused(patch_nums):
    with pytest.raises(ValueError, match="patch_nums must be two or more sides that rise"):
        ImageTokenizerConfig(patch_nums=patch_nums)


def test_lists_of_sizes_make_the_configuration_that_tuples_make():
    from_json = ImageTokenizerConfig(patch_nums=[1, 2], channel_multipliers=[1, 2])  # pyright: ignore
    assert from_json == ImageTokenizerConfig(patch_nums=(1, 2), channel_multipliers=(1, 2))


def test_training_reaches_every_parameter():
    tokenizer = random_tokenizer().train()
    result = tokenizer(random_pixels(tokenizer))
    (result.pixels.square().mean() + result.quantizer_loss).backward()
    without = [name for name, p in tokenizer.named_parameters() if p.grad is None]
    assert without == []


def test_autocast_changes_no_code():
    tokenizer = random_tokenizer()
    pixels = random_pixels(tokenizer)
    plain = tokenizer.encode(pixels)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under_autocast = tokenizer.encode(pixels)
    assert all(torch.equal(a, b) for a, b in zip(plain, under_autocast, strict=True))


# A process of its own each: torch's settings cannot be put back to "never set".
@pytest.mark.parametrize(
    "setting",
    [
        "",
        "torch.set_float32_matmul_precision('medium')",
        "torch.backends.cuda.matmul.allow_tf32 = True",
        "from transformers.utils import enable_tf32; enable_tf32(True)",
    ],
)
def test_full_float32_turns_lower_precision_off_and_back_on(setting):
    program = f"""
import torch
{setting}
from vargpt_model.image_tokenizer.precision import SETTINGS, full_float32
before = [setting.fp32_precision for setting in SETTINGS]
assert "tf32" in before
with full_float32(torch.device("cpu")):
    assert [setting.fp32_precision for setting in SETTINGS] == 4 * ["ieee"]
assert [setting.fp32_precision for setting in SETTINGS] == before
"""
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr


@torch.no_grad()
def test_features_of_large_images_are_exact_to_float32():
    encoder = golden.seeded_tokenizer(
        ImageTokenizerConfig(
            vocab_size=4, code_dim=8, base_channels=8, num_norm_groups=8, patch_nums=TEN_SCALES
        ),
        seed=0,
    ).encoder
    torch.manual_seed(0)
    bright = torch.rand(1, 3, 256, 256) / 4 + 0.7  # a mean far from 0 tries the norms
    found = encoder(bright)
    assert_close(found, encoder.double()(bright.double()), 1e-5)


def test_codebook_use_forgets_slowly_and_counts_rows_above_eight_percent_of_an_even_share():
    tokenizer = random_tokenizer(vocab_size=4, patch_nums=(1, 2))
    quantizer = tokenizer.quantize
    quantizer.record_code_use([torch.tensor([[0], [0]]), torch.tensor([[0, 1, 2, 3]] * 2)])
    assert quantizer.ema_vocab_hit_SV.tolist() == [[2, 0, 0, 0], [2, 2, 2, 2]]
    quantizer.record_code_use([torch.tensor([[1], [1]]), torch.tensor([[0, 0, 0, 0]] * 2)])
    assert quantizer.ema_vocab_hit_SV[0].tolist() == pytest.approx([1.8, 0.2, 0, 0])
    # 8 features over 4 rows: 2 each, 8 % of it is 0.16.
    assert quantizer.codebook_use(num_features=8).tolist() == [0.5, 1.0]
