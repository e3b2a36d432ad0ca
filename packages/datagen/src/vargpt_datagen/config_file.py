"""`--config FILE`: a YAML file whose keys are option names; options on the command line win."""

from pathlib import Path
from typing import Annotated, Any

import typer


def read_config(path: Path, known: set[str]) -> dict[str, Any]:
    """Options of a file by parameter name; UserError for what is not a mapping of `known` names."""
    import yaml

    from vargpt_schema.errors import UserError

    try:
        found = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise UserError(
            f"{path}: cannot be read as YAML ({reason}). Give a file of `option: value` lines."
        ) from error
    if not isinstance(found, dict):
        raise UserError(
            f"{path}: {type(found).__name__} found, `option: value` lines were expected. "
            "Write one option a line, such as `rows: 1000`."
        )
    options = {str(name).replace("-", "_"): value for name, value in found.items()}
    unknown = sorted(options.keys() - known)
    if unknown:
        raise UserError(
            f"{path}: option {unknown[0]!r} found, one of {', '.join(sorted(known))} was expected. "
            "Correct the name or take the line out."
        )
    return options


def _apply(context: typer.Context, value: Path | None) -> Path | None:
    if value is not None:
        known = {param.name for param in context.command.params if param.name} - {"config", "help"}
        context.default_map = {**(context.default_map or {}), **read_config(value, known)}
    return value


ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="YAML file of options; the command line wins.",
        is_eager=True,
        callback=_apply,
    ),
]
