"""How varied the prompts of a published build are.

    uv run python benchmarks/prompt_variety.py imagenet-instruct-130k-world

A form is a prompt with what comes from its caption masked: every longest run of words that occur
in the caption by lemma, with all function words inside the run and the determiners before it, so
that "in the corner" for "at the corner" makes no new form. Only the published texts are read; how
they were written is not looked at.
"""

import sys
from collections import Counter
from functools import cache
from pathlib import Path

import pyarrow.parquet as pq

from vargpt_datagen.checks.reading import read

_MASK = "[]"
_DETERMINERS = frozenset({"a", "an", "the", "one", "some", "two", "three", "his", "her", "its"})
_NUM_SHOWN = 10


@cache
def lemmas_of(word: str) -> frozenset[str]:
    return frozenset(read(word).content)


def delexicalised(prompt: str, caption: str) -> str:
    """The prompt's words with each run of caption words as one mask."""
    wanted = read(caption).content
    form: list[str] = []
    held: list[str] = []  # function words after a run: part of it if it goes on
    for word in read(prompt).words:
        lemmas = lemmas_of(word)
        if lemmas and lemmas <= wanted:
            held.clear()
            while form and form[-1] in _DETERMINERS:
                form.pop()
            if not form or form[-1] != _MASK:
                form.append(_MASK)
        elif form and form[-1] == _MASK and not lemmas:
            held.append(word)
        else:
            form += held
            held.clear()
            form.append(word)
    return " ".join(form + held)


def main(folder: Path) -> None:
    rows = 0
    prompts: set[str] = set()
    forms: Counter[str] = Counter()
    for shard in sorted((folder / "data").glob("*.parquet")):
        table = pq.read_table(shard, columns=["messages", "caption"])
        for messages, caption in zip(
            table["messages"].to_pylist(), table["caption"].to_pylist(), strict=True
        ):
            prompt = next(turn["content"] for turn in messages if turn["role"] == "user")
            prompts.add(prompt)
            forms[delexicalised(prompt, caption)] += 1
            rows += 1
    if not rows:
        sys.exit(f"{folder}: no rows in data/*.parquet, a published build expected.")
    print(f"rows {rows:,}")
    print(f"distinct prompts {len(prompts):,}")
    print(f"distinct delexicalised forms {len(forms):,}")
    print(f"forms seen ten times or more {sum(count >= 10 for count in forms.values()):,}")
    for form, count in forms.most_common(_NUM_SHOWN):
        print(f"{count / rows:7.2%}  {form}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
