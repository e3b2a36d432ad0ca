"""The request for a batch of seeds, as the body of a chat completion."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from vargpt_datagen.pools import Seed, shipped_seeds
from vargpt_datagen.request import TEMPERATURE, template_text
from vargpt_datagen.seeds.focuses import FOCUSES
from vargpt_datagen.seeds.rules import MAX_WORDS, MIN_WORDS
from vargpt_schema import SEED_KINDS
from vargpt_schema.seeds import SeedKind

BATCH_SIZE = 20  # seeds asked for in one call
MAX_OUTPUT_TOKENS = 1_500  # a batch of the longest guidelines takes two thirds of it
NUM_EXAMPLES = 5


class SeedRequest(NamedTuple):
    """One rendered request."""

    system: str
    user: str
    examples: tuple[str, ...]  # shown in it, not to be copied
    body: bytes
    sha256: str  # of the body: the request's identity


class SeedRequests:
    """Renders requests: each a function of the configuration, kind, call and what is accepted."""

    def __init__(
        self, *, model: str, seed: int, parameters: Mapping[str, Any] | None = None
    ) -> None:
        self._model = model
        self._seed = seed
        self._parameters = dict(parameters or {})
        environment = Environment(
            loader=PackageLoader("vargpt_datagen"),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            autoescape=False,
        )
        system = environment.get_template("seeds_system.jinja")
        self._systems: dict[SeedKind, str] = {
            kind: system.render(kind=kind, min_words=MIN_WORDS, max_words=MAX_WORDS)
            for kind in SEED_KINDS
        }
        self._user = environment.get_template("seeds_user.jinja")

    @property
    def form_sha256(self) -> str:
        """Of all that requests are made from, but for replies."""
        first = [self.request(kind, 0, ()).sha256 for kind in SEED_KINDS]
        shipped = [seed.text for kind in SEED_KINDS for seed in shipped_seeds()[kind]]
        form = [first, template_text("seeds_user.jinja"), FOCUSES, shipped]
        return hashlib.sha256(json.dumps(form).encode()).hexdigest()

    def request(self, kind: SeedKind, call: int, accepted: Sequence[str]) -> SeedRequest:
        """The request of one call, counted from 0. What never changes comes first in it.

        Every call has a body of its own, so that no reply is taken for that of another.
        """
        examples = self._examples(kind, call)
        user = self._user.render(
            accepted=accepted,
            examples=examples,
            batch=call + 1,
            batch_size=BATCH_SIZE,
            focus=FOCUSES[kind][call % len(FOCUSES[kind])],
        )
        body = json.dumps(
            {
                "model": self._model,
                "messages": [
                    {"role": "system", "content": self._systems[kind]},
                    {"role": "user", "content": user},
                ],
                "temperature": TEMPERATURE,
                "max_tokens": MAX_OUTPUT_TOKENS,
                "response_format": {"type": "json_object"},
                **self._parameters,
            }
        ).encode()
        sha256 = hashlib.sha256(body).hexdigest()
        return SeedRequest(self._systems[kind], user, examples, body, sha256)

    def _examples(self, kind: SeedKind, call: int) -> tuple[str, ...]:
        """A few of the shipped seeds, others for every call and `--seed`."""

        def place(seed: Seed) -> bytes:
            return hashlib.sha256(f"{self._seed} {call} {seed.seed_id}".encode()).digest()

        return tuple(seed.text for seed in sorted(shipped_seeds()[kind], key=place)[:NUM_EXAMPLES])
