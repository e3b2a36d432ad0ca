"""`--engine ray` over real clusters of this machine: equal bytes, a killed caller, one cap."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.datagen.command import published
from tests.datagen.endpoint_command import PRICE, build, ended, expect_built, refusal, started_build
from tests.datagen.llm_server import Server, running_server
from tests.datagen.odd_pictures import write_odd_pictures
from tests.datagen.tiny_blip2 import save_tiny_blip2
from vargpt_datagen.build_130k import Build130kConfig, build_130k
from vargpt_datagen.captioning.build import CaptionConfig, Captioned, caption
from vargpt_datagen.verify import verify
from vargpt_datagen.world import draw_world

ROWS, IN_FLIGHT = 150, 16
RAY = ("--engine", "ray", "--workers", 2, "--in-flight", IN_FLIGHT)
CAPTIONS = Path("captions")
_PATIENCE_S = 300.0


def wait_until(is_so: Callable[[], bool]) -> None:
    """Look until something has come true, on a busy machine too."""
    until_s = time.monotonic() + _PATIENCE_S
    while not is_so():
        assert time.monotonic() < until_s, "it never became so"
        time.sleep(0.05)


def started_cluster(num_nodes: int) -> Any:
    """A cluster of so many nodes, each of them processes of its own on this machine."""
    for name in ("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "RAY_USAGE_STATS_ENABLED"):
        os.environ[name] = "0"
    from ray.cluster_utils import Cluster

    options = {"num_cpus": 2, "object_store_memory": 100_000_000, "include_dashboard": False}
    cluster = _started_head(Cluster, options)
    for _ in range(num_nodes - 1):
        cluster.add_node(num_cpus=2, object_store_memory=100_000_000)
    return cluster


def _started_head(kind: Any, options: dict[str, Any]) -> Any:
    """A busy machine needs more than the 30 s that Ray gives a node to start."""
    for _ in range(3):
        try:
            return kind(initialize_head=True, head_node_args=options)
        except Exception as error:
            if "timed out during startup" not in str(error):
                raise
    pytest.skip("Ray cannot run on this machine now: three times no node of it started in 30 s")


@pytest.fixture(scope="module")
def cluster() -> Iterator[dict[str, str]]:
    """What the environment of a command says of a cluster of one node."""
    cluster = started_cluster(1)
    yield {"RAY_ADDRESS": cluster.address}
    cluster.shutdown()


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Torch in this process as in a worker of Ray: more threads than that wait for each other."""
    import torch

    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(num_threads)


@pytest.fixture(scope="module")
def shared_server() -> Iterator[Server]:
    with running_server() as server:
        yield server


@pytest.fixture
def server(shared_server: Server) -> Server:
    shared_server.renew()
    shared_server.reset()
    return shared_server


@pytest.fixture(scope="module")
def locally_built(
    shared_server: Server, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    """What one process publishes."""
    folder = tmp_path_factory.mktemp("local")
    shared_server.renew()
    expect_built(build(shared_server.url, cwd=folder, rows=ROWS))
    return published(folder / "build")


def rows_of(files: dict[str, bytes]) -> dict[str, bytes]:
    """The published tables but the replies, whose tokens hang on the server's cache."""
    return {name: data for name, data in files.items() if name.startswith(("data/", "rejects/"))}


@pytest.mark.ray
def test_a_killed_caller_is_started_again_and_pays_again_at_most_what_was_in_flight_there(
    cluster: dict[str, str], locally_built: dict[str, bytes], server: Server, tmp_path: Path
):
    server.configure(hold_after=ROWS // 3)
    with started_build(server.url, *RAY, cwd=tmp_path, rows=ROWS, variables=cluster) as process:
        wait_until(lambda: server.ledger()["in_flight"] == IN_FLIGHT or process.poll() is not None)
        pid = int((tmp_path / "build" / ".work" / "callers" / "0.lock").read_text())
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: server.ledger()["abandoned"] > 0)
        server.configure(hold_after=None)
        ran = ended(process)
    expect_built(ran)
    assert "caller 0 died with" in ran.stderr
    ledger = server.ledger()
    # A real endpoint bills what its client has left, too.
    assert ledger["billed_again"] + ledger["abandoned"] == IN_FLIGHT // 2
    assert ledger["billed"] - ledger["billed_again"] == ROWS
    assert rows_of(published(tmp_path / "build")) == rows_of(locally_built)


@pytest.mark.ray
def test_callers_together_keep_the_cap_and_a_local_run_goes_on(
    cluster: dict[str, str], locally_built: dict[str, bytes], server: Server, tmp_path: Path
):
    words = ("--price", PRICE, "--max-usd", 0.05)
    ran = build(server.url, *words, *RAY, cwd=tmp_path, rows=ROWS, variables=cluster)
    assert "--max-usd 0.05" in refusal(ran)
    billed = server.ledger()["billed"]
    assert 0 < billed < ROWS
    expect_built(build(server.url, "--price", PRICE, cwd=tmp_path, rows=ROWS))
    assert server.ledger()["billed_again"] == 0
    assert rows_of(published(tmp_path / "build")) == rows_of(locally_built)


@pytest.mark.ray
def test_captions_and_a_build_on_them_are_the_same_bytes_with_both_engines(
    cluster: dict[str, str],
    one_thread: None,  # noqa: ARG001
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("RAY_ADDRESS", cluster["RAY_ADDRESS"])
    model = save_tiny_blip2(tmp_path / "tiny-blip2")
    images = tmp_path / "images"
    draw_world(images, 24, 32, lambda *_: None)
    write_odd_pictures(images / "odd")
    to_caption = CaptionConfig(
        images=images, out=CAPTIONS, model=str(model), rows_per_shard=10, decoders=1
    )
    to_build = Build130kConfig(captions=str(CAPTIONS), rows=15, out=Path("130k"))
    for engine in ("local", "ray"):
        (tmp_path / engine).mkdir()
        monkeypatch.chdir(tmp_path / engine)
        workers = 2 if engine == "ray" else None
        ran = caption(replace(to_caption, engine=engine, workers=workers))
        assert ran == Captioned(CAPTIONS, 30, 3, 0)
        build_130k(replace(to_build, engine=engine, workers=workers))
        assert verify(Path("130k")) == []
    for folder in (CAPTIONS, "130k"):
        assert published(tmp_path / "ray" / folder) == published(tmp_path / "local" / folder)


@pytest.mark.cluster
def test_callers_on_two_nodes_build_the_bytes_of_one_process(
    locally_built: dict[str, bytes], server: Server, tmp_path: Path
):
    cluster = started_cluster(2)
    try:
        variables = {"RAY_ADDRESS": cluster.address}
        words = ("--engine", "ray", "--in-flight", IN_FLIGHT)  # a caller on each node
        ran = build(server.url, *words, cwd=tmp_path, rows=ROWS, variables=variables)
        expect_built(ran)
        assert "Ray: 2 nodes" in ran.stderr
        assert "of 2 callers" in ran.stderr
    finally:
        cluster.shutdown()
    assert server.ledger()["billed"] == ROWS
    assert rows_of(published(tmp_path / "build")) == rows_of(locally_built)


@pytest.mark.ray
def test_an_address_without_a_cluster_is_one_line(tmp_path: Path):
    variables = {"RAY_ADDRESS": "127.0.0.1:1"}
    ran = build("offline", "--engine", "ray", cwd=tmp_path, rows=20, variables=variables)
    assert "no Ray cluster can be reached there" in refusal(ran)
