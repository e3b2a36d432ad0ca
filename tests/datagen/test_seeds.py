"""`datagen seeds` as a process against a real server: what it publishes, resumes and refuses."""

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.datagen.command import datagen, published
from tests.datagen.endpoint_command import ended, expect_built, journal_of, refusal
from tests.datagen.llm_server import Server, running_server, wait_until
from tests.datagen.seeds_command import good_replies, make_seeds, start_seeds
from vargpt_datagen.manifest import read_manifest
from vargpt_datagen.pools import read_seeds
from vargpt_datagen.seeds.verifying import seed_folder_faults
from vargpt_schema import INSTRUCT, REPLIES


@pytest.fixture
def replies(tmp_path: Path) -> Path:
    return good_replies(tmp_path, 60)


@pytest.fixture
def server(replies: Path) -> Iterator[Server]:
    with running_server("--latency-s", 0, "--content-file", replies) as running:
        yield running


def test_three_pools_are_published_with_what_made_them_and_a_build_takes_them(
    server: Server, tmp_path: Path
):
    ran = make_seeds(server, "--count", 50, "--price", "1,2", cwd=tmp_path)
    expect_built(ran)
    folder = tmp_path / "seeds"
    pools = read_seeds(folder)
    manifest = read_manifest(folder)
    assert ran.stdout == f"150 seeds (50 of each kind), {manifest['usd']:.2f} USD -> seeds\n"
    for kind, pool in pools.items():
        assert [seed.seed_id for seed in pool] == [f"{kind}-{n:03d}" for n in range(1, 51)]
        assert {seed.generator for seed in pool} == {"test-model-1"}
        assert len({seed.text for seed in pool}) == 50
    assert (folder / "data" / "seeds-00000-of-00001.parquet").exists()

    replies = list(REPLIES.records(folder / "replies"))
    assert len(replies) == server.ledger()["billed"] == 9
    assert manifest["counts"] == {
        "rows": 150,
        "rejects": 0,
        "calls": 9,
        "judged_replies": 9,
        "unusable_replies": 0,
    }
    assert manifest["tokens"]["prompt"] == sum(reply.prompt_tokens for reply in replies)
    usd = sum((reply.prompt_tokens + 2 * reply.completion_tokens) / 1e6 for reply in replies)
    assert manifest["usd"] == pytest.approx(usd)
    assert manifest["command"] == (
        f"datagen seeds --writer {server.url} --model asked-model --count 50"
    )
    assert seed_folder_faults(folder, manifest) == []
    card = (folder / "README.md").read_text()
    assert "| written by | test-model-1 (150) |" in card

    words = ("build-130k", "--rows", 300, "--seeds", "seeds", "--out", "build")
    built = datagen(*words, cwd=tmp_path)
    assert built.returncode == 0, built.stderr
    assert read_manifest(tmp_path / "build")["seeds"] == manifest["seeds"]
    card = (tmp_path / "build" / "README.md").read_text()
    assert "| seeds | test-model-1 (50 request, 50 scene, 50 answer) |" in card
    used = set(INSTRUCT.read(tmp_path / "build").column("answer_seed_id").to_pylist())
    assert used <= {seed.seed_id for seed in pools["answer"]}
    assert len(used) > 40


def test_a_finished_folder_is_left_alone_and_a_higher_count_pays_the_new_ones_only(
    server: Server, tmp_path: Path
):
    folder = tmp_path / "seeds"
    expect_built(make_seeds(server, "--count", 25, cwd=tmp_path))
    before, first = published(folder), read_seeds(folder)
    assert server.ledger()["requests"] == 6

    ran = make_seeds(server, "--count", 25, cwd=tmp_path)
    assert ran.stdout == "75 seeds were published already, nothing to do -> seeds\n"
    assert published(folder) == before
    assert server.ledger()["requests"] == 6

    shutil.rmtree(folder / ".work")  # as may be done: the replies are published
    expect_built(make_seeds(server, "--count", 45, cwd=tmp_path))
    ledger = server.ledger()
    assert (ledger["requests"], ledger["billed_again"]) == (9, 0)
    for kind, pool in read_seeds(folder).items():
        assert len(pool) == 45
        assert pool[:25] == first[kind]

    fewer = refusal(make_seeds(server, "--count", 25, cwd=tmp_path))
    assert "rows: 135 published, now 75" in fewer
    assert len(read_seeds(folder)["prompt"]) == 45


