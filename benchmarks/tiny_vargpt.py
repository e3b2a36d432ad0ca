"""What the figures of a finished tiny run are to be read against.

Run: uv run --all-packages python benchmarks/tiny_vargpt.py --run reproduction/tiny
Draws and answers with the untrained start by the public commands, then prints the run's figures
beside chance, the best constant, the untrained start, drawings judged by another prompt, and
withheld pairs; and what each step cost in CPU seconds. docs/training.md has the results.

Training keeps the two newest checkpoints of stage 3. With `--checkpoints DIR`, where copies of more
of them are (DIR/step-*, made while it ran), it prints what each of those draws.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import tiny_vargpt_scores as scores

GREEDY = ("--guidance", "0", "--top-k", "1", "--max-images", "1", "--max-part-tokens", "80")
NEEDED = (
    *("start/config.json", "stage2/manifest.json", "world-validation/prompts.parquet"),
    *(
        f"scores-stage3/{what}-{split}/summary.json"
        for what in ("read", "asked")
        for split in ("validation", "withheld")
    ),
)


def command(*words: object) -> None:
    """A public command, which is quick where it has nothing left to do."""
    line = [str(word) for word in words]
    print("$", " ".join(line), file=sys.stderr, flush=True)
    program = Path(sys.executable).with_name(line[0])
    # Its standard output is not ours, which is for the tables.
    done = subprocess.run([program, *line[1:]], check=False, stdout=sys.stderr)
    if done.returncode:
        raise SystemExit(f"exit code {done.returncode}; run the same line again to go on")


def score_untrained(run: Path, out: Path, num_questions: int) -> scores.Scored:
    """Drawings and answers of the model that training began with."""
    prompts = run / "world-validation" / "prompts.parquet"
    drawn, read, asked = out / "drawn", out / "read", out / "asked"
    command(
        *("vargpt", "generate", "--model", run / "start", "--prompts", prompts),
        *(*GREEDY, "--batch-size", 100, "--out", drawn),
    )
    command("vargpt-eval", "world", "--generations", drawn, "--prompts", prompts, "--out", read)
    command(
        *("vargpt-eval", "run", "--model", run / "start", "--tasks", "world_questions"),
        *("--data", run / "world-validation", "--limit", num_questions, "--batch-size", 100),
        *("--out", asked),
    )
    return scores.scored(read, asked)


def main(words: Sequence[str] | None = None) -> None:
    """Everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="folder of a finished workflow")
    parser.add_argument("--out", type=Path, help="default: RUN/beside")
    parser.add_argument("--checkpoints", type=Path, help="copies of stage 3's, step-*")
    given = parser.parse_args(words)
    for name in NEEDED:
        if not (given.run / name).is_file():
            raise SystemExit(
                f"{given.run / name}: not found, the folder of a finished run expected. Run the "
                "workflow first: snakemake -s pipelines/Snakefile --config scale=tiny"
            )
    out = given.out or given.run / "beside"
    trained, withheld = (
        scores.scored(
            *(given.run / "scores-stage3" / f"{what}-{split}" for what in ("read", "asked"))
        )
        for split in ("validation", "withheld")
    )
    untrained = score_untrained(given.run, out, len(trained.answers))
    lines = scores.figures_table(trained, withheld, untrained)
    seconds = scores.cpu_seconds(given.run)
    lines += scores.cost_table(seconds)
    if given.checkpoints is not None:
        lines += scores.curve_table(given.run, given.checkpoints, seconds)
    page = "\n".join(lines) + "\n"
    (out / "report.md").write_text(page)
    print(page)


if __name__ == "__main__":
    main()
