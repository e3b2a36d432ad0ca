"""Codes follow their vectors; dead ones start again; k-means finds clusters."""

import pytest
import torch

from tests.model.world_pictures import SMALL
from vargpt_model.image_tokenizer import MultiScaleQuantizer
from vargpt_model.image_tokenizer_training.codebook_learning import (
    CodebookConfig,
    CodebookLearning,
    k_means,
)


def learning(decay: float = 0.5, dead_hits: float = 0.1) -> CodebookLearning:
    torch.manual_seed(0)
    return CodebookLearning(
        MultiScaleQuantizer(SMALL), CodebookConfig(decay=decay, dead_hits=dead_hits)
    )


def test_a_code_moves_to_the_mean_of_its_vectors():
    codes = learning()
    codes.hits[3], codes.sums[3] = 2.0, torch.tensor([2.0, 0.0, 0.0, 0.0])  # a mean of 1
    vectors = torch.tensor([[4.0, 0, 0, 0], [6.0, 0, 0, 0]])
    codes.follow(vectors, torch.tensor([3, 3]), may_restart=False)
    # Half the old sum 2 and half the new 10, over half the old hits 2 and half the new 2.
    assert codes.quantizer.embedding.weight[3].tolist() == [3.0, 0, 0, 0]


def test_codes_that_nothing_chose_stay():
    codes = learning()
    before = codes.quantizer.embedding.weight.clone()
    codes.follow(torch.ones(1, 4), torch.tensor([3]), may_restart=False)
    is_same = (codes.quantizer.embedding.weight == before).all(dim=1)
    assert is_same.nonzero().flatten().tolist() == [code for code in range(16) if code != 3]


def test_dead_codes_start_again_from_vectors_of_the_batch():
    codes = learning()
    codes.hits.fill_(1.0)
    codes.hits[7] = 0.15
    vectors = torch.full((4, 4), 9.0)
    assert codes.follow(vectors, torch.tensor([0, 1, 2, 3]), may_restart=True) == 1
    assert codes.quantizer.embedding.weight[7].tolist() == [9.0] * 4
    assert float(codes.hits[7]) == 1.0


def test_no_code_starts_again_late_in_a_run():
    codes = learning()
    assert codes.follow(torch.ones(1, 4), torch.tensor([3]), may_restart=False) == 0


def test_perplexity_counts_codes_in_even_use():
    codes = learning()
    codes.hits[:4] = 2.0
    state = codes.state()
    assert state.num_used == 4
    assert state.perplexity == pytest.approx(4.0, rel=1e-4)


def test_the_optimizer_leaves_the_codebook_alone():
    codes = learning()
    assert not codes.quantizer.embedding.weight.requires_grad


def test_start_makes_phi_the_identity():
    codes = learning()
    codes.start_from(torch.randn(40, 4, 2, 2))
    features = torch.randn(1, 4, 2, 2)
    for scale in range(2):
        torch.testing.assert_close(codes.quantizer.quant_resi(features, scale, 2), features)


def test_start_codes_explain_features_of_few_kinds():
    torch.manual_seed(0)
    kinds = torch.randn(3, 4, 1, 1).expand(3, 4, 2, 2)
    features = kinds[torch.randint(3, (60,))]
    codes = learning()
    codes.start_from(features)
    f_hat = codes.quantizer.encode(features)[-1].f_hat
    torch.testing.assert_close(f_hat, features, atol=1e-5, rtol=0)


def test_k_means_finds_separate_clusters():
    torch.manual_seed(0)
    centres = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    vectors = centres.repeat(50, 1) + torch.randn(150, 2) * 0.01
    means = k_means(vectors, 6)
    assert torch.cdist(centres, means).min(dim=1).values.max() < 0.05


def test_k_means_of_fewer_vectors_than_means_uses_them_all():
    vectors = torch.tensor([[0.0], [1.0]])
    assert set(k_means(vectors, 5).flatten().tolist()) == {0.0, 1.0}
