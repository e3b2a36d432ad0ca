"""The commands that train, and `encode`. Heavy imports wait until a command runs."""

import shlex
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from vargpt_model.config_file import ConfigFile
from vargpt_model.given_paths import expect_there, model_config

Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Another value for a field; may be repeated."),
]


def train_image_tokenizer(
    out: Annotated[Path, typer.Option(help="Output folder; run again to resume.")],
    image_root: Annotated[Path, typer.Option(help="Folder that holds the images.")],
    data: Annotated[
        Path | None,
        typer.Option(
            help="`captions` or `instruct` Parquet file or folder that names the images.",
            show_default="every image below --image-root",
        ),
    ] = None,
    preset: Annotated[Literal["tiny", "7b"], typer.Option(help="Sizes of the model.")] = "tiny",
    perceptual_vgg: Annotated[
        Path | None, typer.Option(help="torchvision's vgg16-397923af.pth, for a perceptual term.")
    ] = None,
    perceptual_weights: Annotated[
        Path | None, typer.Option(help="vgg.pth of LPIPS 0.1, with --perceptual-vgg.")
    ] = None,
    set_model: Annotated[
        list[str] | None,
        typer.Option(
            "--set-model", metavar="KEY=VALUE", help="Another size of the model; may be repeated."
        ),
    ] = None,
    settings: Settings = None,
    config: ConfigFile = None,
) -> None:
    """Train an image tokenizer from random weights: images become codes of several scales."""
    expect_there("--image-root", [image_root], "the folder that holds the images")
    expect_there("--data", [data], "a `captions` or `instruct` table")
    expect_there("--perceptual-vgg", [perceptual_vgg], "vgg16-397923af.pth")
    expect_there("--perceptual-weights", [perceptual_weights], "vgg.pth of LPIPS 0.1")

    from vargpt_model.image_tokenizer.presets import IMAGE_TOKENIZER_PRESETS
    from vargpt_model.image_tokenizer_training import (
        ImageTokenizerTraining,
        PerceptualFiles,
    )
    from vargpt_model.image_tokenizer_training import train_image_tokenizer as train
    from vargpt_model.pictures import pictures_in, pictures_of
    from vargpt_model.settings import with_settings
    from vargpt_schema.errors import UserError

    if (perceptual_vgg is None) != (perceptual_weights is None):
        raise UserError(
            "--perceptual-vgg and --perceptual-weights: one of the two found, both or none were "
            "expected. Give both files."
        )
    files = None
    if perceptual_vgg is not None and perceptual_weights is not None:
        files = PerceptualFiles(perceptual_vgg, perceptual_weights)
    trained = train(
        pictures_in(image_root) if data is None else pictures_of(data, image_root),
        out,
        with_settings(IMAGE_TOKENIZER_PRESETS[preset], set_model or [], option="--set-model"),
        with_settings(ImageTokenizerTraining(), settings or []),
        perceptual_files=files,
    )
    typer.echo(
        f"{trained.step:,} of {trained.num_steps:,} steps, {trained.num_unreadable:,} images "
        f"unreadable -> {trained.folder}"
    )
    end_if_stopped(trained.stopped_by)


def train_base(
    model: Annotated[Path, typer.Option(help="Folder that `vargpt init --preset tiny` made.")],
    data: Annotated[Path, typer.Option(help="Folder of `datagen world`, or a `captions` table.")],
    image_root: Annotated[Path, typer.Option(help="Folder that holds the images.")],
    out: Annotated[Path, typer.Option(help="Output folder; run again to resume.")],
    image_tokenizer: Annotated[
        Path | None,
        typer.Option(help="Folder of a trained image tokenizer.", show_default="the model's own"),
    ] = None,
    codes: Annotated[
        Path | None,
        typer.Option(help="`image_codes` of the world.", show_default="encoded here first"),
    ] = None,
    settings: Settings = None,
    config: ConfigFile = None,
) -> None:
    """Train the stand-ins of what the paper downloads, on the sample world alone."""
    from vargpt_schema import CAPTIONS, IMAGE_CODES

    model_config(model)
    CAPTIONS.files(data)
    expect_there("--image-root", [image_root], "the folder that holds the images")
    expect_there("--image-tokenizer", [image_tokenizer], "a folder of `vargpt train`")
    if codes is not None:
        IMAGE_CODES.files(codes)

    from vargpt_model.base_training import BaseTraining
    from vargpt_model.base_training import train_base as train
    from vargpt_model.settings import with_settings

    trained = train(
        model,
        data,
        image_root,
        out,
        with_settings(BaseTraining(), settings or []),
        image_tokenizer=image_tokenizer,
        codes=codes,
    )
    steps = ", ".join(f"{phase} {steps:,}" for phase, steps in trained.phases.items())
    typer.echo(f"steps: {steps} -> {trained.folder}")
    end_if_stopped(trained.stopped_by)


def encode(
    model: Annotated[
        Path, typer.Option(help="Folder of an image tokenizer, or VAR's vae_ch160v4096z32.pth.")
    ],
    images: Annotated[Path, typer.Option(help="Folder of images; their names are the rows'.")],
    out: Annotated[Path, typer.Option(help="Output folder; run again to resume.")],
    centre: Annotated[
        Literal["centre", "whole", "none"],
        typer.Option(help="VAR's centre crop, the whole square without its margin, or neither."),
    ] = "centre",
    random_crops: Annotated[int, typer.Option(min=0, help="Random crops of every image.")] = 0,
    seed: Annotated[int, typer.Option(help="Seed of the random crops.")] = 0,
    rows_per_shard: Annotated[int, typer.Option(min=1, help="Crops in one Parquet file.")] = 8_192,
    batch_size: Annotated[int, typer.Option(min=1, help="Crops at once.")] = 32,
    config: ConfigFile = None,
) -> None:
    """Encode images into codes once, for all trainings; under torchrun, ranks share the work."""
    expect_there("--model", [model], "an image tokenizer")
    expect_there("--images", [images], "a folder of images")

    from vargpt_model.encoding import EncodeConfig, encode_images
    from vargpt_model.pictures import pictures_in
    from vargpt_schema.errors import UserError

    if centre == "none" and not random_crops:
        raise UserError(
            "--centre none: no random crops found beside it, at least one crop was expected. "
            "Add --random-crops 1, or take --centre none out."
        )
    encoded = encode_images(
        model,
        pictures_in(images),
        out,
        EncodeConfig(
            centre=None if centre == "none" else centre,
            num_random_crops=random_crops,
            seed=seed,
            rows_per_shard=rows_per_shard,
            batch_size=batch_size,
        ),
    )
    left = f", {encoded.num_shards_left:,} shards left" if encoded.num_shards_left else ""
    typer.echo(
        f"{encoded.num_rows:,} rows of {encoded.num_images:,} images, {encoded.num_skipped:,} "
        f"skipped{left} -> {encoded.folder}"
    )
    end_if_stopped(encoded.stopped_by)


def end_if_stopped(signal_number: int | None) -> None:
    """After a signal, say how to go on: exit code 0 for SIGTERM, 130 for Ctrl-C."""
    if signal_number is None:
        return
    import signal

    words = shlex.join(["vargpt", *sys.argv[1:]])
    typer.echo(f"stopped; what is done is saved. Continue with: {words}", err=True)
    raise typer.Exit(0 if signal_number == signal.SIGTERM else 130)
