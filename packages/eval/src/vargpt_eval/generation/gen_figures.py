"""The figures of drawn images, ready for summary.json: from features, without a network."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vargpt_eval.generation.clip_score import clip_scores
from vargpt_eval.generation.feature_folder import FeatureFolder
from vargpt_eval.generation.frechet import frechet_distance
from vargpt_eval.generation.inception_score import inception_score
from vargpt_eval.generation.kernel_distance import kernel_distance
from vargpt_eval.generation.manifold import precision_recall
from vargpt_eval.generation.reference import Reference
from vargpt_eval.metrics.bootstrap import ClusterSums, bootstrap_draws, interval_of

TASK = "gen_metrics"
NUM_IMAGES = 50_000  # of the paper's evaluation
HEADLINE_COSINE = "cosine ViT-L/14 instruction"  # what the column CLIP is compared with
NOT_COMPARABLE = "not comparable"
_NUM_PARTS = 5
_KID_SUBSET = 1_000

Figures = dict[str, dict[str, Any]]


class Drawn(NamedTuple):
    """Drawn images as the networks saw them."""

    folder: FeatureFolder
    kind: str  # of the features that distances are taken in
    extractor: str
    prompt_ids: Sequence[str]  # an image's; images of one prompt are drawn together


def points(value: float, **more: Any) -> dict[str, Any]:
    """A figure without an interval, in its own unit."""
    return {"value": value, "ci95": None, "se": None, "unit": "points", **more}


def fraction(value: float) -> dict[str, Any]:
    """A share of 1 without an interval."""
    return {"value": value, "ci95": None, "se": None, "unit": "fraction"}


def distance_figures(drawn: Drawn, reference: Reference, name: str = "fid") -> Figures:
    """The Frechet distance, and that of each fifth: what fewer images would have given."""
    value = frechet_distance(
        drawn.folder.statistics(drawn.kind, drawn.extractor), reference.statistics
    )
    figures = {name: points(value)}
    size = drawn.folder.num_images // _NUM_PARTS
    if size > len(reference.statistics.mean):  # fewer give covariances that are singular
        parts = [
            frechet_distance(
                drawn.folder.statistics(
                    drawn.kind, drawn.extractor, slice(part * size, (part + 1) * size)
                ),
                reference.statistics,
            )
            for part in range(_NUM_PARTS)
        ]
        figures[f"{name}_fifths"] = points(
            float(np.mean(parts)), parts=parts, se=float(np.std(parts, ddof=1))
        )
    return figures


def feature_figures(drawn: Drawn, real: NDArray[np.floating], suffix: str = "") -> Figures:
    """KID on subsets of 1,000 (fewer where there are fewer), precision and recall."""
    features = drawn.folder.features(drawn.kind)
    subset_size = min(_KID_SUBSET, len(features), len(real))
    kid = kernel_distance(features, real, subset_size=subset_size)
    both = precision_recall(features, real)
    return {
        f"kid{suffix}": points(kid.mean, subset_sd=kid.std, subset_size=subset_size),
        f"precision{suffix}": fraction(both.precision),
        f"recall{suffix}": fraction(both.recall),
    }


def inception_score_figures(drawn: Drawn) -> Figures:
    """Of `logits`, over ten splits."""
    found = inception_score(drawn.folder.features("logits"))
    return {"inception_score": points(found.mean, split_sd=found.std)}


def clip_figures(drawn: Drawn, kinds: Sequence[str], num_truncated: Mapping[str, int]) -> Figures:
    """100 x mean cosine of every CLIP model and text, with other conventions beside."""
    figures: Figures = {}
    for kind in kinds:
        cosines = drawn.folder.features(kind)[:, 0].astype(np.float64)
        scores = clip_scores(cosines)
        interval, error = _mean_interval(100 * cosines, drawn.prompt_ids)
        figure = points(
            scores.mean_cosine_100,
            conventions=scores._asdict(),
            num_truncated=num_truncated.get(kind, 0),
        )
        figure |= {"ci95": interval, "se": error}
        figures[kind.replace("cosine", "clip_score", 1)] = figure
        if kind == HEADLINE_COSINE:
            figures["clip_score"] = figure
    return figures


def _mean_interval(
    values: NDArray[np.float64], prompt_ids: Sequence[str]
) -> tuple[list[float] | None, float | None]:
    numbers: dict[str, int] = {}
    cluster = [numbers.setdefault(one, len(numbers)) for one in prompt_ids]
    count = len(numbers)
    sums = {
        "sum": np.bincount(cluster, values, count),
        "n": np.bincount(cluster, minlength=count).astype(np.float64),
    }
    clusters = ClusterSums(list(numbers), sums, np.zeros(count, np.intp))
    draws = bootstrap_draws(clusters, lambda totals: {"mean": totals["sum"] / totals["n"]})
    found = interval_of(draws["mean"], count)
    return None if found.ci95 is None else list(found.ci95), found.se
