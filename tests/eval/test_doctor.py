"""`vargpt-eval doctor`: what is there, what is not, what is wrong, and the next command."""

from tests.eval.command import refusal, vargpt_eval
from tests.eval.hub_layout import all_benchmarks, drawn_world
from vargpt_eval.benchmark.manifest import benchmarks
from vargpt_eval.doctor import examine


def found(data=None, weights=None, *, with_hashes=False):
    return {one.name: one for one in examine(data, weights, with_hashes=with_hashes)}


def test_an_empty_folder_names_the_command_for_every_benchmark(tmp_path):
    held = found(tmp_path)
    assert set(held) == set(benchmarks())
    assert not any(one.is_good for one in held.values())
    assert held["gqa"].next_step == (
        f"hf download lmms-lab-encoder/GQA --repo-type dataset --local-dir {tmp_path / 'GQA'} "
        "(older id: lmms-lab/GQA)"
    )


def test_rows_are_counted_against_the_whole_split(tmp_path):
    held = found(all_benchmarks(tmp_path))
    assert held["pope_adv"].found == "6 rows in 1 file; 3,000 expected"
    assert not held["pope_adv"].is_good


def test_a_benchmark_without_its_images_is_not_there(tmp_path):
    all_benchmarks(tmp_path)
    for file in (tmp_path / "GQA/testdev_balanced_images").iterdir():
        file.unlink()
    assert "no testdev_balanced_images/testdev-*.parquet" in found(tmp_path)["gqa"].found


def test_a_damaged_file_is_said_to_be_unreadable(tmp_path):
    all_benchmarks(tmp_path)
    (tmp_path / "MME/data/test-00000-of-00001.parquet").write_bytes(b"PAR1 and no more")
    held = found(tmp_path)["mme"]
    assert held.found.startswith("unreadable")
    assert held.next_step.startswith("hf download")


def test_drawn_scenes_are_there(tmp_path):
    held = found(drawn_world(tmp_path, [2_000_000]))
    assert held["world_questions"].found == "1 picture"
    assert held["world_questions"].is_good


def test_weights_of_another_hash_are_not_the_weights(tmp_path):
    (tmp_path / "pt_inception-2015-12-05-6726825d.pth").write_bytes(b"other")
    held = found(weights=tmp_path)["inception"]
    assert not held.is_good
    assert held.found.endswith("; 6726825d0af5f729 expected")


def test_model_folders_and_the_reference_are_found_with_their_hashes(tmp_path):
    folder = tmp_path / "clip-vit-large-patch14"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "clip"}')
    assert found(weights=tmp_path)[folder.name].found == "clip without weights"
    (folder / "model.safetensors").write_bytes(b"x")
    (tmp_path / "VIRTUAL_imagenet256_labeled.npz").write_bytes(b"x")
    held = found(weights=tmp_path, with_hashes=True)
    assert held[folder.name].found.startswith("clip, sha256 ")
    assert held["reference"].is_good
    assert held["clip-vit-base-patch32"].next_step.startswith(
        "hf download openai/clip-vit-base-patch32"
    )


def test_the_command_needs_no_torch_and_says_by_its_exit_code_that_something_is_missing(tmp_path):
    ran = vargpt_eval("doctor", "--data", tmp_path, "--weights", tmp_path)
    assert ran.returncode == 1, ran.stderr
    assert "MISSING mme" in ran.stdout
    assert ran.stdout.splitlines()[-1].startswith("0 of 20 there -> ")
    assert "neither --data nor --weights" in refusal("doctor")
