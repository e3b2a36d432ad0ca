"""`datagen recheck`: today's rules on the replies of a build, without asking anybody."""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from vargpt_datagen.asking import Asked, RowsToWrite, asked_rows
from vargpt_datagen.build_130k import (
    Build130kConfig,
    identity_130k,
    open_inputs,
    publish_130k,
)
from vargpt_datagen.folder import BuildFolder, disk_faults_are_said
from vargpt_datagen.manifest import read_manifest
from vargpt_datagen.report import make_report
from vargpt_datagen.writer_config import OFFLINE, WriterConfig
from vargpt_schema import INSTRUCT, UserError


class Rechecked(NamedTuple):
    """What today's rules make of a build."""

    out: Path
    num_rows: int
    num_rejects: int
    num_left: int  # rows that were in the set and are not any more
    num_new: int  # rows that were not
    num_open: int  # rows without text: their spares were never asked for
    command: str  # that would ask for them


def recheck(folder: Path, *, captions: str | None = None, seeds: Path | None = None) -> Rechecked:
    """Judge every reply again and publish the folder anew.

    Rejects that pass now come back, rows that fail now are replaced where a spare's reply is at
    hand, and stay open where it is not. `captions` and `seeds` say where the inputs lie now, if
    they have moved. UserError when the folder is no build or its inputs have changed.
    """
    config = _config_of(folder)
    if captions is not None:
        config = replace(config, captions=captions)
    if seeds is not None:
        config = replace(config, seeds=seeds)
    inputs = open_inputs(config)
    build = BuildFolder(folder, config.work_dir)
    build.make()  # .work may have been deleted
    with disk_faults_are_said(folder), build.locked():
        build.sweep()
        identity = identity_130k(config, inputs)
        build.expect_config(identity)
        before = _published(folder, build)
        rows = RowsToWrite(
            inputs.plan, inputs.requests, config.rows, inputs.endpoint, config.writer
        )
        with asked_rows(rows, build, calls=False) as asked:
            _expect_replies(folder, before, asked)
            built = publish_130k(inputs, build, identity, asked)
        make_report(folder, config.image_root)
    old_ids, new_ids = (
        set(table.column("sample_id").to_pylist()) for table in (before, _published(folder, build))
    )
    return Rechecked(
        out=folder,
        num_rows=built.num_rows,
        num_rejects=built.num_rejects,
        num_left=len(old_ids - new_ids),
        num_new=len(new_ids - old_ids),
        num_open=asked.written.num_open,
        command=read_manifest(folder)["command"],
    )


def _config_of(folder: Path) -> Build130kConfig:
    """The configuration that a folder tells of: its manifest, or what it was started with."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder, a build folder was expected. Check the path.")
    told = BuildFolder(folder).told_config()
    if told is None:
        read_manifest(folder)  # says what is wrong with it
        raise UserError(f"{folder}: no build found. Run the command that builds it.")
    if told.get("set") != "130k":
        raise UserError(
            f"{folder}: a set {told.get('set')!r} found, one of build-130k was expected: only its "
            "text comes from replies. Check the path."
        )
    try:
        writer, model = told["writer"], told["model"]
        return Build130kConfig(
            out=folder,
            rows=told["rows"],
            seed=told["seed"],
            captions=told["captions"],
            seeds=Path(told["seeds"]) if told["seeds"] else None,
            shots=told["shots"],
            shot_sets=told["shot_sets"],
            work_dir=BuildFolder(folder).started_work_dir(),
            writer=WriterConfig(name=writer, model=None if writer == OFFLINE else model),
        )
    except (KeyError, TypeError) as error:
        raise UserError(
            f"{folder}: its manifest lacks an option ({error}), those of build-130k were "
            "expected. Run the command that builds it again."
        ) from error


def _published(folder: Path, build: BuildFolder) -> pa.Table:
    """Ids and requests of the rows that are published; none where a recheck was interrupted."""
    columns = ["sample_id", "request_sha256"]
    if not any(build.data.glob("*.parquet")):
        return INSTRUCT.from_records([]).select(columns)
    return INSTRUCT.read(folder, columns)


def _expect_replies(folder: Path, published: pa.Table, asked: Asked) -> None:
    """Never publish less because replies are lost, instead of judged."""
    requests = set(published.column("request_sha256").to_pylist())
    if asked.journal:
        missing = requests - asked.journal.requests()
        if missing:
            raise UserError(
                f"{folder}: {len(missing):,} rows have no reply any more, neither in .work nor in "
                "replies/, so they cannot be judged. Restore replies/; the folder is as it was."
            )
    if not asked.written.rows:
        raise UserError(
            f"{folder}: no reply passes today's rules. Nothing was changed; run the command that "
            "builds it to ask for more."
        )
