"""`push` against a hub on this machine: what arrives, who may see it, what is refused."""

import json
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from huggingface_hub import constants

from tests.datagen.command import datagen, published
from tests.datagen.hub_server import TOKEN, Hub, Repository, running_hub
from vargpt_datagen.build_130k import Build130kConfig, build_130k
from vargpt_datagen.push import push
from vargpt_schema import UserError

REPO = "my-lab/sample-world-130k"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("push") / "build"
    build_130k(Build130kConfig(out=out, rows=1_000))
    (out / ".work").mkdir(exist_ok=True)
    (out / ".work" / "journal.sqlite").write_text("not to be sent")
    (out / "review.csv").write_text("not to be sent")
    return out


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    with running_hub() as running:
        monkeypatch.setattr(constants, "ENDPOINT", running.url)
        monkeypatch.setenv("HF_ENDPOINT", running.url)  # of a process of its own
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        yield running


def run_push(folder: Path, *words: str) -> CompletedProcess[str]:
    return datagen("push", folder, "--repo", REPO, *words, cwd=folder.parent)


def refused(folder: Path, repo: str = REPO, **options: Any) -> str:
    """The one line that a push is refused with; never a part of the token in it."""
    with pytest.raises(UserError) as caught:
        push(folder, repo, **options)
    line = str(caught.value)
    assert TOKEN[:8] not in line
    assert "\n" not in line
    return line


def test_what_was_published_arrives_in_a_private_repository(built: Path, hub: Hub):
    ran = run_push(built)
    assert ran.returncode == 0, ran.stderr
    there = hub.repositories[REPO]
    assert there.private
    assert there.commits == 1
    metadata = json.loads(there.files.pop("croissant.json"))
    assert metadata["url"] == f"{hub.url}/datasets/{REPO}"
    assert metadata["creator"]["name"] == "my-lab"
    expected = published(built)
    del expected["review.csv"]
    assert there.files == expected
    assert {name.partition("/")[0] for name in there.files} > {"data", "rejects"}
    assert ran.stdout.startswith(f"{len(expected) + 1} files, ")
    assert ran.stdout.endswith(f"-> {hub.url}/datasets/{REPO}\n")
    assert f"files to {hub.url}/datasets/{REPO} (private)" in ran.stderr


def test_only_public_makes_it_public(built: Path, hub: Hub):
    push(built, REPO, public=True)
    assert not hub.repositories[REPO].private


def test_the_same_again_and_another_build_replace_what_was_there(built: Path, hub: Hub):
    kept = {"notes.md": b"mine", "data/readme.txt": b"mine"}
    old = {"data/train-00001-of-00002.parquet": b"", "rejects/rejects-00001-of-00002.parquet": b""}
    hub.repositories[REPO] = Repository(private=True, files=kept | old)
    push(built, REPO)
    push(built, REPO)
    there = hub.repositories[REPO].files
    assert {name: there[name] for name in kept} == kept
    assert not old.keys() & there.keys()


@pytest.mark.parametrize(
    ("is_private", "is_public", "line"),
    [
        (False, False, "public on the hub, a private repository was expected without --public"),
        (True, True, "private on the hub, a public repository was expected with --public"),
    ],
)
def test_another_visibility_than_asked_for_sends_nothing(
    is_private: bool, is_public: bool, line: str, built: Path, hub: Hub
):
    hub.repositories[REPO] = Repository(private=is_private)
    assert line in refused(built, public=is_public)
    assert hub.repositories[REPO].files == {}


def test_a_dry_run_lists_files_and_sizes_and_asks_nobody(
    built: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("HF_TOKEN")
    ran = run_push(built, "--dry-run")
    assert ran.returncode == 0, ran.stderr
    *files, last = ran.stdout.splitlines()
    sizes = {line.split()[2]: int(line.split()[0].replace(",", "")) for line in files}
    del sizes["croissant.json"]
    expected = {name: len(data) for name, data in published(built).items() if name != "review.csv"}
    assert sizes == expected
    assert last.startswith(f"{len(expected) + 1} files, ")
    assert last.endswith(f"nothing sent: a dry run of {hub.url}/datasets/{REPO}")
    assert hub.requests == []


@pytest.mark.parametrize("name", ["ImageNet-Instruct-130K", "my-IMAGE_NET", "imagenet1k.world"])
def test_the_sample_world_never_goes_out_as_imagenet(name: str, built: Path, hub: Hub):
    line = refused(built, f"my-lab/{name}", dry_run=True)
    assert "made from the sample world; another name was expected" in line
    assert line.endswith("Choose one such as my-lab/sample-world-instruct.")
    assert hub.requests == []


def test_a_build_with_faults_stays_here(built: Path, hub: Hub, tmp_path: Path):
    build = Path(shutil.copytree(built, tmp_path / "build"))
    (build / "report.html").unlink()
    line = refused(build)
    assert "1 faults found (first: report.html: missing" in line
    assert hub.requests == []


@pytest.mark.parametrize("repo", ["name", "a/b/c", "/b", "a/", "a b/c", "../x", "a/-b"])
def test_a_repository_without_owner_or_name_is_refused(repo: str, built: Path):
    with pytest.raises(UserError, match="OWNER/NAME was expected"):
        push(built, repo, dry_run=True)


def test_a_missing_token_is_named(built: Path, hub: Hub):
    line = refused(built, token_env="MY_HUB_TOKEN")
    assert line.startswith("MY_HUB_TOKEN: no token found")
    assert f"{hub.url}/settings/tokens" in line
    assert hub.requests == []


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "refused with 401: the token of HF_TOKEN is unknown there"),
        (403, f"refused with 403: the token of HF_TOKEN may not write to {REPO}"),
        (404, "refused with 404: there is no such place"),
        (429, "refused with 429: too many requests"),
        (500, "refused with 500: "),
    ],
)
def test_what_the_hub_refuses_is_one_line(status: int, words: str, built: Path, hub: Hub):
    hub.status = status
    hub.echo_key = True
    assert words in refused(built)


def test_a_token_of_somebody_else_is_refused(
    built: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HF_TOKEN", "hf_another_token")
    assert "refused with 401" in refused(built)
    assert hub.repositories == {}


def test_a_card_that_the_hub_cannot_read_stops_it_before_any_file(built: Path, hub: Hub):
    hub.is_card_good = False
    line = refused(built)
    assert "the push did not end well" in line
    assert '"license" must be one of mit' in line
    assert hub.repositories[REPO].files == {}


def test_a_hub_that_cannot_be_reached_is_one_line_and_exit_code_2(
    built: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{closed.getsockname()[1]}")
        ran = run_push(built)
    assert ran.returncode == 2
    (line,) = [line for line in ran.stderr.splitlines() if line.startswith("error: ")]
    assert "cannot be reached" in line
    assert line.endswith("run the same command again: what has arrived is not sent twice.")
    assert "Traceback" not in ran.stderr
    assert hub.requests == []


def test_offline_mode_is_named(built: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    ran = run_push(built)
    assert ran.returncode == 2
    assert "HF_HUB_OFFLINE is set" in ran.stderr
    assert hub.requests == []


def test_a_token_never_travels_in_the_clear(built: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(constants, "ENDPOINT", "http://hub.example.org")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert "would travel unencrypted to another machine; https was expected" in refused(built)
