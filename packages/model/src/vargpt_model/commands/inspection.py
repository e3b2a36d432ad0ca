"""`vargpt inspect`: parameters by part, what each stage trains, memory by type and set-up."""

from collections.abc import Iterator

import torch

from vargpt_model.stages import TRAINED_PARTS, is_trained
from vargpt_model.vargpt import VargptConfig, VargptForConditionalGeneration

PARTS = (
    ("vision_tower", "vision tower (CLIP)"),
    ("multi_modal_projector", "understanding projector"),
    ("language_model", "LLM (LLaMA)"),
    ("vae_local", "image tokenizer"),
    ("vargpt_gen", "visual decoder (VAR)"),
    ("image_gen_projector", "generation projector, in"),
    ("image_gen_projector_out", "generation projector, out"),
    ("guidance_null_states", "learned null states"),
)
GIGABYTE = 10**9
HALF_BYTES, FULL_BYTES = 2, 4
ADAM_BYTES = 3 * FULL_BYTES  # master copy and two moments, float32


def report_lines(config: VargptConfig) -> list[str]:
    """The page, from the configuration alone: no weights are read."""
    with torch.device("meta"):
        model = VargptForConditionalGeneration(config)
    counts = {name: parameter.numel() for name, parameter in model.named_parameters()}
    tensors = model.state_dict()
    total = sum(counts.values())
    lines = [f"{'part':28}{'parameters':>16}{'share':>9}"]
    for part, title in PARTS:
        own = sum(n for name, n in counts.items() if name.split(".")[0] == part)
        if own:
            lines.append(f"{title:28}{own:>16,}{own / total:>9.2%}")
    buffers = sum(t.numel() for name, t in tensors.items() if name not in counts)
    lines.append(f"{'all':28}{total:>16,}  and {buffers:,} numbers that are not trained")
    lines.append(f"{len(tensors):,} tensors on disk")
    lines += ["", *_sizes(config), "", *_stages(counts), "", *_memory(config, counts)]
    return lines


def _sizes(config: VargptConfig) -> Iterator[str]:
    yield f"{'context':28}{config.context_length:>16,} positions"
    yield f"{'an image to understand':28}{config.num_image_tokens:>16,} positions"
    yield f"{'an image to draw':28}{config.num_image_codes + 2:>16,} positions, start and end too"
    yield (
        f"guidance: {config.guidance_null} null, {config.drawing_config.guidance_schedule} "
        f"{config.drawing_config.guidance_scale}"
    )


def _stages(counts: dict[str, int]) -> Iterator[str]:
    yield f"{'stage':28}{'trained':>16}  parts"
    for stage, parts in TRAINED_PARTS.items():
        trained = sum(n for name, n in counts.items() if is_trained(stage, name))
        names = ", ".join(title for part, title in PARTS if _is_in(part, parts, counts))
        yield f"{stage:28}{trained:>16,}  {names}"


def _is_in(part: str, prefixes: tuple[str, ...], counts: dict[str, int]) -> bool:
    return any(name.split(".")[0] == part and name.startswith(prefixes) for name in counts)


def _memory(config: VargptConfig, counts: dict[str, int]) -> Iterator[str]:
    """Weights and optimiser states; activations come on top and depend on the batch."""
    tokenizer = sum(n for name, n in counts.items() if name.startswith("vae_local."))
    rest = sum(counts.values()) - tokenizer
    yield "computed memory, without activations; the image tokenizer is in float32 always"
    for title, width in (("float32", FULL_BYTES), ("bfloat16, float16", HALF_BYTES)):
        yield f"{'weights, ' + title:28}{_size(rest * width + tokenizer * FULL_BYTES):>16}"
    text = config.text
    position = 2 * text.num_hidden_layers * (text.num_key_value_heads or 1) * HALF_BYTES
    position *= text.hidden_size // text.num_attention_heads
    whole = _size(position * config.context_length)
    yield f"{'text cache, bfloat16':28}{whole:>16}  a row of the whole context"
    titles = ("1 GPU", "8 GPUs, ZeRO-2", "8 GPUs, ZeRO-3 or FSDP2")
    yield f"{'training, bfloat16':28}{titles[0]:>16}{titles[1]:>18}{titles[2]:>26}"
    held = rest * HALF_BYTES + tokenizer * FULL_BYTES
    for stage in TRAINED_PARTS:
        trained = sum(n for name, n in counts.items() if is_trained(stage, name))
        states = trained * (ADAM_BYTES + HALF_BYTES)  # with gradients
        one, zero_2, zero_3 = held + states, held + states / 8, (held + states) / 8
        yield f"{'stage ' + stage:28}{_size(one):>16}{_size(zero_2):>18}{_size(zero_3):>26}"


def _size(num_bytes: float) -> str:
    if num_bytes >= GIGABYTE:
        return f"{num_bytes / GIGABYTE:,.1f} GB"
    return f"{num_bytes / 10**6:,.1f} MB"
