"""What the checks judge: one written pair with everything its writer was shown."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol


class Shot(NamedTuple):
    """An example from the request; prompt and answer are empty with `--shots captions`."""

    caption: str
    prompt: str
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A normalised pair and its request. The answer does not yet carry `<image_gen>`."""

    prompt: str
    answer: str
    caption: str
    shots: tuple[Shot, ...] = ()
    seeds: tuple[str, ...] = ()

    @property
    def texts(self) -> tuple[str, str]:
        return self.prompt, self.answer


class Fault(NamedTuple):
    """Why a candidate is dropped."""

    reason: str  # the name of the rule
    detail: str  # the offending words


class Rule(Protocol):
    """A function of a candidate: the offending words, or None; its name is the reason."""

    __name__: str

    def __call__(self, candidate: Candidate, /) -> str | None: ...
