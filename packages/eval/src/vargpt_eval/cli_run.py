"""`vargpt-eval run`: ask a model the benchmarks."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from vargpt_eval.config_file import ConfigFile
from vargpt_eval.counted import counted
from vargpt_eval.extras import needs_extra


def run(
    model: Annotated[
        Path, typer.Option(help="Folder of VARGPT, or of a Hugging Face image-text model.")
    ],
    tasks: Annotated[str, typer.Option(help="Benchmarks by lmms-eval name, commas between.")],
    data: Annotated[Path, typer.Option(help="Folder of downloaded data sets; see `doctor`.")],
    out: Annotated[Path, typer.Option(help="Run folder; run again to resume.")],
    profile: Annotated[
        str, typer.Option(help="Whose settings and reading: vargpt-0.3.0 or lmms-eval-0.7.3.")
    ] = "vargpt-0.3.0",
    limit: Annotated[
        int | None, typer.Option(min=1, help="First so many items; scores are stamped subset.")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Questions at once, as a batch.")] = 1,
    dtype: Annotated[
        Literal["auto", "float32", "bfloat16", "float16"], typer.Option(help="auto: as stored.")
    ] = "auto",
    retry_errors: Annotated[
        bool, typer.Option("--retry-errors", help="Ask again what gave an error.")
    ] = False,
    config: ConfigFile = None,
) -> None:
    """Ask a model the questions of benchmarks, store its answers and score them.

    Several GPUs: torchrun --nproc-per-node N -m vargpt_eval run ...
    """
    with needs_extra("model"):
        from vargpt_eval.benchmark.run import run_benchmarks
    from vargpt_eval.score import score_line

    done = run_benchmarks(
        model,
        [name.strip() for name in tasks.split(",") if name.strip()],
        data,
        out,
        profile=profile,
        limit=limit,
        batch_size=batch_size,
        dtype=dtype,
        retry_errors=retry_errors,
    )
    for one in done:
        if one.score is not None:
            typer.echo(score_line(one.score))
        else:
            left = f", {one.num_left:,} left to other processes" if one.num_left else ""
            typer.echo(
                f"{one.benchmark.name}: {counted(one.num_answers, 'answer')}, "
                f"{counted(one.num_errors, 'error')}, {one.num_truncated:,} cut off{left} "
                f"-> {out / 'answers'}"
            )
    num_answers = sum(one.num_answers for one in done)
    typer.echo(f"{counted(len(done), 'benchmark')}, {counted(num_answers, 'answer')} -> {out}")
