"""`vargpt-eval stats make|show`: reference statistics of image features."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vargpt_eval.config_file import ConfigFile
from vargpt_eval.counted import counted
from vargpt_eval.extras import needs_extra
from vargpt_eval.progress_lines import lines_on_stderr
from vargpt_schema.errors import UserError

if TYPE_CHECKING:
    from vargpt_eval.extracting.image_statistics import Shard

stats = typer.Typer(help="Reference statistics of image features.", no_args_is_help=True)

_WHOLE = "0/1"
_IMAGES = "./val --inception ./weights/pt_inception-2015-12-05-6726825d.pth --centre-crop 256"


@stats.command(epilog=f"Example: vargpt-eval stats make {_IMAGES} --out ./ref.npz")
def make(
    sources: Annotated[
        list[Path],
        typer.Argument(
            help="Images: a folder, .tar, .parquet, .npz. Or .npy files of (images, features). "
            "Or .npz files of statistics, to be joined."
        ),
    ],
    out: Annotated[Path, typer.Option(help="File to write, ending in .npz.")],
    extractor: Annotated[
        str | None,
        typer.Option(help="Of files that name none: network, weights and resizing."),
    ] = None,
    inception: Annotated[
        Path | None,
        typer.Option(help="Inception's weights.", show_default="a seeded random network"),
    ] = None,
    centre_crop: Annotated[
        int | None, typer.Option(min=8, help="Crop images to squares of so many px.")
    ] = None,
    shard: Annotated[
        str, typer.Option(help="I/N: part I (from 0) of N of the images, to be joined later.")
    ] = _WHOLE,
    batch_size: Annotated[int, typer.Option(min=1, help="Images at once.")] = 32,
    config: ConfigFile = None,
) -> None:
    """Mean and covariance in float64 of images, of stored features, or of parts of both."""
    from vargpt_eval.generation.statistics_file import (
        array_names,
        merged_statistics,
        statistics_of_files,
        write_statistics,
    )

    work = out.with_name(f"{out.name}.work")
    lost: list[str] = []
    of_images = {"--inception": inception, "--centre-crop": centre_crop}
    if shard != _WHOLE:
        of_images["--shard"] = shard
    if all(path.suffix == ".npy" for path in sources):
        _expect_absent(of_images, sources[0], "features")
        if extractor is None:
            raise UserError(
                f"{sources[0]}: features without the name of their extractor found, one expected. "
                "Name it with --extractor."
            )
        statistics = statistics_of_files(sources, extractor)
    elif all(path.suffix == ".npz" for path in sources) and (
        len(sources) > 1 or "mu" in array_names(sources[0])
    ):
        _expect_absent(of_images, sources[0], "statistics")
        statistics = merged_statistics(sources, extractor)
    elif len(sources) == 1:
        _expect_absent({"--extractor": extractor}, sources[0], "images")
        with needs_extra("gen"):
            from vargpt_eval.extracting.image_statistics import statistics_of_images

            part = _shard(shard)
        statistics, lost = statistics_of_images(
            sources[0],
            work,
            lines_on_stderr("images"),
            inception=inception,
            centre_crop_px=centre_crop,
            shard=part,
            batch_size=batch_size,
        )
    else:
        raise UserError(
            f"{sources[0]} and {len(sources) - 1} more: sources of several kinds found; one of "
            "images, or .npy files alone, or files of statistics alone expected. Make statistics "
            "of each, then join those."
        )
    write_statistics(out, statistics)
    shutil.rmtree(work, ignore_errors=True)
    if lost:
        typer.echo(f"{counted(len(lost), 'image')} not decoded, the first {lost[0]}", err=True)
    typer.echo(
        f"{counted(statistics.num_images or 0, 'image')}, "
        f"{counted(len(statistics.mean), 'feature')} each -> {out}"
    )


def _expect_absent(options: Mapping[str, object], source: Path, kind: str) -> None:
    """Options that would change nothing."""
    given = next((name for name, value in options.items() if value is not None), None)
    if given is not None:
        raise UserError(f"{source}: {kind} found, for which {given} changes nothing. Leave it out.")


def _shard(text: str) -> "Shard":
    from vargpt_eval.extracting.image_statistics import Shard

    index, _, count = text.partition("/")
    if not (index.isdecimal() and count.isdecimal() and int(index) < int(count)):
        raise UserError(
            f"--shard {text}: I/N with 0 <= I < N expected. Give 0/4 for the first of four parts."
        )
    return Shard(int(index), int(count))


@stats.command(epilog="Example: vargpt-eval stats show ./ref.npz")
def show(
    file: Annotated[Path, typer.Argument(help="Statistics, ours or the evaluator's .npz.")],
    extractor: Annotated[
        str | None, typer.Option(help="Of a file that does not name its own.")
    ] = None,
    config: ConfigFile = None,
) -> None:
    """What a file of statistics holds; refuses one that no distance can be taken from."""
    from vargpt_eval.generation.frechet import factor
    from vargpt_eval.generation.statistics_file import read_statistics

    found = read_statistics(file, extractor)
    statistics = found.statistics
    rank = factor(statistics.covariance).lower.shape[1]
    num_images = "not stated" if statistics.num_images is None else f"{statistics.num_images:,}"
    typer.echo(f"sha256      {found.sha256}")
    typer.echo(f"extractor   {statistics.extractor}")
    typer.echo(f"images      {num_images}")
    typer.echo(f"trace       {statistics.covariance.trace():,.4f}")
    features = counted(len(statistics.mean), "feature")
    typer.echo(f"{features}, covariance of rank {rank:,} -> {file}")
