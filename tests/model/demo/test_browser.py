"""The page in a real browser that is on PATH, the server a process of its own. Needs no network."""

import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from tests.model.vargpt.conftest import small_model
from tests.model.vargpt_command import environment

pytestmark = pytest.mark.slow

pytest.importorskip("gradio", reason="the extra `demo` is not installed")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
if CHROMIUM is None:
    pytest.skip("no chromium on PATH", allow_module_level=True)

PATIENCE_S = 120.0
HEARD_WITHIN_S = 15.0  # a page in use sends at once
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
HOSTILE = (
    "<script>window.broken = 1</script> <img src=x onerror='window.broken = 1'> "
    "![a](http://outside.example/x.png) **b** $$c$$ ${window.broken = 1} &lt;img src=x&gt; "
    "<a href='javascript:window.broken = 1'>d</a>"
)


class Outside:
    """Stands where the server is told that the way out is, and notes who comes."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self.listening.getsockname()[1]}"
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            with connection:
                self.calls.append(connection.recv(200).decode(errors="replace"))


@pytest.fixture(scope="module")
def outside() -> Iterator[Outside]:
    found = Outside()
    yield found
    found.listening.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory, processor, outside) -> Iterator[str]:
    """The page's address; the server ends with the tests, by Ctrl-C."""
    folder = tmp_path_factory.mktemp("demo") / "small"
    small_model().save_pretrained(folder)
    processor.save_pretrained(folder)
    words = ["demo", "--model", folder, "--port", 0, "--min-images", 1, "--max-images", 2]
    words += ["--max-part-tokens", 8, "--device", "cpu"]
    names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
    server = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("repeating_demo.py"), *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**environment(), **dict.fromkeys(names, outside.address)},
    )
    said = ""
    assert server.stderr is not None
    while "Ctrl-C ends" not in said:
        line = server.stderr.readline()
        assert line, said
        said += line
    found = re.search(r"open (http://127\.0\.0\.1:[0-9]+) in a browser", said)
    assert found
    assert "warning: everybody" not in said
    yield found[1]
    server.send_signal(signal.SIGINT)
    out, err = server.communicate(timeout=PATIENCE_S)
    assert server.returncode == 0, err
    assert re.fullmatch(r"[0-9]+ replies, [0-9]+ images\n", out)
    assert "Traceback" not in err


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


class Visitor:
    """One page of its own session, and all that it asked for or complained about."""

    def __init__(self, browser, address: str) -> None:
        self.page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
        self.page.set_default_timeout(PATIENCE_S * 1000)
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        self.page.on(
            "console",
            lambda message: (
                self.complaints.append(message.text) if message.type == "error" else None
            ),
        )
        # The page's own first event: a box is there before the page listens to it.
        with self.page.expect_request("**/queue/data*"):
            self.page.goto(address)
        self.box = self.page.locator("#box textarea")
        self.box.wait_for()

    def ask(self, words: str) -> None:
        """Until the page has told the server."""
        ends_s = time.monotonic() + PATIENCE_S
        while True:
            self.box.fill(words)
            try:
                with self.page.expect_request("**/queue/join*", timeout=HEARD_WITHIN_S * 1000):
                    self.box.press("Enter")
                return
            except playwright.TimeoutError:
                assert time.monotonic() < ends_s, "the page never sent anything"

    def wait_for_the_end(self, num_replies: int) -> None:
        """Until that many replies are there and the button sends again."""
        self.bot.nth(num_replies - 1).wait_for()
        self.page.locator("#box .submit-button").wait_for()

    @property
    def bot(self):
        return self.page.locator("#conversation .bot-row")

    def expect_notice(self, text: str | re.Pattern[str]) -> None:
        notice = self.page.locator("#notice textarea")
        playwright.expect(notice).to_have_value(text, timeout=PATIENCE_S * 1000)

    def expect_texts(self, *texts: str) -> None:
        found = self.page.locator("#conversation .message-content")
        playwright.expect(found).to_have_text(list(texts), timeout=PATIENCE_S * 1000)

    def went_outside(self, address: str) -> list[str]:
        inside = (f"{address}/", "data:", f"blob:{address}/")
        return [url for url in self.requests if not url.startswith(inside)]


