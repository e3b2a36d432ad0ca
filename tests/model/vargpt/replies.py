"""Prompts and options for replies of the small model, and a way to say what it says."""

from typing import Any

from vargpt_schema import Message

START, END, CODE, IMAGE, END_OF_TURN = 4, 5, 6, 3, 2
L = 14


def asks(text="please draw a red circle."):
    return [Message("user", text)]


def options(**changes: Any) -> Any:
    from vargpt_model.generation import GenerationOptions

    return GenerationOptions(**{"max_part_tokens": 6, **changes})


def kinds(reply):
    return [type(part).__name__ for part in reply.parts]


def same_parts(first, second):
    from vargpt_model.generation import ImagePart

    assert kinds(first) == kinds(second)
    for one, other in zip(first.parts, second.parts, strict=True):
        if isinstance(one, ImagePart):
            assert one.code_ids.equal(other.code_ids)
            assert (one.pixels.int() - other.pixels.int()).abs().max() <= 1
        else:
            assert one == other


def scripted(monkeypatch, *scripts):
    """The model says what a script says, row by row, so that a test decides who draws when."""
    from vargpt_model.generation.generate import _Batch

    left = [list(script) for script in scripts]

    def choose(_, rows, logits):
        assert logits.isfinite().all()
        return [left[row].pop(0) for row in rows]

    monkeypatch.setattr(_Batch, "_choose", choose)
    return left
