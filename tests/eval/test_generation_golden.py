"""Metrics of drawn images equal the tools that the field uses, on features made by a formula."""

import json
from pathlib import Path

import numpy as np
import pytest

from vargpt_eval.generation.clip_score import clip_scores
from vargpt_eval.generation.feature_statistics import FeatureStatistics, StatisticsStream
from vargpt_eval.generation.frechet import frechet_distance
from vargpt_eval.generation.inception_score import inception_score
from vargpt_eval.generation.kernel_distance import kernel_distance
from vargpt_eval.generation.manifold import precision_recall

CASES = json.loads(
    (Path(__file__).parents[1] / "golden" / "eval_gen_cases.json").read_text("utf-8")
)
PAIRS = [pytest.param(case, id=case["name"]) for case in CASES["fid_kid_prc"]]


def features(spec):
    """float32 (n, d) by the formula that the file states."""
    size = spec["d"]
    mixing = np.random.default_rng(99).standard_normal((size, size)) / np.sqrt(size)
    drawn = np.random.default_rng(spec["seed"]).standard_normal((spec["n"], size))
    return (drawn @ mixing * spec["scale"] + spec["shift"]).astype(np.float32)


def pair_of(case):
    return features(case["features"]["x"]), features(case["features"]["y"])


def statistics_of(values, batch=37):
    stream = StatisticsStream("x")
    for start in range(0, len(values), batch):
        stream.add(values[start : start + batch])
    return stream.statistics()


@pytest.mark.parametrize("case", PAIRS)
def test_frechet_distance_streamed_in_batches(case):
    x, y = pair_of(case)
    found = frechet_distance(statistics_of(x), statistics_of(y))
    # Rounding of null directions shows in the tools' singular case; ours is exact there, see
    # test_frechet.py.
    tolerance = 1e-7 if "rank deficient" in case["name"] else 1e-9
    for tool, expected in case["fid"].items():
        assert found == pytest.approx(expected, rel=tolerance), tool


def test_frechet_distance_of_diagonal_normals_is_the_analytic_one():
    given = CASES["fid_analytic_diagonal"]
    one, other = (
        FeatureStatistics(
            mean=np.array(given[f"mu{which}"]),
            covariance=np.diag(given[f"diag{which}"]),
            num_images=None,
            extractor="x",
        )
        for which in (1, 2)
    )
    assert frechet_distance(one, other) == pytest.approx(given["fid"], rel=1e-12)


@pytest.mark.parametrize("case", PAIRS)
def test_kernel_distance(case):
    x, y = pair_of(case)
    expected = case["kid torch-fidelity (subsets=10,size=min(n,100),seed 2020)"]
    size = min(len(x), len(y), 100)
    found = kernel_distance(x, y, num_subsets=10, subset_size=size)
    assert found.mean == pytest.approx(expected["kernel_inception_distance_mean"], abs=2e-6)
    assert found.std == pytest.approx(expected["kernel_inception_distance_std"], abs=2e-6)


@pytest.mark.parametrize("case", PAIRS)
def test_precision_and_recall(case):
    x, y = pair_of(case)
    expected = case["prc torch-fidelity k=3"]
    found = precision_recall(x, y)
    assert found.precision == pytest.approx(expected["precision"], abs=1e-7)
    assert found.recall == pytest.approx(expected["recall"], abs=1e-7)


def test_inception_score():
    logits = (np.random.default_rng(5).standard_normal((200, 10)) * 2).astype(np.float32)
    expected = CASES["inception_score"]["splits=10, no shuffle"]
    found = inception_score(logits)
    assert found.mean == pytest.approx(expected["inception_score_mean"], rel=1e-6)
    assert found.std == pytest.approx(expected["inception_score_std"], rel=1e-6)


def test_clip_score_conventions():
    given = CASES["clip_score_conventions"]
    found = clip_scores(np.array(given["cos"]))
    assert found.mean_cosine_100 == pytest.approx(
        given["100*cos mean (unclamped, VAR-CLIP/LAION style)"]
    )
    assert found.torchmetrics == pytest.approx(given["torchmetrics 100*max(mean(cos),0)"])
    assert found.clamped_each_100 == pytest.approx(given["per-sample clamp 100*mean(max(cos,0))"])
    assert found.hessel == pytest.approx(given["CLIPScore Hessel w=2.5: mean(2.5*max(cos,0))"])
