"""`datagen seeds`: what it cannot do is one line that says what to do next."""

import json
from pathlib import Path

import pytest

from tests.datagen.command import datagen
from tests.datagen.endpoint_command import expect_built, refusal
from tests.datagen.llm_server import running_server
from tests.datagen.seeds_command import good_replies, make_seeds
from tests.datagen.small_build import row, write_build
from vargpt_datagen.manifest import read_manifest
from vargpt_datagen.pools import read_seeds
from vargpt_datagen.seeds.build import SeedsConfig, dry_run_seeds, seeds
from vargpt_datagen.seeds.verifying import seed_folder_faults
from vargpt_datagen.writer_config import WriterConfig
from vargpt_schema import SEEDS, SeedRecord, UserError

URL = "http://127.0.0.1:9/v1"  # nobody listens there


def config(out: Path, *, count: int = 120, seed: int = 0, **writer: object) -> SeedsConfig:
    known = {"name": URL, "model": "asked-1", "key_env": "none"} | writer
    return SeedsConfig(out=out, count=count, seed=seed, writer=WriterConfig(**known))  # pyright: ignore[reportArgumentType]


def test_without_an_endpoint_the_shipped_seeds_are_pointed_out(tmp_path: Path):
    for words in ((), ("--writer", "offline")):
        ran = datagen("seeds", "--out", "seeds", *words, cwd=tmp_path)
        assert (ran.returncode, ran.stdout) == (2, "")
        assert ran.stderr == (
            "error: --writer offline: deepseek or the URL of a host was expected, as seeds are "
            "asked from an LLM. Name one; without any, builds use the shipped seeds: leave --seeds "
            "out.\n"
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"count": 0}, "--count 0: 1 to 1,000 seeds of each kind were expected"),
        ({"count": 1_001}, "--count 1001: 1 to 1,000 seeds"),
        ({"max_usd": 1.0}, "--max-usd 1: the price of asked-1 at 127.0.0.1:9 is not known"),
        ({"model": None}, "no model given"),
        ({"in_flight": 0}, "--in-flight 0"),
        ({"name": "deepseek", "model": None, "key_env": None}, "DEEPSEEK_API_KEY: no key found"),
        ({"name": "ftp://host"}, "--writer ftp://host"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, object], message: str
):
    monkeypatch.delenv("DEEPSEEK_API_KEY", raising=False)
    with pytest.raises(UserError) as raised:
        seeds(config(tmp_path / "seeds", **options))  # pyright: ignore[reportArgumentType]
    assert message in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_not_there_ends_the_run_with_its_address(tmp_path: Path):
    with pytest.raises(UserError, match="cannot be reached") as raised:
        seeds(config(tmp_path / "seeds"))
    assert str(raised.value).startswith(f"{URL}: ")


@pytest.mark.parametrize("other", [{"seed": 1}, {"model": "asked-2"}])
def test_a_started_folder_takes_no_other_configuration(tmp_path: Path, other: dict[str, object]):
    out = tmp_path / "seeds"
    with pytest.raises(UserError, match="cannot be reached"):
        seeds(config(out))
    with pytest.raises(UserError, match="started with another configuration"):
        seeds(config(out, **other))  # pyright: ignore[reportArgumentType]


def test_folders_that_hold_something_else_are_refused(tmp_path: Path):
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match=r"files found that no build wrote \(notes\.txt\)"):
        seeds(config(notes))
    build = write_build(tmp_path / "build", [row(0)])
    with pytest.raises(UserError, match="set: started with '130k', now 'seeds'"):
        seeds(config(build))
    assert read_manifest(build)["set"] == "130k"


def test_a_model_with_no_more_to_say_ends_the_run_and_fewer_seeds_cost_nothing_more(
    tmp_path: Path,
):
    replies = good_replies(tmp_path, 1)
    with running_server("--latency-s", 0, "--content-file", replies) as server:
        line = refusal(make_seeds(server, "--count", 60, cwd=tmp_path))
        assert line.startswith(
            "error: --count 60: 20 of kind prompt, 20 of kind caption, 20 of kind answer found, 60 "
            "of each were expected; the last 4 calls for kind prompt brought 0 (dropped so far: "
            "repeats_a_seed 80; the last: Use the words "
        )
        assert line.endswith(
            "What has arrived is kept. Run it with --count 20, which pays nothing more, or choose "
            "another --model or --seed in a new folder."
        )
        assert server.ledger()["billed"] == 15
        ran = make_seeds(server, "--count", 20, cwd=tmp_path)
        expect_built(ran)
        assert ran.stdout == "60 seeds (20 of each kind) -> seeds\n"
        assert server.ledger()["requests"] == 15
    assert {len(pool) for pool in read_seeds(tmp_path / "seeds").values()} == {20}


