"""OUT/quality.json: the report's figures as numbers, the same names for every set."""

from collections.abc import Mapping, Sequence
from typing import Any

from vargpt_datagen.report.class_names import ClassRecall
from vargpt_datagen.report.diversity import Counted
from vargpt_datagen.report.texts import Side, Texts
from vargpt_datagen.report.usage import Use

QUALITY_FORMAT = 1


def quality_of(
    manifest: Mapping[str, Any], texts: Texts, uses: Sequence[Use], *, read_rows: str = "all rows"
) -> dict[str, Any]:
    """Every figure with what it was taken from; None where a set has nothing to take it from.

    `read_rows` says which rows the texts are of.
    """
    is_sample = texts.measured_rows < texts.all_rows
    return {
        "format": QUALITY_FORMAT,
        "name": manifest["name"],
        "set": manifest["set"],
        "rows": manifest["counts"]["rows"],
        "measured_rows": texts.measured_rows,
        "measured_on": (
            f"distinct texts, repeated captions and use of the pools: {read_rows}; every other "
            f"figure: {'a seeded sample of measured_rows rows' if is_sample else read_rows}"
        ),
        **{side.title.lower(): _side(side) for side in texts.sides},
        "captions": {
            "distinct": texts.repeats.distinct,
            "repeated_rows_frac": texts.repeats.repeated_rows_frac,
            "class_names": _class_names(texts.caption_class_recall),
        },
        "length_words": {
            length.plot.title.lower(): {
                "median": length.median,
                "percentile_5": length.low,
                "percentile_95": length.high,
            }
            for length in texts.lengths
        },
        "pools": [_use(use) for use in uses],
    }


def _side(side: Side) -> dict[str, Any]:
    return {
        "distinct": side.distinct,
        "distinct_frac": side.distinct_frac,
        "distinct_1": side.ngram_fracs[0],
        "distinct_2": side.ngram_fracs[1],
        "distinct_3": side.ngram_fracs[2],
        "openings": {  # first three words
            "distinct": side.openings.distinct,
            "entropy_bits": side.openings.entropy_bits,
            "most_frequent": _counted(side.openings.top),
        },
        "forms": {  # the caption's words masked
            "distinct": side.forms.distinct,
            "top_10_frac": side.forms.top_10_frac,
            "largest_frac": side.forms.largest_frac,
            "most_frequent": _counted(side.forms.top),
        },
        "caption_recall_mean": side.recall_mean,
        "class_names": _class_names(side.class_recall),
    }


def _class_names(found: ClassRecall | None) -> dict[str, float] | None:
    return found._asdict() if found else None


def _counted(texts: Sequence[Counted]) -> list[dict[str, Any]]:
    return [each._asdict() for each in texts]


def _use(use: Use) -> dict[str, Any]:
    return {
        "pool": use.plot.title,
        "size": use.size,
        "used": use.used,
        "fewest_rows": use.fewest,
        "most_rows": use.most,
        # Pearson's chi-square test of equal use; None where it does not apply.
        "uniformity": use.even._asdict() if use.even else None,
    }
