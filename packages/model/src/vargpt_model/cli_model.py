"""The commands that make, use and show a model. Heavy imports wait until a command runs."""

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import typer

from vargpt_model.config_file import ConfigFile
from vargpt_model.given_paths import expect_there, model_config

Dtype = Annotated[
    Literal["auto", "float32", "bfloat16", "float16"],
    typer.Option(help="Type of the weights; auto: as they are stored."),
]
ModelFolder = Annotated[Path, typer.Option("--model", help="Folder that `vargpt init` made.")]
MinImages = Annotated[int, typer.Option(min=0, help="Images that every reply has.")]
MaxImages = Annotated[int, typer.Option(min=0, help="Images that no reply exceeds.")]
MaxPartTokens = Annotated[int, typer.Option(min=1, help="Tokens of one text part.")]
Temperature = Annotated[float, typer.Option(min=0, help="Of text; 0 = greedy.")]
Device = Annotated[
    str | None, typer.Option(help="cpu, cuda, cuda:1, ...", show_default="the first GPU, or cpu")
]


def init(
    out: Annotated[Path, typer.Option(help="Folder of the new model; run again to resume.")],
    preset: Annotated[
        Literal["tiny", "small", "7b"] | None, typer.Option(help="Random weights of this size.")
    ] = None,
    image_tokenizer: Annotated[
        Path | None, typer.Option(help="With --preset: folder of a trained image tokenizer.")
    ] = None,
    llava: Annotated[Path | None, typer.Option(help="Folder of llava-1.5-7b-hf.")] = None,
    var: Annotated[Path | None, typer.Option(help="var_d30.pth.")] = None,
    vae: Annotated[Path | None, typer.Option(help="vae_ch160v4096z32.pth.")] = None,
    vargpt: Annotated[
        Path | None, typer.Option(help="Folder of an official v1 checkpoint, or of this toolkit's.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of all random weights.")] = 0,
    dtype: Dtype = "auto",
    condition_rows: Annotated[
        Literal["var", "random"],
        typer.Option(help="With --var: its row for no class, or random as in the official code."),
    ] = "var",
    shard_gb: Annotated[float, typer.Option(min=0.001, help="Size of one weight file.")] = 5.0,
    config: ConfigFile = None,
) -> None:
    """Make a model: from published parts, from an official checkpoint, or random."""
    from vargpt_schema.errors import UserError

    given = [
        name
        for name, is_given in (
            ("--preset", preset is not None),
            ("--llava, --var and --vae", llava is not None or var is not None),
            ("--vargpt", vargpt is not None),
        )
        if is_given
    ]
    if len(given) != 1:
        raise UserError(
            f"vargpt init: {' and '.join(given) or 'no source'} found, exactly one of --preset, "
            "--vargpt, or --llava with --var and --vae was expected. To try it out: --preset tiny."
        )
    if llava is not None or var is not None:
        lacking = [
            name for name, path in (("--llava", llava), ("--var", var), ("--vae", vae)) if not path
        ]
        if lacking:
            raise UserError(
                f"vargpt init: {' and '.join(lacking)} missing, all of --llava, --var and --vae "
                "were expected. Add them."
            )
    expect_there("--image-tokenizer", [image_tokenizer], "a folder of `vargpt train`")
    expect_there("--llava", [llava], "the folder of llava-1.5-7b-hf")
    expect_there("--var", [var], "var_d30.pth")
    expect_there("--vae", [vae], "vae_ch160v4096z32.pth")
    expect_there("--vargpt", [vargpt], "the folder of a VARGPT model")

    import torch

    from vargpt_model.weights import (
        start_from_official,
        start_from_preset,
        start_from_published,
        write_model,
    )
    from vargpt_model.weights.model_folder import is_complete

    paths = {"image_tokenizer": image_tokenizer, "llava": llava, "var": var, "vae": vae}
    settings = {
        "preset": preset,
        **{name: path and str(path.resolve()) for name, path in paths.items()},
        "vargpt": vargpt and str(vargpt.resolve()),
        "seed": seed,
        "dtype": dtype,
        "condition_rows": condition_rows,
        "shard_gb": shard_gb,
    }
    if is_complete(out, settings):
        typer.echo(f"made before, nothing to do -> {out}")
        return
    if preset is not None:
        start = start_from_preset(preset, seed=seed, image_tokenizer=image_tokenizer)
    elif vargpt is not None:
        start = start_from_official(vargpt, vae=vae)
    else:
        assert llava is not None
        assert var is not None
        assert vae is not None
        start = start_from_published(llava, var, vae, seed=seed, condition_rows=condition_rows)
    # The published sizes are trained in bfloat16; what is small stays as it is drawn.
    is_large = preset == "7b" or llava is not None
    chosen = "bfloat16" if dtype == "auto" and is_large else dtype
    write_model(
        out,
        start,
        settings,
        dtype=None if chosen == "auto" else getattr(torch, chosen),
        max_shard_bytes=int(shard_gb * 10**9),
    )
    typer.echo(f"{len(start.tensors):,} tensors -> {out}")


