"""Makes a folder ready for the command that fills it: python begin.py FOLDER WHAT [INPUT ...]

Commands resume in a folder that they began themselves and refuse one that another configuration
began. So a folder whose stamp names the same WHAT (the command's parameters) and the same bytes of
every INPUT is left as it is, half done or done. Any other is moved to .before/FOLDER-1, -2, ...
beside it and comes back when its configuration does: replies that were paid and days of training
are never deleted. Beside a folder lie its stamp and the CPU seconds that its command took.
"""

import hashlib
import re
import shutil
import sys
from pathlib import Path

# Options that commands take on a folder that they began without: they change no result. A cap that
# was reached may so be raised, and goes on with the replies that were paid.
FREE = re.compile(
    r" --(?:max-usd|in-flight|price) \S+"
    r"| --set (?:log_every|save_every|sample_every|num_threads|zero_stage)=\S+"
)
STAMP, CPU_SECONDS = "begun", "cpu_seconds"  # ends of the names of what lies beside
BEFORE = ".before"  # hidden, so that no command takes what is kept there for a run of its own


def begin(folder: Path, what: str, inputs: list[Path]) -> None:
    """Leave a folder that this very step began, put any other aside, and stamp it."""
    digest = hashlib.sha256(FREE.sub("", what).encode())
    for path in inputs:
        digest.update(path.read_bytes())
    wanted = digest.hexdigest()
    if _told(folder) == wanted:
        return
    _put_aside(folder)
    earlier = next((each for each in _kept(folder) if _told(each) == wanted), None)
    if earlier is not None:
        earlier.rename(folder)
        _move_beside(earlier, folder)
        _say(f"{earlier} is {folder} again: it was begun with this configuration and input")
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    _beside(folder, CPU_SECONDS).unlink(missing_ok=True)
    partial = _beside(folder, "partial")
    partial.write_text(wanted)
    partial.replace(_beside(folder, STAMP))


def _put_aside(folder: Path) -> None:
    """Under the first free name; a folder without a file is only taken away."""
    if not folder.exists():
        return
    if not any(path.is_file() for path in folder.rglob("*")):
        shutil.rmtree(folder)
        return
    number = 1
    while (aside := folder.parent / BEFORE / f"{folder.name}-{number}").exists():
        number += 1
    aside.parent.mkdir(exist_ok=True)
    folder.rename(aside)
    _move_beside(folder, aside)
    _say(f"{folder} was begun with another configuration or input; it is kept as {aside}")


def _move_beside(before: Path, now: Path) -> None:
    """What lies beside one name to the other."""
    for what in (STAMP, CPU_SECONDS):
        _beside(now, what).unlink(missing_ok=True)
        if _beside(before, what).exists():
            _beside(before, what).rename(_beside(now, what))


def _kept(folder: Path) -> list[Path]:
    return sorted((folder.parent / BEFORE).glob(f"{folder.name}-[0-9]*"))


def _beside(folder: Path, what: str) -> Path:
    return folder.with_name(f".{folder.name}.{what}")


def _told(folder: Path) -> str | None:
    stamp = _beside(folder, STAMP)
    return stamp.read_text() if stamp.exists() else None


def _say(what: str) -> None:
    print(f"begin: {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    place = Path(sys.argv[1])
    try:
        begin(place, sys.argv[2], [Path(each) for each in sys.argv[3:]])
    except OSError as error:
        sys.exit(
            f"error: {error.filename or place}: {error.strerror}; a folder that this user may fill "
            "was expected. Give another with --config out=DIR, or mend this one."
        )