def test_a_model_that_writes_no_lists_ends_the_run_after_four_calls_of_a_kind(tmp_path: Path):
    with running_server("--latency-s", 0, "--content", "I would rather not.") as server:
        line = refusal(make_seeds(server, cwd=tmp_path))
        assert server.ledger()["billed"] == 3 * 4 * 3
    assert "0 of kind prompt, 0 of kind caption, 0 of kind answer found" in line
    assert "(dropped so far: malformed_json 12; the last: " in line
    assert line.endswith("is kept. Choose another --model or --seed in a new folder.")


def test_a_host_that_refused_everything_can_be_mended_and_the_same_command_goes_on(tmp_path: Path):
    with running_server("--content-file", good_replies(tmp_path, 12), "--latency-s", 0) as server:
        server.configure(status=400)
        line = refusal(make_seeds(server, "--count", 10, cwd=tmp_path))
        assert "dropped so far: refused 4" in line
        server.configure(status=None)
        expect_built(make_seeds(server, "--count", 10, cwd=tmp_path))


def test_a_run_stops_below_its_cap_and_goes_on_when_the_cap_is_raised(tmp_path: Path):
    replies = good_replies(tmp_path, 30)
    with running_server("--latency-s", 0, "--content-file", replies) as server:
        words = ("--count", 60, "--price", "1,2")
        line = refusal(make_seeds(server, *words, "--max-usd", "0.02", cwd=tmp_path))
        assert "--max-usd 0.02: " in line
        assert "raise --max-usd and run the same command" in line
        assert 1 <= server.ledger()["billed"] < 9
        ran = make_seeds(server, *words, "--max-usd", "0.20", cwd=tmp_path)
        expect_built(ran)
        ledger = server.ledger()
    assert (ledger["billed"], ledger["billed_again"]) == (9, 0)
    assert read_manifest(tmp_path / "seeds")["usd"] < 0.20


def test_a_dry_run_shows_requests_and_usd_and_sends_and_writes_nothing(tmp_path: Path):
    shown = dry_run_seeds(config(tmp_path / "seeds", price="1,2"))
    for kind, name in {"prompt": "request", "caption": "scene", "answer": "answer"}.items():
        assert f"== system message, kind {kind}\nYou write guidelines" in shown
        assert f"== user message of its first call, kind {kind}\nFrom another" in shown
        assert f"\nYour list: the {name}\n" in shown
    assert "seeds 360; about 24 calls, each asking for 20" in shown
    assert f"== USD (asked-1 at {URL}), nothing cached\n" in shown
    assert float(shown.splitlines()[-1].split()[0]) == pytest.approx(0.06, abs=0.02)
    unpriced = dry_run_seeds(config(tmp_path / "seeds"))
    assert unpriced.endswith("its price is not known, give --price IN,OUT")
    deepseek = dry_run_seeds(config(tmp_path / "s", name="deepseek", model=None, key_env=None))
    assert deepseek.splitlines()[-1].endswith("V4.1-Flash, peak hours")
    assert list(tmp_path.iterdir()) == []


def test_faults_of_a_published_folder_are_told_by_file(tmp_path: Path):
    replies = good_replies(tmp_path, 6)
    with running_server("--latency-s", 0, "--content-file", replies) as server:
        expect_built(make_seeds(server, "--count", 5, cwd=tmp_path))
    folder = tmp_path / "seeds"
    manifest = read_manifest(folder)
    assert seed_folder_faults(folder, manifest) == []

    def told(**values: object) -> list[str]:
        return [fault.split(". Run")[0] for fault in seed_folder_faults(folder, manifest | values)]

    counts = manifest["counts"] | {"rows": 14}
    assert told(counts=counts)[0] == "manifest.json: counts.rows is 14, the table holds 15"
    assert told(tokens={"prompt": 1, "cached": 0, "completion": 0})[0].startswith("replies: ")
    assert told(set="130k")[0] == "manifest.json: set '130k' found, 'seeds' expected"
    assert told(generators=3)[-1].startswith("manifest.json: no card can be made from it")
    manifest_text = json.dumps(manifest | {"name": "Renamed"})
    (folder / "manifest.json").write_text(manifest_text)
    assert seed_folder_faults(folder, read_manifest(folder)) == [
        "README.md: not the card of this manifest. Run the command that made it again."
    ]
    table = folder / "data" / "seeds-00000-of-00001.parquet"
    SEEDS.write([SeedRecord(seed_id="p", kind="prompt", text="Ask.", generator="g")], table)
    assert told()[0].startswith("data/seeds-00000-of-00001.parquet: size_bytes is ")
    table.unlink()
    assert told()[0] == "data/seeds-00000-of-00001.parquet: missing"
