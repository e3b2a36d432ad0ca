"""Every command of `vargpt` has help with an example."""

import pytest
from typer.testing import CliRunner

from vargpt_model.cli import app


@pytest.mark.parametrize("words", [["train", "image-tokenizer"], ["encode"]])
def test_command_has_help_with_an_example(words):
    ran = CliRunner().invoke(app, [*words, "--help"])
    assert ran.exit_code == 0
    assert "Example: " in ran.output
    assert "--out" in ran.output
    assert "--config" in ran.output
