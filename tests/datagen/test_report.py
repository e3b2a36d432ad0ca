"""The page as a whole: what it says, and that text from data stays text."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.datagen.small_build import HOSTILE, reject, row, write_build
from vargpt_datagen.report import make_report
from vargpt_datagen.sample import read_review_sheet, write_review_sheet
from vargpt_schema import UserError

ROWS = [row(number) for number in range(60)]
VOID = {"meta", "img", "br", "input", "link"}


class Page(HTMLParser):
    """Tags, addresses and text of a page; fails on a tag that is not closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.csp = ""
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.text += " "
        self.tags.append(tag)
        self.addresses += [found[name] or "" for name in ("src", "href", "action") if name in found]
        assert not [name for name in found if name.startswith("on")], "an event handler"
        if found.get("http-equiv") == "Content-Security-Policy":
            self.csp = found["content"] or ""
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert (tag, bool(attrs)) in {("rect", True), ("line", True)}

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag
        self.text += " "

    def handle_data(self, data: str) -> None:
        self.text += data

    @property
    def words(self) -> str:
        return " ".join(self.text.split())


def page_of(folder: Path, image_root: Path | None = None) -> Page:
    return Page(make_report(folder, image_root).read_text("utf-8"))


def test_the_page_of_a_world_build_says_what_it_is_and_shows_drawn_pictures(tmp_path: Path):
    page = page_of(write_build(tmp_path, ROWS, [reject("markup")], shards=2))
    assert (
        "Made from the sample world, not from ImageNet; text by the offline writer, no language "
        "model was called."
    ) in page.words
    assert page.tags.count("img") == 48
    assert "36 more rows" in page.words
    assert "request Please draw a small red circle number" in page.words
    assert "prompt-001: Ask as a friend would in a chat, in one short question." in page.words
    assert "Request seeds 1 of 120 used, 0 to 60 rows each; too few rows to test" in page.words
    assert "datagen build-130k --rows 8" in page.words


def test_nothing_is_loaded_from_outside_and_nothing_runs(tmp_path: Path):
    page = page_of(write_build(tmp_path, ROWS))
    assert page.csp.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:")
    assert not {"script", "link", "iframe", "object", "form", "base"} & set(page.tags)
    assert page.addresses
    assert all(address.startswith(("data:image/", "#")) for address in page.addresses)
    assert "url(" not in (tmp_path / "report.html").read_text()


def test_text_from_data_stays_text(tmp_path: Path):
    rows = [row(0, caption=HOSTILE, prompt=f"Draw {HOSTILE}", answer=f"{HOSTILE}.")]
    rows += [
        row(1, caption=HOSTILE, generator=HOSTILE, prompt_seed_id=HOSTILE, shot_ids=(HOSTILE,))
    ]
    rejects = [reject(HOSTILE, detail=HOSTILE, caption=HOSTILE, prompt=HOSTILE, text=HOSTILE)]
    names = {"name": HOSTILE, "command": HOSTILE, "generators": {HOSTILE: 2}}
    build = write_build(tmp_path, rows, rejects, manifest=names)
    sheet = write_review_sheet(build)
    lines = sheet.read_text("utf-8").splitlines()
    lines[1] = f'{rows[0].sample_id},,,,,bad,"{HOSTILE.replace(chr(34), chr(34) * 2)}"'
    sheet.write_text("\n".join(lines), "utf-8")
    read_review_sheet(build, sheet)
    html = make_report(build).read_text("utf-8")
    page = Page(html)
    assert "script" not in page.tags
    assert page.text.count('<script>alert("x")</script>') >= 12
    assert "{{ 7*7 }} {% raw %}" in page.text
    assert "'q' 49" not in page.text
    assert "\\x1b[2J \\u202e" in page.text
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", html)


def test_the_same_build_gives_the_same_bytes_in_any_folder(tmp_path: Path):
    first = make_report(write_build(tmp_path / "a", ROWS, [reject("markup")])).read_bytes()
    assert make_report(tmp_path / "a").read_bytes() == first
    assert make_report(write_build(tmp_path / "b", ROWS, [reject("markup")])).read_bytes() == first


