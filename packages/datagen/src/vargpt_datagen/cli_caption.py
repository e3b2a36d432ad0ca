"""The command that captions images: `datagen caption`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from vargpt_datagen.config_file import ConfigFile
from vargpt_datagen.resumable import resumable


def caption(
    images: Annotated[Path, typer.Argument(help="Folder of images; paths start there.")],
    out: Annotated[Path, typer.Option(help="Output folder, as --captions of builds takes it.")],
    model: Annotated[
        str, typer.Option(help="A BLIP-2: folder, or repository on the hub.", metavar="PATH|ID")
    ] = "Salesforce/blip2-opt-2.7b",
    revision: Annotated[
        str | None, typer.Option(help="Of a repository.", show_default="the newest")
    ] = None,
    preset: Annotated[
        Literal["vl-enriched", "lavis"],
        typer.Option(help="Greedy, 20 tokens; or 5 beams, 30 tokens."),
    ] = "vl-enriched",
    prompt: Annotated[str, typer.Option(help="What captions go on from.")] = "",
    dtype: Annotated[
        Literal["float16", "bfloat16", "float32"] | None,
        typer.Option(help="Of the weights.", show_default="float16; bfloat16 for T5"),
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Images at once.", show_default="256 on a GPU, else 8")
    ] = None,
    rows_per_shard: Annotated[
        int, typer.Option(help="Images a file; a killed process loses one file at most.")
    ] = 4_096,
    decoders: Annotated[
        int | None,
        typer.Option(help="Processes that decode.", show_default="a processor each but one"),
    ] = None,
    part: Annotated[
        str | None,
        typer.Option(
            help="Make every N-th shard from the I-th on.",
            metavar="I/N",
            show_default="as torchrun says, else all",
        ),
    ] = None,
    engine: Annotated[
        Literal["local", "ray"], typer.Option(help="This process, or actors of a Ray cluster.")
    ] = "local",
    workers: Annotated[
        int | None, typer.Option(help="Actors of Ray.", show_default="one a GPU, or one")
    ] = None,
    work_dir: Annotated[
        Path | None, typer.Option(help="Local folder for locks.", show_default="OUT/.work")
    ] = None,
    config: ConfigFile = None,
) -> None:
    """Caption all images of a folder with BLIP-2; run it again to go on."""
    from vargpt_datagen.captioning import build

    settings = build.CaptionConfig(
        images=images,
        out=out,
        model=model,
        revision=revision,
        preset=preset,
        prompt=prompt,
        dtype=dtype,
        batch_size=batch_size,
        rows_per_shard=rows_per_shard,
        decoders=decoders,
        part=part,
        engine=engine,
        workers=workers,
        work_dir=work_dir,
    )
    with resumable():
        done = build.caption(settings)
    counts = f"{done.num_rows:,} captions, {done.num_skipped:,} images without"
    if done.was_finished:
        counts = f"{counts}, published already, nothing to do"
    elif done.num_shards_left:
        counts = f"{counts} in this part, {done.num_shards_left:,} shards left to others"
    typer.echo(f"{counts} -> {done.out}")
