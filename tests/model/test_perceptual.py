"""The perceptual term reads LPIPS' two files as they are published, and nothing else."""

from pathlib import Path

import pytest
import torch

from vargpt_model.image_tokenizer_training.perceptual import BLOCKS, PerceptualDistance
from vargpt_schema.errors import UserError

# Convolutions of torchvision's `vgg16().features`, by their place among activations and pools.
PLACES = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)


def write_files(folder: Path) -> tuple[Path, Path]:
    """Random weights under the published names, the classifier's included."""
    torch.manual_seed(0)
    vgg, width = {}, 3
    widths = [wider for block in BLOCKS for wider in block]
    for place, wider in zip(PLACES, widths, strict=True):
        vgg[f"features.{place}.weight"] = torch.randn(wider, width, 3, 3) / (3 * width**0.5)
        vgg[f"features.{place}.bias"] = torch.randn(wider) * 0.1
        width = wider
    vgg["classifier.0.bias"] = torch.zeros(4096)
    channels = {
        f"lin{index}.model.1.weight": torch.rand(1, block[-1], 1, 1)
        for index, block in enumerate(BLOCKS)
    }
    paths = folder / "vgg16-397923af.pth", folder / "vgg.pth"
    torch.save(vgg, paths[0])
    torch.save(channels, paths[1])
    return paths


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> tuple[Path, Path]:
    return write_files(tmp_path_factory.mktemp("weights"))


def test_distance_is_that_of_the_formula(files):
    """Against the formula written out with functions, on the files' own tensors."""
    torch.manual_seed(1)
    a, b = torch.rand(2, 2, 3, 32, 32) * 2 - 1
    vgg, channels = (torch.load(path, weights_only=True) for path in files)
    mean = torch.tensor([-0.030, -0.088, -0.188]).view(1, 3, 1, 1)
    std = torch.tensor([0.458, 0.448, 0.450]).view(1, 3, 1, 1)
    x = torch.cat([a, b]).sub(mean).div(std)
    expected = torch.zeros(2)
    ends = {2: 0, 7: 1, 14: 2, 21: 3, 28: 4}  # the last convolution of each block
    starts = {5, 10, 17, 24}  # a pool lies before these
    for place in PLACES:
        if place in starts:
            x = torch.nn.functional.max_pool2d(x, 2)
        weight, bias = vgg[f"features.{place}.weight"], vgg[f"features.{place}.bias"]
        x = torch.nn.functional.conv2d(x, weight, bias, padding=1).relu()
        if place in (2, 7, 14, 21, 28):
            unit = x / x.square().sum(dim=1, keepdim=True).sqrt().clamp_min(1e-10)
            weights = channels[f"lin{ends[place]}.model.1.weight"]
            expected += ((unit[:2] - unit[2:]).square() * weights).sum(dim=1).mean(dim=(1, 2))
    found = PerceptualDistance(*files)(a, b)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_equal_images_are_at_distance_0_with_finite_gradients(files):
    distance = PerceptualDistance(*files)
    flat = torch.zeros(1, 3, 32, 32, requires_grad=True)
    value = distance(flat, flat.detach()).sum()
    value.backward()
    assert float(value.detach()) == 0.0
    assert flat.grad is not None
    assert flat.grad.isfinite().all()


def test_weights_do_not_train(files):
    assert not any(parameter.requires_grad for parameter in PerceptualDistance(*files).parameters())


def test_swapped_files_are_one_line(files):
    with pytest.raises(UserError, match=r"vgg\.pth: tensors do not fit the model: missing"):
        PerceptualDistance(files[1], files[0])


def test_a_pickle_with_code_is_not_run(tmp_path, files):
    path = tmp_path / "vgg.pth"
    torch.save({"lin0": Path("x")}, path)
    with pytest.raises(UserError, match="could run code"):
        PerceptualDistance(path, files[1])
