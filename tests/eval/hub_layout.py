"""Small files in exactly the layout in which the hub has the benchmarks: paths, columns, types."""

import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
TEXT, INT, TEXTS = pa.string(), pa.int64(), pa.list_(pa.string())


def png(colour: tuple[int, int, int] = (200, 30, 30), side_px: int = 24) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (side_px, side_px), colour).save(data, format="PNG")
    return data.getvalue()


def image(name: str = "1.png", **more: Any) -> dict[str, Any]:
    return {"bytes": png(**more), "path": name}


def write(path: Path, rows: list[dict[str, Any]], columns: dict[str, pa.DataType]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fields = pa.schema(list(columns.items()))
    table = pa.Table.from_pylist(rows, schema=fields)
    pq.write_table(table, path, row_group_size=2)  # so that tests cross row groups


def mmbench(data: Path) -> None:
    columns = {
        **dict.fromkeys(("index", "hint"), TEXT),
        **dict.fromkeys(("question", "answer", "A", "B", "C", "D"), TEXT),
        **dict.fromkeys(("category", "source", "L2-category", "comment", "split"), TEXT),
        "index": INT,
        "image": IMAGE,
    }
    base = {
        "question": "What is red?",
        "hint": "nan",
        "A": "cat",
        "B": "dog",
        "C": "nan",
        "D": "nan",
        "category": "object",
        "L2-category": "coarse",
        "source": "x",
        "comment": "nan",
        "split": "dev",
        "image": image(),
    }
    rows = [
        {**base, "index": 7, "answer": "A"},
        {**base, "index": 1_000_007, "answer": "B", "A": "dog", "B": "cat", "hint": "Look."},
    ]
    write(data / "MMBench/en/dev-00000-of-00001.parquet", rows, columns)


def seed(data: Path) -> None:
    columns = {
        **dict.fromkeys(("answer", "choice_a", "choice_b", "choice_c", "choice_d"), TEXT),
        **dict.fromkeys(("data_id", "data_type", "question", "question_id"), TEXT),
        "question_type_id": pa.int16(),
        "image": pa.list_(IMAGE),
        "segment": pa.list_(INT),
    }
    base = {
        **{f"choice_{letter}": word for letter, word in zip("abcd", "1234", strict=True)},
        "answer": "A",
        "data_id": "1",
        "question": "How many?",
        "question_type_id": 5,
        "segment": [],
    }
    rows = [
        {**base, "question_id": "101", "data_type": "image", "image": [image()]},
        {**base, "question_id": "v1", "data_type": "video", "image": [image("a"), image("b")]},
    ]
    write(data / "SEED-Bench/data/test-00000-of-00001.parquet", rows, columns)


def mmmu(data: Path) -> None:
    columns = {
        **dict.fromkeys(("id", "question", "options", "explanation", "img_type"), TEXT),
        **{f"image_{number}": IMAGE for number in range(1, 8)},
        **dict.fromkeys(("answer", "topic_difficulty", "question_type", "subfield"), TEXT),
    }
    base = {"explanation": "", "img_type": "[]", "topic_difficulty": "Easy", "subfield": "x"}
    rows = [
        {
            **base,
            "id": "validation_Art_1",
            "question": "Which is <image 2>, not <image 1>?",
            "options": "['red', 'it\\'s blue']",
            "question_type": "multiple-choice",
            "answer": "A",
            "image_1": image("one"),
            "image_2": image("two"),
        },
        {
            **base,
            "id": "validation_Math_2",
            "question": "Sum of <image 1>?",
            "options": "[]",
            "question_type": "open",
            "answer": "12",
            "image_1": image("one"),
        },
    ]
    write(data / "MMMU/data/validation-00000-of-00001.parquet", rows, columns)


def pope(data: Path) -> None:
    columns = {
        **dict.fromkeys(("id", "question_id", "question", "answer"), TEXT),
        **dict.fromkeys(("image_source", "category"), TEXT),
        "image": IMAGE,
    }
    for split in ("adversarial", "popular", "random"):
        rows = [
            {
                "id": str(number),
                "question_id": str(number + 1),
                "question": f" Is there a cat {number}? ",
                "answer": "yes" if number % 2 else "no",
                "image_source": f"COCO_{number // 2}",
                "category": split,
                "image": image(),
            }
            for number in range(6)
        ]
        write(data / f"POPE/Full/{split}-00000-of-00001.parquet", rows, columns)


def mme(data: Path) -> None:
    columns = {**dict.fromkeys(("question_id", "question", "answer", "category"), TEXT)}
    rows = [
        {
            "question_id": "code_reasoning/0020.png",
            "question": f"Is it {word}? Please answer yes or no.",
            "answer": answer,
            "category": category,
            "image": image(),
        }
        for category in ("existence", "code_reasoning")
        for word, answer in (("red", "Yes"), ("blue", "No"))
    ]
    write(data / "MME/data/test-00000-of-00001.parquet", rows, {**columns, "image": IMAGE})


def gqa(data: Path, num_rows: int = 6) -> None:
    columns = {
        **dict.fromkeys(("id", "imageId", "question", "answer", "fullAnswer"), TEXT),
        "isBalanced": pa.bool_(),
    }
    rows = [
        {
            "id": f"20{number}",
            "imageId": f"n{number // 3}",
            "question": f"What is {number}?",
            "answer": "red",
            "fullAnswer": "It is red.",
            "isBalanced": True,
        }
        for number in range(num_rows)
    ]
    write(data / "GQA/testdev_balanced_instructions/testdev-00000-of-00001.parquet", rows, columns)
    pictures = [{"id": f"n{number}", "image": image()} for number in range(-(-num_rows // 3))]
    write(
        data / "GQA/testdev_balanced_images/testdev-00000-of-00001.parquet",
        pictures,
        {"id": TEXT, "image": IMAGE},
    )


def textvqa(data: Path) -> None:
    columns = {
        **dict.fromkeys(("image_id", "question", "image_classes"), TEXT),
        "question_id": pa.int32(),
        "answers": TEXTS,
        "ocr_tokens": TEXTS,
        "image": IMAGE,
    }
    row = {
        "image_id": "003a8ae2ef43b901",
        "question_id": 34602,
        "question": "what is the brand of this Dakota camera?",
        "answers": ["dakota"] * 10,
        "ocr_tokens": ["DAKOTA"],
        "image_classes": "Camera",
        "image": image(),
    }
    write(data / "textvqa/data/validation-00000-of-00001.parquet", [row], columns)


def _human(answer: str) -> list[dict[str, Any]]:
    return [
        {"answer": answer, "answer_confidence": "yes", "answer_id": number}
        for number in range(1, 11)
    ]


_HUMAN = pa.list_(pa.struct([("answer", TEXT), ("answer_confidence", TEXT), ("answer_id", INT)]))


def vqav2(data: Path) -> None:
    columns = {
        **dict.fromkeys(("question_type", "multiple_choice_answer", "answer_type"), TEXT),
        **dict.fromkeys(("image_id", "question_id"), INT),
        "answers": _HUMAN,
        "question": TEXT,
        "image": IMAGE,
    }
    row = {
        "question_type": "what",
        "multiple_choice_answer": "net",
        "answer_type": "other",
        "image_id": 262148,
        "question_id": 262148000,
        "answers": _human("net"),
        "question": "What is behind?",
        "image": image(),
    }
    write(data / "VQAv2/data/validation-00000-of-00001.parquet", [row], columns)


def scienceqa(data: Path) -> None:
    columns = {
        **dict.fromkeys(("question", "hint", "task", "grade", "subject", "topic"), TEXT),
        "choices": TEXTS,
        "answer": pa.int8(),
        "image": IMAGE,
    }
    base = {"task": "closed choice", "grade": "grade2", "subject": "natural science", "topic": "x"}
    rows = [
        {**base, "question": "Which?", "hint": "", "choices": ["a", "b"], "answer": 1},
        {**base, "question": "What?", "hint": "Read.", "choices": ["a", "b", "c"], "answer": 0},
    ]
    rows = [{**row, "image": image()} for row in rows]
    write(data / "ScienceQA/ScienceQA-IMG/test-00000-of-00001.parquet", rows, columns)


def ok_vqa(data: Path) -> None:
    columns = {
        **dict.fromkeys(("question_id", "question", "question_type", "answer_type"), TEXT),
        "image": IMAGE,
        "answers": TEXTS,
    }
    row = {
        "question_id": "2971475",
        "image": image(),
        "question": "What sport?",
        "answers": ["racing"] * 10,
        "question_type": "four",
        "answer_type": "other",
    }
    write(data / "OK-VQA/data/val2014-00000-of-00001.parquet", [row], columns)


def vizwiz(data: Path) -> None:
    columns = {"question_id": TEXT, "image": IMAGE, "question": TEXT, "answers": TEXTS}
    columns["category"] = TEXT
    row = {
        "question_id": "VizWiz_val_00000000.jpg",
        "image": image(),
        "question": "Ok. THERE is another picture",
        "answers": ["unanswerable"] * 10,
        "category": "unanswerable",
    }
    write(data / "VizWiz-VQA/data/val-00000-of-00001.parquet", [row], columns)


def llava_bench(data: Path) -> None:
    columns = {
        **dict.fromkeys(("question_id", "question", "gpt_answer", "category"), TEXT),
        **dict.fromkeys(("image_id", "caption"), TEXT),
        "image": IMAGE,
    }
    rows = [
        {
            "question_id": str(number),
            "question": f"Describe <b>scene</b> {number}.",
            "gpt_answer": "It is red.",
            "category": ("conv", "detail", "complex")[number % 3],
            "image_id": f"00{number // 2 + 1}.jpg",
            "caption": "A red square.",
            "image": image(),
        }
        for number in range(4)
    ]
    path = data / "llava-bench-in-the-wild/data/train-00000-of-00001.parquet"
    write(path, rows, columns)


def all_benchmarks(data: Path) -> Path:
    for make in (
        *(mmbench, seed, mmmu, pope, mme, gqa, textvqa, vqav2, scienceqa, ok_vqa, vizwiz),
        llava_bench,
    ):
        make(data)
    return data


def drawn_world(data: Path, indices: list[int], side_px: int = 24) -> Path:
    """Pictures of these scenes below DATA/world, as `datagen world` draws them."""
    from vargpt_datagen.world import png_bytes
    from vargpt_schema.world import scene_at

    (data / "world").mkdir(parents=True, exist_ok=True)
    for index in indices:
        (data / f"world/{index:08d}.png").write_bytes(png_bytes(scene_at(index), side_px))
    return data
