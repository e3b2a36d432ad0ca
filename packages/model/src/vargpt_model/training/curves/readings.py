"""The numbers of a run's folder as named curves over steps."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

Curve = list[tuple[int, float]]  # step, value; ascending


class Readings(NamedTuple):
    """Curves by name: single numbers, and lists with a curve a scale."""

    single: dict[str, Curve]
    by_scale: dict[str, list[Curve]]
    last_step: int


def readings_of(folder: Path) -> Readings:
    """Of `metrics.jsonl` and `throughput.jsonl`; a line that is cut off is left out."""
    single: dict[str, Curve] = defaultdict(list)
    by_scale: dict[str, list[Curve]] = {}
    last_step = 0
    for name in ("metrics.jsonl", "throughput.jsonl"):
        for line in _lines(folder / name):
            step = line.pop("step")
            last_step = max(last_step, step)
            for key, value in line.items():
                if isinstance(value, list):
                    curves = by_scale.setdefault(key, [[] for _ in value])
                    for curve, number in zip(curves, value, strict=False):
                        curve.append((step, float(number)))
                elif isinstance(value, int | float):
                    single[key].append((step, float(value)))
    return Readings(dict(single), by_scale, last_step)


def _lines(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    lines = []
    for text in path.read_text("utf-8").splitlines():
        try:
            lines.append(json.loads(text))
        except ValueError:  # a kill cut the last line off
            continue
    return lines
