"""What a GPU makes of the model: floors of the machine, then drawing and training, idea by idea.

One run of at most ten minutes. Needs torch, transformers, numpy, pillow, pyarrow, jinja2, pyyaml
and safetensors; the toolkit need not be installed, and weights are random.

Run: PYTHONPATH=$(echo packages/*/src | tr ' ' ':') python benchmarks/gpu.py [--out FILE.json]
     --device cpu --small   exercises every line on a processor in seconds; its figures mean nothing
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from unittest.mock import patch

import torch
from captioning_line import captioning_figures  # beside this file, as are these two
from plain_train import densely_masked
from stage_steps import stage_figures
from torch import Tensor

from vargpt_model import (
    DrawingConfig,
    GenerationOptions,
    ImageTokenizer,
    ImageTokenizerConfig,
    ScaleSampler,
    VargptForConditionalGeneration,
    VisualDecoder,
    VisualDecoderConfig,
    drawing,
)
from vargpt_model.generation.parts import Event, ImageEvent, ImageStartEvent
from vargpt_model.vargpt.presets import preset_7b, preset_tiny
from vargpt_model.visual_decoder import block, code_cross_entropy, initialize
from vargpt_model.visual_decoder.key_value_cache import KeysValues, KeyValueCache

BUDGET_S = 540  # no new line is begun behind this


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the table."""

    name: str
    predicted: str  # written before the run
    measured: float
    unit: str


