"""Options from a file: `--config FILE` of every command reads the same small TOML."""

import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from vargpt_schema.errors import UserError


def set_defaults(context: Any, path: Path) -> None:
    """Make a file's options the defaults of a command; `context` is click's, for that command."""
    parameters = {
        name.lstrip("-"): param.name
        for param in context.command.params
        for name in param.opts
        if param.name not in (None, "config", "help")
    }
    repeated = {param.name for param in context.command.params if getattr(param, "multiple", False)}
    options = read_options(path, parameters, repeated)
    context.default_map = {**(context.default_map or {}), **options}


def read_options(
    path: Path, parameters: Mapping[str, str], repeated: Collection[str] = ()
) -> dict[str, str | list[str]]:
    """Options of a file as they would be typed, by the name of the parameter they set.

    `parameters` maps an option's long name without dashes (`shot-sets`) to its parameter; those of
    `repeated` options take a list, or one value. UserError
    for a file that is no TOML, a name that is not among them, a value that cannot be typed.
    """
    try:
        found = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = " ".join(str(error).split())
        raise UserError(
            f"{path}: cannot be read as TOML ({reason}), lines such as `rows = 1000` were "
            "expected. Correct the file, or give the options on the command line."
        ) from error
    options: dict[str, str | list[str]] = {}
    for name, value in found.items():
        if name not in parameters:
            raise UserError(
                f"{path}: option {name!r} found, one of {', '.join(sorted(parameters))} was "
                "expected. Correct the name or take the line out."
            )
        if parameters[name] in repeated:
            options[parameters[name]] = [str(item) for item in _as_list(value)]
            continue
        if not isinstance(value, (str, int, float)):  # a bool is an int
            raise UserError(
                f"{path}: {name} is a {type(value).__name__}, text, a number, true or false was "
                "expected. Write it as on the command line."
            )
        options[parameters[name]] = str(value)
    return options


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
