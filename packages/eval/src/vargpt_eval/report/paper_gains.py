"""Whether the paper's gains over its baseline are larger than chance would make them."""

import math
from typing import NamedTuple

from vargpt_eval.paper import LLAVA, VARGPT, Column, paper_tables

# What a table's number rests on: questions, and for MMBench its circular groups.
_NUM_QUESTIONS = {
    "mmbench": 1_164,
    "seed": 14_233,
    "mmmu": 900,
    "pope_adv": 3_000,
    "pope_pop": 3_000,
    "pope_rand": 3_000,
    "gqa": 12_578,
    "textvqa": 5_000,
    "vqav2": 214_354,
    "sciqa_img": 2_017,
    "okvqa": 5_046,
    "vizwizqa": 4_319,
}
_Z95 = 1.959964


class Gain(NamedTuple):
    """In percent points."""

    column: Column
    num_questions: int
    baseline: float
    vargpt: float
    gain: float
    run_half_width: float  # of VARGPT's own 95 % interval
    gain_half_width: float  # of the gain's, both runs independent

    @property
    def is_within_noise(self) -> bool:
        return abs(self.gain) <= self.gain_half_width


def paper_gains() -> list[Gain]:
    """Tables 1 and 3 but MME, whose points are no share.

    The interval of a share of independent right or wrong answers. Images shared between questions
    would widen it, partial scores and answering the same questions twice would narrow it.
    """
    gains = []
    for number in (1, 3):
        table = paper_tables()[number]
        baseline, vargpt = table.row(LLAVA).values, table.row(VARGPT).values
        for column in table.columns:
            before, after = baseline[column.key], vargpt[column.key]
            if column.key not in _NUM_QUESTIONS or before is None or after is None:
                continue
            n = _NUM_QUESTIONS[column.key]
            run = _Z95 * _standard_error(after, n)
            both = _Z95 * math.hypot(_standard_error(before, n), _standard_error(after, n))
            gains.append(Gain(column, n, before, after, round(after - before, 4), run, both))
    return gains


def _standard_error(percent: float, n: int) -> float:
    return math.sqrt(percent * (100 - percent) / n)
