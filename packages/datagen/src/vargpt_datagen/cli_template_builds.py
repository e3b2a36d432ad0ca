"""The commands that put names and captions into templates: build-class, -1270k and -eval."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vargpt_datagen.cli_options import (
    InFlight,
    KeyEnv,
    MaxUsd,
    Model,
    Price,
    ReplyTimeout,
    Seeds,
    Writer,
)
from vargpt_datagen.config_file import ConfigFile
from vargpt_datagen.resumable import resumable

if TYPE_CHECKING:
    from vargpt_datagen.template_build import Built

Seed = Annotated[int, typer.Option(help="Seed of the plan.")]
ImageRoot = Annotated[
    Path | None, typer.Option(help="Where the report finds pictures of real images.")
]
WorkDir = Annotated[
    Path | None,
    typer.Option(help="Local folder for lock and progress.", show_default="OUT/.work"),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print the plan and the first rows; write nothing.")
]


def build_class(
    out: Annotated[
        Path | None, typer.Option(help="Output folder.", show_default="./class-<source>")
    ] = None,
    rows: Annotated[
        int | None,
        typer.Option(help="Rows to publish; may be raised later.", show_default="all images"),
    ] = None,
    seed: Seed = 0,
    captions: Annotated[
        str,
        typer.Option(help="world, hub, a captions file or folder, or a folder of ImageNet."),
    ] = "world",
    image_root: ImageRoot = None,
    form: Annotated[
        Literal["fig15", "section-4.2"], typer.Option(help="Which of the paper's two wordings.")
    ] = "fig15",
    name: Annotated[
        Literal["full", "first-lemma"],
        typer.Option(help="Class names as ImageNet has them, or up to the first comma."),
    ] = "full",
    work_dir: WorkDir = None,
    dry_run: DryRun = False,
    config: ConfigFile = None,
) -> None:
    """Build a request to draw its class for every training image, by default of the world."""
    from vargpt_datagen import build_class as build

    settings = build.BuildClassConfig(
        out=out,
        rows=rows,
        seed=seed,
        captions=captions,
        image_root=image_root,
        form=form,
        name=name,
        work_dir=work_dir,
    )
    if dry_run:
        typer.echo(build.dry_run_class(settings))
        return

    with resumable():
        _say(build.build_class(settings))


def build_1270k(
    out: Annotated[
        Path | None, typer.Option(help="Output folder.", show_default="./1270k-<source>")
    ] = None,
    rows: Annotated[
        int | None,
        typer.Option(
            help="Rows to publish; may be raised later.",
            show_default="1,270,000, or all usable captions",
        ),
    ] = None,
    seed: Seed = 0,
    captions: Annotated[
        str, typer.Option(help="world, hub, or a captions file or folder.")
    ] = "world",
    image_root: ImageRoot = None,
    templates: Annotated[
        Path | None,
        typer.Option(help="TOML file of templates.", show_default="304 + 96 shipped ones"),
    ] = None,
    style_safe: Annotated[
        bool,
        typer.Option("--style-safe", help="Call no photograph a drawing, painting or sketch."),
    ] = False,
    beside: Annotated[
        Path | None,
        typer.Option(help="A -130K build: its images come last, so that few are in both."),
    ] = None,
    work_dir: WorkDir = None,
    dry_run: DryRun = False,
    config: ConfigFile = None,
) -> None:
    """Put 1,270,000 captions into templates, by default those of the sample world."""
    from vargpt_datagen import build_1270k as build

    settings = build.Build1270kConfig(
        out=out,
        rows=rows,
        seed=seed,
        captions=captions,
        image_root=image_root,
        templates=templates,
        style_safe=style_safe,
        beside=beside,
        work_dir=work_dir,
    )
    if dry_run:
        typer.echo(build.dry_run_1270k(settings))
        return

    with resumable():
        _say(build.build_1270k(settings))


def build_eval(
    out: Annotated[
        Path | None, typer.Option(help="Output folder.", show_default="./eval-<source>")
    ] = None,
    rows: Annotated[
        int | None,
        typer.Option(
            help="Prompts to publish; may be raised later.",
            show_default="50,000, or all usable captions",
        ),
    ] = None,
    seed: Seed = 0,
    captions: Annotated[
        str, typer.Option(help="world, hub, or a captions file or folder.")
    ] = "world",
    image_root: ImageRoot = None,
    wording: Annotated[
        Literal["template", "llm"],
        typer.Option(help="Templates held out of training, or a model's words as in -130K."),
    ] = "template",
    seeds: Seeds = None,
    work_dir: WorkDir = None,
    writer: Writer = "offline",
    model: Model = None,
    key_env: KeyEnv = None,
    price: Price = None,
    in_flight: InFlight = 256,
    max_usd: MaxUsd = None,
    reply_timeout: ReplyTimeout = 600.0,
    dry_run: DryRun = False,
    config: ConfigFile = None,
) -> None:
    """Build 50,000 prompts to draw, 50 a class, from validation captions.

    Options from --seeds to --reply-timeout belong to --wording llm.
    """
    from vargpt_datagen import build_eval as build
    from vargpt_datagen.writer_config import WriterConfig

    settings = build.BuildEvalConfig(
        out=out,
        rows=rows,
        seed=seed,
        captions=captions,
        image_root=image_root,
        wording=wording,
        seeds=seeds,
        work_dir=work_dir,
        writer=WriterConfig(
            name=writer,
            model=model,
            key_env=key_env,
            price=price,
            in_flight=in_flight,
            max_usd=max_usd,
            reply_timeout_s=reply_timeout,
        ),
    )
    if dry_run:
        typer.echo(build.dry_run_eval(settings))
        return

    with resumable():
        _say(build.build_eval(settings))


def _say(built: "Built") -> None:
    if built.was_finished:
        typer.echo(f"{built.num_rows:,} rows were published already, nothing to do -> {built.out}")
    else:
        judged = "" if built.num_rejects is None else f", {built.num_rejects:,} rejects"
        paid = "" if built.usd is None else f", {built.usd:.2f} USD"
        typer.echo(f"{built.num_rows:,} rows{judged}{paid} -> {built.out}")
