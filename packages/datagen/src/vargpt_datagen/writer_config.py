"""Who writes a build's text: the offline writer, DeepSeek, or any OpenAI-compatible host."""

from dataclasses import dataclass

from vargpt_datagen.endpoint.address import DEEPSEEK, Endpoint, endpoint_of
from vargpt_datagen.offline import OfflineWriter
from vargpt_schema import UserError

OFFLINE = "offline"
DEFAULT_IN_FLIGHT = 256
DEFAULT_REPLY_TIMEOUT_S = 600.0  # a busy host may keep a request waiting for minutes


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterConfig:
    """The writer and how it is asked; all but `name` and `model` change no request."""

    name: str = OFFLINE  # or deepseek, or a base URL
    model: str | None = None  # None: the default of deepseek
    key_env: str | None = None  # environment variable with the key; None: the endpoint's usual
    price: str | None = None  # IN,OUT in USD per million tokens; None: the table's
    in_flight: int = DEFAULT_IN_FLIGHT  # requests at once, at most
    max_usd: float | None = None  # of the whole folder, earlier runs included
    reply_timeout_s: float = DEFAULT_REPLY_TIMEOUT_S


def endpoint_for(config: WriterConfig) -> Endpoint | None:
    """The endpoint to ask, None for the offline writer; UserError for options that cannot be."""
    if config.name == OFFLINE:
        _expect_no_endpoint_options(config)
        return None
    endpoint = endpoint_of(config.name, config.model, config.price)
    if config.in_flight < 1:
        raise UserError(f"--in-flight {config.in_flight}: at least 1 was expected. Raise it.")
    if not 0 < config.reply_timeout_s < float("inf"):
        raise UserError(
            f"--reply-timeout {config.reply_timeout_s:g}: seconds above 0 were expected. "
            "Change it, or leave it out."
        )
    if config.max_usd is not None:
        _expect_cap(config.max_usd, endpoint)
    return endpoint


def identity_of(config: WriterConfig, endpoint: Endpoint | None) -> dict[str, str]:
    """What of the writer must not change between two runs on one folder."""
    if endpoint is None:
        return {"writer": OFFLINE, "model": OfflineWriter.model}
    name = DEEPSEEK if config.name == DEEPSEEK else endpoint.url
    return {"writer": name, "model": endpoint.model}


def _expect_no_endpoint_options(config: WriterConfig) -> None:
    given = {
        "--model": config.model,
        "--key-env": config.key_env,
        "--price": config.price,
        "--max-usd": config.max_usd,
    }
    for option, value in given.items():
        if value is not None:
            raise UserError(
                f"{option} {value}: an option of endpoints, but the writer is {OFFLINE}. "
                f"Add --writer {DEEPSEEK} or --writer URL, or leave {option} out."
            )


def _expect_cap(max_usd: float, endpoint: Endpoint) -> None:
    if not 0 < max_usd < float("inf"):
        raise UserError(f"--max-usd {max_usd:g}: an amount above 0 USD was expected. Change it.")
    if endpoint.tariff is None:
        raise UserError(
            f"--max-usd {max_usd:g}: the price of {endpoint.model} at {endpoint.host} is not "
            "known, so nothing could be counted. Add --price IN,OUT in USD per million tokens."
        )
