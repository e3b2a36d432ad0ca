"""Speed and memory of the scorers, the bootstrap and the Frechet distance.

Run: python benchmarks/eval_scores.py [vqav2|frechet|stream|seen] ...
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vargpt_eval.answers_file import read_answers
from vargpt_eval.generation.feature_statistics import FeatureStatistics, StatisticsStream
from vargpt_eval.generation.frechet import frechet_distance
from vargpt_eval.metrics.bootstrap import bootstrap_draws
from vargpt_eval.metrics.measure import measure
from vargpt_eval.scored_sample import scored_sample
from vargpt_eval.scoring.profile import PROFILES
from vargpt_eval.scoring.task import TASKS
from vargpt_schema import EvalSampleRecord

NUM_ANSWERS = 214_354  # VQAv2 val
QUESTIONS_PER_IMAGE = 5
FREQUENT = (
    "yes no 1 2 3 4 5 0 white black red blue green brown gray yellow man woman dog cat tennis "
    "frisbee skateboarding surfing pizza wood right left kitchen none grass nothing table winter"
)
WIDTH = 2_048  # of Inception's pool_3
NUM_IMAGES = 50_000


class Cost(NamedTuple):
    wall_s: float
    cpu_s: float


def cost_of(work: Callable[[], object]) -> Cost:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Cost(time.perf_counter() - wall, time.process_time() - cpu)


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def write_vqav2(path: Path) -> None:
    """Questions as on the hub: a quarter of the answers are rare texts of one to four words."""
    rng = random.Random(0)
    frequent = FREQUENT.split()

    def text() -> str:
        if rng.random() < 0.75:
            return rng.choice(frequent)
        letters = (
            "".join(rng.choices("abcdefghiklmnoprstuwy", k=rng.randint(2, 8))) for _ in "1234"
        )
        words = " ".join(list(letters)[: rng.randint(1, 4)])
        return words + rng.choice(["", "", "", ".", "'s", ", ok", "/x", "-b"])

    with path.open("w", encoding="utf-8") as file:
        for number in range(NUM_ANSWERS):
            texts = [text() for _ in range(rng.randint(1, 4))]
            answers = [
                {"answer": rng.choice(texts), "answer_confidence": "yes", "answer_id": one}
                for one in range(1, 11)
            ]
            row = {
                "question_id": number,
                "image_id": number // QUESTIONS_PER_IMAGE,
                "question": "What is it?",
                "answer_type": rng.choice(["yes/no", "number", "other"]),
                "answers": answers,
                "prediction": rng.choice(texts),
            }
            file.write(f"{json.dumps(row)}\n")


def vqav2() -> None:
    """The parts of `vargpt-eval score`, then the command as a process of its own."""
    task = TASKS["vqav2_val"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vqav2.jsonl"
        write_vqav2(path)
        command = [
            *(sys.executable, "-c", "from vargpt_eval.cli import main; main()", "score", str(path)),
            *("--task", task.name, "--out", str(Path(folder) / "run")),
        ]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        print(f"command: CPU {cpu_s:.1f} s, peak {after.ru_maxrss / 1024:,.0f} MB")

        stored = read_answers(path, task)
        samples: list[EvalSampleRecord] = []
        for profile in PROFILES:
            samples = []
            cost = cost_of(
                lambda profile=profile, samples=samples: samples.extend(
                    scored_sample(task, answered, profile) for answered in stored.answers
                )
            )
            print(f"score {len(samples):,} answers, {profile}: CPU {cost.cpu_s:.1f} s")
        alone = [replace(sample, cluster_id=sample.sample_id) for sample in samples]
        for kept in (samples, alone):
            measured = measure("mean", kept)
            cost = cost_of(
                lambda measured=measured: bootstrap_draws(measured.clusters, measured.metrics_of)
            )
            num_clusters = len(measured.clusters.cluster_ids)
            print(f"2,000 draws of {num_clusters:,} clusters: CPU {cost.cpu_s:.1f} s")
        print(f"peak of this process {peak_mb():,.0f} MB")


def covariance_pair(num_x: int, num_y: int) -> tuple[FeatureStatistics, FeatureStatistics]:
    """Two sets whose spectra fall as a power, as Inception's do, in one random basis."""
    turn = np.linalg.qr(np.random.default_rng(7).standard_normal((WIDTH, WIDTH)))[0]
    found = []
    for seed, num_images, decay in ((1, num_x, 0.8), (2, num_y, 0.7)):
        scales = np.arange(1, WIDTH + 1) ** -decay
        values = np.random.default_rng(seed).standard_normal((num_images, WIDTH)) * scales
        stream = StatisticsStream("random")
        stream.add(values @ turn + 0.01 * seed)
        found.append(stream.statistics())
    return found[0], found[1]


