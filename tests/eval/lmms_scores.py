"""Run where lmms-eval is: random rows and responses with its own scores, a JSON line each.

Usage: python lmms_scores.py SEED ROUNDS OUT
"""

import copy
import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lmms_eval.api.metrics import (  # pyright: ignore[reportMissingImports]
    exact_match_hf_evaluate,
)
from lmms_eval.tasks._task_utils import (  # pyright: ignore[reportMissingImports]
    mcq_extract,
    mmmu_mcq_utils,
)
from lmms_eval.tasks.mmbench.mmbench_evals import (  # pyright: ignore[reportMissingImports]
    MMBench_Evaluator,
)
from lmms_eval.tasks.mme import utils as mme  # pyright: ignore[reportMissingImports]
from lmms_eval.tasks.mmmu import utils as mmmu  # pyright: ignore[reportMissingImports]
from lmms_eval.tasks.pope import utils as pope  # pyright: ignore[reportMissingImports]
from lmms_eval.tasks.scienceqa import utils as scienceqa  # pyright: ignore[reportMissingImports]
from lmms_eval.tasks.seedbench import utils as seed  # pyright: ignore[reportMissingImports]
from lmms_eval.tasks.textvqa import utils as textvqa  # pyright: ignore[reportMissingImports]
from lmms_eval.tasks.vqav2 import utils as vqav2  # pyright: ignore[reportMissingImports]

MANNER = r"""
yes no a an the A B C D E F dog Dog t-shirt 1 2 3.5 1,000 ten eleven none zero dont don't it's isnt
Im whats man's red, white. not know is so = answer final therefore could be result $1,234.50 -5 .5
5. 1e3 nan banana (A) (B) B. B: B) (C). :D E. Answer: The option correct best choose ; / [x] "q" { }
+ \ _ - > < @ ` ? ! ... U.S.A. 12:30 50% n y Y unanswerable
"""
WORDS = [*MANNER.split(), "caf\u00e9", "\u00a0"]
OPTIONS = ("cat", "dog", "12", "a", "nan", "banana", "red ball", "<image 1>", "A", " Blue.")
Case = dict[str, Any]


class Draw(random.Random):
    """Texts in the manner of models."""

    def text(self, most: int = 8) -> str:
        ends = (" ", " ", " ", "", "\n", ", ", ". ", "\t")
        count = self.choice([1, 1, 2, 3, most])
        return "".join(self.choice(WORDS) + self.choice(ends) for _ in range(count))

    def near(self, text: str) -> str:
        forms = (
            "{}",
            "{}.",
            "{},",
            "the {}",
            "{}'s",
            "{}?",
            "Answer: {}",
            "It is {}",
            '"{}"',
            "{}\n",
        )
        changed = self.choice([text, text.upper(), text.capitalize(), text.replace("-", " ")])
        return self.choice(forms).format(changed)

    def response(self, wanted: str) -> str:
        return (self.near(wanted) if self.random() < 0.7 else self.text()).strip()

    def letter(self) -> tuple[str, str]:
        letter = self.choice("ABCDE")
        forms = (
            letter,
            f"{letter}.",
            f"{letter}. text",
            letter.lower(),
            f"({letter})",
            f"{letter})",
        )
        said = self.choice([*forms, f"Answer: {letter}", letter + self.text(), self.text()])
        return letter, said.strip()


