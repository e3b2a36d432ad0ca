"""`--dry-run` of a template build: what it would hold, and its first rows; writes nothing."""

from typing import Any

from vargpt_datagen.beside_130k import overlap_text
from vargpt_datagen.printable import printable
from vargpt_datagen.template_build import TemplateBuild

_SHOWN_ROWS = 3


def template_dry_run_text(build: TemplateBuild) -> str:
    """The plan of a build and its first rows."""
    manifest = build.manifest([])
    captions, templates = manifest["captions"], manifest["templates"]
    lines = [
        f"{manifest['name']} in {build.folder.root}",
        f"{build.num_rows:,} rows of {captions['usable']:,} usable images "
        f"({sum(captions['dropped'].values()):,} dropped), captions by "
        f"{printable(captions['captioner'])}",
        f"{len(templates['prompts'])} request and {len(templates['answers'])} answer templates; "
        "no language model is asked, nothing is paid",
    ]
    if "overlap_130k" in manifest:
        lines.append(overlap_text(manifest["overlap_130k"]))
    shown = range(min(_SHOWN_ROWS, build.num_rows))
    (images,) = build.images([shown])
    for row in build.rows(images, shown).to_pylist():
        lines += ["", *_row_lines(row)]
    return "\n".join(lines)


def _row_lines(row: dict[str, Any]) -> list[str]:
    if "prompt" in row:
        return [f"{row['image_id']}  user: {printable(row['prompt'])}"]
    return [
        f"{row['image_id']}  {turn['role']}: {printable(turn['content'])}"
        for turn in row["messages"]
    ]
