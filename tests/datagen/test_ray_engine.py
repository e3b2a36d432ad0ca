"""`--engine ray` over real clusters of this machine: equal bytes, a killed caller, one cap."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.datagen.command import datagen, published
from tests.datagen.endpoint_command import PRICE, build, ended, expect_built, refusal, started_build
from tests.datagen.llm_server import Server, running_server
from tests.datagen.odd_pictures import write_odd_pictures
from tests.datagen.tiny_blip2 import save_tiny_blip2
from vargpt_datagen.world import draw_world

ROWS, IN_FLIGHT = 150, 16
RAY = ("--engine", "ray", "--workers", 2, "--in-flight", IN_FLIGHT)


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
    pytest.fail("three times no node of Ray started in 30 s")


@pytest.fixture(scope="module")
def cluster() -> Iterator[dict[str, str]]:
    """What the environment of a command says of a cluster of one node."""
    cluster = started_cluster(1)
    yield {"RAY_ADDRESS": cluster.address}
    cluster.shutdown()


@pytest.fixture(scope="module")
def shared_server() -> Iterator[Server]:
    with running_server() as server:
        yield server


@pytest.fixture
def server(shared_server: Server) -> Server:
    shared_server.renew()
    shared_server.reset()
    return shared_server


@pytest.fixture
def locally_built(server: Server, tmp_path: Path) -> dict[str, bytes]:
    """What one process publishes; the server then begins anew, its cache warm."""
    (tmp_path / "local").mkdir()
    expect_built(build(server.url, cwd=tmp_path / "local", rows=ROWS))
    server.reset()
    return published(tmp_path / "local" / "build")


def rows_of(files: dict[str, bytes]) -> dict[str, bytes]:
    """The published tables but the replies, whose tokens hang on the server's cache."""
    return {name: data for name, data in files.items() if name.startswith(("data/", "rejects/"))}


@pytest.mark.ray
def test_a_killed_caller_is_started_again_and_pays_again_at_most_what_was_in_flight_there(
    cluster: dict[str, str], server: Server, locally_built: dict[str, bytes], tmp_path: Path
):
    server.configure(latency_s=0.3)
    with started_build(server.url, *RAY, cwd=tmp_path, rows=ROWS, variables=cluster) as process:
        until_s = time.monotonic() + 120
        while server.ledger()["billed"] < ROWS // 3:
            assert process.poll() is None
            assert time.monotonic() < until_s
            time.sleep(0.05)
        pid = int((tmp_path / "build" / ".work" / "callers" / "0.lock").read_text())
        os.kill(pid, signal.SIGKILL)
        ran = ended(process)
    expect_built(ran)
    assert "caller 0 died with" in ran.stderr
    assert server.ledger()["billed_again"] <= IN_FLIGHT // 2
    assert rows_of(published(tmp_path / "build")) == rows_of(locally_built)


@pytest.mark.ray
def test_callers_together_keep_the_cap_and_a_local_run_goes_on(
    cluster: dict[str, str], server: Server, locally_built: dict[str, bytes], tmp_path: Path
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
    cluster: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("RAY_ADDRESS", cluster["RAY_ADDRESS"])
    model = save_tiny_blip2(tmp_path / "tiny-blip2")
    images = tmp_path / "images"
    draw_world(images, 60, 32, lambda *_: None)
    write_odd_pictures(images / "odd")
    made: dict[str, tuple[dict[str, bytes], dict[str, bytes]]] = {}
    for engine in (("--engine", "local"), ("--engine", "ray", "--workers", 2)):
        root = tmp_path / engine[1]
        root.mkdir()
        words = ("--model", model, "--rows-per-shard", 20, "--decoders", 1, *engine)
        captioned = datagen("caption", images, "--out", "captions", *words, cwd=root)
        assert captioned.returncode == 0, captioned.stderr
        assert captioned.stdout == "66 captions, 3 images without -> captions\n"
        words = ("--captions", "captions", "--rows", 20, "--out", "130k", *engine)
        built = datagen("build-130k", *words, cwd=root)
        assert built.returncode == 0, built.stderr
        verified = datagen("verify", "130k", cwd=root)
        assert verified.stdout == "good -> 130k\n"
        made[engine[1]] = published(root / "captions"), published(root / "130k")
    assert made["local"] == made["ray"]


@pytest.mark.cluster
def test_callers_on_two_nodes_build_the_bytes_of_one_process(
    server: Server, locally_built: dict[str, bytes], tmp_path: Path
):
    cluster = started_cluster(2)
    try:
        started_s = time.monotonic()
        variables = {"RAY_ADDRESS": cluster.address}
        words = ("--engine", "ray", "--in-flight", IN_FLIGHT)  # a caller on each node
        ran = build(server.url, *words, cwd=tmp_path, rows=ROWS, variables=variables)
        expect_built(ran)
        assert "Ray: 2 nodes" in ran.stderr
        assert "of 2 callers" in ran.stderr
        assert time.monotonic() - started_s < 120
    finally:
        cluster.shutdown()
    assert server.ledger()["billed"] == ROWS
    assert rows_of(published(tmp_path / "build")) == rows_of(locally_built)


@pytest.mark.ray
def test_an_address_without_a_cluster_is_one_line(tmp_path: Path):
    variables = {"RAY_ADDRESS": "127.0.0.1:1"}
    ran = build("offline", "--engine", "ray", cwd=tmp_path, rows=20, variables=variables)
    assert "no Ray cluster can be reached there" in refusal(ran)
