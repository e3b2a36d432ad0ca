"""Where requests go: a base URL, a model, and whether a key may travel there."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from vargpt_datagen.endpoint.key import NO_KEY, Key, key_in
from vargpt_datagen.prices import Tariff, deepseek_tariff, read_price
from vargpt_datagen.printable import printable
from vargpt_schema import UserError

DEEPSEEK = "deepseek"
DEEPSEEK_URL = "https://api.deepseek.com"
DEEPSEEK_MODEL = "deepseek-flash"
_RETIRED = {"deepseek-chat", "deepseek-reasoner"}  # since 2026-07-24


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One model at one host."""

    url: str  # base URL without a trailing slash; /chat/completions follows
    model: str  # as asked for; replies say which one answered
    default_key_env: str
    parameters: Mapping[str, Any] = field(default_factory=dict)  # added to every request
    tariff: Tariff | None = None  # None: price unknown

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc

    @property
    def is_loopback(self) -> bool:
        return is_loopback(urlsplit(self.url).hostname or "")

    @property
    def keeps_secrets(self) -> bool:
        """Whether a key may be sent: over TLS, or without leaving this machine."""
        return self.url.startswith("https://") or self.is_loopback


def endpoint_of(writer: str, model: str | None, price: str | None) -> Endpoint:
    """The endpoint that `--writer deepseek|URL --model ID --price IN,OUT` name; UserError."""
    if writer == DEEPSEEK:
        model = model or DEEPSEEK_MODEL
        if model in _RETIRED:
            raise UserError(
                f"--model {model}: retired by DeepSeek on 2026-07-24; {DEEPSEEK_MODEL} (the "
                "default) was expected. For DeepSeek-V3 itself give --writer the URL of a host "
                "that serves it."
            )
        return Endpoint(
            url=DEEPSEEK_URL,
            model=model,
            default_key_env="DEEPSEEK_API_KEY",
            # Thinking is on by default there, costs five to twenty times the output, and makes
            # the server ignore the temperature.
            parameters={"thinking": {"type": "disabled"}},
            tariff=read_price(price, model) if price else deepseek_tariff(model),
        )
    url = checked_url(writer)
    if not model:
        raise UserError(
            f"--writer {url}: no model given, the name of one that this host serves was expected. "
            "Add --model ID."
        )
    return Endpoint(
        url=url,
        model=model,
        default_key_env="OPENAI_API_KEY",
        tariff=read_price(price, model) if price else None,
    )


def checked_url(writer: str) -> str:
    """A base URL without a trailing slash; UserError for what is none, or carries secrets."""
    try:
        parts = urlsplit(writer)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not host or port == 0 or not writer.isprintable():
        # What is no URL may still hold a password or a key.
        is_word = writer.isalpha() or ("://" in writer and not set(writer) & set("@?#"))
        shown = printable(writer)[:200] if is_word else "***"
        raise UserError(
            f"--writer {shown}: offline, deepseek or a URL such as https://host/v1 was expected. "
            "Give one of them."
        )
    if parts.username is not None or parts.password is not None:
        raise UserError(
            f"--writer {parts.scheme}://***@{host}: a URL with a user or password found, one "
            "without was expected. Put the key in an environment variable and name it with "
            "--key-env."
        )
    if parts.query or parts.fragment:
        raise UserError(
            f"--writer {parts.scheme}://{host}{parts.path}?***: a URL with a query found, a plain "
            "base URL such as https://host/v1 was expected. Leave out what follows the question "
            "mark."
        )
    # The scheme is compared with later on, and capitals are the same there.
    return parts.scheme + writer[len(parts.scheme) :].rstrip("/").removesuffix("/chat/completions")


def read_key(endpoint: Endpoint, key_env: str | None) -> Key | None:
    """The key to send; None where none is needed.

    UserError when it is missing, or when it would travel in the clear to another machine.
    """
    if key_env == NO_KEY:
        return None
    variable = key_env or endpoint.default_key_env
    key = key_in(variable)
    if key is None:
        if key_env is None and not endpoint.url.startswith("https://"):
            return None  # a server of one's own, as vLLM or SGLang start it
        raise UserError(
            f"{variable}: no key found in this environment variable, {endpoint.host} was expected "
            f"to need one. Set it (export {variable}=...), name another with --key-env NAME, or "
            f"give --key-env {NO_KEY}."
        )
    if not endpoint.keeps_secrets:
        raise UserError(
            f"--writer {endpoint.url}: the key of {variable} would travel unencrypted to another "
            "machine; https, or a server on this machine, was expected. Use https://, or "
            f"--key-env {NO_KEY} to send no key."
        )
    return key


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
