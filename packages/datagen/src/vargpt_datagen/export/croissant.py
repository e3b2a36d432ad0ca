"""Croissant metadata of a published folder, from its manifest, its card and its files.

Croissant 1.1 and its RAI vocabulary 1.0 (http://mlcommons.org/croissant/1.1).
"""

import html
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from vargpt_datagen.export.croissant_columns import COLUMN_MEANINGS, CONTEXT
from vargpt_datagen.export.rows import any_rows
from vargpt_datagen.folder import CARD, MANIFEST
from vargpt_datagen.manifest import read_manifest
from vargpt_datagen.publishing import describe
from vargpt_schema import UserError

_PARQUET = "application/x-parquet"  # the one name of the format that mlcroissant reads
_SHARDS = "shards"
_PAPER = (
    "@article{zhuang2025vargpt, title={VARGPT: Unified Understanding and Generation in a Visual "
    "Autoregressive Multimodal Large Language Model}, author={Zhuang, Xianwei and Xie, Yuxin and "
    "Deng, Yufan and Liang, Liming and Ru, Jinghan and Yin, Yuguo and Zou, Yuexian}, "
    "journal={arXiv preprint arXiv:2501.12327}, year={2025}}"
)
_MARKUP = re.compile(r"\*\*|`|</?code>|\\(?=[\\`*\[\]|~$#!_])")


def croissant_text(folder: Path, *, url: str | None = None, creator: str = "VARGPT toolkit") -> str:
    """The metadata as JSON-LD; its file paths start from the folder itself.

    `url` is the page of the set, once it has one. Where the card names no licence this names
    none. UserError when the folder is not published or has no readable card.
    """
    manifest = read_manifest(folder)
    front, body = _card_parts(folder / CARD)
    rows = any_rows(folder)
    published = datetime.fromtimestamp((folder / MANIFEST).stat().st_mtime, UTC)
    metadata = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": [
            "http://mlcommons.org/croissant/1.1",
            "http://mlcommons.org/croissant/RAI/1.0",
        ],
        "name": manifest["name"],
        "description": _first_paragraph(body),
        "url": url,
        "license": front.get("license_link"),
        "creator": {"@type": "sc:Organization", "name": creator},
        "datePublished": published.date().isoformat(),
        "version": "1.0.0",
        "inLanguage": front.get("language"),
        "keywords": front.get("tags"),
        "citeAs": _PAPER,
        **_rai(manifest, body),
        "distribution": [*(_file_object(path, folder) for path in rows.files), _file_set()],
        "recordSet": _record_set(rows.table.name, rows.table.schema),
    }
    told = {name: value for name, value in metadata.items() if value}
    return json.dumps(told, ensure_ascii=False, indent=2) + "\n"


def _file_object(path: Path, folder: Path) -> dict[str, Any]:
    file = describe(path, folder)
    return {
        "@type": "cr:FileObject",
        "@id": file["path"],
        "name": path.name,
        "contentUrl": file["path"],
        "contentSize": f"{file['size_bytes']} B",
        "encodingFormat": _PARQUET,
        "sha256": file["sha256"],
    }


def _file_set() -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": _SHARDS,
        "name": _SHARDS,
        "description": "All rows, in the order of the files' names.",
        "encodingFormat": _PARQUET,
        "includes": "data/*.parquet",
    }


def _record_set(table: str, schema: pa.Schema) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": table,
        "name": table,
        "description": f"Table `{table}` of the VARGPT toolkit, a record a row.",
        "key": {"@id": f"{table}/{schema.names[0]}"},
        "field": [_field(table, column) for column in schema],
    }


def _field(table: str, column: pa.Field) -> dict[str, Any]:
    about = {
        "@type": "cr:Field",
        "@id": f"{table}/{column.name}",
        "name": column.name,
        "description": COLUMN_MEANINGS[column.name],
    }
    kind = column.type
    if pa.types.is_list(kind):
        about |= {"isArray": True, "arrayShape": "-1"}
        kind = kind.value_type
    source = {"fileSet": {"@id": _SHARDS}, "extract": {"column": column.name}}
    if not pa.types.is_struct(kind):
        return about | {"dataType": _data_type(kind), "source": source}
    parts = [
        {
            "@type": "cr:Field",
            "@id": f"{table}/{column.name}/{part.name}",
            "name": part.name,
            "dataType": _data_type(part.type),
            "source": source | {"transform": {"jsonPath": part.name}},
        }
        for part in kind
    ]
    return about | {"subField": parts}


def _data_type(kind: pa.DataType) -> str:
    return "sc:Integer" if pa.types.is_integer(kind) else "sc:Text"


def _rai(manifest: Mapping[str, Any], body: str) -> dict[str, Any]:
    """What the RAI vocabulary asks for, as far as the folder knows it."""
    captions = manifest.get("captions", {})
    writers = sorted(manifest.get("generators", {}))
    is_world = captions.get("source") == "world"
    collected = [f"Built by the command `{manifest['command']}`."]
    if captions:
        collected.append(f"Captions are from {captions['captioner']}.")
    if writers:
        collected.append(f"Text was written by {', '.join(writers)}.")
    personal = (
        "None: scenes are drawn shapes, and captions name nothing else."
        if is_world
        else "Not looked for: captions and text are a machine's, and may describe people."
    )
    return {
        "rai:dataCollection": " ".join(collected),
        "rai:dataCollectionType": ["Synthetic"],
        "rai:machineAnnotationTools": [*filter(None, [captions.get("captioner")]), *writers],
        "rai:dataLimitations": _known_limits(body),
        "rai:dataBiases": ["Those of the captions and pictures it was built from; not measured."],
        "rai:dataUseCases": ["Training and evaluation of models that answer about and draw images"],
        "rai:personalSensitiveInformation": [personal],
    }


def _card_parts(path: Path) -> tuple[dict[str, Any], str]:
    """Front matter and Markdown of a card."""
    try:
        _, front, body = path.read_text("utf-8").split("---\n", 2)
        return dict(yaml.safe_load(front)), body
    except (OSError, ValueError, TypeError, yaml.YAMLError) as error:
        raise UserError(
            f"{path}: no readable card ({error}), the one that its build wrote was expected. "
            "Run the command that builds the folder once more."
        ) from error


def _first_paragraph(body: str) -> str:
    paragraphs = (part.strip() for part in body.split("\n\n"))
    return _plain(next((part for part in paragraphs if part and part[0] not in "#|"), ""))


def _known_limits(body: str) -> list[str]:
    """The items below the card's heading "Known limits"."""
    section = body.partition("## Known limits\n")[2].partition("\n## ")[0]
    return [_plain(item) for item in re.split(r"^- ", section, flags=re.MULTILINE)[1:]]


def _plain(markdown: str) -> str:
    return " ".join(html.unescape(_MARKUP.sub("", markdown)).split())
