"""How each page is followed in a test: what lies ready, what is made smaller, what is only read.

Patterns are searched in a command without its `uv run`; each must fit a command of its walk.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.docs import lying_ready

# Commands of any page that are read (test_commands_exist.py) and not run, and why.
NOT_RUN = {
    r"^pip install": "installs",
    r"^uv (sync|pip|venv|export)": "installs or resolves",
    r"^\./lmms/": "an environment of its own; the tests marked lmms ask it",
    r"^(pytest|ruff|pyright)": "parts of .ci/run",
    r"^snakemake": "an hour; tests/pipelines runs it cut down",
    r"^vargpt demo": "serves until Ctrl-C; tests/model/demo opens it in a browser",
    r"^ssh": "another machine",
    r"^python pipelines/small.py": "a GPU; tests/pipelines/test_small.py runs it with --cut",
    r"^python pipelines/paper_cost.py": "reads what a GPU measured; test_paper_cost.py runs it",
    r"^python benchmarks/gpu.py": "a GPU; tests/model/test_gpu_benchmark.py runs it small",
    r"^ray|--engine ray": "a cluster; the tests marked ray start one",
    r"^torchrun": "GPUs; tests start two ranks of each such command",
    r"^sbatch": "a cluster; tests/model/test_slurm_scripts.py runs it with srun replaced",
    r"^vargpt train \d \.\.\.": "a form, filled in on the same page",
    r"\$SLURM_ARRAY_TASK_ID|--part 3/16": "a cluster; tests/datagen runs two parts of two",
    r"^datagen caption IMAGES .*\[--model": "a form, filled in on the same page",
    r"timm-wheel": "needs the wheel of timm, which the line before downloads",
    r"llava-1.5-7b-hf|--inception": "published weights; tests/eval has files of the same layout",
}
DEEPSEEK = "http://127.0.0.1:{port}/v1 --model a-model --price 0.1,0.1 --key-env none"
PAID = {r"--writer deepseek (?!--dry-run)": f"--writer {DEEPSEEK} "}


@dataclass(frozen=True, slots=True)
class Walk:
    """Sections of one page that are typed one after the other, in a folder of their own."""

    page: str
    headings: tuple[str, ...] = ()  # () is the whole page
    lying_ready: Callable[[Path], None] | None = None  # what the page says one has already
    made_before: tuple[str, ...] = ()  # commands that make the rest of it
    smaller: Mapping[str, str] = field(default_factory=dict)  # pattern to replacement

    @property
    def name(self) -> str:
        """A file name."""
        first = "-".join(self.headings[:1]).split()[:3]
        return "-".join([self.page.replace("/", "-"), *first])


_STEPS = ("text_steps", "contrast_steps", "joint_steps", "decoder_steps", "num_checked")
_FEW_STEPS = " ".join(f"--set {name}=2" for name in _STEPS) + " --set decoder_batch_size=4"

WALKS = [
    Walk(
        "README.md",
        lying_ready=lying_ready.own_captions,
        smaller={
            **PAID,
            r"^datagen build-130k$": "datagen build-130k --rows 300",
            r"deepseek --dry-run": "deepseek --dry-run --rows 40",
            r"--max-usd 30": "--max-usd 30 --rows 40 --out ./130k-imagenet",
            r"^datagen build-(class|1270k|eval|stage2)": r"\g<0> --rows 1000",
        },
    ),
    Walk("docs/quickstart.md", smaller={r"--rows 2000": "--rows 200"}),
    Walk("docs/demo.md"),
    Walk("docs/development.md"),
    Walk("docs/reproduction.md"),
    Walk("docs/scaling.md"),
    Walk("pipelines/README.md"),
    Walk(
        "docs/data.md",
        ("1. The sample world",),
        smaller={r"^datagen build-130k$": "datagen build-130k --rows 300"},
    ),
    Walk(
        "docs/data.md",
        ("2. Published captions and a key",),
        lying_ready=lying_ready.published_captions,
        smaller={
            **PAID,
            r"--dry-run": "--dry-run --rows 60",
            r"--rows 100": "--rows 30",
            r"--writer https://host/v1": "--writer http://127.0.0.1:{port}/v1 --key-env none",
            r"--max-usd (30|60)": r"--max-usd \1 --rows 60",
        },
    ),
    Walk(
        "docs/data.md",
        ("3. Your own ImageNet, a GPU and a key", "`datagen caption`"),
        lying_ready=lying_ready.imagenet_and_captioner,
        smaller={
            **PAID,
            r"--out ./captions": "--out ./captions --model ~/blip2 --batch-size 8",
            r"--dry-run": "--dry-run --rows 20",
            r"--max-usd 30": "--max-usd 30 --rows 20",
        },
    ),
    Walk("docs/data.md", ("Where images and captions come from",)),
    Walk(
        "docs/data.md",
        ("`datagen build-stage2`: the mixture of stage 2",),
        lying_ready=lying_ready.inputs_of_stage_2,
        smaller={r"--out ./stage2": "--out ./stage2 --weights weights.tsv --rows 100"},
    ),
    Walk(
        "docs/data.md",
        ("The sample world",),
        made_before=("datagen build-130k --rows 40",),
        smaller={r"--rows 1000": "--rows 40"},
    ),
    Walk(
        "docs/training.md",
        smaller={
            r"--rows 20000": "--rows 300",
            r"^vargpt train image-tokenizer": r"\g<0> --set num_steps=4 --set batch_size=4",
            r"^vargpt train base": rf"\g<0> {_FEW_STEPS}",
            r"batch_size=32": "batch_size=4 --set max_steps=2",
            r"^vargpt generate": r"\g<0> --max-part-tokens 8",
        },
    ),
    Walk(
        "docs/evaluation.md",
        lying_ready=lying_ready.drawings_and_pictures,
        made_before=("vargpt init --preset tiny --out ./tiny",),
    ),
]