def test_rejects_are_counted_by_reason_with_three_examples(tmp_path: Path):
    rejects = [reject("markup", detail=f"mark {number}") for number in range(9)]
    rejects += [reject("blank", prompt=None, answer=None, text="", detail="nothing")]
    page = page_of(write_build(tmp_path, ROWS, rejects))
    assert "markup 9 (90.0%)" in page.words
    assert (
        "blank 1 (10.0%) found nothing caption a small red circle raw reply (blank)" in page.words
    )
    assert re.findall(r"found mark (\d)", page.words) == ["0", "3", "6"]
    assert "10 14.3% of all candidates" in page.words


def test_a_build_without_rejects_seeds_or_money_still_has_a_page(tmp_path: Path):
    rows = [
        row(
            number,
            method="class",
            caption=None,
            prompt=f"Draw number {number}.",
            answer="Here it is.",
            prompt_seed_id=None,
            caption_seed_id=None,
            answer_seed_id=None,
            shot_ids=(),
            attempts=None,
            generator=None,
        )
        for number in range(3)
    ]
    build = write_build(tmp_path, rows)
    manifest = (build / "manifest.json").read_text()
    for name in ("captions", "seeds", "shot_pairs", "generators", "tokens", "usd"):
        manifest = re.sub(rf'  "{name}": (\{{.*?\n  \}}|[^{{\n]*),\n', "", manifest, flags=re.S)
        assert f'  "{name}":' not in manifest
    (build / "manifest.json").write_text(manifest)
    page = page_of(build)
    assert "No candidate was rejected." in page.words
    assert "These rows have no captions." in page.words
    assert "No text was paid for." in page.words
    assert "Use of the pools" not in page.words


def test_use_of_templates_is_shown_when_rows_name_them(tmp_path: Path):
    rows = [
        row(number, prompt_template_id=f"p-{number % 4}", answer_template_id="a-0")
        for number in range(60)
    ]
    page = page_of(write_build(tmp_path, rows))
    assert "Request templates 4 of 4 used, 15 to 15 rows each; expected 15, p = 1.00" in page.words
    assert "Answer templates 1 of 1 used, 60 to 60 rows each" in page.words


def test_captions_that_images_share_and_dropped_ones_are_listed(tmp_path: Path):
    rows = [
        row(number, caption="a dog" if number < 3 else f"a cat {number}") for number in range(12)
    ]
    captions = {
        "source": "imagenet",
        "captioner": "BLIP-2",
        "usable": 5,
        "dropped": {"loops": 1234},
    }
    config = {"writer": "deepseek"}
    build = write_build(tmp_path, rows, manifest={"captions": captions, "config": config})
    page = page_of(build)
    assert "10 different captions; 25.0% of the rows have a caption" in page.words
    assert "a dog 3 25.0%" in page.words
    assert "loops 1,234" in page.words
    assert "sample world" not in page.words
    assert "offline" not in page.words.replace("offline-writer-1", "")


def test_verdicts_read_back_are_shown(tmp_path: Path):
    build = write_build(tmp_path, ROWS)
    sheet = write_review_sheet(build, rows=4)
    text = sheet.read_text("utf-8").replace(",,\n", ",good,\n", 3).replace(",,\n", ",bad,odd\n")
    sheet.write_text(text, "utf-8")
    read_review_sheet(build, sheet)
    page = page_of(build)
    assert "3 good, 1 bad, 0 blank of 4 rows; 75.0% of the judged are good" in page.words
    assert "odd (1) caption a small red circle" in page.words


def test_a_folder_or_image_root_that_is_not_there_is_one_line(tmp_path: Path):
    with pytest.raises(UserError, match="no such folder"):
        make_report(tmp_path / "none")
    build = write_build(tmp_path / "build", ROWS)
    with pytest.raises(UserError, match="--image-root"):
        make_report(build, tmp_path / "none")
