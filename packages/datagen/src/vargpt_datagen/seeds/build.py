"""`datagen seeds`: the three seed pools, asked from an LLM as the paper did.

Paper, Section 4.2 and Appendix 8: prompt_limit_, image_cap_limit_ and answer_limit_seeds limit how
a row's request, scene and answer are worded. Their texts were never published.
"""

import dataclasses
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from vargpt_datagen.endpoint.address import DEEPSEEK, Endpoint, read_key
from vargpt_datagen.folder import BuildFolder, disk_faults_are_said
from vargpt_datagen.manifest import command_line, read_manifest
from vargpt_datagen.seeds.asking import SeedsToWrite, asked_seeds
from vargpt_datagen.seeds.dry_run import seeds_dry_run_text
from vargpt_datagen.seeds.publishing import SET, publish_seeds
from vargpt_datagen.seeds.request import SeedRequests
from vargpt_datagen.seeds.verifying import seed_folder_faults
from vargpt_datagen.writer_config import OFFLINE, WriterConfig, endpoint_for, identity_of
from vargpt_schema import SEED_KINDS, UserError

DEFAULT_COUNT = 120  # as many as are shipped
MAX_COUNT = 1_000  # every request lists the seeds so far
IN_FLIGHT = len(SEED_KINDS)  # the calls of a kind build on each other


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedsConfig:
    """Options of `datagen seeds`."""

    out: Path
    count: int = DEFAULT_COUNT  # seeds of each kind
    seed: int = 0  # chooses the examples shown: another one makes other requests
    work_dir: Path | None = None  # journal and lock; None: OUT/.work
    writer: WriterConfig = field(default_factory=WriterConfig)


class MadeSeeds(NamedTuple):
    """What a folder of seeds came to."""

    out: Path
    num_seeds: int  # of all kinds
    num_of_kind: int
    was_finished: bool  # nothing was left to do
    usd: float | None  # paid for this folder so far; None: price unknown


def seeds(config: SeedsConfig) -> MadeSeeds:
    """Make or resume one folder of seeds; a finished one is left as it is.

    UserError on bad input, and when the model has no more to say.
    """
    endpoint, requests = _open(config)
    folder = BuildFolder(config.out, config.work_dir)
    if not folder.manifest.exists():
        read_key(endpoint, config.writer.key_env)  # before anything is written
    print(f"seeds in {folder.root}", file=sys.stderr)
    folder.make()
    with disk_faults_are_said(folder.root), folder.locked():
        folder.sweep()
        identity = _identity(config, endpoint, requests)
        folder.expect_config(identity)
        manifest = _published(folder, identity["rows"])
        was_finished = manifest is not None
        if manifest is None:
            wanted = SeedsToWrite(requests, config.count, endpoint, config.writer)
            with asked_seeds(wanted, folder) as asked:
                manifest = publish_seeds(
                    folder,
                    asked,
                    num_of_kind=config.count,
                    identity=identity,
                    command=_command(config, identity),
                )
    return MadeSeeds(
        folder.root, manifest["counts"]["rows"], config.count, was_finished, manifest.get("usd")
    )


def dry_run_seeds(config: SeedsConfig) -> str:
    """The first request of each kind, calls, tokens and USD; nothing is written."""
    endpoint, requests = _open(config)
    return seeds_dry_run_text(requests, config.count, endpoint)


def _open(config: SeedsConfig) -> tuple[Endpoint, SeedRequests]:
    if not 1 <= config.count <= MAX_COUNT:
        raise UserError(
            f"--count {config.count}: 1 to {MAX_COUNT:,} seeds of each kind were expected. "
            "Change it."
        )
    endpoint = None if config.writer.name == OFFLINE else endpoint_for(config.writer)
    if endpoint is None:
        raise UserError(
            f"--writer {OFFLINE}: {DEEPSEEK} or the URL of a host was expected, as seeds are asked "
            "from an LLM. Name one; without any, builds use the shipped seeds: leave --seeds out."
        )
    requests = SeedRequests(model=endpoint.model, seed=config.seed, parameters=endpoint.parameters)
    return endpoint, requests


def _identity(config: SeedsConfig, endpoint: Endpoint, requests: SeedRequests) -> dict[str, Any]:
    """What must not change between two runs on one folder; `rows` may grow."""
    return {
        "set": SET,
        "rows": config.count * len(SEED_KINDS),
        "seed": config.seed,
        **identity_of(config.writer, endpoint),
        "request_form_sha256": requests.form_sha256,
    }


def _command(config: SeedsConfig, identity: dict[str, Any]) -> str:
    defaults = {each.name: each.default for each in dataclasses.fields(SeedsConfig)}
    options = identity | {"count": config.count}
    return command_line("seeds", options, defaults | {"writer": None, "model": None})


def _published(folder: BuildFolder, num_rows: int) -> dict[str, Any] | None:
    """The manifest, when it is there with these rows and all that it tells of."""
    try:
        manifest = read_manifest(folder.root)
    except UserError:  # not published, or damaged: published anew from the journal
        return None
    if manifest["counts"]["rows"] != num_rows or seed_folder_faults(folder.root, manifest):
        return None
    return manifest