@dataclass(frozen=True, slots=True)
class Machine:
    """Where to run, and how large."""

    device: torch.device
    dtype: torch.dtype
    small: bool

    def seconds(self, work: Callable[[], object], *, repeats: int = 5) -> float:
        """Median of the repeats after two warm-ups."""
        for _ in range(1 if self.small else 2):
            work()
        times = []
        for _ in range(1 if self.small else repeats):
            self.wait()
            started = time.perf_counter()
            work()
            self.wait()
            times.append(time.perf_counter() - started)
        return sorted(times)[len(times) // 2]

    def wait(self) -> None:
        """Until the device has done what it was asked."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def decoder(self, depth: int) -> VisualDecoder:
        """Random weights in the working dtype."""
        config = VisualDecoderConfig.var(2 if self.small else depth)
        with self.device:
            decoder = VisualDecoder(config).to(self.dtype).eval()
        initialize(decoder)
        return decoder

    def tokenizer(self) -> ImageTokenizer:
        """Random weights in float32."""
        channels = 32 if self.small else 160
        with self.device:
            return ImageTokenizer(ImageTokenizerConfig(base_channels=channels)).eval()


def floors(machine: Machine) -> Iterator[Line]:
    """Copy bandwidth and bf16 GEMM rate of this machine."""
    size = 1 << (20 if machine.small else 30)
    source = torch.empty(size, dtype=torch.uint8, device=machine.device)
    target = torch.empty_like(source)
    copied_s = machine.seconds(lambda: target.copy_(source))
    yield Line(
        "copy, read and written", "3,000 (H100), 4,300 (H200)", 2 * size / copied_s / 1e9, "GB/s"
    )
    side = 256 if machine.small else 8192
    a, b = torch.randn(2, side, side, device=machine.device, dtype=machine.dtype).unbind(0)
    product_s = machine.seconds(lambda: a @ b)
    yield Line("GEMM of 8192 in bf16", "790", 2 * side**3 / product_s / 1e12, "TFLOP/s")


class ConcatenatingCache(KeyValueCache):
    """The plain cache: new tensors at every scale."""

    def __init__(self, num_layers: int) -> None:
        self._pairs: list[KeysValues | None] = [None] * num_layers

    def append(self, layer: int, keys: Tensor, values: Tensor) -> KeysValues:
        """As `KeyValueCache.append`."""
        before = self._pairs[layer]
        pair = KeysValues(keys, values)
        if before is not None:
            pair = KeysValues(
                torch.cat([before.keys, keys], dim=2), torch.cat([before.values, values], dim=2)
            )
        self._pairs[layer] = pair
        return pair


def draw(
    decoder: VisualDecoder,
    tokenizer: ImageTokenizer,
    batch_size: int,
    *,
    modulate_every_scale: bool = False,
    concatenate: bool = False,
    decode_images: bool = True,
) -> None:
    """`draw_classes` with single ideas taken out again."""
    classes = torch.arange(batch_size, device=decoder.pos_start.device) % decoder.no_class
    rows = torch.cat([classes, torch.full_like(classes, decoder.no_class)])
    with torch.inference_mode():
        condition = decoder.conditions(rows)
        modulations = decoder.modulations(condition)
        cache = (
            ConcatenatingCache(decoder.config.num_layers)
            if concatenate
            else decoder.new_cache(len(rows))
        )
        sampler = ScaleSampler(tokenizer, range(batch_size), DrawingConfig())
        x = decoder.first_inputs(condition)
        for scale in range(len(decoder.ranges)):
            if modulate_every_scale:
                modulations = decoder.modulations(condition)
            logits, null_logits = decoder.decode(x, modulations, cache).chunk(2)
            features = sampler.step(sampler.guided(logits, null_logits))
            if features is not None:
                x = decoder.next_inputs(features.to(x.dtype), scale + 1).repeat(2, 1, 1)
        if decode_images:
            sampler.finish()


def filtered_by_topk(logits: Tensor, *, top_k: int = 0, top_p: float = 0.0) -> Tensor:
    """Top-k and top-p from the k largest alone; one of several equal k-th logits may be lost."""
    falling, order = logits.topk(top_k, dim=-1)
    probabilities = falling.softmax(dim=-1)
    dropped = probabilities.cumsum(dim=-1) - probabilities >= top_p
    dropped[..., 0] = False
    empty = torch.full_like(logits, -torch.inf)
    return empty.scatter_(-1, order, falling.masked_fill(dropped, -torch.inf))


def drawing_lines(machine: Machine) -> Iterator[Line]:
    """d30 at 256 px with guidance; an idea's line is the drawing with or without it."""
    decoder, tokenizer = machine.decoder(30), machine.tokenizer()
    weights_gb = sum(p.numel() * p.element_size() for p in decoder.parameters()) / 1e9
    yield Line("d30: weights read once a scale, ten scales", "40", 10 * weights_gb, "GB an image")

    def timed(name: str, predicted: str, batch_size: int, **settings: bool) -> Line:
        seconds = machine.seconds(lambda: draw(decoder, tokenizer, batch_size, **settings))
        return Line(
            f"{name}, batch {batch_size}", predicted, 1000 * seconds / batch_size, "ms an image"
        )

    for batch_size in (1, 2) if machine.small else (1, 8, 64):
        yield timed("as it is", "60 at 1: launches, not bandwidth", batch_size)
        yield timed(
            "modulations at every scale",
            "slower by a tenth at 1",
            batch_size,
            modulate_every_scale=True,
        )
        yield timed("cache by concatenation", "slower by a twentieth", batch_size, concatenate=True)
        yield timed(
            "without decoding images", "faster by 10 at 64", batch_size, decode_images=False
        )
        with patch.object(drawing, "filtered_logits", filtered_by_topk):
            yield timed("sampler on 900 of 4,096 logits", "faster by 1 at 64", batch_size)
        with compiled_blocks(decoder, machine):
            yield timed("blocks compiled", "half the time at 1", batch_size)
    tokenizer.decoder.to(machine.dtype).to(memory_format=torch.channels_last)
    tokenizer.post_quant_conv.to(machine.dtype)
    yield timed(
        "pixel decoder in bf16, channels last", "faster by 5 at 64", 2 if machine.small else 64
    )


class DrawingClock:
    """Seconds from the first opened image of a batch to its last finished one."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.started = self.seconds = 0.0

    def hear(self, event: Event) -> None:
        """Start and stop by what `generate` tells."""
        if isinstance(event, ImageStartEvent) and not self.started:
            self.machine.wait()
            self.started = time.perf_counter()
        if isinstance(event, ImageEvent):
            self.machine.wait()
            self.seconds = time.perf_counter() - self.started


def vargpt_lines(machine: Machine) -> Iterator[Line]:
    """The whole model, preset 7b: an image a prompt, text apart."""
    config = (preset_tiny if machine.small else preset_7b)()
    with machine.device:
        model = VargptForConditionalGeneration(config).eval()
    torch.nn.Module.to(model, machine.dtype)
    llm, decoder = (
        sum(p.numel() * p.element_size() for p in part.parameters()) / 1e9
        for part in (model.language_model, model.vargpt_gen)
    )
    yield Line("7b: LLM read 11 times, decoder 10 times", "188", 11 * llm + 10 * decoder, "GB")
    options = GenerationOptions(max_part_tokens=1, min_images=1, max_images=1)

    def drawn_s(batch_size: int) -> float:
        ids = torch.full((batch_size, 20), config.text.vocab_size // 2, device=machine.device)
        times = []
        for seed in range(1 if machine.small else 4):
            clock = DrawingClock(machine)
            seeds = range(seed, seed + batch_size)
            model.generate(ids, seeds=seeds, options=options, on_event=clock.hear)
            times.append(clock.seconds)
        return min(times)

    for batch_size, predicted in ((1, "100: 2.5 floors"), (4, "35"), (64, "15")):
        if machine.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        per_image_ms = 1000 * drawn_s(batch_size) / batch_size
        yield Line(f"7b drawing, batch {batch_size}", predicted, per_image_ms, "ms an image")
        if machine.device.type == "cuda":
            peak_gb = torch.cuda.max_memory_allocated() / 1e9
            yield Line(f"7b drawing, batch {batch_size}, peak", "24 at 4", peak_gb, "GB")


@contextmanager
def compiled_blocks(decoder: VisualDecoder, machine: Machine) -> Iterator[None]:
    """torch.compile on every block; every scale has its own shapes."""
    if machine.device.type != "cuda":
        yield
        return
    plain = [layer.forward for layer in decoder.layers]
    torch._dynamo.reset()
    for layer in decoder.layers:
        layer.forward = torch.compile(layer.forward, dynamic=False)  # pyright: ignore[reportAttributeAccessIssue]  # undone below
    try:
        yield
    finally:
        for layer, forward in zip(decoder.layers, plain, strict=True):
            layer.forward = forward


def captioning_lines(machine: Machine) -> Iterator[Line]:
    """BLIP-2 2.7B in bf16, preset vl-enriched: files to captions, and plain `generate`."""
    for figure in captioning_figures(machine.device, machine.seconds, small=machine.small):
        yield Line(*figure)


def stage_lines(machine: Machine) -> Iterator[Line]:
    """Steps of the three stages, preset 7b."""
    for figure in stage_figures(machine.device, machine.dtype, small=machine.small):
        yield Line(*figure)


def training_lines(machine: Machine) -> Iterator[Line]:
    """d16, teacher forcing, forward and backward, weights in the working dtype."""
    decoder = machine.decoder(16).train()
    count = 2 if machine.small else 32
    features = torch.randn(count, 679, 32, device=machine.device, dtype=machine.dtype)
    classes = torch.arange(count, device=machine.device)
    targets = torch.randint(4096, (count, 680), device=machine.device)

    def step() -> None:
        decoder.zero_grad()
        code_cross_entropy(decoder(classes, features), targets).mean().backward()

    yield Line("d16 step", "600", count / machine.seconds(step), "images/s")
    with patch.object(block, "block_causal_attention", densely_masked):
        yield Line(
            "d16 step, dense mask", "a tenth less", count / machine.seconds(step), "images/s"
        )


def encoding_lines(machine: Machine) -> Iterator[Line]:
    """256 px images to codes in float32 without TF32."""
    tokenizer = machine.tokenizer()
    count = 1 if machine.small else 32
    images = torch.rand(count, 3, 256, 256, device=machine.device) * 2 - 1
    seconds = machine.seconds(lambda: tokenizer.encode(images))
    yield Line("encode, float32", "150", count / seconds, "images/s")
    tokenizer.encoder.to(memory_format=torch.channels_last)
    seconds = machine.seconds(lambda: tokenizer.encode(images))
    yield Line("encode, float32, channels last", "as fast", count / seconds, "images/s")


def main() -> None:
    """Print the table while it grows; write it as JSON too."""
    parser = argparse.ArgumentParser(description="Floors, drawing and training.")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    machine = Machine(
        device=torch.device(options.device),
        dtype=torch.float32 if options.device == "cpu" else torch.bfloat16,
        small=options.small,
    )
    torch.manual_seed(0)
    if machine.small:
        torch.set_num_threads(1)
    name = torch.cuda.get_device_name() if machine.device.type == "cuda" else options.device
    print(f"{name}, torch {torch.__version__}, {machine.dtype}")
    print("| line | predicted | measured | unit |\n| --- | --- | --- | --- |")
    started, lines = time.monotonic(), []
    groups = (
        *(floors, captioning_lines, vargpt_lines, stage_lines),
        *(encoding_lines, training_lines, drawing_lines),
    )
    for line in chain.from_iterable(group(machine) for group in groups):
        lines.append(line)
        print(f"| {line.name} | {line.predicted} | {line.measured:.1f} | {line.unit} |", flush=True)
        if time.monotonic() - started > BUDGET_S:
            print(f"stopped behind {BUDGET_S} s; what is missing was not measured")
            break
    if options.out:
        report = {
            "device": name,
            "torch": torch.__version__,
            "small": options.small,
            "lines": [asdict(line) for line in lines],
        }
        options.out.write_text(json.dumps(report, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
