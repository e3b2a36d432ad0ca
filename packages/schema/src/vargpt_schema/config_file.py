"""Options from a file: `--config FILE` of every command reads the same small TOML."""

import tomllib
from collections.abc import Mapping
from pathlib import Path

from vargpt_schema.errors import UserError


def read_options(path: Path, parameters: Mapping[str, str]) -> dict[str, str]:
    """Options of a file as they would be typed, by the name of the parameter they set.

    `parameters` maps an option's long name without dashes (`shot-sets`) to its parameter. UserError
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
    options: dict[str, str] = {}
    for name, value in found.items():
        if name not in parameters:
            raise UserError(
                f"{path}: option {name!r} found, one of {', '.join(sorted(parameters))} was "
                "expected. Correct the name or take the line out."
            )
        if not isinstance(value, (str, int, float)):  # a bool is an int
            raise UserError(
                f"{path}: {name} is a {type(value).__name__}, text, a number, true or false was "
                "expected. Write it as on the command line."
            )
        options[parameters[name]] = str(value)
    return options