def test_damage_is_mended_without_a_request(server: Server, tmp_path: Path):
    folder = tmp_path / "seeds"
    expect_built(make_seeds(server, "--count", 20, cwd=tmp_path))
    before, manifest = published(folder), read_manifest(folder)
    table = folder / "data" / "seeds-00000-of-00001.parquet"
    table.write_bytes(table.read_bytes()[:-50])
    (folder / "README.md").unlink()
    assert [fault.split(":")[0] for fault in seed_folder_faults(folder, manifest)] == [
        "data/seeds-00000-of-00001.parquet",
        "README.md",
    ]
    expect_built(make_seeds(server, "--count", 20, cwd=tmp_path))
    assert published(folder) == before
    assert server.ledger()["requests"] == 3


def test_a_killed_run_goes_on_where_it_was_and_pays_what_was_in_flight_at_most(
    server: Server, tmp_path: Path
):
    # The server's count of cached tokens would tell the second run from the first.
    server.configure(usage="none")
    calm, killed = tmp_path / "calm", tmp_path / "killed"
    for folder in (calm, killed):
        folder.mkdir()
    expect_built(make_seeds(server, "--count", 100, cwd=calm))
    server.reset()
    server.configure(latency_s=0.3)
    process = start_seeds(server, "--count", 100, cwd=killed)
    try:
        wait_until(lambda: server.ledger()["billed"] >= 4)
        process.send_signal(signal.SIGKILL)
    finally:
        ended(process)
    seeds = killed / "seeds"
    assert not (seeds / "manifest.json").exists()
    arrived = {sha256 for sha256, *_ in journal_of(seeds)}
    assert 1 <= len(arrived) < 15

    server.configure(latency_s=0)
    expect_built(make_seeds(server, "--count", 100, cwd=killed))
    billed = [sha256 for sha256, _ in server.billed()]
    assert all(billed.count(sha256) == 1 for sha256 in arrived)
    assert len(billed) - len(set(billed)) <= 3
    assert published(seeds) == published(calm / "seeds")


def test_ctrl_c_keeps_what_has_arrived_and_prints_the_command_that_continues(
    server: Server, tmp_path: Path
):
    server.configure(latency_s=0.3)
    process = start_seeds(server, "--count", 100, cwd=tmp_path)
    try:
        wait_until(lambda: server.ledger()["billed"] >= 4)
        process.send_signal(signal.SIGINT)
    finally:
        ran = ended(process)
    assert ran.returncode == 130, ran.stderr
    assert "Traceback" not in ran.stderr
    assert ran.stderr.endswith(
        f"Continue with: datagen seeds --out seeds --writer {server.url} --model asked-model "
        "--key-env none --count 100\n"
    )
    arrived = {sha256 for sha256, *_ in journal_of(tmp_path / "seeds")}
    assert arrived
    server.configure(latency_s=0)
    expect_built(make_seeds(server, "--count", 100, cwd=tmp_path))
    billed = [sha256 for sha256, _ in server.billed()]
    assert all(billed.count(sha256) == 1 for sha256 in arrived)


def test_bad_replies_cost_calls_but_no_seeds(server: Server, tmp_path: Path):
    server.configure(faults={"malformed": 0.15, "blank": 0.1, "length": 0.1, "refused": 0.1})
    # One at a time: which canned reply a request gets, and so what later ones say and which faults
    # they meet, would otherwise depend on which kind is asked first.
    words = ("--count", 100, "--seed", 4, "--price", "1,2", "--in-flight", 1)
    expect_built(make_seeds(server, *words, cwd=tmp_path))
    folder = tmp_path / "seeds"
    assert {len(pool) for pool in read_seeds(folder).values()} == {100}
    manifest, replies = read_manifest(folder), list(REPLIES.records(folder / "replies"))
    refused = [reply for reply in replies if reply.finish_reason == "http_refusal"]
    assert manifest["unusable_by_reason"].keys() >= {"malformed_json", "refused"}
    assert manifest["unusable_by_reason"]["refused"] == len(refused)
    assert server.ledger()["sent_refused_again"] == 0
    assert manifest["counts"]["calls"] == len({reply.request_sha256 for reply in replies})
    assert manifest["counts"]["calls"] > 15
    assert max(reply.attempt for reply in replies) <= 3
    assert seed_folder_faults(folder, manifest) == []
