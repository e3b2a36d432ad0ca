"""The adversarial term: hinge loss, its balance, and a discriminator that learns."""

import pytest
import torch
from torch import nn

from vargpt_model.image_tokenizer_training.adversary import Adversary


def adversary(lr: float = 1e-3) -> Adversary:
    torch.manual_seed(0)
    return Adversary(lr, torch.device("cpu"))


def test_one_score_a_patch():
    assert adversary().discriminator(torch.zeros(2, 3, 64, 64)).shape == (2, 1, 6, 6)


def test_it_learns_to_tell_bright_from_dark():
    judge = adversary()
    bright, dark = torch.full((1, 3, 32, 32), 0.9), torch.full((1, 3, 32, 32), -0.9)
    noise = torch.randn(1, 3, 32, 32) * 0.05
    losses = [
        float(judge.step(bright + noise, dark + noise)["discriminator_loss"]) for _ in range(8)
    ]
    assert losses[-1] < 0.5 < losses[0]
    assert judge.fooling_loss(dark) > judge.fooling_loss(bright)


def test_balance_is_the_ratio_of_the_two_gradients():
    weight = nn.Parameter(torch.tensor([1.0, 1.0]))
    balance = adversary().balance((6 * weight).sum(), (2 * weight).sum(), weight)
    assert float(balance) == pytest.approx(3.0, rel=1e-3)
    assert not balance.requires_grad


def test_the_tokenizers_step_leaves_the_discriminator_alone():
    judge = adversary()
    rebuilt = torch.zeros(1, 3, 32, 32, requires_grad=True)
    judge.fooling_loss(rebuilt).backward()
    assert rebuilt.grad is not None
    assert all(parameter.grad is None for parameter in judge.discriminator.parameters())