def cases(draw: Draw) -> Iterator[Case]:
    """One of every kind."""
    yield from vqa(draw)
    wanted = draw.text(2)
    said = draw.response(wanted)
    match = exact_match_hf_evaluate(
        predictions=[said], references=[wanted], ignore_case=True, ignore_punctuation=True
    )
    yield case("gqa", {"answer": wanted}, said, float(match["exact_match"]))
    wanted, said = draw.choice(["yes", "no"]), draw.response(draw.choice(["yes", "no"]))
    row = {"question_id": "1", "answer": wanted, "category": "existence"}
    score = pope.pope_process_results(row, [said])["pope_accuracy"]["score"]
    yield case("pope_adv", row, said, score)
    [found] = mme.mme_process_results(row, [said]).values()
    yield case("mme", row, said, found["score"])
    letter, said = draw.letter()
    row = {"question_id": "1", "answer": letter, "data_type": "image"}
    found = seed.seed_process_result(row, [said])["seed_all"]
    yield case("seedbench", row, said, seed.seed_aggregation_result([found]))
    choices = [str(number) for number in range(draw.randint(2, 5))]
    row = {"choices": choices, "answer": draw.randrange(len(choices))}
    score = scienceqa.sqa_process_results(row, [said])["exact_match"]
    yield case("scienceqa_img", row, said, score)
    yield mmmu_choice(draw, said)
    wanted = draw.choice(["12", "1,234", "3.14", "a", "-5", draw.text(1).strip() or "x"])
    said = f"{draw.text()} {draw.response(wanted)} {draw.text(2)}".strip()
    row = {"question_type": "open", "options": "[]", "answer": wanted, "id": "validation_Art_1"}
    score = mmmu.eval_open(wanted, mmmu.parse_open_response(said))
    yield case("mmmu_val", row, said, float(score))
    yield mmbench(draw, said)


def vqa(draw: Draw) -> Iterator[Case]:
    human = [draw.text(2) for _ in range(draw.randint(1, 4))]
    answers = [draw.choice(human) for _ in range(10)]
    said = draw.response(draw.choice(human))
    row: Case = {"question_id": "1", "answers": answers}
    score = textvqa.textvqa_process_results(copy.deepcopy(row), [said])["exact_match"]
    yield case("textvqa_val", row, said, float(score))
    row["answers"] = [{"answer": one, "answer_id": number} for number, one in enumerate(answers)]
    score = vqav2.vqav2_process_results_val(copy.deepcopy(row), [said])["exact_match"]
    yield case("vqav2_val", row, said, float(score))


def mmmu_choice(draw: Draw, said: str) -> Case:
    """`score` None where lmms-eval draws a letter."""
    options = [draw.choice(OPTIONS) for _ in range(draw.randint(2, 6))]
    said = draw.choice([said, draw.text(), f"I am very sure that it is {draw.choice(options)}"])
    drawn: list[str] = []
    mmmu_mcq_utils.random.choice = lambda letters: drawn.append(letters[0]) or letters[0]
    texts, letters = mmmu_mcq_utils.get_multi_choice_info(options)
    found = mmmu_mcq_utils.parse_mmmu_multi_choice_response(said.strip(), letters, texts)
    wanted = draw.choice(letters)
    row = {"question_type": "multiple-choice", "options": str(options), "answer": wanted}
    score = None if drawn else float(found == wanted)
    return case("mmmu_val", {**row, "id": "validation_Art_1"}, said.strip(), score)


def mmbench(draw: Draw, said: str) -> Case:
    """One rotation: what is prefetched, else what the static rule says."""
    options = {letter: draw.choice(OPTIONS) for letter in "ABCD"[: draw.randint(2, 4)]}
    held = {letter: options.get(letter, float("nan")) for letter in "ABCD"}
    found = MMBench_Evaluator().prefetch_answer({**held, "prediction": said})
    found = found or mcq_extract.extract_mcq_answer(said, list(options))
    wanted = draw.choice(sorted(options))
    row = {"index": 7, "answer": wanted, "category": "x", "L2-category": "y", **options}
    return case("mmbench_en_dev", row, said, float(found == wanted))


def case(task: str, row: Case, response: str, score: float | None) -> Case:
    return {"task": task, "row": row, "response": response, "score": score}


def main() -> None:
    first, rounds, out = sys.argv[1:]
    draw = Draw(int(first))
    with Path(out).open("w", encoding="utf-8") as file:
        for _ in range(int(rounds)):
            file.writelines(f"{json.dumps(one)}\n" for one in cases(draw))


if __name__ == "__main__":
    main()
