"""The edge term counts outlines, not flat ground."""

import pytest
import torch

from vargpt_model.image_tokenizer_training.job import edge_loss


def test_a_shift_of_all_pixels_costs_nothing():
    pixels = torch.rand(1, 3, 8, 8)
    assert float(edge_loss(pixels + 0.5, pixels)) == pytest.approx(0.0, abs=1e-6)


def test_one_wrong_pixel_costs_its_four_differences():
    pixels = torch.zeros(1, 1, 4, 4)
    wrong = pixels.clone()
    wrong[0, 0, 1, 1] = 1.0
    # Two of the 12 differences across, two of the 12 down.
    assert float(edge_loss(wrong, pixels)) == pytest.approx(2 / 12 + 2 / 12)
