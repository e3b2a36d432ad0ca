"""The tiny VARGPT from nothing to its scores on the sample world, each step a public command.

Run: OMP_NUM_THREADS=1 uv run --all-packages python benchmarks/tiny_vargpt.py --out DIR
Prints the figures with what they are to be read against, and what each part cost in CPU seconds;
docs/training.md has the results. Run again, it goes on where it stopped. `--frac 0.01` trains a
hundredth of the steps, to try it out.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tiny_vargpt_scores as scores

NUM_CURVE_POINTS = 6  # of stage 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Optimizer steps and settings of every part; all learning rates are peaks of a cosine."""

    frac: float  # of all steps
    num_scenes: int
    num_prompts: int

    def steps(self, count: int) -> int:
        """A number of steps, cut down by `frac`."""
        return max(2, round(count * self.frac))

    @property
    def image_tokenizer(self) -> list[str]:
        """Fewer steps than the preset's: scenes of one object are fewer."""
        return [f"num_steps={self.steps(5_000)}"]

    @property
    def base(self) -> list[str]:
        """The defaults of `vargpt train base`."""
        phases = {"text": 100, "contrast": 5_000, "joint": 1_600, "decoder": 500}
        return [f"{name}_steps={self.steps(count)}" for name, count in phases.items()]

    def stage(self, number: int) -> list[str]:
        """Stage 2 has the image loss, as in the official code: an LLM that never learned to carry
        the caption to the image's rows leaves the frozen decoder of stage 3 without it.
        """
        steps, peak_lr = {1: (120, 2e-3), 2: (2_000, 2e-3), 3: (2_800, 2e-3)}[number]
        settings = {
            "max_steps": self.steps(steps),
            "peak_lr": peak_lr,
            "batch_size": 32,
            "code_loss": "per_scale",
            "view": "whole",
            "warmup_frac": 0.05,
            "end_lr_frac": 0.02,
            "beta2": 0.95,
            "image_loss_weight": 1,
            "save_every": -(-self.steps(steps) // NUM_CURVE_POINTS) if number == 3 else 200,
        }
        return [f"{key}={value}" for key, value in settings.items()]


class Run:
    """OUT, and the commands that fill it."""

    def __init__(self, out: Path) -> None:
        self.out = out
        out.mkdir(parents=True, exist_ok=True)
        self._cpu_file = out / "cpu_seconds.json"
        self.cpu_seconds: dict[str, float] = (
            json.loads(self._cpu_file.read_text()) if self._cpu_file.is_file() else {}
        )
        self.environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def command(self, *words: object) -> None:
        """One public command, which is quick where it has nothing left to do."""
        self._wait(self._start(words))

    def trained(self, part: str, *words: object, checkpoints_to: Path | None = None) -> None:
        """A command that trains; its CPU seconds count, those of earlier calls included.

        Only a call that this program did not survive is missing. A finished part is left alone.
        With `checkpoints_to`, a copy of every checkpoint is kept there.
        """
        done = self.out / f"{part}.done"
        if done.exists():
            return
        before = _cpu_of_children()
        process = self._start(words)
        while checkpoints_to is not None and process.poll() is None:
            _keep_checkpoints(Path(str(words[-1])) / "checkpoints", checkpoints_to)
            time.sleep(0.5)
        process.wait()
        spent = _cpu_of_children() - before
        self.cpu_seconds[part] = self.cpu_seconds.get(part, 0.0) + spent
        self._cpu_file.write_text(json.dumps(self.cpu_seconds, indent=2) + "\n")
        self._wait(process)
        if checkpoints_to is not None:
            _keep_checkpoints(Path(str(words[-1])) / "checkpoints", checkpoints_to)
        done.touch()

    def _start(self, words: Sequence[object]) -> subprocess.Popen[bytes]:
        line = [str(word) for word in words]
        print("$", " ".join(line), file=sys.stderr, flush=True)
        program = Path(sys.executable).with_name(line[0])
        return subprocess.Popen([program, *line[1:]], env=self.environment)

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        if process.wait() != 0:
            raise SystemExit(f"exit code {process.returncode}; run the same line again to go on")


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _keep_checkpoints(folder: Path, kept: Path) -> None:
    """Only the newest two stay where they are made; a complete one has its final name."""
    for checkpoint in folder.glob("step-*"):
        target = kept / checkpoint.name
        if not target.exists():
            partial = kept / f".{checkpoint.name}"
            shutil.rmtree(partial, ignore_errors=True)
            shutil.copytree(checkpoint, partial)
            partial.rename(target)


def settings_of(pairs: Sequence[str]) -> list[str]:
    """--set for each."""
    return [word for pair in pairs for word in ("--set", pair)]


def make_data(run: Run, recipe: Recipe) -> None:
    """Pictures, captions, questions and requests of one-object scenes with full captions."""
    for split, rows in (
        ("train", recipe.num_scenes),
        ("validation", recipe.num_prompts),
        ("withheld", recipe.num_prompts),
    ):
        run.command(
            *("datagen", "world", "--rows", rows, "--size", 32, "--split", split, "--objects", 1),
            *("--full-captions", "--questions", "--prompts", "--out", run.out / split),
        )
    captions = run.out / "train" / "captions.parquet"
    run.command("datagen", "build-1270k", "--captions", captions, "--out", run.out / "draw")
    run.command(
        *("datagen", "build-eval", "--captions", run.out / "validation" / "captions.parquet"),
        *("--out", run.out / "prompts-validation"),
    )


def train(run: Run, recipe: Recipe) -> None:
    """Image tokenizer, base, stages 1 to 3."""
    out, world = run.out, run.out / "train"
    run.trained(
        "image tokenizer",
        *("vargpt", "train", "image-tokenizer", "--data", world / "captions.parquet"),
        *("--image-root", world, *settings_of(recipe.image_tokenizer)),
        *("--out", out / "image-tokenizer"),
    )
    run.command(
        *("vargpt", "encode", "--model", out / "image-tokenizer", "--images", world),
        *("--centre", "whole", "--out", out / "codes"),
    )
    run.command(
        *("vargpt", "init", "--preset", "tiny", "--image-tokenizer", out / "image-tokenizer"),
        *("--out", out / "untrained"),
    )
    run.trained(
        "base",
        *("vargpt", "train", "base", "--model", out / "untrained", "--data", world),
        *("--image-root", world, "--codes", out / "codes"),
        *settings_of(recipe.base),
        *("--out", out / "base"),
    )
    model = out / "base"
    rows = {1: ["draw"], 2: ["draw:1.5", "train/dialogues:0.7", "train/questions:0.5"], 3: ["draw"]}
    for number in (1, 2, 3):
        data = [word for name in rows[number] for word in ("--data", out / name)]
        run.trained(
            f"stage {number}",
            *("vargpt", "train", number, "--model", model, *data, "--image-root", world),
            *("--codes", out / "codes", *settings_of(recipe.stage(number))),
            *("--out", out / f"stage-{number}"),
            checkpoints_to=out / "curve" if number == 3 else None,
        )
        model = out / f"stage-{number}"


def draw(run: Run) -> None:
    """Greedy codes without guidance: full captions leave nothing to chance."""
    for model, split in (
        ("stage-3", "validation"),
        ("stage-3", "withheld"),
        ("untrained", "validation"),
    ):
        drawn = run.out / f"drawn-{model}-{split}"
        prompts = run.out / split / "prompts.parquet"
        if split == "validation":
            prompts = sorted((run.out / "prompts-validation").rglob("*.parquet"))[0]
        run.command(
            *("vargpt", "generate", "--model", run.out / model, "--prompts", prompts),
            *("--guidance", 0, "--top-k", 1, "--max-images", 1, "--max-part-tokens", 80),
            *("--batch-size", 100, "--out", drawn),
        )
        run.command(
            *("vargpt-eval", "world", "--generations", drawn, "--prompts", prompts),
            *("--out", run.out / f"scores-{model}-{split}"),
        )


def main() -> None:
    """Everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--frac", type=float, default=1.0, help="of all steps of training")
    parser.add_argument("--scenes", type=int, default=24_000, help="to train on")
    parser.add_argument("--prompts", type=int, default=1_000, help="of each split")
    words = parser.parse_args()
    recipe = Recipe(frac=words.frac, num_scenes=words.scenes, num_prompts=words.prompts)
    run = Run(words.out)
    make_data(run, recipe)
    train(run, recipe)
    draw(run)
    curve = scores.curve(
        run.out / "stage-2",
        run.out / "curve",
        run.out / "prompts-validation",
        num_prompts=min(300, words.prompts),
    )
    page = scores.report(run.out, run.cpu_seconds, curve, num_questions=words.prompts)
    (run.out / "report.md").write_text(page)
    print(page)


if __name__ == "__main__":
    main()
