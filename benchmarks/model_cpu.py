"""How much of the processor's own GEMM and convolution rate the model reaches.

Every convolution and matrix product of a workload is recorded, then all are run alone, at the same
shapes and strides in the same order. "Share" is the time of such a pass over the time of the
workload, so what normalisation, activations, resampling and sampling cost lies between it and 1.
Attention counts with its FLOPs at the rate of the workload's products.

One thread, CPU seconds of this process: on shared cores threads wait for each other at barriers.

Run: python benchmarks/model_cpu.py [--repeats N] [--only NAME ...]
"""

import argparse
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from vargpt_model import (
    DrawingConfig,
    ImageTokenizer,
    ImageTokenizerConfig,
    VisualDecoder,
    VisualDecoderConfig,
    draw_classes,
)
from vargpt_model.visual_decoder import code_cross_entropy, initialize

PRODUCTS = {
    torch.ops.aten.convolution.default,
    torch.ops.aten.convolution_backward.default,
    torch.ops.aten.addmm.default,
    torch.ops.aten.mm.default,
    torch.ops.aten.bmm.default,
}
# The reference, in another run on another machine of the same kind (FoundationVision/VAR at commit
# 78b95394, torch 2.13.0, one thread): CPU seconds.
REFERENCE_CPU_S = {
    "encode": 2.98,
    "decode": 5.16,
    "draw d16": 13.8,
    "train d8": 7.75,
}


class Shape(NamedTuple):
    """A tensor argument, without its values."""

    sizes: tuple[int, ...]
    strides: tuple[int, ...]


class Product(NamedTuple):
    """One call of a convolution or matrix product."""

    operator: Any
    arguments: tuple[Any, ...]  # tensors as Shape


class ProductRecorder(TorchDispatchMode):
    """Notes products in their order."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Product] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        """Note the call, then make it."""
        if func in PRODUCTS:
            self.calls.append(Product(func, hashable(args)))
        return func(*args, **(kwargs or {}))


def hashable(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Arguments with tensors as shapes and lists as tuples."""
    return tuple(
        Shape(tuple(arg.shape), arg.stride())
        if isinstance(arg, Tensor)
        else tuple(arg)
        if isinstance(arg, list)
        else arg
        for arg in args
    )


def filled(arguments: tuple[Any, ...]) -> list[Any]:
    """Arguments with random tensors for shapes."""
    made = []
    for argument in arguments:
        if isinstance(argument, Shape):
            tensor = torch.empty_strided(argument.sizes, argument.strides)
            made.append(tensor.normal_())
        else:
            made.append(list(argument) if isinstance(argument, tuple) else argument)
    return made


class Timed(NamedTuple):
    """One workload."""

    name: str
    gflop: float
    products_s: float  # a pass of bare products, attention at their rate
    workload_s: float  # fastest of the repeats
    shares: list[float]  # of every repeat, rising


def cpu_s(work: Callable[[], object]) -> float:
    """CPU seconds of this process."""
    started = time.process_time()
    work()
    return time.process_time() - started


def measure(name: str, work: Callable[[], object], repeats: int) -> Timed:
    """Record a workload's products; then time a pass of them alone and a pass of the workload."""
    with ProductRecorder() as recorder, FlopCounterMode(display=False) as counter:
        work()
    flops = counter.get_flop_counts()["Global"]
    product_flops = sum(count for op, count in flops.items() if "attention" not in str(op))
    filled_in = {product: filled(product.arguments) for product in set(recorder.calls)}

    def products() -> None:
        for product in recorder.calls:
            product.operator(*filled_in[product])

    # By turns, so that a slow minute of the machine meets both.
    pairs = [(cpu_s(products), cpu_s(work)) for _ in range(repeats)]
    with_attention = counter.get_total_flops() / product_flops
    shares = sorted(bare * with_attention / ours for bare, ours in pairs)
    return Timed(
        name,
        gflop=counter.get_total_flops() / 1e9,
        products_s=min(bare for bare, _ in pairs) * with_attention,
        workload_s=min(ours for _, ours in pairs),
        shares=shares,
    )


def encoding() -> Callable[[], object]:
    """256 px, one image, the published sizes."""
    tokenizer = ImageTokenizer(ImageTokenizerConfig()).eval()
    pixels = torch.rand(1, 3, 256, 256) * 2 - 1
    return lambda: tokenizer.encode(pixels)


def decoding() -> Callable[[], object]:
    """256 px, one image, the published sizes."""
    tokenizer = ImageTokenizer(ImageTokenizerConfig()).eval()
    f_hat = torch.randn(1, 32, 16, 16)

    def decode() -> Tensor:
        with torch.inference_mode():
            return tokenizer.decode_features(f_hat)

    return decode


def drawing() -> Callable[[], object]:
    """d16, one image with guidance, decoding included."""
    decoder = VisualDecoder(VisualDecoderConfig.var(16)).eval()
    initialize(decoder)
    tokenizer = ImageTokenizer(ImageTokenizerConfig()).eval()
    config = DrawingConfig(guidance_scale=4, top_k=1, top_p=0)
    return lambda: draw_classes(decoder, tokenizer, [1], seeds=[0], config=config)


def training() -> Callable[[], object]:
    """d8, batch 4: forward and backward of one step, no optimizer."""
    decoder = VisualDecoder(VisualDecoderConfig.var(8)).train()
    initialize(decoder)
    features, class_ids = torch.randn(4, 679, 32), torch.arange(4)
    targets = torch.randint(4096, (4, 680))

    def step() -> None:
        decoder.zero_grad()
        code_cross_entropy(decoder(class_ids, features), targets).mean().backward()

    return step


WORKLOADS = {
    "encode": encoding,
    "decode": decoding,
    "draw d16": drawing,
    "train d8": training,
}


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description="Share of the processor's rate.")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=list(WORKLOADS), default=list(WORKLOADS))
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print(f"torch {torch.__version__}, one thread, fastest of {options.repeats}")
    print("| workload | GFLOP | bare products, CPU s | GFLOP/s | ours, CPU s | share | reference |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name in options.only:
        timed = measure(name, WORKLOADS[name](), options.repeats)
        print(
            f"| {name} | {timed.gflop:.1f} | {timed.products_s:.2f} "
            f"| {timed.gflop / timed.products_s:.0f} | {timed.workload_s:.2f} "
            f"| {timed.shares[len(timed.shares) // 2]:.2f} "
            f"({timed.shares[0]:.2f} - {timed.shares[-1]:.2f}) | {REFERENCE_CPU_S[name]:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
