"""What the builds without a language model share: shards that their inputs decide, and a folder.

Every shard is a pure function of the inputs, so a killed build keeps the ones that are whole, and
the same command writes the rest.
"""

import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import pyarrow as pa

from vargpt_datagen.card import card_text
from vargpt_datagen.folder import BuildFolder, disk_faults_are_said, write_text
from vargpt_datagen.image_columns import ImageColumns
from vargpt_datagen.manifest import FORMAT, command_line, read_manifest, versions
from vargpt_datagen.progress import progress
from vargpt_datagen.publishing import describe
from vargpt_datagen.report import make_report
from vargpt_datagen.template_rows import Forms
from vargpt_datagen.verify import published_faults
from vargpt_datagen.wording_templates import as_written
from vargpt_schema import Table, UserError

ROWS_PER_SHARD = 100_000
# pyarrow lets go of the interpreter while it works, so threads do as well as processes.
NUM_THREADS = 2
_TURN_S = 0.0005


class Built(NamedTuple):
    """What a build came to."""

    out: Path
    num_rows: int
    was_finished: bool  # nothing was left to do
    num_rejects: int | None = None  # None: nothing was judged
    usd: float | None = None  # paid for this folder so far; None: nobody was paid, or not known


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateBuild:
    """One build, ready to be written."""

    folder: BuildFolder
    table: Table[Any]
    split: str  # in the names of the shards
    num_rows: int
    identity: dict[str, Any]  # what must not change between two runs; `rows` may grow
    images: Callable[[list[range]], Iterator[pa.Table]]  # what spans of rows are made from
    rows: Callable[[pa.Table, range], pa.Table]  # of the table; called from several threads
    manifest: Callable[[list[dict[str, object]]], dict[str, Any]]  # from what is said of the files
    image_root: Path | None
    without_dictionary: tuple[str, ...] = ()  # columns whose values hardly repeat
    # Writes the shards and what else belongs to the build; what is said of each file.
    write_files: "Callable[[TemplateBuild], list[dict[str, object]]] | None" = None


def write_build(build: TemplateBuild) -> Built:
    """Write or resume one folder and its report; a finished one is left as it is."""
    folder, image_root = build.folder, build.image_root
    print(f"building in {folder.root}", file=sys.stderr)
    folder.make()
    with disk_faults_are_said(folder.root), folder.locked():
        folder.sweep()
        folder.expect_config(build.identity)
        built = _finished(build)
        if built is None:
            started = time.monotonic()
            built = _publish(build)
            print(f"published in {time.monotonic() - started:.1f} s", file=sys.stderr)
        del build  # and with it the images, which take as much room as the report does
        pa.default_memory_pool().release_unused()
        if not folder.report.exists():
            started = time.monotonic()
            make_report(folder.root, image_root)
            print(f"report in {time.monotonic() - started:.1f} s", file=sys.stderr)
    return built


def num_rows_of(asked: int | None, usual: int, images: ImageColumns, where: str) -> int:
    """Rows to build: what was asked for, or the usual number as far as there are images.

    UserError when more are asked for than there are.
    """
    available = images.num_rows
    if asked is None:
        if available < usual:
            print(
                f"{available:,} rows instead of {usual:,}: {where} has no more usable images "
                f"({sum(images.dropped.values()):,} dropped)",
                file=sys.stderr,
            )
        asked = min(usual, available)
    if not 1 <= asked <= available:
        raise UserError(
            f"--rows {asked}: {where} has {available:,} usable images "
            f"({sum(images.dropped.values()):,} dropped), 1 to {available} was expected. "
            "Give fewer rows or more images."
        )
    return asked


def template_manifest(
    images: ImageColumns,
    *,
    name: str,
    verb: str,
    identity: dict[str, Any],
    options: Mapping[str, Any],
    defaults: Mapping[str, Any],
    forms: Forms,
    template_version: int,
    files: list[dict[str, object]],
    **parts: Any,
) -> dict[str, Any]:
    """The manifest of a build; `name` ends its name, `options` are as the command got them."""
    return {
        "format": FORMAT,
        "name": f"{images.title}-{name}",
        "set": identity["set"],
        "command": command_line(verb, dict(options), dict(defaults)),
        "config": identity,
        "captions": {
            "source": images.name,
            "captioner": images.captioner or "class names, no captions",
            "usable": images.num_rows,
            "dropped": dict(sorted(images.dropped.items(), key=lambda item: (-item[1], item[0]))),
            "odd": dict(images.odd),  # kept
        },
        "templates": {
            "version": template_version,
            "prompts": as_written(forms.prompts),
            "answers": as_written(forms.answers),
        },
        "counts": {"rows": identity["rows"], "rejects": 0},
        **parts,
        "versions": versions(),
        "files": files,
    }


def _finished(build: TemplateBuild) -> Built | None:
    """The published build, when it has these rows and all its files."""
    try:
        manifest = read_manifest(build.folder.root)
    except UserError:  # not published, or damaged
        return None
    if manifest["counts"]["rows"] != build.num_rows:
        return None
    if published_faults(build.folder.root, manifest):
        return None
    return Built(build.folder.root, build.num_rows, was_finished=True)


