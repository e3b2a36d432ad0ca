"""`verify` finds whatever was changed in a published build, also when its checksums were mended."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vargpt_datagen.build_130k import Build130kConfig, build_130k
from vargpt_datagen.publishing import describe
from vargpt_datagen.verify import verify
from vargpt_schema import IMAGE_GEN, INSTRUCT, REJECTS, Message, sample_id_of

ROWS = 400


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("verify") / "build"
    build_130k(Build130kConfig(out=out, rows=ROWS))
    return out


@pytest.fixture
def build(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "build"))


def change_manifest(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text("utf-8"))
    change(manifest)
    path.write_text(json.dumps(manifest), "utf-8")


def forge_row(folder: Path, number: int, **values: Any) -> None:
    """Change columns of one row, then its sample_id and the checksums so that they agree again."""
    (shard,) = (folder / "data").iterdir()
    rows = INSTRUCT.read(shard).to_pylist()
    rows[number] |= values
    row = rows[number]
    turns = [Message(**turn) for turn in row["messages"]]
    row["sample_id"] = sample_id_of(row["source"], row["image_id"], row["images"], turns)
    INSTRUCT.write(INSTRUCT.read(shard).from_pylist(rows, schema=INSTRUCT.schema), shard)
    rehash(folder)


def rehash(folder: Path) -> None:
    def change(manifest: dict[str, Any]) -> None:
        manifest["files"] = [describe(folder / f["path"], folder) for f in manifest["files"]]

    change_manifest(folder, change)


def turns(prompt: str, answer: str) -> list[dict[str, str]]:
    return [
        {"role": "user", "content": prompt},
        {"role": "assistant", "content": answer + IMAGE_GEN},
    ]


def test_a_fresh_build_is_good(built: Path):
    assert verify(built) == []


def test_a_deleted_a_replaced_card_and_a_missing_report_are_found(build: Path):
    (build / "README.md").write_text("# ImageNet-Instruct-130K, the authors' own\n")
    (build / "report.html").unlink()
    assert verify(build) == [
        "README.md: not the card of this manifest. Run the command that builds it again.",
        f"report.html: missing. Run `datagen report {build}`.",
    ]
    (build / "README.md").unlink()
    assert verify(build)[0] == "README.md: missing. Run the command that builds it again."


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("counts", "rows", ROWS + 1),
        ("counts", "rejects", 77),
        ("counts", "judged_replies", 9),
        ("counts", "distinct_prompts", 1),
        ("counts", "distinct_answers", 1),
        ("config", "rows", 12),
        ("rejects_by_reason", "refusal", 500),
        ("generators", "deepseek-v3", 1),
    ],
)
def test_a_changed_figure_of_the_manifest_is_found(build: Path, part: str, name: str, value: int):
    change_manifest(build, lambda manifest: manifest[part].__setitem__(name, value))
    told = part if part in ("generators", "rejects_by_reason") else f"{part}.{name}"
    assert [fault for fault in verify(build) if fault.startswith(f"manifest.json: {told} is ")]


@pytest.mark.parametrize(("part", "name"), [("counts", "distinct_prompts"), ("seeds", "counts")])
def test_a_part_taken_out_of_the_manifest_is_found(build: Path, part: str, name: str):
    change_manifest(build, lambda manifest: manifest[part].pop(name))
    assert any("manifest.json: " in fault for fault in verify(build))


@pytest.mark.parametrize("part", ["generators", "rejects_by_reason", "captions", "seeds"])
def test_a_whole_part_taken_out_of_the_manifest_is_found(build: Path, part: str):
    change_manifest(build, lambda manifest: manifest.pop(part))
    assert any(fault.startswith("manifest.json: ") for fault in verify(build))


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        (
            {"messages": turns("Could you draw a dog for me?", "I cannot draw a dog, as ChatGPT.")},
            "its text breaks the rule vendor_name (chatgpt)",
        ),
        (
            {"messages": turns("Could  you draw this?", "Here it is.")},
            "text is not in the normal form",
        ),
        (
            {"messages": [*turns("A", "b."), *turns("C", "d.")], "images": ["a.png", "b.png"]},
            "4 turns found, a request and an answer expected",
        ),
        ({"caption": None}, "no caption, the one its text was written from expected"),
        ({"prompt_seed_id": "nope"}, "prompt_seed_id 'nope' is none of the shipped ones"),
        ({"answer_seed_id": "prompt-001"}, "answer_seed_id 'prompt-001' is none of the shipped"),
        ({"caption_seed_id": ""}, "no caption_seed_id"),
        ({"shot_ids": []}, "0 shots found, 0 different; 4 expected"),
        (
            {"shot_ids": ["pair-001@x"] * 4},
            "4 shots found, 1 different; 4 expected",
        ),
        (
            {"shot_ids": ["pair-999@a", "pair-001@b", "pair-002@c", "pair-003@d"]},
            "shot id 'pair-999@a' is not a shipped pair's id, @ and an image id",
        ),
        (
            {"shot_ids": ["pair-001@", "pair-001@b", "pair-002@c", "pair-003@d"]},
            "shot id 'pair-001@' is not a shipped pair's id, @ and an image id",
        ),
        (
            {
                "image_id": "world-00000009",
                "shot_ids": [f"pair-00{n}@world-0000000{n}" for n in (7, 8, 9, 6)],
            },
            "its own image 'world-00000009' is among its shots",
        ),
        ({"request_sha256": "zz"}, "request_sha256 is 'zz', 64 hex digits expected"),
        ({"request_sha256": None}, "request_sha256 is None, 64 hex digits expected"),
        ({"attempts": 4}, "attempts is 4, 1 to 3 expected"),
        ({"attempts": None}, "attempts is None, 1 to 3 expected"),
        ({"generator": None}, "no generator, the name of a model expected"),
        ({"method": "template"}, "method is template, llm expected in this set"),
    ],
)
def test_a_forged_row_with_mended_checksums_is_found(
    build: Path, values: dict[str, Any], fault: str
):
    forge_row(build, 5, **values)
    faults = verify(build)
    assert faults[0].startswith(f"data: 1 of {ROWS} rows have a fault. Delete manifest.json and ")
    assert any(line.startswith(f"row 5: {fault}") for line in faults), faults


def test_a_text_that_is_not_the_rows_own_is_found(build: Path):
    (shard,) = (build / "data").iterdir()
    rows = INSTRUCT.read(shard).to_pylist()
    rows[0]["sample_id"] = "0" * 16
    INSTRUCT.write(INSTRUCT.read(shard).from_pylist(rows, schema=INSTRUCT.schema), shard)
    rehash(build)
    assert f"row 0: sample_id {'0' * 16} does not belong to its text" in verify(build)


def test_a_forged_reject_is_found(build: Path):
    (path,) = (build / "rejects").iterdir()
    rejects = REJECTS.read(path).to_pylist()
    rejects[0] |= {"request_sha256": "zz", "attempts": 0}
    REJECTS.write(REJECTS.read(path).from_pylist(rejects, schema=REJECTS.schema), path)
    rehash(build)
    found = "\n".join(verify(build))
    assert "reject 0: request_sha256 is 'zz', 64 hex digits expected" in found
    assert "reject 0: attempts is 0, 1 to 3 expected" in found


def test_shots_that_are_captions_alone_must_not_name_pairs(tmp_path: Path):
    out = tmp_path / "captions"
    build_130k(Build130kConfig(out=out, rows=30, shots="captions"))
    assert verify(out) == []
    forge_row(out, 3, shot_ids=["pair-001@a", "b", "c", "d"])
    assert "row 3: shot id 'pair-001@a' is not an image id" in verify(out)


def test_no_text_of_the_data_reaches_the_terminal_as_it_is(build: Path):
    forge_row(
        build,
        5,
        messages=turns("Draw\x1b[2J a dog\u202e now please.", "Here\x07 it is."),
        prompt_seed_id="\x1b[31m",
        method="llm",
        generator="\x1b]0;title\x07",
    )
    change_manifest(build, lambda manifest: manifest["generators"].__setitem__("\x1b[2J", 1))
    faults = verify(build)
    assert len(faults) > 3
    assert all(fault.isprintable() for fault in faults)


def test_a_path_outside_the_build_is_never_opened(build: Path):
    change_manifest(build, lambda m: m["files"][0].__setitem__("path", "../../../../etc/passwd"))
    assert verify(build) == [
        f"{build}/manifest.json: damaged (files[0].path is not what a build writes there), "
        "a manifest was expected. Run the command that builds the folder once more."
    ]
