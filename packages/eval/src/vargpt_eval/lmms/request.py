"""One request of lmms-eval as a question of ours; what cannot be asked as said is refused."""

from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

from vargpt_eval.answering.answerer import Asked
from vargpt_schema import IMAGE

DEFAULT_MAX_NEW_TOKENS = 1024  # of lmms-eval's LLaVA, where a task names no number


def asked_of(context: str, visuals: Sequence[Any] | None, where: str) -> Asked:
    """The images come first, or where the text has `<image>`. ValueError for videos and audio."""
    found = list(visuals or ())
    other = next((one for one in found if not isinstance(one, Image.Image)), None)
    if other is not None:
        raise ValueError(
            f"{where}: a {type(other).__name__} found, images expected; VARGPT sees nothing else. "
            "Leave this task out."
        )
    return Asked(
        context,
        tuple(image.convert("RGB") for image in found),
        is_interleaved=bool(found) and IMAGE in context,
    )


def max_new_tokens_of(generation: Mapping[str, Any], where: str) -> int:
    """Length of a greedy answer; ValueError where a task wants to sample or to search.

    `until` is not applied, as the authors' run and lmms-eval's LLaVA do not.
    """
    asks_sampling = generation.get("do_sample", True) and (generation.get("temperature") or 0) > 0
    if asks_sampling or (generation.get("num_beams") or 1) > 1:
        raise ValueError(
            f"{where}: {dict(generation)} found, greedy answers of one beam expected. "
            "Add --gen_kwargs temperature=0,do_sample=False,num_beams=1."
        )
    return int(generation.get("max_new_tokens") or DEFAULT_MAX_NEW_TOKENS)
