"""`datagen push`: a published folder to a data set repository of the Hugging Face hub."""

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from vargpt_datagen.endpoint.address import is_loopback
from vargpt_datagen.endpoint.key import Key, key_in
from vargpt_datagen.export.croissant import croissant_text
from vargpt_datagen.export.rows import any_rows
from vargpt_datagen.folder import CARD, MANIFEST, REPORT
from vargpt_datagen.manifest import read_manifest
from vargpt_datagen.printable import printable
from vargpt_datagen.report.page import QUALITY
from vargpt_datagen.stage2.publish import UNUSABLE
from vargpt_datagen.verify import verify
from vargpt_schema import UserError
from vargpt_schema.compute import pc

if TYPE_CHECKING:
    from huggingface_hub import HfApi

TOKEN_ENV = "HF_TOKEN"
CROISSANT = "croissant.json"
_PAGES = (CARD, MANIFEST, REPORT, QUALITY, UNUSABLE)  # where there are such
_REPO = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
# What an earlier push may have left: shards of other names.
_SHARD = re.compile(r"(data|rejects|replies)/[^/]+\.parquet")
_ANSWERS = {
    401: "the token of {token_env} is unknown there or may not see this repository. Make one with "
    "write access at {host}/settings/tokens, and set it (export {token_env}=...).",
    403: "the token of {token_env} may not write to {repo}. Give it write access at "
    "{host}/settings/tokens, or choose a repository of your own with --repo OWNER/NAME.",
    404: "there is no such place for the owner of {token_env}'s token. Check --repo OWNER/NAME.",
    429: "too many requests for now. Run the same command again later.",
}


class HubFile(NamedTuple):
    """One file as the repository is to hold it."""

    path: str
    size_bytes: int
    content: Path | bytes


class Pushed(NamedTuple):
    """What was sent, or would be."""

    files: Sequence[HubFile]
    url: str  # page of the data set

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)


def push(
    folder: Path,
    repo: str,
    *,
    public: bool = False,
    dry_run: bool = False,
    token_env: str = TOKEN_ENV,
) -> Pushed:
    """Send what a build published to `repo` (OWNER/NAME), in one commit; private unless `public`.

    Shards that an earlier push left there and this build lacks are removed. A dry run checks the
    folder and sends nothing. UserError for a folder with faults, a world build under ImageNet's
    name, a missing token, and whatever the hub refuses. HF_ENDPOINT names another hub.
    """
    from huggingface_hub import constants

    if not _REPO.fullmatch(repo):
        raise UserError(
            f"--repo {repo}: OWNER/NAME was expected, such as my-lab/sample-world-130k. Give the "
            "owner and the name of a data set repository."
        )
    _refuse_faulty(folder)
    _refuse_misleading(folder, repo)
    host = constants.ENDPOINT
    pushed = Pushed(_files(folder, repo, host), f"{host}/datasets/{repo}")
    if dry_run:
        return pushed
    token = _token(token_env, host)
    kind = "public" if public else "private"
    print(f"sending {len(pushed.files)} files to {pushed.url} ({kind})", file=sys.stderr)
    with _refusals_are_said(repo, host, token_env, token):
        from huggingface_hub import HfApi

        api = HfApi(endpoint=host, token=token.reveal(), library_name="vargpt-datagen")
        _send(api, pushed.files, repo, is_public=public)
    return pushed


def _refuse_faulty(folder: Path) -> None:
    faults = verify(folder)
    if faults:
        raise UserError(
            f"{folder}: {len(faults)} faults found (first: {faults[0]}), a good build was "
            "expected. See them all with `datagen verify`."
        )


def _refuse_misleading(folder: Path, repo: str) -> None:
    """The sample world stands in for ImageNet; nobody may take it for ImageNet."""
    name = repo.partition("/")[2]
    if "imagenet" not in re.sub(r"[^a-z0-9]", "", name.lower()):
        return
    if "sample-world" in read_manifest(folder)["name"].lower() or _holds_world_rows(folder):
        raise UserError(
            f"--repo {repo}: a name with ImageNet in it found, but this set is made from the "
            "sample world; another name was expected. Choose one such as "
            f"{repo.partition('/')[0]}/sample-world-instruct."
        )


