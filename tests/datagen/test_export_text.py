"""Text forms: their bytes, their way back, and what LLaMA-Factory's loader makes of them."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.datagen import llama_factory_loader
from tests.datagen.command import datagen
from tests.datagen.small_build import HOSTILE, row, write_build
from vargpt_datagen.cli_sharing import Form
from vargpt_datagen.export import FORMATS, export, read_export
from vargpt_datagen.export.json_text import json_texts
from vargpt_schema import (
    EVAL_PROMPTS,
    INSTRUCT,
    EvalPromptRecord,
    InstructRecord,
    Message,
    UserError,
)

TEXT_FORMS = {
    "llama-factory": "rows.json",
    "llama-factory-jsonl": "rows.jsonl",
    "llava": "rows.json",
    "jsonl": "rows.jsonl",
}
HELD = {  # columns that a form keeps
    "llama-factory": ["messages", "images"],
    "llama-factory-jsonl": ["messages", "images"],
    "llava": ["sample_id", "messages", "images"],
    "jsonl": INSTRUCT.schema.names,
}


def mixed_rows(hostile: str = HOSTILE) -> list[InstructRecord]:
    """Drawing, a question about two pictures over four turns, and text alone."""
    turns = (
        Message("user", f"<image>\n{hostile}"),
        Message("assistant", "A circle."),
        Message("user", "And here?\n<image>"),
        Message("assistant", f'A "square" \\ {hostile}'),
    )
    text = (Message("user", "Two plus two?"), Message("assistant", f"Four. {hostile}"))
    drawn = [row(0), row(1, prompt=f"Draw {hostile}", label=7, wnid="n01440764")]
    return [
        *drawn,
        replace(
            row(2, method="imported"),
            messages=turns,
            images=("coco/1.jpg", "coco/2.jpg"),
            task="understanding",
        ),
        replace(row(3, method="imported"), messages=text, images=(), task="text"),
    ]


@pytest.fixture
def build(tmp_path: Path) -> Path:
    return write_build(tmp_path / "build", mixed_rows(), shards=2)


def test_the_command_offers_the_forms_that_there_are():
    assert get_args(Form) == FORMATS


def test_llama_factory_rows_are_as_in_figure_15(tmp_path: Path):
    rows = [
        row(number, prompt=f"Please generate a picture about {name}", label=label)
        for number, (label, name) in enumerate([(0, "tench, Tinca tinca"), (134, "crane")])
    ]
    build = write_build(tmp_path / "build", rows)
    export(build, "llama-factory", tmp_path / "imagenet.json", file_index=True)
    answers = [record.messages[1].content for record in rows]
    assert (tmp_path / "imagenet.json").read_text("utf-8") == (
        "[\n"
        '{"file_index": 0, "messages": [{"content": "Please generate a picture about tench, Tinca '
        f'tinca", "role": "user"}}, {{"content": "{answers[0]}", "role": "assistant"}}], '
        '"images": ["world/00000000.png"]},\n'
        '{"file_index": 134, "messages": [{"content": "Please generate a picture about crane", '
        f'"role": "user"}}, {{"content": "{answers[1]}", "role": "assistant"}}], '
        '"images": ["world/00000001.png"]}\n'
        "]\n"
    )


def test_llava_rows_have_an_image_a_list_of_them_or_no_such_key(build: Path, tmp_path: Path):
    export(build, "llava", tmp_path / "rows.json")
    rows = json.loads((tmp_path / "rows.json").read_text("utf-8"))
    assert [one.get("image", "no key") for one in rows] == [
        "world/00000000.png",
        "world/00000001.png",
        ["coco/1.jpg", "coco/2.jpg"],
        "no key",
    ]
    assert [turn["from"] for turn in rows[2]["conversations"]] == ["human", "gpt", "human", "gpt"]
    assert list(rows[0]) == ["id", "image", "conversations"]
    assert rows[3]["conversations"][0] == {"from": "human", "value": "Two plus two?"}


@pytest.mark.parametrize("form", TEXT_FORMS)
def test_what_was_exported_comes_back(form: Any, build: Path, tmp_path: Path):
    path = tmp_path / "out" / TEXT_FORMS[form]
    done = export(build, form, path)
    assert done.num_rows == 4
    assert read_export(path).equals(INSTRUCT.read(build).select(HELD[form]))
    assert sorted(found.name for found in path.parent.iterdir()) == sorted(
        {path.name, *(["dataset_info.json"] if form.startswith("llama") else [])}
    )


def test_the_label_comes_back_from_file_index(tmp_path: Path):
    build = write_build(tmp_path / "build", [row(at, label=at * 3) for at in range(5)])
    export(build, "llama-factory-jsonl", tmp_path / "rows.jsonl", file_index=True)
    expected = INSTRUCT.read(build).select(["messages", "images", "label"])
    assert read_export(tmp_path / "rows.jsonl").equals(expected)


def test_evaluation_prompts_go_to_jsonl_and_back(tmp_path: Path):
    records = [
        EvalPromptRecord(
            prompt_id=f"p{at}",
            prompt="I need a photo of a dog.",
            caption="a dog",
            image_id="ILSVRC2012_val_00000001",
            split="validation",
            label=at,
            wnid=None,
            source="imagenet",
            prompt_template_id="prompt-001",
        )
        for at in range(3)
    ]
    EVAL_PROMPTS.write(records, tmp_path / "build" / "data" / "validation.parquet")
    export(tmp_path / "build", "jsonl", tmp_path / "prompts.jsonl")
    assert read_export(tmp_path / "prompts.jsonl").equals(EVAL_PROMPTS.read(tmp_path / "build"))
    with pytest.raises(UserError, match="table 'eval_prompts' found, 'instruct' expected"):
        export(tmp_path / "build", "llava", tmp_path / "prompts.json")


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@settings(derandomize=True, deadline=None)
@given(st.lists(st.one_of(st.none(), TEXTS), max_size=8))
def test_texts_are_as_json_dumps_writes_them_and_stay_on_one_line(texts: list[str | None]):
    found = json_texts(pa.array(texts, pa.string())).to_pylist()
    assert [json.loads(text) for text in found] == texts
    assert all(len(text.splitlines()) == 1 for text in found)
    plain = [text for text in texts if text is None or not {*text} & {*"\x85\u2028\u2029"}]
    assert json_texts(pa.array(plain, pa.string())).to_pylist() == [
        json.dumps(text, ensure_ascii=False) for text in plain
    ]


@settings(derandomize=True, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.none(),
            st.lists(
                st.fixed_dictionaries({"a": st.one_of(st.none(), TEXTS), "b": st.booleans()}),
                max_size=3,
            ),
        ),
        max_size=5,
    ),
    st.integers(0, 5),
)
def test_nested_values_and_parts_of_columns_keep_their_items(values: list[Any], start: int):
    kind = pa.list_(pa.struct([("a", pa.string()), ("b", pa.bool_())]))
    column = pa.array(values, kind)
    found = json_texts(column.slice(start)).to_pylist()
    assert [json.loads(text) for text in found] == values[start:]


@settings(derandomize=True, deadline=None, max_examples=20)
@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30))
def test_any_text_survives_every_form(tmp_path_factory: pytest.TempPathFactory, text: str):
    safe = text.replace("<", "(")
    folder = tmp_path_factory.mktemp("any")
    build = write_build(folder / "build", mixed_rows(safe))
    for form, name in TEXT_FORMS.items():
        export(build, form, folder / form / name)  # pyright: ignore[reportArgumentType]
        held = INSTRUCT.read(build).select(HELD[form])
        assert read_export(folder / form / name).equals(held)


@pytest.mark.parametrize("form", ["llama-factory", "llama-factory-jsonl"])
def test_llama_factory_loads_every_row(form: Any, build: Path, tmp_path: Path):
    images = tmp_path / "images"
    (images / "world").mkdir(parents=True)
    (images / "world" / "00000000.png").write_bytes(b"a picture")
    out = tmp_path / "data" / f"mine{'.jsonl' if 'jsonl' in form else '.json'}"
    export(build, form, out)
    examples = llama_factory_loader.load(out.parent, "mine", images, tmp_path / "cache")
    assert [example.turns for example in examples] == [
        [(turn.role, turn.content) for turn in record.messages] for record in mixed_rows()
    ]
    assert [example.images for example in examples] == [
        [str(images / "world/00000000.png")],
        ["world/00000001.png"],
        ["coco/1.jpg", "coco/2.jpg"],
        None,
    ]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"images": []}, "placeholders"),
        ({"images": ["a.png", "b.png"]}, "placeholders"),
        ({"messages": [{"role": "user", "content": "<image_gen>"}]}, "odd number"),
        ({"messages": [{"role": role, "content": ""} for role in ("user", "user")]}, "out of turn"),
    ],
)
def test_the_check_of_the_loader_finds_rows_it_would_refuse(
    change: dict, words: str, build: Path, tmp_path: Path
):
    export(build, "llama-factory", tmp_path / "mine.json")
    good = json.loads((tmp_path / "mine.json").read_text("utf-8"))[0]
    entry = json.loads((tmp_path / "dataset_info.json").read_text("utf-8"))["mine"]
    llama_factory_loader.aligned(good, entry, tmp_path)
    with pytest.raises(AssertionError, match=words):
        llama_factory_loader.aligned(good | change, entry, tmp_path)


def test_entries_of_others_stay_in_dataset_info(build: Path, tmp_path: Path):
    others = {"zeta": {"file_name": "zeta.json"}, "ümlaut": {"hf_hub_url": "a/b"}}
    (tmp_path / "dataset_info.json").write_text(json.dumps(others), "utf-8")
    export(build, "llama-factory", tmp_path / "vargpt_pt_gen_instruct_130k.json")
    entries = json.loads((tmp_path / "dataset_info.json").read_text("utf-8"))
    assert list(entries) == ["zeta", "ümlaut", "vargpt_pt_gen_instruct_130k"]
    assert {name: entries[name] for name in others} == others
    assert entries["vargpt_pt_gen_instruct_130k"] == {
        "file_name": "vargpt_pt_gen_instruct_130k.json",
        "formatting": "sharegpt",
        "columns": {"messages": "messages", "images": "images"},
        "tags": {
            "role_tag": "role",
            "content_tag": "content",
            "user_tag": "user",
            "assistant_tag": "assistant",
        },
    }


def test_a_set_exported_again_keeps_its_entry(build: Path, tmp_path: Path):
    export(build, "llama-factory", tmp_path / "mine.json")
    before = (tmp_path / "dataset_info.json").read_bytes()
    (tmp_path / "mine.json").unlink()
    export(build, "llama-factory", tmp_path / "mine.json")
    assert (tmp_path / "dataset_info.json").read_bytes() == before


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"mine": {"file_name": "other.json"}}', "an entry 'mine' for something else"),
        ("[]", "list found, one JSON object"),
        ("{", "cannot be read"),
    ],
)
def test_a_dataset_info_that_cannot_take_the_entry_is_left_alone(
    content: str, words: str, build: Path, tmp_path: Path
):
    (tmp_path / "dataset_info.json").write_text(content)
    with pytest.raises(UserError, match=words):
        export(build, "llama-factory", tmp_path / "mine.json")
    assert (tmp_path / "dataset_info.json").read_text() == content
    assert not (tmp_path / "mine.json").exists()


@pytest.mark.parametrize("form", FORMATS)
def test_a_target_that_exists_is_refused_and_kept(form: Any, build: Path, tmp_path: Path):
    name = {"webdataset": "rows", "croissant": "croissant.json"}.get(form) or TEXT_FORMS[form]
    (tmp_path / name).write_text("mine")
    with pytest.raises(UserError, match="exists already"):
        export(build, form, tmp_path / name)
    assert (tmp_path / name).read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["build", name])


@pytest.mark.parametrize(
    ("form", "name", "options", "words"),
    [
        ("llava", "rows.jsonl", {}, r"ending with \.json was expected"),
        ("jsonl", "rows.json", {}, r"ending with \.jsonl was expected"),
        ("jsonl", "rows.jsonl", {"file_index": True}, "--file-index: given with --format jsonl"),
        ("llava", "rows.json", {"image_root": Path()}, "--image-root: given with --format llava"),
        ("webdataset", "rows", {"image_root": Path("none")}, "no such folder"),
        ("llama-factory", "rows.json", {"file_index": True}, "3 of 4 rows have no label"),
        ("parquet", "rows", {}, "--format parquet: one of llama-factory"),
    ],
)
def test_options_that_do_not_fit_are_refused_and_nothing_is_written(
    form: Any, name: str, options: dict, words: str, build: Path, tmp_path: Path
):
    with pytest.raises(UserError, match=words):
        export(build, form, tmp_path / "out" / name, **options)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("form", ["llama-factory", "jsonl"])
def test_a_damaged_shard_leaves_no_part_of_a_file(form: Any, build: Path, tmp_path: Path):
    shard = build / "data" / "train-00001-of-00002.parquet"
    data = bytearray(shard.read_bytes())
    data[40:200] = bytes(160)
    shard.write_bytes(data)
    with pytest.raises(UserError, match=r"train-00001-of-00002\.parquet: damaged"):
        export(build, form, tmp_path / "out" / TEXT_FORMS[form])
    assert [path.name for path in (tmp_path / "out").iterdir()] == []


def test_rows_that_break_a_rule_are_refused(build: Path, tmp_path: Path):
    shard = build / "data" / "train-00000-of-00002.parquet"
    table = INSTRUCT.read(shard)
    images = pa.array([["a.png"], ["../secret.png"]], table.schema.field("images").type)
    forged = table.set_column(2, table.schema.field("images"), images)
    pq.write_table(forged, shard)  # not by the table's writer, which refuses it
    with pytest.raises(UserError, match=r"row 1: image paths must be relative POSIX paths"):
        export(build, "jsonl", tmp_path / "rows.jsonl")


def test_the_command_names_rows_entry_and_file(build: Path, tmp_path: Path):
    words = ("export", build, "--format", "llama-factory", "--out", "data/mine.json")
    ran = datagen(*words, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == "4 rows, entry mine in data/dataset_info.json -> data/mine.json\n"
    again = datagen(*words, cwd=tmp_path)
    assert again.returncode == 2
    assert again.stderr.startswith("error: data/mine.json: exists already, a new path was")


def test_what_a_killed_export_left_is_swept(build: Path, tmp_path: Path):
    (tmp_path / ".rows.jsonl.tmp-1").write_text("half")
    export(build, "jsonl", tmp_path / "rows.jsonl")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["build", "rows.jsonl"]
