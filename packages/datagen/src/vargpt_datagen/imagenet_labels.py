"""Labels of ImageNet-1k's validation images, which lie in one flat folder: from a file near it."""

import re
from pathlib import Path

from vargpt_datagen.imagenet_classes import imagenet_classes
from vargpt_schema import UserError

# Kaggle's, TensorFlow's and Caffe's; the archive's own numbers follow no order that others use.
LABEL_FILES = (
    "LOC_val_solution.csv",
    "imagenet_2012_validation_synset_labels.txt",
    "val.txt",
)
_LINE = re.compile(
    r"(?:(?P<stem>ILSVRC2012_val_\d{8})(?:\.JPEG)?[ ,\t]+)?(?:(?P<wnid>n\d{8})\b|(?P<label>\d+)$)"
)
_HEADER = "ImageId,PredictionString"


def read_validation_wnids(folder: Path) -> dict[str, str]:
    """WordNet id of each image's stem, from one of LABEL_FILES in the folder or beside it.

    UserError when there is none, or a line of it is something else.
    """
    candidates = [parent / name for parent in (folder, folder.parent) for name in LABEL_FILES]
    file = next((path for path in candidates if path.is_file()), None)
    if file is None:
        raise UserError(
            f"{folder}: images without class folders and no file of labels found, one of "
            f"{', '.join(LABEL_FILES)} was expected in it or beside it. Put one there, or move the "
            "images into class folders."
        )
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    return dict(
        _stem_and_wnid(file, number, line)
        for number, line in enumerate(lines, start=1)
        if line.strip() and line != _HEADER
    )


def _stem_and_wnid(file: Path, number: int, line: str) -> tuple[str, str]:
    classes = imagenet_classes()
    match = _LINE.match(line)
    # A bare number would be a label of the archive's own numbering, a line's place is its image's.
    if match and match["wnid"]:
        return match["stem"] or f"ILSVRC2012_val_{number:08d}", match["wnid"]
    if match and match["stem"] and int(match["label"]) < len(classes):
        return match["stem"], classes[int(match["label"])].wnid
    raise UserError(
        f"{file}: line {number} is {line[:60]!r}, an image's name with its WordNet id or label, or "
        f"a WordNet id, was expected. Get one of {', '.join(LABEL_FILES)}."
    )
