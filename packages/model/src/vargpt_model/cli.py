"""The `vargpt` command. Heavy imports wait until a command runs, so `--help` stays quick."""

import sys

import typer

from vargpt_model import cli_model, cli_stages, cli_train
from vargpt_schema.errors import UserError, refused_path

app = typer.Typer(
    help="Trains VARGPT, draws and answers. Every command resumes when run again.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)
train = typer.Typer(help="Train a part or a stage.", no_args_is_help=True, rich_markup_mode=None)

app.command(epilog="Example: vargpt init --preset tiny --out ./model")(cli_model.init)
app.command(
    epilog="Example: vargpt encode --model ./image-tokenizer --images ./world --centre whole "
    "--out ./codes",
)(cli_train.encode)
app.add_typer(train, name="train")
train.command(
    "image-tokenizer",
    epilog="Example: datagen world --out ./world --rows 20000 --size 32 && "
    "vargpt train image-tokenizer --data ./world --image-root ./world --out ./image-tokenizer",
)(cli_train.train_image_tokenizer)
train.command(
    "base",
    epilog="Example: vargpt init --preset tiny --image-tokenizer ./image-tokenizer "
    "--out ./model && vargpt train base --model ./model --data ./world --image-root ./world "
    "--out ./base",
)(cli_train.train_base)
for _stage, _rows in cli_stages.EXAMPLE_ROWS.items():
    train.command(
        _stage,
        epilog=f"Example: vargpt train {_stage} --model ./base --data {_rows} --image-root ./world "
        f"--codes ./codes --set view=whole --out ./stage{_stage}",
    )(cli_stages.stage_command(_stage))
app.command(
    epilog='Example: vargpt generate --model ./model --prompts "Please draw a red circle." '
    "--out ./drawn",
)(cli_model.generate)
app.command(epilog="Example: vargpt chat --model ./model --out ./drawn")(cli_model.chat)
app.command(epilog="Example: vargpt demo --model ./model --min-images 1")(cli_model.demo)
app.command(epilog="Example: vargpt inspect --model ./model")(cli_model.inspect)


def main() -> None:
    """Run the command; a user's mistake is one line and exit code 2."""
    try:
        app()
    except (UserError, OSError) as error:
        refusal = refused_path(error) if isinstance(error, OSError) else error
        if refusal is None:
            raise
        typer.echo(f"error: {refusal}", err=True)
        sys.exit(2)
