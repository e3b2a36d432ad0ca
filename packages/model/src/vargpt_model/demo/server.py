"""The page on a port of this machine."""

import ipaddress
import os
import socket
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from vargpt_model.demo.talk import Talk
from vargpt_model.generation import GenerationOptions
from vargpt_model.weights.model_folder import Opened
from vargpt_schema.errors import UserError

MAX_UPLOAD = "20mb"
# Gradio's page has its start in inline scripts and styles; nothing may come from, or go, outside.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self' 'unsafe-inline'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "manifest-src 'self'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)


def expect_gradio() -> None:
    """UserError where the extra `demo` is not installed. Call it before a model is loaded."""
    # Before gradio is imported: it reads these once.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    try:
        import gradio  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"vargpt demo: {error.name or 'gradio'} is not installed, which the page is made "
            "with. Install it: uv sync --all-packages --all-extras"
        ) from error


def bound_socket(host: str, port: int) -> socket.socket:
    """A listening socket; UserError when the port is taken or the host not this machine's."""
    try:
        return socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET
        )
    except (OSError, OverflowError) as error:
        raise UserError(
            f"vargpt demo: {host} port {port}: cannot listen ({error}). Give a free port with "
            "--port N, or an address of this machine with --host."
        ) from error


def is_loopback(host: str) -> bool:
    """Whether nobody outside this machine reaches the address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def serve(
    opened: Opened,
    name: str,
    listening: socket.socket,
    options: GenerationOptions,
    *,
    on_ready: Callable[[], None],
) -> Talk:
    """Answer visitors until Ctrl-C; uploads and pictures are gone afterwards."""
    import gradio as gr
    import uvicorn
    from fastapi import FastAPI

    from vargpt_model.demo.page import CSS, THEME, build_page

    with tempfile.TemporaryDirectory(prefix="vargpt-demo-", ignore_cleanup_errors=True) as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder
        talk = Talk(opened, Path(folder))
        # Mounted and not launched: a launch asks addresses outside whether the page can be reached.
        app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
        app.add_middleware(_SecurityHeaders)
        gr.mount_gradio_app(
            app,
            build_page(talk, name, options),
            path="/",
            footer_links=[],
            run_history=False,
            show_error=False,
            max_file_size=MAX_UPLOAD,
            ssr_mode=False,
            enable_monitoring=False,
            pwa=False,
            mcp_server=False,
            theme=THEME,
            css=CSS,
        )
        # An open page holds its connection, which must not hold the end.
        config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)
        on_ready()
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listening])
    return talk


class _SecurityHeaders:
    """Sends the policy with every reply. Plain ASGI, so that streams pass as they come."""

    def __init__(self, app) -> None:
        self.app = app

    async def __call__(self, scope, receive, send) -> None:
        async def send_with_headers(message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message["headers"],
                    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
                    (b"x-content-type-options", b"nosniff"),
                    (b"referrer-policy", b"no-referrer"),
                ]
            await send(message)

        await self.app(scope, receive, send_with_headers)
