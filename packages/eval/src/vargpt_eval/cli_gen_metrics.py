"""`vargpt-eval gen-metrics`: metrics of drawn images."""

from pathlib import Path
from typing import Annotated

import typer

from vargpt_eval.config_file import ConfigFile
from vargpt_eval.counted import counted
from vargpt_eval.extras import needs_extra
from vargpt_eval.progress_lines import lines_on_stderr


def gen_metrics(
    generations: Annotated[
        Path, typer.Option(help="`generations` table, or images: folder, .tar, .parquet, .npz.")
    ],
    out: Annotated[Path, typer.Option(help="Run folder; run again to resume.")],
    ref: Annotated[
        Path | None, typer.Option(help="Statistics (.npz), or real images to compare with.")
    ] = None,
    ref_images: Annotated[
        Path | None, typer.Option(help="Real images, for KID, precision, recall, FD-DINOv2.")
    ] = None,
    inception: Annotated[
        Path | None,
        typer.Option(help="Inception's weights.", show_default="a seeded random network"),
    ] = None,
    clip: Annotated[
        list[Path] | None, typer.Option(help="Folder of a CLIP model; may be repeated.")
    ] = None,
    dinov2: Annotated[Path | None, typer.Option(help="Folder of DINOv2, for FD-DINOv2.")] = None,
    prompts: Annotated[
        Path | None, typer.Option(help="`eval_prompts` table: captions, and what is missing.")
    ] = None,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Count prompts without an image.")
    ] = False,
    inception_score: Annotated[
        bool, typer.Option("--inception-score", help="Inception score too.")
    ] = False,
    centre_crop: Annotated[
        int | None, typer.Option(min=8, help="Crop real images to squares of so many px.")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Images at once.")] = 32,
    config: ConfigFile = None,
) -> None:
    """FID, KID, precision and recall, CLIP score of drawn images."""
    with needs_extra("gen"):
        from vargpt_eval.extracting.gen_metrics import GenMetricsConfig, measure_drawn

    chosen = GenMetricsConfig(
        inception=inception,
        ref=ref,
        ref_images=ref_images,
        clip=tuple(clip or ()),
        dinov2=dinov2,
        prompts=prompts,
        allow_missing=allow_missing,
        inception_score=inception_score,
        centre_crop_px=centre_crop,
        batch_size=batch_size,
    )
    done = measure_drawn(generations, out, chosen, lines_on_stderr("images"))
    figures = done.figures
    stamp = "" if figures["stamp"] is None else f" ({figures['stamp']})"
    for name, figure in figures["metrics"].items():
        typer.echo(f"{name}: {figure['value']:,.4f}{stamp}")
    typer.echo(
        f"{counted(figures['n'], 'image')}, {len(figures['undecodable']):,} undecodable, "
        f"{counted(figures['num_missing'], 'prompt')} without one -> {done.summary}"
    )
