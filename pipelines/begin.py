"""Makes a folder ready for the command that fills it: python begin.py FOLDER WHAT [INPUT ...]

Commands resume in a folder that they began themselves and refuse one that another configuration
began. So a folder whose stamp names the same WHAT (the command's parameters) and the same bytes of
every INPUT is left as it is, half done or done; any other is emptied first. The stamp lies beside,
and so do the CPU seconds that the command took, which go with the folder.
"""

import hashlib
import shutil
import sys
from pathlib import Path


def begin(folder: Path, what: str, inputs: list[Path]) -> None:
    """Leave a folder that this very step began, empty any other, and stamp it."""
    digest = hashlib.sha256(what.encode())
    for path in inputs:
        digest.update(path.read_bytes())
    stamp = folder.parent / f".{folder.name}.begun"
    if stamp.exists() and stamp.read_text() == digest.hexdigest():
        return
    if folder.exists():
        shutil.rmtree(folder)
    (folder.parent / f".{folder.name}.cpu_seconds").unlink(missing_ok=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(digest.hexdigest())


if __name__ == "__main__":
    begin(Path(sys.argv[1]), sys.argv[2], [Path(each) for each in sys.argv[3:]])
