"""The `datagen` command. Heavy imports wait until a command runs, so `--help` stays quick."""

import gc
import shlex
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from vargpt_datagen import cli_caption, cli_seeds, cli_sharing, cli_template_builds, cli_world
from vargpt_datagen.cli_options import (
    InFlight,
    JournalDir,
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

app = typer.Typer(
    help="Builds the VARGPT instruction data sets. Every command resumes when run again.",
    no_args_is_help=True,
    rich_markup_mode=None,  # the boxes cost 0.4 s of CPU time a call
    pretty_exceptions_enable=False,
    add_completion=False,
)

BuildDir = Annotated[Path, typer.Argument(help="Folder of a published build.", metavar="DIR")]


@app.command(
    "build-130k",
    epilog="Example: datagen build-130k --rows 1000 --out ./try && datagen verify ./try",
)
def build_130k(
    out: Annotated[
        Path | None, typer.Option(help="Output folder.", show_default="./130k-<source>")
    ] = None,
    rows: Annotated[int, typer.Option(help="Rows to publish; may be raised later.")] = 130_000,
    seed: Annotated[int, typer.Option(help="Seed of the plan.")] = 0,
    captions: Annotated[
        str, typer.Option(help="world, hub, or a Parquet file or folder of captions.")
    ] = "world",
    image_root: Annotated[
        Path | None, typer.Option(help="Where the report finds pictures of real captions.")
    ] = None,
    seeds: Seeds = None,
    shots: Annotated[
        Literal["pairs", "captions"],
        typer.Option(help="Shots with finished pairs, or captions alone as the paper words it."),
    ] = "pairs",
    shot_sets: Annotated[
        int | None,
        typer.Option(
            help="This many fixed sets of shots, for prefix caches.", show_default="random shots"
        ),
    ] = None,
    engine: Annotated[
        Literal["local", "ray"], typer.Option(help="This process, or callers on a Ray cluster.")
    ] = "local",
    workers: Annotated[
        int | None, typer.Option(help="Callers of Ray.", show_default="one a machine")
    ] = None,
    work_dir: JournalDir = None,
    writer: Writer = "offline",
    model: Model = None,
    key_env: KeyEnv = None,
    price: Price = None,
    in_flight: InFlight = 256,
    max_usd: MaxUsd = None,
    reply_timeout: ReplyTimeout = 600.0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print one request, tokens and USD; write nothing.")
    ] = False,
    config: ConfigFile = None,
) -> None:
    """Build 130,000 requests to draw a picture, by default from the sample world, offline."""
    from vargpt_datagen import build_130k as build
    from vargpt_datagen.writer_config import WriterConfig

    settings = build.Build130kConfig(
        out=out,
        rows=rows,
        seed=seed,
        captions=captions,
        image_root=image_root,
        seeds=seeds,
        shots=shots,
        shot_sets=shot_sets,
        engine=engine,
        workers=workers,
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
        typer.echo(build.dry_run_130k(settings))
        return
    gc.set_threshold(100_000, 50, 100)  # rows are many, and none of them is a cycle
    with resumable():
        built = build.build_130k(settings)
    if built.was_finished:
        typer.echo(f"{built.num_rows:,} rows were published already, nothing to do -> {built.out}")
    else:
        paid = "" if built.usd is None else f", {built.usd:.2f} USD"
        typer.echo(f"{built.num_rows:,} rows, {built.num_rejects:,} rejects{paid} -> {built.out}")


app.command(
    "build-class",
    epilog="Example: datagen build-class --rows 1000 --out ./class && datagen verify ./class",
)(cli_template_builds.build_class)
app.command(
    "build-1270k",
    epilog="Example: datagen build-1270k --rows 1000 --out ./1270k && datagen verify ./1270k",
)(cli_template_builds.build_1270k)
app.command(
    "build-eval",
    epilog="Example: datagen build-eval --rows 1000 --out ./eval && datagen verify ./eval",
)(cli_template_builds.build_eval)


@app.command(
    "build-stage2",
    epilog="Example: datagen build-stage2 --rows 1000 --out ./stage2 && datagen verify ./stage2",
)
def build_stage2(
    llava: Annotated[
        Path | None, typer.Option(help="llava_v1_5_mix665k.json.", show_default="sample world")
    ] = None,
    onevision: Annotated[
        Path | None,
        typer.Option(
            help="LLaVA-OneVision-Data, one folder a config.", show_default="sample world"
        ),
    ] = None,
    instruct: Annotated[
        Path | None, typer.Option(help="A -130K build.", show_default="sample world")
    ] = None,
    image_root: Annotated[
        Path | None,
        typer.Option(
            help="Where image paths start; OneVision's pictures are written there.",
            show_default="OUT/images, with the sample world",
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(help="Weights of OneVision's subsets, TSV.", show_default="shipped"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Output folder.", show_default="./stage2-<source>")
    ] = None,
    rows: Annotated[
        int | None,
        typer.Option(
            help="Rows in the paper's shares; may be raised later.",
            show_default="1,178,298; 11,783 from the sample world",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the draw.")] = 0,
    work_dir: Annotated[
        Path | None,
        typer.Option(help="Local folder for what is half done.", show_default="OUT/.work"),
    ] = None,
    config: ConfigFile = None,
) -> None:
    """Mix LLaVA-1.5, LLaVA-OneVision and -130K, by default small copies from the sample world."""
    from vargpt_datagen.stage2 import build

    settings = build.Stage2Config(
        out=out,
        rows=rows,
        seed=seed,
        llava=llava,
        onevision=onevision,
        instruct=instruct,
        image_root=image_root,
        weights=weights,
        work_dir=work_dir,
    )
    with resumable():
        built = build.build_stage2(settings)
    if built.was_finished:
        typer.echo(f"{built.num_rows:,} rows were published already, nothing to do -> {built.out}")
    else:
        short = f" ({built.num_short:,} fewer than asked for)" if built.num_short else ""
        typer.echo(f"{built.num_rows:,} rows{short}, {built.num_rejects:,} rejects -> {built.out}")


@app.command(epilog="Example: datagen verify ./130k-world")
def verify(folder: BuildDir, config: ConfigFile = None) -> None:
    """Check every file and row of a build. Exit 0: good; 1: a line per fault; 2: not a build."""
    from vargpt_datagen.verify import verify as faults_of

    faults = faults_of(folder)
    for fault in faults[:100]:
        typer.echo(fault)
    if len(faults) > 100:
        typer.echo(f"and {len(faults) - 100:,} more")
    typer.echo(f"faults: {len(faults):,} -> {folder}" if faults else f"good -> {folder}")
    raise typer.Exit(1 if faults else 0)


@app.command(epilog="Example: datagen recheck ./130k-imagenet")
def recheck(
    folder: BuildDir,
    captions: Annotated[
        str | None, typer.Option(help="Where the captions lie now.", show_default="as built")
    ] = None,
    seeds: Annotated[
        Path | None, typer.Option(help="Where the `seeds` table lies now.", show_default="as built")
    ] = None,
    config: ConfigFile = None,
) -> None:
    """Judge all replies of a build by today's rules and publish it anew; asks and pays nothing."""
    from vargpt_datagen.recheck import recheck as rechecked

    with resumable():
        found = rechecked(folder, captions=captions, seeds=seeds)
    if found.num_open:
        typer.echo(
            f"{found.num_open:,} rows are open. To ask for them, with your own --max-usd, --price "
            f"and --key-env: {found.command} --out {shlex.quote(str(folder))}",
            err=True,
        )
    typer.echo(
        f"{found.num_rows:,} rows ({found.num_left:,} left, {found.num_new:,} new, "
        f"{found.num_open:,} open), {found.num_rejects:,} rejects -> {folder}"
    )


@app.command(epilog="Example: datagen report ./130k-world")
def report(
    folder: BuildDir,
    image_root: Annotated[
        Path | None, typer.Option(help="Where the pictures of real captions are.")
    ] = None,
    config: ConfigFile = None,
) -> None:
    """Write report.html of a build again: gallery, plots, rejects, how it was made."""
    from vargpt_datagen.report import make_report

    typer.echo(f"report -> {make_report(folder, image_root)}")


@app.command(epilog="Example: datagen show ./130k-world --rejects --reason refusal")
def show(
    folder: BuildDir,
    rows: Annotated[int, typer.Option(help="How many to show.")] = 5,
    seed: Annotated[int, typer.Option(help="Seed of the choice.")] = 0,
    sample_id: Annotated[
        str | None, typer.Option("--id", help="The row with this sample_id.")
    ] = None,
    rejects: Annotated[bool, typer.Option("--rejects", help="Show what was dropped.")] = False,
    reason: Annotated[str | None, typer.Option(help="Rejects of this reason only.")] = None,
    config: ConfigFile = None,
) -> None:
    """Print rows or rejects of a build with everything they were made from."""
    from vargpt_datagen.show import show_text

    typer.echo(
        show_text(folder, rows=rows, seed=seed, sample_id=sample_id, rejects=rejects, reason=reason)
    )


@app.command(epilog="Example: datagen sample ./130k-world --rows 200")
def sample(
    folder: BuildDir,
    rows: Annotated[int, typer.Option(help="Rows to judge.")] = 200,
    seed: Annotated[int, typer.Option(help="Seed of the choice.")] = 0,
    read: Annotated[Path | None, typer.Option(help="Read the verdicts of this sheet back.")] = None,
    config: ConfigFile = None,
) -> None:
    """Write a review sheet, or read back the verdicts (good or bad) that people filled in."""
    from vargpt_datagen.sample import read_review_sheet, write_review_sheet

    if read is None:
        typer.echo(f"review sheet -> {write_review_sheet(folder, rows, seed)}")
    else:
        review = read_review_sheet(folder, read)
        typer.echo(f"{review.line()} -> {folder / 'review.json'}")


app.command(epilog="Example: datagen world --out ./world-pictures --rows 1000 --size 64")(
    cli_world.world
)


app.command(
    epilog="Example: datagen seeds --writer deepseek --max-usd 0.20 --out ./seeds",
)(cli_seeds.seeds)
app.command(
    epilog="Example: datagen caption ~/imagenet --out ./captions && datagen verify ./captions"
)(cli_caption.caption)
app.command(
    epilog="Example: datagen export ./130k-world --format llama-factory --out ./data/world.json"
)(cli_sharing.export)
app.command(epilog="Example: datagen push ./130k-world --repo me/sample-world-130k --dry-run")(
    cli_sharing.push
)


def main() -> None:
    """Run the command; a user's mistake is one line and exit code 2."""
    try:
        app()
    except Exception as error:
        from vargpt_datagen.printable import printable
        from vargpt_schema.errors import UserError, refused_path  # with it comes pyarrow

        refusal = refused_path(error) if isinstance(error, OSError) else error
        if not isinstance(refusal, UserError):
            raise
        typer.echo(f"error: {printable(str(refusal))}", err=True)
        sys.exit(2)