def eigenvalue_distance(one: FeatureStatistics, other: FeatureStatistics) -> float:
    """torch-fidelity 0.4.0's arithmetic, fid_statistics_to_metric, without its packages."""
    shift = one.mean - other.mean
    product = one.covariance.dot(other.covariance)
    roots = np.sqrt(np.linalg.eigvals(product).astype("complex128")).real
    traces = np.trace(one.covariance) + np.trace(other.covariance)
    return float(shift @ shift + traces - 2 * roots.sum())


def frechet(repeats: int = 3) -> None:
    for name, num_x, num_y in (
        ("regular", 6_000, 5_000),
        ("one singular", 1_000, 6_000),
        ("both singular", 1_500, 1_000),
        ("a few ranks short", 2_040, 2_047),
    ):
        pair = covariance_pair(num_x, num_y)
        ours, theirs = [], []
        for _ in range(repeats):
            ours.append(cost_of(lambda pair=pair: frechet_distance(*pair)))
            theirs.append(cost_of(lambda pair=pair: eigenvalue_distance(*pair)))
        difference = frechet_distance(*pair) / eigenvalue_distance(*pair) - 1
        parts = []
        for unit in ("wall_s", "cpu_s"):
            us, them = (sorted(getattr(one, unit) for one in side) for side in (ours, theirs))
            parts.append(
                f"{unit} ours {us[0]:.2f} to {us[-1]:.2f}, torch-fidelity's {them[0]:.2f} to "
                f"{them[-1]:.2f}, ratio of the least {us[0] / them[0]:.2f}"
            )
        print(f"{name}: {'; '.join(parts)}; relative difference {difference:.1e}")


def stream() -> None:
    """50,000 images' features in batches of 256; memory above the start."""
    before = peak_mb()
    batch: NDArray[np.float32] = (
        np.random.default_rng(0).standard_normal((256, WIDTH)).astype(np.float32)
    )
    gathered = StatisticsStream("random")

    def add_all() -> None:
        for start in range(0, NUM_IMAGES, len(batch)):
            gathered.add(batch[: NUM_IMAGES - start])

    cost = cost_of(add_all)
    statistics = gathered.statistics()
    print(
        f"{statistics.num_images:,} images streamed: CPU {cost.cpu_s:.1f} s, "
        f"{peak_mb() - before:,.0f} MB above the start"
    )


class StandIn:
    """Sees nothing: features of Inception's width from each image's first pixels."""

    name = "stand-in"

    def __init__(self) -> None:
        self.widths = {"pool_3": WIDTH}

    def extract(self, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        first = images.reshape(len(images), -1)[:, :WIDTH]
        return {"pool_3": first.astype(np.float32)}


def seen() -> None:
    """50,000 images of 64 px through `gen-metrics`' own path to a Frechet distance."""
    from vargpt_eval.extracting.extraction import FeatureExtraction, Networks

    before = peak_mb()
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        extraction = FeatureExtraction(Path(folder), Networks(extractors=[StandIn()]))

        def see_all() -> None:
            for start in range(0, NUM_IMAGES, 256):
                size = (min(256, NUM_IMAGES - start), 64, 64, 3)
                extraction.add(rng.integers(0, 256, size, dtype=np.uint8))

        cost = cost_of(see_all)
        statistics = extraction.folder.statistics("pool_3", StandIn.name)
        frechet_distance(statistics, statistics)
    print(
        f"{statistics.num_images:,} images seen: CPU {cost.cpu_s:.1f} s, "
        f"{peak_mb() - before:,.0f} MB above the start"
    )


PARTS: dict[str, Callable[[], None]] = {
    "stream": stream,
    "seen": seen,
    "vqav2": vqav2,
    "frechet": frechet,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; all by default")
    for name in parser.parse_args().parts or PARTS:
        PARTS[name]()


if __name__ == "__main__":
    main()
