"""What the test server can be told, on its command line or while it runs."""

import argparse
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, NoReturn

from llm_faults import FAULTS, RANDOM_FAULTS

UsageShape = Literal["deepseek", "openai", "none"]

_FIXED = {"port", "tls_cert", "tls_key"}  # once the server has started


class OptionError(ValueError):
    """An option that does not exist, or a value that it cannot have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The command line's options, as `option_parser` describes them."""

    port: int
    tls_cert: Path | None
    tls_key: Path | None
    model: str
    usage: UsageShape
    content: str
    content_file: tuple[str, ...]  # its contents
    latency_s: float
    jitter_s: float
    hold_after: int | None
    requests_per_s: float | None
    burst: int
    concurrent: int | None
    retry_after_s: float | None
    retry_after_date: bool
    faults: Mapping[str, float]  # share by kind
    status: int
    echo_key: bool
    redirect: str | None
    ready_after_s: float
    outage_from_s: float | None
    outage_to_s: float | None
    outage_refuse: bool


def options_of(words: list[str]) -> Options:
    """The options of a command line; OptionError."""
    return _options(option_parser().parse_args(words))


def changed(options: Options, changes: Mapping[str, Any]) -> Options:
    """`options` with some of them set anew, by field name; null stands for the default."""
    names = {field.name for field in fields(Options)} - _FIXED
    if unknown := sorted(changes.keys() - names):
        raise OptionError(f"{unknown[0]}: one of {', '.join(sorted(names))} expected")
    kept = {
        field.name: getattr(options, field.name)
        for field in fields(Options)
        if field.name not in changes
    }
    words = [word for name, value in changes.items() for word in _words(name, value)]
    return _options(option_parser().parse_args(words, argparse.Namespace(**kept)))


def _words(name: str, value: Any) -> Iterator[str]:
    if name == "faults":
        for kind, share in (value or {}).items():
            yield f"--fault={kind}={share}"
    elif isinstance(value, bool):
        if value:
            yield f"--{name.replace('_', '-')}"
    elif value is not None:
        yield f"--{name.replace('_', '-')}={value}"


def _options(found: argparse.Namespace) -> Options:
    values = vars(found)
    values["faults"] = dict(values["faults"])
    options = Options(**values)
    total = sum(share for kind, share in options.faults.items() if kind in RANDOM_FAULTS)
    if total > 1:
        raise OptionError(f"--fault: shares of {total:g} in all, 1 at most expected")
    if (options.tls_cert is None) != (options.tls_key is None):
        raise OptionError("--tls-cert and --tls-key: both or neither expected")
    return options


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise OptionError(message)


def option_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="llm_server.py",
        description="An OpenAI-compatible server for tests and measurements.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--port", type=int, default=0, help="0: a free one")
    add("--tls-cert", type=Path, metavar="FILE", help="serve https with this certificate")
    add("--tls-key", type=Path, metavar="FILE")

    add("--model", default="test-model-1", help="name in replies, whatever was asked for")
    add("--usage", choices=("deepseek", "openai", "none"), default="deepseek")
    add("--content", default="{}", help="reply to a message whose last line is no caption")
    add(
        "--content-file",
        type=_contents,
        default=(),
        metavar="FILE",
        help="JSON lines; the n-th different message without a caption gets the n-th, in turn",
    )

    add("--latency-s", type=_not_negative, default=0.2)
    add("--jitter-s", type=_not_negative, default=0.0, help="so much more or less at most")
    add("--hold-after", type=_count, help="when so many are paid for, all others wait for a change")
    add("--requests-per-s", type=_positive, help="HTTP 429 above this rate")
    add("--burst", type=_count, default=1, help="requests that may come at once below that rate")
    add("--concurrent", type=_count, help="HTTP 429 above so many at a time")
    add("--retry-after-s", type=_seconds_or_none, default=1.0, help="header of a 429, or none")
    add("--retry-after-date", action="store_true", help="give that header as a date")

    add(
        "--fault",
        dest="faults",
        type=_fault,
        action="append",
        default=[],
        metavar="KIND=SHARE",
        help=f"repeatable; kinds: {', '.join(FAULTS)}",
    )
    add("--status", type=int, default=200, help="of every reply")
    add("--echo-key", action="store_true", help="repeat the Authorization header in the reply")
    add("--redirect", metavar="URL", help="HTTP 307 to there")
    add("--ready-after-s", type=_not_negative, default=0.0, help="HTTP 503 so long after the start")
    add("--outage-from-s", type=_not_negative, help="seconds after the start; HTTP 503 from then")
    add("--outage-to-s", type=_not_negative, help="and until then; without it for ever")
    add("--outage-refuse", action="store_true", help="drop connections instead of HTTP 503")
    return parser


def _fault(text: str) -> tuple[str, float]:
    kind, _, share = text.partition("=")
    if kind not in FAULTS:
        raise argparse.ArgumentTypeError(f"{kind!r} found, one of {', '.join(FAULTS)} expected")
    value = _not_negative(share)
    if value > 1:
        raise argparse.ArgumentTypeError(f"{kind}={share}: a share between 0 and 1 expected")
    return kind, value


def _not_negative(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} found, a number of at least 0 expected")
    return value


def _positive(text: str) -> float:
    value = _not_negative(text)
    if value == 0:
        raise argparse.ArgumentTypeError(f"{text!r} found, a number above 0 expected")
    return value


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} found, a whole number above 0 expected")
    return int(text)


def _seconds_or_none(text: str) -> float | None:
    return None if text == "none" else _not_negative(text)


def _contents(text: str) -> tuple[str, ...]:
    """A line each: a JSON string stands for its text, anything else for itself."""
    try:
        lines = Path(text).read_text("utf-8").splitlines()
        found = [(line, json.loads(line)) for line in lines if line.strip()]
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{text}: JSON lines expected ({error})") from None
    if not found:
        raise argparse.ArgumentTypeError(f"{text}: no line found, one at least expected")
    return tuple(value if isinstance(value, str) else line for line, value in found)
