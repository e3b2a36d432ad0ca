"""Metrics of drawn images in two runs, which compare only with one reference and one extractor."""

from typing import Any, NamedTuple

from vargpt_eval.generation.gen_figures import TASK
from vargpt_eval.report.scored_run import ScoredRun
from vargpt_schema import UserError


class DrawnDifference(NamedTuple):
    """B less A; no interval, since a distance of few images is biased, not only noisy."""

    metric: str
    value_a: float
    value_b: float
    num_images_a: int
    num_images_b: int
    stamp: str | None

    @property
    def delta(self) -> float:
        return self.value_b - self.value_a


def drawn_differences(a: ScoredRun, b: ScoredRun) -> list[DrawnDifference]:
    """Empty unless both drew.

    UserError for another extractor, reference, CLIP model, image size or number of images.
    """
    if TASK not in a.summary or TASK not in b.summary:
        return []
    of_a, of_b = a.summary[TASK], b.summary[TASK]
    for name, what in (
        ("extractor", "extractor"),
        ("reference", "reference"),
        ("real_pixels_sha256", "real images"),
        ("clip", "CLIP models"),
        ("image_size_px", "image size"),
        ("n", "number of images"),
    ):
        if _known(of_a[name]) != _known(of_b[name]):
            raise UserError(
                f"{a.name}: {what} {_known(of_a[name])}, {b.name}: {_known(of_b[name])} found; one "
                "for both expected, as figures of two do not compare. Score one of them again "
                "with `vargpt-eval gen-metrics`."
            )
    return [
        DrawnDifference(
            metric,
            figure["value"],
            of_b["metrics"][metric]["value"],
            of_a["n"],
            of_b["n"],
            of_a["stamp"],
        )
        for metric, figure in of_a["metrics"].items()
        if metric in of_b["metrics"]
    ]


def _known(value: Any) -> Any:
    """What decides: of a reference its content, not its name."""
    return value["sha256"] if isinstance(value, dict) and "sha256" in value else value
