"""Table `seeds`: the paper's prompt_limit_, image_cap_limit_ and answer_limit_seeds."""

from dataclasses import dataclass
from typing import Literal, get_args

from vargpt_schema.fields import TEXT, required
from vargpt_schema.table import Table, table_schema

SeedKind = Literal["prompt", "caption", "answer"]
SEED_KINDS: tuple[SeedKind, ...] = get_args(SeedKind)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedRecord:
    seed_id: str
    kind: str  # a SeedKind
    text: str
    generator: str  # model id as the endpoint reported it, or vargpt-toolkit for hand-written ones


SEEDS = Table(
    name="seeds",
    version=1,
    record=SeedRecord,
    schema=table_schema(
        "seeds",
        1,
        [
            required("seed_id", TEXT),
            required("kind", TEXT),
            required("text", TEXT),
            required("generator", TEXT),
        ],
    ),
)
