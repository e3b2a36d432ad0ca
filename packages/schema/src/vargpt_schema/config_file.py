"""Options from a file: `--config FILE` of every command reads the same small TOML."""

import tomllib
from collections.abc import Set
from pathlib import Path
from typing import Any

from vargpt_schema.errors import UserError


def read_options(path: Path, known: Set[str]) -> dict[str, Any]:
    """Options of a file by parameter name (`shot-sets` gives `shot_sets`).

    UserError for a file that is no TOML or holds a name that is not `known`.
    """
    try:
        found = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = " ".join(str(error).split())
        raise UserError(
            f"{path}: cannot be read as TOML ({reason}), lines such as `rows = 1000` were "
            "expected. Correct the file, or give the options on the command line."
        ) from error
    options = {name.replace("-", "_"): value for name, value in found.items()}
    unknown = sorted(options.keys() - known)
    if unknown:
        raise UserError(
            f"{path}: option {unknown[0]!r} found, one of {', '.join(sorted(known))} was expected. "
            "Correct the name or take the line out."
        )
    return options
