"""The commands that hand a build on: `datagen export` and `datagen push`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from vargpt_datagen.config_file import ConfigFile
from vargpt_datagen.resumable import resumable

BuildDir = Annotated[Path, typer.Argument(help="Folder of a published build.", metavar="DIR")]
Form = Literal["llama-factory", "llama-factory-jsonl", "llava", "jsonl", "webdataset", "croissant"]


def export(
    folder: BuildDir,
    form: Annotated[Form, typer.Option("--format", help="What to write.")],
    out: Annotated[Path, typer.Option(help="New file; for webdataset a new folder.")],
    image_root: Annotated[
        Path | None,
        typer.Option(
            help="Where webdataset finds the pictures.",
            show_default="DIR/images, else the world's are drawn",
        ),
    ] = None,
    file_index: Annotated[
        bool,
        typer.Option("--file-index", help="Put the label index in front of LLaMA-Factory's rows."),
    ] = False,
    config: ConfigFile = None,
) -> None:
    """Write a build's rows in the form that a trainer reads."""
    from vargpt_datagen.export import export as exported

    with resumable():
        done = exported(folder, form, out, image_root=image_root, file_index=file_index)
    skipped = f", {done.num_skipped:,} without pictures left out" if done.num_skipped else ""
    beside = f", entry {out.stem} in {done.beside}" if done.beside else ""
    typer.echo(f"{done.num_rows:,} rows{skipped}{beside} -> {out}")


def push(
    folder: BuildDir,
    repo: Annotated[str, typer.Option(help="Repository on the hub.", metavar="OWNER/NAME")],
    public: Annotated[
        bool, typer.Option("--public", help="Let everybody see it; private otherwise.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List what would be sent; send nothing.")
    ] = False,
    token_env: Annotated[
        str, typer.Option(help="Environment variable with the hub's token.", metavar="NAME")
    ] = "HF_TOKEN",
    config: ConfigFile = None,
) -> None:
    """Send a build to the Hugging Face hub, after checking it as `datagen verify` does."""
    from vargpt_datagen.push import push as pushed

    done = pushed(folder, repo, public=public, dry_run=dry_run, token_env=token_env)
    if dry_run:
        for file in done.files:
            typer.echo(f"{file.size_bytes:>13,} B  {file.path}")
    what = f"{len(done.files):,} files, {done.size_bytes / 1e6:,.1f} MB"
    typer.echo(
        f"{what}, nothing sent: a dry run of {done.url}" if dry_run else f"{what} -> {done.url}"
    )