@pytest.fixture
def visitor(browser, address, outside) -> Iterator[Visitor]:
    found = Visitor(browser, address)
    yield found
    assert found.complaints == []
    assert found.went_outside(address) == []
    assert outside.calls == []
    found.page.context.close()


def test_a_prompt_gives_an_image_that_grows_and_can_be_kept(visitor):
    visitor.ask("Please draw a red circle.")
    visitor.wait_for_the_end(1)
    visitor.page.locator("#drawn img").first.wait_for()
    names = [url.rsplit("/", 1)[1] for url in visitor.requests if "/drawing-" in url]
    assert len(set(names)) >= 2, names
    sources = visitor.page.locator("#conversation .bot-row img").evaluate_all(
        "images => images.map(image => image.src)"
    )
    assert [source.rsplit("/", 1)[1] for source in sources] == ["drawn-000.png"]
    with visitor.page.expect_download() as download:
        visitor.bot.locator("xpath=..").locator("[aria-label=Download]").first.click()
    kept = Path(download.value.path()).read_bytes()
    assert download.value.suggested_filename == "drawn-000.png"
    assert Image.open(BytesIO(kept)).size == (12, 12)


def test_an_uploaded_picture_is_shown_and_answered_and_another_file_is_named(visitor, tmp_path):
    Image.new("RGB", (40, 30), "red").save(tmp_path / "red.png")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    upload = visitor.page.locator("#box input[type=file]")
    upload.set_input_files(tmp_path / "red.png")
    visitor.page.locator("#box .thumbnail-item").wait_for()
    visitor.ask("What colour is it?")
    visitor.wait_for_the_end(1)
    assert visitor.page.locator("#conversation .user-row img").count() == 1
    assert visitor.bot.locator(".message-content").first.inner_text().strip()
    upload.set_input_files(tmp_path / "bad.png")
    visitor.page.locator("#box .thumbnail-item").wait_for()
    visitor.ask("And this?")
    visitor.expect_notice(re.compile("^bad[.]png: unreadable image found"))
    assert visitor.box.input_value() == "And this?"
    assert visitor.bot.count() == 1


def test_hostile_text_of_both_sides_stays_text(visitor):
    visitor.ask(f"repeat: {HOSTILE}")
    visitor.expect_texts(f"repeat: {HOSTILE}", HOSTILE)
    inside = visitor.page.locator("#conversation .message-content")
    for tag in ("script", "img", "a", "b", "strong", ".katex"):
        assert inside.locator(tag).count() == 0, tag
    assert visitor.page.evaluate("window.broken") is None


def test_a_full_context_is_one_sentence_and_a_new_conversation_goes_on(visitor):
    visitor.ask("repeat: first")
    visitor.expect_texts("repeat: first", "first")
    visitor.wait_for_the_end(1)
    visitor.ask("word " * 400)
    visitor.expect_notice("The model's context is full: start a new conversation, or write less.")
    visitor.page.locator("#new").click()
    visitor.bot.first.wait_for(state="detached")
    visitor.ask("repeat: second")
    visitor.expect_texts("repeat: second", "second")


def test_the_square_button_stops_a_reply_and_the_next_is_answered(visitor):
    visitor.ask("draw slowly")
    visitor.page.locator("#box .stop-button").click()
    visitor.expect_notice("Stopped.")
    visitor.page.locator("#box .submit-button").wait_for()
    visitor.page.locator("#new").click()
    visitor.ask("repeat: next")
    visitor.expect_texts("repeat: next", "next")


def test_two_sessions_at_once_get_their_own_answers(visitor, browser, address):
    other = Visitor(browser, address)
    visitor.ask("draw mine")
    other.ask("repeat: yours")
    other.expect_texts("repeat: yours", "yours")
    visitor.page.locator("#drawn img").wait_for()
    assert visitor.page.locator("#conversation .user-row").inner_text().strip() == "draw mine"
    assert other.page.locator("#drawn img").count() == 0
    other.page.context.close()


def test_files_of_the_machine_are_not_served_and_the_policy_is_strict(visitor, address):
    for path in (__file__, "/etc/passwd", "pyproject.toml"):
        assert visitor.page.request.get(f"{address}/gradio_api/file={path}").status in (403, 404)
    policy = visitor.page.request.get(address).headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe-eval" not in policy
