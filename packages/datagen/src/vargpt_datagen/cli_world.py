"""The command that draws the sample world: `datagen world`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from vargpt_datagen.config_file import ConfigFile


def world(
    size: Annotated[int, typer.Option(help="Side of the pictures in px.")],
    out: Annotated[
        Path | None,
        typer.Option(help="Image root to draw into.", show_default="with --for: DIR/images"),
    ] = None,
    rows: Annotated[int | None, typer.Option(help="Draw the first so many scenes.")] = None,
    for_build: Annotated[
        Path | None, typer.Option("--for", help="Draw the pictures of this build's rows.")
    ] = None,
    split: Annotated[
        Literal["train", "validation", "withheld"],
        typer.Option(help="Whose scenes; withheld: shape-colour pairs that training never shows."),
    ] = "train",
    objects: Annotated[
        Literal["1", "2"] | None,
        typer.Option(help="Only scenes with so many objects.", show_default="any"),
    ] = None,
    full_captions: Annotated[
        bool, typer.Option("--full-captions", help="Only scenes whose caption names everything.")
    ] = False,
    questions: Annotated[
        bool,
        typer.Option(
            "--questions", help="Also write OUT/questions and OUT/dialogues, with answers."
        ),
    ] = False,
    prompts: Annotated[
        bool, typer.Option("--prompts", help="Also write OUT/prompts.parquet: requests to draw.")
    ] = False,
    config: ConfigFile = None,
) -> None:
    """Draw the sample world: its first scenes with a captions table, or a build's pictures."""
    from vargpt_datagen.progress import progress
    from vargpt_datagen.resumable import resumable
    from vargpt_datagen.world import draw_for_build, draw_world
    from vargpt_schema.errors import UserError

    is_chosen = split != "train" or objects is not None or full_captions or questions or prompts
    with resumable(), progress("pictures") as shown:
        if for_build is not None and rows is None and not is_chosen:
            drawn = draw_for_build(for_build, size, shown, out)
        elif for_build is None and rows is not None and out is not None:
            drawn = draw_world(
                out,
                rows,
                size,
                shown,
                split=split,
                num_objects=None if objects is None else int(objects),
                full_captions=full_captions,
                questions=questions,
                prompts=prompts,
            )
        else:
            raise UserError(
                "datagen world: --out DIR --rows N, or --for BUILD_DIR, was expected. "
                "Give one of the two; a build names its scenes itself, so --split, --objects, "
                "--full-captions, --questions and --prompts go with --rows. See datagen world "
                "--help."
            )
    typer.echo(f"{drawn.num_drawn:,} drawn, {drawn.num_kept:,} kept -> {drawn.folder}")