def _holds_world_rows(folder: Path) -> bool:
    return any(
        pc.any(pc.equal(batch.column(0), "world")).as_py()
        for batch in any_rows(folder).batches(["source"])
    )


def _files(folder: Path, repo: str, host: str) -> list[HubFile]:
    """The pages and listed shards of a build, and metadata that knows its address."""
    pages = [name for name in _PAGES if (folder / name).is_file()]
    shards = [file["path"] for file in read_manifest(folder)["files"]]
    paths = [(name, folder / name) for name in (*pages, *shards)]
    files = [HubFile(name, path.stat().st_size, path) for name, path in paths]
    owner = repo.partition("/")[0]
    metadata = croissant_text(folder, url=f"{host}/datasets/{repo}", creator=owner).encode()
    return [*files, HubFile(CROISSANT, len(metadata), metadata)]


def _token(token_env: str, host: str) -> Key:
    token = key_in(token_env)
    if token is None:
        raise UserError(
            f"{token_env}: no token found in this environment variable, {host} needs one that may "
            f"write. Make one at {host}/settings/tokens and set it (export {token_env}=...), or "
            "see what would be sent with --dry-run."
        )
    parts = urlsplit(host)
    if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        raise UserError(
            f"HF_ENDPOINT {host}: the token of {token_env} would travel unencrypted to another "
            "machine; https was expected. Set an https address."
        )
    return token


def _send(api: "HfApi", files: Sequence[HubFile], repo: str, *, is_public: bool) -> None:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    api.create_repo(repo, repo_type="dataset", private=not is_public, exist_ok=True)
    found = api.dataset_info(repo)
    if bool(found.private) == is_public:
        here, wanted = ("private", "public") if is_public else ("public", "private")
        raise UserError(
            f"--repo {repo}: {here} on the hub, a {wanted} repository was expected "
            f"{'with' if is_public else 'without'} --public. Nothing was sent. Choose another "
            "name, or change its visibility in its settings there."
        )
    sent = {file.path for file in files}
    there = [sibling.rfilename for sibling in found.siblings or ()]
    old = [path for path in there if _SHARD.fullmatch(path) and path not in sent]
    api.create_commit(
        repo,
        [
            *(CommitOperationAdd(file.path, file.content) for file in files),
            *(CommitOperationDelete(path) for path in old),
        ],
        repo_type="dataset",
        commit_message="Publish the build",
        parent_commit=found.sha,
    )


@contextmanager
def _refusals_are_said(repo: str, host: str, token_env: str, token: Key) -> Iterator[None]:
    """What the hub or the way there refuses, as one line without the token."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    try:
        yield
    except HfHubHTTPError as error:
        status = error.response.status_code
        if status in _ANSWERS:
            told = _ANSWERS[status].format(token_env=token_env, repo=repo, host=host)
        else:
            told = f"{_line(error, token)} Run the same command again later."
        raise UserError(f"{host}: refused with {status}: {told}") from error
    except OfflineModeIsEnabled as error:
        raise UserError(
            f"{host}: not asked, as HF_HUB_OFFLINE is set; a way to the hub was expected. Unset it."
        ) from error
    except httpx2.HTTPError as error:
        raise UserError(
            f"{host}: cannot be reached ({_line(error, token)}). Check the network, and run the "
            "same command again: what has arrived is not sent twice."
        ) from error
    except (ValueError, RuntimeError, OSError) as error:  # a card it cannot read; a cut transfer
        raise UserError(
            f"{host}: the push did not end well ({_line(error, token)}), a commit was expected. "
            "Run the same command again."
        ) from error


def _line(error: Exception, token: Key) -> str:
    return printable(token.mask(" ".join(str(error).split()) or type(error).__name__))[:300]
