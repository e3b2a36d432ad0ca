"""`vargpt-eval stats make|show`: reference statistics of image features."""

from pathlib import Path
from typing import Annotated

import typer

from vargpt_eval.config_file import ConfigFile

stats = typer.Typer(help="Reference statistics of image features.", no_args_is_help=True)


@stats.command(
    epilog="Example: vargpt-eval stats make ./features.npy --extractor inception --out ./ref.npz"
)
def make(
    features: Annotated[list[Path], typer.Argument(help=".npy files of (images, features).")],
    extractor: Annotated[str, typer.Option(help="Names network, weights and resizing.")],
    out: Annotated[Path, typer.Option(help="File to write, ending in .npz.")],
    config: ConfigFile = None,
) -> None:
    """Mean and covariance of stored features, batch by batch in float64."""
    from vargpt_eval.generation.statistics_file import statistics_of_files, write_statistics

    statistics = statistics_of_files(features, extractor)
    write_statistics(out, statistics)
    typer.echo(f"{statistics.num_images:,} images, {len(statistics.mean):,} features each -> {out}")


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
    typer.echo(f"{len(statistics.mean):,} features, covariance of rank {rank:,} -> {file}")
