"""The request: one planned row as the body of a chat completion, rendered from the templates."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any, Literal, NamedTuple

from jinja2 import Environment, StrictUndefined

from vargpt_datagen.caption_source import CaptionSource
from vargpt_datagen.checks import Shot
from vargpt_datagen.plan import PlannedRow, PlannedShot
from vargpt_datagen.pools import Seed, ShotPair
from vargpt_schema import SEED_KINDS

Shots = Literal["pairs", "captions"]

_json_text = json.JSONEncoder(ensure_ascii=False).encode  # json.dumps makes an encoder a call

_SHOTS_KEPT = 8_192  # twice the library of the shipped pairs

MAX_OUTPUT_TOKENS = 160
TEMPERATURE = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pools:
    """What requests draw from besides captions."""

    seeds: Mapping[str, tuple[Seed, ...]]  # by kind
    pairs: tuple[ShotPair, ...]

    def sizes(self) -> tuple[int, int, int]:
        prompts, captions, answers = (len(self.seeds[kind]) for kind in SEED_KINDS)
        return prompts, captions, answers

    def fingerprint(self) -> str:
        texts = [[seed.seed_id, seed.text] for kind in SEED_KINDS for seed in self.seeds[kind]]
        pairs = [list(pair) for pair in self.pairs]
        return hashlib.sha256(json.dumps([texts, pairs], default=str).encode()).hexdigest()


class Request(NamedTuple):
    """One rendered request and what its reply will be checked against."""

    body: bytes
    sha256: str  # of the body: the request's identity
    caption: str
    shots: tuple[Shot, ...]
    seeds: tuple[str, str, str]


class RequestWriter:
    """Renders planned rows; the system message is byte-identical for every row."""

    def __init__(
        self,
        source: CaptionSource,
        pools: Pools,
        *,
        model: str,
        shots: Shots,
        parameters: Mapping[str, Any] | None = None,  # an endpoint's own, beside the usual ones
    ) -> None:
        self.source = source
        self.pools = pools
        self._shots: Shots = shots
        # Shots come from a library or from a few sets, so each is filled and spelled out once.
        self._shot = lru_cache(maxsize=_SHOTS_KEPT)(self._filled_shot)
        self._shot_id = lru_cache(maxsize=_SHOTS_KEPT)(self._named_shot)
        environment = Environment(
            undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
        )
        environment.filters["json_text"] = lru_cache(maxsize=2 * _SHOTS_KEPT)(_json_text)
        self.system = environment.from_string(template_text("system.jinja")).render()
        self._user_source = template_text("user.jinja")
        self._user = environment.from_string(self._user_source)
        self._before = (
            json.dumps({"model": model})[:-1]
            + ', "messages": [{"role": "system", "content": '
            + _json_text(self.system)
            + '}, {"role": "user", "content": '
        )
        self._after = (
            "}], "
            + json.dumps(
                {
                    "temperature": TEMPERATURE,
                    "max_tokens": MAX_OUTPUT_TOKENS,
                    "response_format": {"type": "json_object"},
                    **(parameters or {}),
                }
            )[1:]
        )

    @property
    def form_sha256(self) -> str:
        """Of all that is the same in every request: templates, model, parameters."""
        form = [self._before, self._user_source, self._after]
        return hashlib.sha256("\x1f".join(form).encode()).hexdigest()

    def request(self, row: PlannedRow) -> Request:
        """The request of one planned row."""
        caption = self.source.caption(row.source_index)
        shots = tuple([self._shot(shot) for shot in row.shots])
        seeds = self._seeds(row)
        texts = (seeds[0].text, seeds[1].text, seeds[2].text)
        user = _json_text(self.user(caption, shots, texts))
        body = f"{self._before}{user}{self._after}".encode()
        return Request(body, hashlib.sha256(body).hexdigest(), caption, shots, texts)

    def user(self, caption: str, shots: tuple[Shot, ...], seeds: tuple[str, str, str]) -> str:
        """The user message; captions are values of the template, never part of it."""
        values = {
            "shots": enumerate(shots, 1),
            "with_pairs": self._shots == "pairs",
            "prompt_seed": seeds[0],
            "caption_seed": seeds[1],
            "answer_seed": seeds[2],
            "caption": caption,
        }
        # As Template.render does, without copying the environment's globals for every row.
        context = self._user.new_context(values, shared=True)
        return "".join(self._user.root_render_func(context))

    def seed_ids(self, row: PlannedRow) -> tuple[str, str, str]:
        """Ids of the row's prompt, caption and answer seed."""
        prompt, caption, answer = self._seeds(row)
        return prompt.seed_id, caption.seed_id, answer.seed_id

    def _seeds(self, row: PlannedRow) -> tuple[Seed, Seed, Seed]:
        prompt, caption, answer = row.seed_indices
        seeds = self.pools.seeds
        return seeds["prompt"][prompt], seeds["caption"][caption], seeds["answer"][answer]

    def shot_ids(self, row: PlannedRow) -> tuple[str, ...]:
        """`pair id@image id` of each shot; the image id alone where shots are captions."""
        return tuple([self._shot_id(shot) for shot in row.shots])

    def _named_shot(self, shot: PlannedShot) -> str:
        image_id = self.source.image_id(shot.source_index)
        if self._shots == "captions":
            return image_id
        return f"{self.pools.pairs[shot.pair_index].pair_id}@{image_id}"

    def _filled_shot(self, shot: PlannedShot) -> Shot:
        caption = self.source.caption(shot.source_index)
        if self._shots == "captions":
            return Shot(caption, "", "")
        return Shot(caption, *self.pools.pairs[shot.pair_index].filled(caption))


def template_text(name: str) -> str:
    """A shipped template's source."""
    return resources.files("vargpt_datagen").joinpath("templates", name).read_text("utf-8")
