"""The commands `vargpt train 1|2|3`. Heavy imports wait until a command runs."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import typer

from vargpt_model.cli_train import Settings, end_if_stopped
from vargpt_model.config_file import ConfigFile
from vargpt_model.given_paths import expect_there, model_config
from vargpt_model.row_source import source_of
from vargpt_model.stages import Stage

WHAT: dict[Stage, str] = {
    "1": "Stage 1: the two generation projectors, on rows that draw a class.",
    "2": "Stage 2: LLM and understanding projector, on rows of every kind.",
    "3": "Stage 3: visual decoder and generation projectors, on rows that draw a caption.",
}
EXAMPLE_ROWS: dict[Stage, str] = {
    "1": "./class-world",
    "2": "./stage2-world",
    "3": "./130k-world",
}


def stage_command(stage: Stage) -> Callable[..., None]:
    """The command of one stage."""

    def command(
        model: Annotated[
            Path, typer.Option(help="Folder of `vargpt init`, `train base` or the stage before.")
        ],
        data: Annotated[
            list[str],
            typer.Option(
                metavar="DIR[:WEIGHT]",
                help="`instruct` rows; WEIGHT: how often an epoch has each. May be repeated.",
            ),
        ],
        out: Annotated[Path, typer.Option(help="Folder of the new model; run again to resume.")],
        image_root: Annotated[
            Path | None, typer.Option(help="Folder that holds the images.")
        ] = None,
        codes: Annotated[
            Path | None,
            typer.Option(help="`image_codes` of images to draw.", show_default="encoded anew"),
        ] = None,
        engine: Annotated[
            Literal["one", "ddp", "fsdp2", "deepspeed"] | None,
            typer.Option(
                help="One process; or ranks, the model whole or sharded.",
                show_default="ddp under torchrun",
            ),
        ] = None,
        settings: Settings = None,
        config: ConfigFile = None,
    ) -> None:
        from vargpt_schema import IMAGE_CODES, INSTRUCT

        model_config(model)
        sources = [source_of(text) for text in data]
        for source in sources:
            INSTRUCT.files(source.path)
        expect_there("--image-root", [image_root], "the folder that holds the images")
        if codes is not None:
            IMAGE_CODES.files(codes)

        from vargpt_model.settings import with_settings
        from vargpt_model.stage_training import DataPaths, stage_training, train_stage
        from vargpt_model.stage_training.config import checked
        from vargpt_schema.errors import UserError

        training = with_settings(stage_training(stage), settings or [])
        try:
            checked(stage, training)
        except ValueError as error:
            raise UserError(f"vargpt train {stage}: {error}. Change it with --set.") from error
        trained = train_stage(
            stage,
            model,
            DataPaths(sources, image_root, codes),
            out,
            training,
            engine=engine,
        )
        typer.echo(
            f"{trained.step:,} of {trained.num_steps:,} steps, {trained.num_unreadable:,} rows "
            f"unreadable -> {trained.folder}"
        )
        end_if_stopped(trained.stopped_by)

    command.__doc__ = WHAT[stage]
    return command