def generate(
    model: ModelFolder,
    prompts: Annotated[
        str, typer.Option(help="A prompt, or a file: text, JSONL or `eval_prompts` Parquet.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for pictures and rows; run again to resume.")],
    seed: Annotated[int, typer.Option(help="Of all replies; each has its own streams.")] = 0,
    guidance: Annotated[
        float | None, typer.Option(min=0, help="Guidance scale; 0 = off.", show_default="model's")
    ] = None,
    guidance_schedule: Annotated[
        Literal["linear", "constant"] | None,
        typer.Option(help="Over the scales.", show_default="model's"),
    ] = None,
    top_k: Annotated[
        int | None, typer.Option(min=0, help="Of codes; 0 = all.", show_default="model's")
    ] = None,
    top_p: Annotated[
        float | None, typer.Option(min=0, max=1, help="Of codes; 0 = off.", show_default="model's")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Prompts at once.")] = 8,
    min_images: MinImages = 0,
    max_images: MaxImages = 8,
    max_part_tokens: MaxPartTokens = 512,
    temperature: Temperature = 0.0,
    dtype: Dtype = "auto",
    device: Device = None,
    config: ConfigFile = None,
) -> None:
    """Answer prompts in text and pictures: PNG files and a `generations` table."""
    from vargpt_model.commands.prompts import read_prompts

    model_config(model)
    read = read_prompts(prompts)

    from vargpt_model.commands.generate_folder import generate_folder
    from vargpt_model.weights.model_folder import open_config
    from vargpt_schema.errors import UserError

    drawing = _drawing(open_config(model).drawing_config, guidance, guidance_schedule, top_k, top_p)
    try:
        options = _options(min_images, max_images, max_part_tokens, temperature, drawing)
    except ValueError as error:
        raise UserError(f"vargpt generate: {error}.") from error
    try:
        made = generate_folder(
            model,
            read,
            out,
            seed=seed,
            options=options,
            batch_size=batch_size,
            dtype=_dtype(dtype),
            device=device,
        )
    except KeyboardInterrupt:
        words = shlex.join(["vargpt", *sys.argv[1:]])
        typer.echo(f"stopped; what is done is saved. Continue with: {words}", err=True)
        raise typer.Exit(130) from None
    typer.echo(
        f"{made.num_prompts:,} prompts, {made.num_images:,} images, {made.num_without_image:,} "
        f"replies without one -> {out}"
    )


def chat(
    model: ModelFolder,
    out: Annotated[Path, typer.Option(help="Folder for drawn pictures.")] = Path("chat"),
    seed: Annotated[int, typer.Option(help="Of the conversation.")] = 0,
    min_images: MinImages = 0,
    max_images: MaxImages = 8,
    max_part_tokens: MaxPartTokens = 512,
    temperature: Temperature = 0.0,
    dtype: Dtype = "auto",
    device: Device = None,
    config: ConfigFile = None,
) -> None:
    """Talk with a model in the terminal. /image PATH shows it a picture, /quit ends."""
    model_config(model)

    from vargpt_model.commands.chat import HELP, Chat
    from vargpt_model.weights.model_folder import open_model
    from vargpt_schema.errors import UserError

    try:
        options = _options(min_images, max_images, max_part_tokens, temperature, None)
    except ValueError as error:
        raise UserError(f"vargpt chat: {error}.") from error
    opened = open_model(model, dtype=_dtype(dtype), device=device)
    typer.echo(HELP, err=True)
    talk = Chat(
        opened,
        out,
        seed=seed,
        options=options,
        write=lambda text: typer.echo(text, nl=False),
        note=lambda text: typer.echo(text, err=True),
    )
    try:
        talk.run(_typed_lines())
    except KeyboardInterrupt:
        typer.echo("", err=True)
    typer.echo(f"{talk.num_turns:,} turns, {talk.num_saved:,} images -> {out}")


def _typed_lines() -> Iterator[str]:
    """Lines of stdin, behind a mark where somebody types them."""
    while True:
        if sys.stdin.isatty():
            typer.echo("> ", nl=False, err=True)
        line = sys.stdin.readline()
        if not line:
            return
        yield line


def demo(
    model: ModelFolder,
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 opens it to the network.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 = any free one.")] = 7860,
    min_images: MinImages = 0,
    max_images: MaxImages = 8,
    max_part_tokens: MaxPartTokens = 512,
    temperature: Temperature = 0.0,
    dtype: Dtype = "auto",
    device: Device = None,
    config: ConfigFile = None,
) -> None:
    """Talk with a model on a page in the browser: pictures in and out. Ctrl-C ends it."""
    model_config(model)

    from vargpt_model.demo.server import bound_socket, expect_gradio, is_loopback, serve
    from vargpt_schema.errors import UserError

    expect_gradio()
    from vargpt_model.weights.model_folder import open_model

    try:
        options = _options(min_images, max_images, max_part_tokens, temperature, None)
    except ValueError as error:
        raise UserError(f"vargpt demo: {error}.") from error
    with bound_socket(host, port) as listening:
        opened = open_model(model, dtype=_dtype(dtype), device=device)
        if not is_loopback(host):
            typer.echo(
                f"warning: everybody who reaches {host} can use this model; there is no password",
                err=True,
            )
        shown_host = f"[{host}]" if ":" in host else host
        address = f"http://{shown_host}:{listening.getsockname()[1]}"
        talk = serve(
            opened,
            model.resolve().name,
            listening,
            options,
            on_ready=lambda: typer.echo(f"open {address} in a browser; Ctrl-C ends", err=True),
        )
    typer.echo(f"{talk.num_replies:,} replies, {talk.num_images:,} images")


def inspect(model: ModelFolder, config: ConfigFile = None) -> None:
    """Show parameters by part, what each stage trains, and the memory it takes."""
    model_config(model)

    from vargpt_model.commands.inspection import report_lines
    from vargpt_model.weights.model_folder import open_config

    for line in report_lines(open_config(model)):
        typer.echo(line)


def _dtype(name: str):
    import torch

    return None if name == "auto" else getattr(torch, name)


def _drawing(own, guidance, schedule, top_k, top_p):
    from dataclasses import replace

    asked = {
        "guidance_scale": guidance,
        "guidance_schedule": schedule,
        "top_k": top_k,
        "top_p": top_p,
    }
    return replace(own, **{name: value for name, value in asked.items() if value is not None})


def _options(min_images, max_images, max_part_tokens, temperature, drawing):
    from vargpt_model.generation import GenerationOptions

    return GenerationOptions(
        min_images=min_images,
        max_images=max_images,
        max_part_tokens=max_part_tokens,
        temperature=temperature,
        drawing=drawing,
    )
