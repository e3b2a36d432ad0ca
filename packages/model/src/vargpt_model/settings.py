"""`--set key=value` onto a frozen dataclass: the value is read as the field's own type."""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

from vargpt_schema.errors import UserError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

ConfigT = TypeVar("ConfigT", bound="DataclassInstance")


def with_settings(config: ConfigT, settings: Sequence[str], *, option: str = "--set") -> ConfigT:
    """The configuration with every `key=value` applied; UserError that names the bad one."""
    changes: dict[str, Any] = {}
    known = {field.name: getattr(config, field.name) for field in fields(config)}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or name not in known:
            raise UserError(
                f"{option} {setting}: one of {', '.join(sorted(known))} as KEY=VALUE was expected. "
                "Correct the name, or take the option out."
            )
        changes[name] = _read(f"{option} {setting}", text, known[name])
    try:
        return replace(config, **changes)
    except ValueError as error:
        raise UserError(f"{option} {' '.join(settings)}: {error}. Give other values.") from error


def _read(setting: str, text: str, now: Any) -> Any:
    """Text as a value of the type that the field has now."""
    try:
        if isinstance(now, bool):
            return {"true": True, "false": False}[text]
        if isinstance(now, tuple):
            return tuple(type(now[0])(part) for part in text.split(","))
        return type(now)(text)
    except (ValueError, KeyError) as error:
        shown = ",".join(map(str, now)) if isinstance(now, tuple) else now
        raise UserError(
            f"{setting}: {text!r} found, a value like {shown!r} was expected. Correct it."
        ) from error
