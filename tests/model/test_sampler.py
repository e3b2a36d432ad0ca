"""Top-k, top-p and the draw from what they leave."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.model.golden import assert_close, facts, vectors
from vargpt_model.sampler import (
    exponential_noise,
    filtered_logits,
    row_generators,
    sample_codes,
    soft_codes,
)

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("top_k", "top_p"),
    [(0, 0.0), (1, 0.0), (900, 0.0), (0, 0.95), (900, 0.95), (900, 0.96), (50, 0.5)],
)
def test_filter_keeps_what_the_reference_keeps(top_k, top_p):
    tensors = vectors("top_k_top_p")
    logits = tensors["in.logits"]
    kept = tensors[f"kept.k{top_k}_p{top_p}"]
    found = filtered_logits(logits, top_k=top_k, top_p=top_p)
    assert torch.equal(found, logits.masked_fill(~kept, -torch.inf))


def test_filtered_logits_spelled_out():
    tensors = vectors("top_k_top_p")
    found = filtered_logits(tensors["in.logits"], top_k=900, top_p=0.95)
    assert torch.equal(found, tensors["out.k900_p0.95"])


def test_top_k_keeps_every_logit_that_equals_the_last_one():
    tensors = vectors("top_k_top_p")
    found = filtered_logits(tensors["in.logits_ties"], top_k=100)
    assert torch.equal(found.isfinite(), tensors["kept_ties.k100_p0.0"])


@pytest.mark.parametrize(("top_k", "top_p"), [(0, 0.5), (100, 0.5)])
def test_top_p_keeps_as_many_of_tied_logits_as_the_reference(top_k, top_p):
    logits = vectors("top_k_top_p")["in.logits_ties"]
    found = filtered_logits(logits, top_k=top_k, top_p=top_p)
    counts = found.isfinite().sum(dim=-1).flatten().tolist()
    assert counts == facts()["top_k_top_p_kept"][f"ties_k{top_k}_p{top_p}"]


def test_filter_of_five_logits():
    logits = torch.tensor([0.4, 0.3, 0.15, 0.1, 0.05]).log()
    kept = {
        (2, 0.0): [True, True, False, False, False],
        (0, 0.71): [True, True, True, False, False],
        (0, 0.69): [True, True, False, False, False],
        (2, 0.5): [True, False, False, False, False],  # 0.4 is 0.571 of what top-k left
        (9, 0.0): [True] * 5,
        (0, 1e-9): [True, False, False, False, False],
    }
    for (top_k, top_p), expected in kept.items():
        assert filtered_logits(logits, top_k=top_k, top_p=top_p).isfinite().tolist() == expected


@given(
    values=st.lists(st.integers(-6, 6), min_size=1, max_size=12),
    top_k=st.integers(0, 14),
    top_p=st.floats(0, 1),
)
def test_the_best_logit_always_stays_and_kept_ones_are_unchanged(values, top_k, top_p):
    logits = torch.tensor(values, dtype=torch.float32)
    found = filtered_logits(logits, top_k=top_k, top_p=top_p)
    kept = found.isfinite()
    assert found[kept].tolist() == logits[kept].tolist()
    assert found.max() == logits.max()


def test_top_p_of_one_keeps_every_code_although_float32_cannot_add_them_up():
    torch.manual_seed(0)
    logits = torch.randn(8, 4096) * 3
    assert filtered_logits(logits, top_p=1.0).isfinite().all()


@pytest.mark.parametrize("top_p", [0.5, 0.95, 0.999])
def test_top_p_keeps_what_it_keeps_in_float64(top_p):
    torch.manual_seed(0)
    logits = torch.randn(100, 4096) * 3
    falling, order = logits.double().sort(dim=-1, descending=True)
    shares = falling.softmax(dim=-1)
    kept = torch.zeros_like(logits, dtype=torch.bool)
    kept.scatter_(-1, order, shares.cumsum(dim=-1) - shares < top_p)
    assert torch.equal(filtered_logits(logits, top_p=top_p).isfinite(), kept)


def test_gumbel_softmax_with_given_noise():
    tensors = vectors("top_k_top_p")
    found = soft_codes(
        tensors["gumbel.in_logits"], tensors["gumbel.in_exponential"], temperature=0.27
    )
    assert_close(found, tensors["gumbel.out_tau0.27"], 2e-6)


def test_codes_are_drawn_as_often_as_their_probability_says():
    logits = torch.tensor([0.5, 0.3, 0.2]).log().expand(1, 100_000, 3)
    noise = exponential_noise((100_000, 3), row_generators([1], CPU), CPU)
    shares = sample_codes(logits, noise).flatten().bincount(minlength=3) / 100_000
    assert shares.tolist() == pytest.approx([0.5, 0.3, 0.2], abs=0.006)  # 4 standard errors


def test_a_row_gets_the_same_noise_whatever_its_neighbours():
    alone = exponential_noise((2, 3), row_generators([7], CPU), CPU)
    among = exponential_noise((2, 3), row_generators([1, 7, 9], CPU), CPU)
    assert torch.equal(alone[0], among[1])
    assert not torch.equal(among[0], among[1])
