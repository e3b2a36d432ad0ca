"""The class that lmms-eval starts for `--model vargpt`."""

from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from lmms_eval.api.instance import (  # pyright: ignore[reportMissingImports]
    GenerationResult,
    Instance,
    TokenCounts,
)
from lmms_eval.api.model import lmms  # pyright: ignore[reportMissingImports]

from vargpt_eval.answering.answerer import Answer, Asked
from vargpt_eval.answering.opening import open_answerer
from vargpt_eval.lmms.request import asked_of, max_new_tokens_of
from vargpt_model.encoding.ranks import rank_from_environment


class VargptLmms(lmms):
    """The same model, prompts and decoding as `vargpt-eval run`.

    A question that fails stops the run: lmms-eval would score an empty answer as wrong. With
    `--use_cache DIR` the answers before it are kept.
    """

    is_simple = True

    def __init__(
        self,
        pretrained: str,
        dtype: str = "auto",
        batch_size: int | str = 1,
        device: str | None = None,
        max_batch_size: int | None = None,
    ) -> None:
        """`pretrained` is a folder; `dtype` names a type of torch, or is "auto": as stored.

        lmms-eval always gives `max_batch_size`; batches here have the size they are given.
        """
        super().__init__()
        del max_batch_size
        self.device = torch.device(device) if device else rank_from_environment().device
        self.batch_size = int(batch_size)
        torch_dtype = None if dtype == "auto" else getattr(torch, dtype)
        self._answerer = open_answerer(Path(pretrained), dtype=torch_dtype, device=self.device)

    def generate_until(self, requests: list[Instance]) -> list[GenerationResult]:
        results: list[GenerationResult] = []
        for max_new_tokens, group in groupby(requests, key=_max_new_tokens):
            same = list(group)
            for start in range(0, len(same), self.batch_size):
                asked = [self._asked(one) for one in same[start : start + self.batch_size]]
                results += map(_result, self._answerer.answers(asked, max_new_tokens))
        return results

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        raise NotImplementedError(
            f"{requests[0].task_name}: a task of likelihoods found, answers in words expected; "
            "likelihoods are not written for VARGPT. Leave this task out."
        )

    def generate_until_multi_round(self, requests: list[Instance]) -> list[str]:
        raise NotImplementedError(
            f"{requests[0].task_name}: a task of several rounds found, one question each "
            "expected; rounds are not written for VARGPT. Leave this task out."
        )

    def _asked(self, request: Instance) -> Asked:
        context, _, visuals_of, doc_id, task, split = request.args
        return asked_of(context, visuals_of(self.task_dict[task][split][doc_id]), _where(request))


def _where(request: Instance) -> str:
    return f"{request.task_name}, item {request.doc_id}"


def _max_new_tokens(request: Instance) -> int:
    generation: Any = request.args[1]
    return max_new_tokens_of(generation, _where(request))


def _result(answer: Answer) -> GenerationResult:
    return GenerationResult(answer.text, TokenCounts(output_tokens=answer.num_tokens))