def _publish(build: TemplateBuild) -> Built:
    """Shards, card and manifest; the old manifest goes first, so no half is taken for a whole."""
    folder = build.folder
    for page in (folder.manifest, folder.card, folder.report):
        page.unlink(missing_ok=True)
    files = (build.write_files or write_shards)(build)
    listed = {folder.root / str(file["path"]) for file in files}
    for path in folder.data.glob(f"{build.split}-?????-of-?????.parquet"):
        if path not in listed:
            path.unlink()
    manifest = build.manifest(files)
    write_text(folder.card, card_text(manifest))
    write_text(folder.manifest, json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")
    is_judged = "judged_replies" in manifest["counts"]
    return Built(
        folder.root,
        build.num_rows,
        was_finished=False,
        num_rejects=manifest["counts"]["rejects"] if is_judged else None,
        usd=manifest.get("usd") or None,
    )


class _Shard(NamedTuple):
    rows: range
    path: Path

    @property
    def name(self) -> str:
        """By its rows: its file is renamed when more rows are asked for."""
        return f"{self.rows.start}-{self.rows.stop}"


def write_shards(build: TemplateBuild, *, keeps_shards: bool = True) -> list[dict[str, object]]:
    """Write all shards; returns what is said of each file.

    Those of an earlier run are kept where they are whole, unless their rows may be others now.
    """
    starts = range(0, build.num_rows, ROWS_PER_SHARD)
    shards = [
        _Shard(
            range(start, min(start + ROWS_PER_SHARD, build.num_rows)),
            build.folder.data / f"{build.split}-{number:05d}-of-{len(starts):05d}.parquet",
        )
        for number, start in enumerate(starts)
    ]
    finished = _FinishedShards(build, reads=keeps_shards)
    said = {shard: found for shard in shards if (found := finished.found(shard))}
    open_shards = [shard for shard in shards if shard not in said]
    images = build.images([shard.rows for shard in open_shards])

    def write(shard: _Shard, found: pa.Table) -> None:
        build.table.write(
            build.rows(found, shard.rows),
            shard.path,
            without_dictionary=build.without_dictionary,
        )
        said[shard] = describe(shard.path, build.folder.root)
        finished.note(shard, said[shard])

    with progress("rows") as show, _short_turns(), ThreadPoolExecutor(NUM_THREADS) as pool:
        writing: set[Future[None]] = set()
        for shard, found in zip(open_shards, images, strict=True):
            writing.add(pool.submit(write, shard, found))
            if len(writing) > NUM_THREADS:  # one more lies ready, and no more: they are large
                _, writing = _first_done(writing)
            show(sum(len(each.rows) for each in [*said]), build.num_rows)
        while writing:
            _, writing = _first_done(writing)
            show(sum(len(each.rows) for each in [*said]), build.num_rows)
    return [said[shard] for shard in shards]


@contextmanager
def _short_turns() -> Iterator[None]:
    """A thread that hashes rows keeps the others from starting Arrow's work for 5 ms at a time."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(_TURN_S)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def _first_done(writing: set[Future[None]]) -> tuple[set[Future[None]], set[Future[None]]]:
    """Wait for one at least; its error is raised here."""
    done, left = wait(writing, return_when=FIRST_COMPLETED)
    for each in done:
        each.result()
    return done, left


class _FinishedShards:
    """Which shards of this build are whole, by rows; on disk, so that a killed build goes on."""

    def __init__(self, build: TemplateBuild, *, reads: bool) -> None:
        self._path = build.folder.work_dir / "shards.json"
        self._root = build.folder.root
        fixed = {name: value for name, value in build.identity.items() if name != "rows"}
        said = json.dumps([fixed, versions()], sort_keys=True, default=str)
        self._build = hashlib.sha256(said.encode()).hexdigest()
        self._shards = self._read() if reads else {}
        self._lock = Lock()

    def found(self, shard: _Shard) -> dict[str, object] | None:
        """What is said of a shard whose file is as it was written, under its name of today."""
        before = self._shards.get(shard.name)
        if not isinstance(before, dict):
            return None
        for path in (shard.path, self._root / str(before.get("path", ""))):
            if not path.is_file() or not path.resolve().is_relative_to(self._root.resolve()):
                continue
            said = describe(path, self._root)
            if said["sha256"] == before.get("sha256"):
                path.replace(shard.path)
                return said | {"path": shard.path.relative_to(self._root).as_posix()}
        return None

    def note(self, shard: _Shard, said: dict[str, object]) -> None:
        """Remember a shard that has been written."""
        with self._lock:
            self._shards[shard.name] = said
            text = json.dumps({"build": self._build, "shards": self._shards})
            write_text(self._path, text)

    def _read(self) -> dict[str, Any]:
        try:
            found = json.loads(self._path.read_text("utf-8"))
            return dict(found["shards"]) if found["build"] == self._build else {}
        except (OSError, ValueError, KeyError, TypeError):
            return {}
