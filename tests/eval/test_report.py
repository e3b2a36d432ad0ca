"""`vargpt-eval report`: the paper's tables beside ours, and a page that trusts no text."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.eval.answered import gqa_rows
from tests.eval.command import refusal, vargpt_eval
from tests.eval.scored_runs import gqa_run, mmmu_rows, score_rows
from vargpt_eval.paper import paper_tables
from vargpt_eval.report.page import make_report
from vargpt_eval.report.paper_gains import paper_gains
from vargpt_eval.report.scored_run import read_runs
from vargpt_eval.report.tables import report_tables
from vargpt_schema import UserError

GOLDEN = Path(__file__).parents[1] / "golden"
HOSTILE = "<script>alert(1)</script>\u202e\x1b[2J </dd><img src=x onerror=alert(2)> {{ 7*7 }} | `x`"


class Tags(HTMLParser):
    """Every tag with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    """A whole MMMU run of the paper's size, a subset of GQA, and hostile answers."""
    folder = tmp_path_factory.mktemp("runs")
    whole = score_rows(folder / "whole", "mmmu_val", mmmu_rows(328))
    rows = gqa_rows(30, 20)
    rows[25] |= {"prediction": HOSTILE, "question": HOSTILE}
    rows[26] |= {"error": HOSTILE}
    score_rows(folder / "<b>part", "gqa", rows)
    ran = vargpt_eval("report", whole, folder / "<b>part", "--out", folder / "report")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-1] == f"2 runs, 2 scores -> {folder / 'report' / 'report.html'}"
    return folder / "report"


def test_the_shipped_tables_are_the_papers():
    shipped = Path(__file__).parents[2] / "packages/eval/src/vargpt_eval/paper_tables.json"
    assert shipped.read_bytes() == (GOLDEN / "paper_tables.json").read_bytes()


def test_every_row_and_column_of_the_papers_tables_is_in_all_three_files(reported):
    held = json.loads((GOLDEN / "paper_tables.json").read_text())
    page = (reported / "report.html").read_text()
    markdown = (reported / "report.md").read_text()
    tables = json.loads((reported / "report.json").read_text())["tables"]
    for number in (1, 3, 4, 5):
        rows = held[f"table{number}"]["rows"]
        found = {row["name"]: row["values"] for row in tables[str(number)]["rows"]}
        for name, values in rows.items():
            numbers = [value for value in values if not isinstance(value, str | bool)]
            numbers = numbers[1:] if number in (1, 3) and values[0] is None else numbers
            assert found[name] == numbers
            assert f">{name}</th>" in page
            assert f"| {name} |" in markdown


def test_ours_stand_below_with_interval_and_difference(reported):
    content = json.loads((reported / "report.json").read_text())
    table = content["tables"]["1"]
    (ours,) = (row for row in table["rows"] if row["is_ours"])
    assert ours["name"] == "whole"
    at = table["columns"].index("MMMU")
    assert ours["values"][at] == pytest.approx(36.444, abs=0.001)
    low, high = ours["ci95"][at]
    assert high - low == pytest.approx(6.3, abs=0.4)
    against = {one["reference"]: one for one in table["differences"]}
    assert against["VARGPT (7B+2B)"]["delta"] == pytest.approx(0.004, abs=0.001)
    assert against["LLaVA-1.5-hf (7B)"]["delta"] == pytest.approx(1.204, abs=0.001)
    assert against["LLaVA-1.5-hf (7B)"]["is_within_noise"] is True
    assert against["LLaVA-1.5-hf (7B)"]["ci95"] == pytest.approx([low - 35.24, high - 35.24])


def test_a_subset_is_stamped_and_compared_with_nothing(reported):
    content = json.loads((reported / "report.json").read_text())
    table = content["tables"]["3"]
    (ours,) = (row for row in table["rows"] if row["is_ours"])
    assert ours["is_subset"][0] is True
    assert table["differences"] == []
    page = (reported / "report.html").read_text()
    assert "<strong>Subset runs.</strong>" in page
    assert '<span class="stamp">subset</span>' in page
    assert "GQA testdev, 30 of 12,578" in (reported / "report.md").read_text()


def test_gains_on_mmmu_and_pope_lie_inside_the_noise():
    gains = {gain.column.key: gain for gain in paper_gains()}
    for key in ("mmmu", "pope_adv", "pope_pop", "pope_rand"):
        assert gains[key].is_within_noise, key
    assert gains["mmmu"].run_half_width == pytest.approx(3.1, abs=0.05)
    assert gains["pope_pop"].run_half_width == pytest.approx(1.2, abs=0.05)
    assert gains["sciqa_img"].run_half_width == pytest.approx(1.7, abs=0.05)
    assert not gains["textvqa"].is_within_noise


def test_the_page_says_which_gains_lie_inside_the_noise(reported):
    page = (reported / "report.html").read_text()
    text = re.sub(r"\s+", " ", page)
    assert "MMMU, POPE adv, POPE pop, POPE rand" in text
    assert "the gain lies inside the noise</strong>" in text


