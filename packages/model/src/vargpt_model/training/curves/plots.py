"""Geometry of a run's plots; the template draws them as SVG. Lengths are SVG units."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from vargpt_model.training.curves.readings import Curve, Readings

WIDTH, HEIGHT = 520, 270
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 12, 34
MAX_POINTS = 160  # of a line; more are drawn as means, with a band from lowest to highest


class Tick(NamedTuple):
    at: float
    label: str


class Line(NamedTuple):
    name: str
    kind: str  # class of the drawing, which has its colour
    points: str
    band: str  # polygon; "" where every value is drawn
    last: str  # newest value


class Plot(NamedTuple):
    title: str
    note: str
    lines: list[Line]
    x_ticks: list[Tick]
    y_ticks: list[Tick]


class _Group(NamedTuple):
    title: str
    note: str
    names: Mapping[str, str]  # metric to its name on the page


GROUPS = (
    _Group(
        "Loss",
        "of the logged steps",
        {
            "loss": "all",
            "text_loss": "text",
            "image_loss": "image codes",
            "code_loss": "codes alike",
            "l1": "L1",
            "mse": "MSE",
            "quantizer_loss": "quantizer",
            "perceptual": "perceptual",
        },
    ),
    _Group(
        "Right",
        "share",
        {
            "text_accuracy": "tokens",
            "code_accuracy": "codes",
            "accuracy": "pictures found by their words",
            "hard_accuracy": "among other shapes",
            "question_accuracy": "questions",
            "shape_question_accuracy": "questions about shapes",
        },
    ),
    _Group("Learning rate", "", {"lr": "highest of all groups"}),
    _Group("Gradient norm", "before clipping", {"grad_norm": "norm"}),
    _Group("Codes in use", "", {"num_codes_used": "codes", "code_perplexity": "perplexity"}),
    _Group("Padding", "share of positions", {"padding_frac": "padding"}),
    _Group("Tokens a second", "without padding, all ranks", {"positions_per_s": "tokens"}),
    _Group("Images a second", "all ranks", {"images_per_s": "images"}),
    _Group("Steps a second", "", {"steps_per_s": "steps"}),
    _Group("Model FLOP use", "share of the GPUs' peak", {"model_flops_frac": "use"}),
    _Group("Memory", "bytes, most so far", {"memory_bytes": "memory"}),
)
SCALE_GROUPS = {
    "loss_by_scale": ("Loss by scale", "mean over the codes of a scale; first is the coarsest"),
    "accuracy_by_scale": ("Right by scale", "share of codes; first is the coarsest"),
    "codebook_use_by_scale": ("Codebook use by scale", "share of the codebook"),
}


def plots_of(readings: Readings) -> list[Plot]:
    """One plot for every group that has a curve."""
    plots = []
    for place, group in enumerate(GROUPS):
        curves = [
            (title, f"line-{number}", readings.single[name])
            for number, (name, title) in enumerate(group.names.items())
            if readings.single.get(name)
        ]
        if curves:
            plots.append(plot(group.title, group.note, curves, readings.last_step))
        if place == 0:
            plots += _scale_plots(readings)
    return plots


def _scale_plots(readings: Readings) -> list[Plot]:
    plots = []
    for name, (title, note) in SCALE_GROUPS.items():
        curves = [curve for curve in readings.by_scale.get(name, ()) if curve]
        if curves:
            last = max(len(curves) - 1, 1)
            named = [
                (f"scale {number + 1}", f"scale-{round(9 * number / last)}", curve)
                for number, curve in enumerate(curves)
            ]
            plots.append(plot(title, note, named, readings.last_step))
    return plots


def plot(title: str, note: str, curves: Sequence[tuple[str, str, Curve]], last_step: int) -> Plot:
    """Curves as (name, class, points) over steps 0 to `last_step`; values that are no number go."""
    kept = [
        (name, kind, [(step, value) for step, value in curve if math.isfinite(value)])
        for name, kind, curve in curves
    ]
    values = [value for _, _, curve in kept for _, value in curve]
    y_ticks = ticks(min(values, default=0.0), max(values, default=1.0))
    x_ticks = ticks(0, max(last_step, 1))
    low, high = y_ticks[0], y_ticks[-1]

    def x_of(step: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * step / max(last_step, 1), 1)

    def y_of(value: float) -> float:
        return round(TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low), 1)

    lines = []
    for name, kind, curve in kept:
        if not curve:
            continue
        bins = binned(curve)
        points = " ".join(f"{x_of(one.step)},{y_of(one.mean)}" for one in bins)
        band = ""
        if len(bins) < len(curve):
            edge = [f"{x_of(one.step)},{y_of(one.high)}" for one in bins]
            edge += [f"{x_of(one.step)},{y_of(one.low)}" for one in reversed(bins)]
            band = " ".join(edge)
        lines.append(Line(name, kind, points, band, label(curve[-1][1])))
    return Plot(
        title,
        note,
        lines,
        [Tick(x_of(step), label(step)) for step in x_ticks if step <= last_step],
        [Tick(y_of(value), label(value)) for value in y_ticks],
    )


class Bin(NamedTuple):
    """Neighbouring values of a curve as one."""

    step: float  # mean
    mean: float
    low: float
    high: float


def binned(curve: Curve) -> list[Bin]:
    """At most MAX_POINTS bins of equally many values; a value a bin where there are fewer."""
    size = math.ceil(len(curve) / MAX_POINTS)
    bins = []
    for start in range(0, len(curve), size):
        part = curve[start : start + size]
        values = [value for _, value in part]
        mean_step = sum(step for step, _ in part) / len(part)
        bins.append(Bin(mean_step, sum(values) / len(values), min(values), max(values)))
    return bins


def ticks(low: float, high: float) -> list[float]:
    """Four to eight round numbers that hold both ends between them."""
    if high <= low:
        low, high = (low - 1, low + 1) if low == 0 else (low - abs(low) / 2, low + abs(low) / 2)
    rough = (high - low) / 4
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (10, 5, 2.5, 2, 1) if power * factor <= rough)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


def label(value: float) -> str:
    """A number in few characters: 1.2k, 0.035, 4.1G, 5e-05."""
    for power, letter in ((9, "G"), (6, "M"), (3, "k")):
        if abs(value) >= 10**power:
            return f"{value / 10**power:.3g}{letter}"
    return f"{value:.0f}" if value == round(value) else f"{value:.3g}"
