"""The command's mistakes and warnings, without a model."""

import socket
import sys

import pytest

from tests.model.vargpt.conftest import small_config
from vargpt_schema.errors import UserError


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.5", False),
        ("example.org", False),
    ],
)
def test_only_loopback_addresses_count_as_closed(host, expected):
    from vargpt_model.demo.server import is_loopback

    assert is_loopback(host) is expected


def test_a_taken_port_is_named_with_what_to_do():
    from vargpt_model.demo.server import bound_socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=rf"127\.0\.0\.1 port {port}: cannot listen .*--port N"):
            bound_socket("127.0.0.1", port)


def test_a_missing_extra_is_named_with_the_command_that_installs_it(monkeypatch):
    from vargpt_model.demo.server import expect_gradio

    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(UserError, match=r"gradio is not installed.*--all-packages --all-extras"):
        expect_gradio()


def test_the_command_says_so_in_one_line_and_ends_with_2(tmp_path, monkeypatch, capsys):
    from vargpt_model.cli import main

    small_config().save_pretrained(tmp_path)
    monkeypatch.setitem(sys.modules, "gradio", None)
    monkeypatch.setattr(sys, "argv", ["vargpt", "demo", "--model", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("error: vargpt demo: gradio is not installed")
    assert said.count("\n") == 1