def test_hostile_text_stays_text(reported):
    page = (reported / "report.html").read_text()
    tags = Tags(page).found
    assert not {tag for tag, _ in tags} & {"script", "img", "iframe", "link", "object", "b"}
    assert not [name for _, attributes in tags for name in attributes if name.startswith("on")]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\\u202e\\x1b[2J" in page
    assert "{{ 7*7 }}" in page
    assert "&lt;b&gt;part" in page


def test_hostile_names_break_no_table_of_the_markdown(reported):
    markdown = (reported / "report.md").read_text()
    assert "<b>" not in markdown
    assert "| &lt;b>part | vargpt-0.3.0 |" in markdown


def test_the_page_allows_its_own_style_and_loads_nothing(reported):
    page = (reported / "report.html").read_text()
    style = page.split("<style>")[1].split("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; "
        "form-action 'none'"
    )
    tags = Tags(page).found
    links = [attributes.get("href") or "#" for _, attributes in tags]
    assert all(link.startswith("#") for link in links)
    assert not [one for _, one in tags if "src" in one or "style" in one]
    assert "url(" not in style
    assert "@import" not in style


def test_answers_can_be_browsed_wrong_and_right(reported):
    page = (reported / "report.html").read_text()
    assert "<strong>GQA testdev</strong>, &lt;b&gt;part: 10 wrong, 20 right" in page
    assert page.count('<article class="example wrong">') == 10 + 12
    assert page.count('<article class="example right">') == 6 + 6
    assert "error: &lt;script&gt;" in page


def test_the_same_runs_give_the_same_bytes(tmp_path):
    run = gqa_run(tmp_path / "run", 9, 3)
    pages = [make_report([run], tmp_path / name).page.read_bytes() for name in ("a", "b")]
    assert pages[0] == pages[1]


def test_world_scores_stand_in_a_section_of_their_own(tmp_path):
    share = {"value": 0.25, "n": 4, "ci95": [0.05, 0.7]}
    world = {
        "right": share,
        "opened": {"value": 0.75, "n": 4, "ci95": [0.3, 0.954]},
        "by_split": {"train": share},
        "by_attribute": {"colour": share, "colour_and_shape": share},
        "num_missing": 1,
        "num_unreadable": 0,
    }
    questions = {
        "title": "Sample world, questions",
        "headline": "accuracy",
        "is_subset": False,
        "n": 200,
        "n_error": 0,
        "n_truncated": 0,
        "n_fallback": 0,
        "num_items": None,
        "subgroups": {},
        "beside": {},
        "metrics": {"accuracy": {"value": 0.9, "ci95": None, "unit": "fraction"}},
        "wanted_image": {"value": 0.005, "n": 200, "ci95": [0.000883, 0.027776]},
    }
    (tmp_path / "world").mkdir()
    summary = {"world": world, "world_questions": questions}
    (tmp_path / "world" / "summary.json").write_text(json.dumps(summary))
    report = make_report([tmp_path / "world"], tmp_path / "report")
    page = report.page.read_text()
    assert "25.00 (5.00 to 70.00)" in page
    assert "attribute: colour" in page
    assert "<td>an image opened</td>" in page
    assert "75.00 (30.00 to 95.40)" in page
    assert "<td>an image opened instead of an answer</td>" in page
    text = (tmp_path / "report" / "report.md").read_text()
    assert "| world | 200 | 90.00 | 0.50 (0.09 to 2.78) |" in text
    assert (
        "| world | 4 | 75.00 (30.00 to 95.40) | 25.00 (5.00 to 70.00) | 25.00 (5.00 to 70.00) | "
        "25.00 (5.00 to 70.00) |"
    ) in text


def test_generation_figures_enter_table_4(tmp_path):
    run = gqa_run(tmp_path / "run", 9, 3)
    path = run / "summary.json"
    metrics = {
        "fid": {"value": 13.5, "ci95": None, "unit": "points"},
        "clip_score": {"value": 26.1, "ci95": [26.0, 26.2], "unit": "points"},
    }
    absent = ("stamp", "extractor", "clip", "reference", "real_pixels_sha256", "image_size_px")
    counts = ("n_error", "n_truncated", "n_fallback")
    drawn = {**dict.fromkeys(absent), **dict.fromkeys(counts, 0), "is_subset": False}
    drawn |= {"n": 50_000, "metrics": metrics}
    path.write_text(json.dumps({**json.loads(path.read_text()), "gen_metrics": drawn}))
    (table,) = (one for one in report_tables(read_runs([run])) if one.number == 4)
    assert [cell.value for cell in table.rows[-1].cells] == [13.5, 26.1]
    assert [(one.delta, one.is_within_noise) for one in table.differences] == [
        (pytest.approx(0.9), None),
        (pytest.approx(-1.3), False),
    ]


def test_every_benchmark_of_tables_1_and_3_is_a_task():
    from vargpt_eval.scoring.task import TASKS

    for number in (1, 3):
        for column in paper_tables()[number].columns:
            assert TASKS[column.task].headline == column.metric


def test_folders_without_scores_are_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    line = refusal("report", tmp_path / "empty", "--out", tmp_path / "report")
    assert "no summary.json with scores found" in line
    assert not (tmp_path / "report").exists()


def test_two_runs_of_one_name_are_refused(tmp_path):
    runs = [gqa_run(tmp_path / folder / "run", 3, 1) for folder in ("a", "b")]
    with pytest.raises(UserError, match="two runs named 'run' found"):
        make_report(runs, tmp_path / "report")
