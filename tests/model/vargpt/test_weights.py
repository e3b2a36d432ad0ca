"""Starts from published files, official folders and presets."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.model.vargpt.published_folders import (
    published_model,
    save_sharded,
    small_image_tokenizer,
    write_llava,
    write_official,
    write_vae,
    write_var,
)
from vargpt_schema import Message, UserError


@pytest.fixture(scope="module")
def model():
    return published_model(guidance_null="noise")


@pytest.fixture(scope="module")
def parts(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("parts")
    write_llava(folder / "llava", model)
    write_var(folder / "var.pth", model)
    write_vae(folder / "vae.pth", model)
    write_official(folder / "official", model)
    return folder


def start(parts: Path, llava: str = "llava", **changes):
    from vargpt_model.weights import start_from_published

    return start_from_published(
        parts / llava,
        parts / "var.pth",
        parts / "vae.pth",
        seed=0,
        image_tokenizer=small_image_tokenizer(),
        **changes,
    )


def written(tmp_path: Path, made, dtype=None, **changes):
    from vargpt_model.weights import open_model, write_model

    write_model(tmp_path / "model", made, {"seed": 0}, dtype=dtype, **changes)
    return open_model(tmp_path / "model")


def test_published_parts_become_a_model_with_every_tensor_in_its_place(model, parts, tmp_path):
    import torch

    opened = written(tmp_path, start(parts), torch.float32, max_shard_bytes=100_000)
    own, found = model.state_dict(), opened.model.state_dict()
    for name, tensor in own.items():
        if name.startswith(("vision_tower.", "multi_modal_projector.", "language_model.")):
            assert found[name].equal(tensor.half().float()), name
        elif name.startswith(("vae_local.", "vargpt_gen.")) and "class_emb" not in name:
            assert found[name].equal(tensor), name
    config = opened.model.config
    assert config.guidance_null == "learned"
    assert (config.image_gen_start_token_id, config.image_gen_end_token_id) == (302, 303)
    assert (config.training_condition, config.inference_condition) == (302, 303)
    assert found["guidance_null_states"].shape == (14, 32)
    assert found["image_gen_projector.mlp.0.weight"].std() == pytest.approx(0.02, rel=0.2)


def test_vars_row_for_no_class_fills_the_two_condition_rows_unless_random_is_asked(parts, tmp_path):
    import torch

    no_class = torch.load(parts / "var.pth", weights_only=True)["class_emb.weight"][-1]
    rows = written(tmp_path, start(parts)).model.vargpt_gen.class_emb.weight
    assert rows.shape == (304, 32)
    assert rows[302].equal(no_class)
    assert rows[303].equal(no_class)
    random = start(parts, condition_rows="random")
    table = random.tensors["vargpt_gen.class_emb.weight"].load()
    assert table.std() == pytest.approx(0.02, rel=0.1)
    assert not table[302].equal(table[303])


@pytest.mark.parametrize("layout", [{"old_names": False}, {"bins": True}], ids=["newer", "bin"])
def test_llava_of_other_releases_gives_the_same_tensors(model, parts, tmp_path, layout):
    write_llava(tmp_path / "llava", model, **layout)
    for name in ("var.pth", "vae.pth"):
        (tmp_path / name).write_bytes((parts / name).read_bytes())
    first, second = start(parts), start(tmp_path)
    assert first.tensors.keys() == second.tensors.keys()
    for name in first.tensors:
        assert first.tensors[name].load().equal(second.tensors[name].load()), name


def test_an_official_folder_keeps_its_tensors_and_gets_a_working_processor(model, parts, tmp_path):
    import torch
    from PIL import Image

    from vargpt_model.generation import GenerationOptions, answer
    from vargpt_model.weights import start_from_official

    made = start_from_official(parts / "official", image_tokenizer=small_image_tokenizer())
    opened = written(tmp_path, made)
    for name, tensor in model.state_dict().items():
        expected = tensor.bfloat16().float() if tensor.is_floating_point() else tensor
        assert opened.model.state_dict()[name].to(expected.dtype).equal(expected), name
    config = opened.model.config
    assert (config.guidance_null, config.inference_condition) == ("noise", 303)
    assert opened.model.language_model.lm_head.weight.dtype == torch.bfloat16
    assert opened.model.vae_local.quant_conv.weight.dtype == torch.float32
    question = [Message("user", "<image>\nwhat is it?")]
    encoded = opened.processor.encode(question, [Image.new("RGB", (9, 9))])
    assert encoded.input_ids.count(300) == 4
    reply = answer(
        opened.model,
        opened.processor,
        [question],
        [[Image.new("RGB", (9, 9))]],
        seeds=[1],
        options=GenerationOptions(min_images=1, max_part_tokens=3),
    )[0]
    assert len(reply.images) == 1


def test_the_published_image_tokenizer_replaces_one_stored_in_bfloat16(model, parts, tmp_path):
    from vargpt_model.weights import start_from_official

    made = start_from_official(
        parts / "official", vae=parts / "vae.pth", image_tokenizer=small_image_tokenizer()
    )
    opened = written(tmp_path, made)
    for name, tensor in model.vae_local.state_dict().items():
        assert opened.model.vae_local.state_dict()[name].equal(tensor), name


def test_a_written_model_written_again_has_the_same_bytes(parts, tmp_path):
    from vargpt_model.weights import start_from_official, write_model

    made = start_from_official(parts / "official", image_tokenizer=small_image_tokenizer())
    write_model(tmp_path / "one", made, {}, dtype=None)
    again = start_from_official(tmp_path / "one")
    write_model(tmp_path / "two", again, {}, dtype=None)
    first, second = (tmp_path / name / "model.safetensors" for name in ("one", "two"))
    assert first.read_bytes() == second.read_bytes()
    assert again.config.to_dict() == made.config.to_dict()


def test_shards_of_a_killed_run_are_kept_and_the_rest_is_written(parts, tmp_path):
    from vargpt_model.weights import start_from_official, write_model

    made = start_from_official(parts / "official", image_tokenizer=small_image_tokenizer())
    out = tmp_path / "model"
    write_model(out, made, {}, dtype=None, max_shard_bytes=100_000)
    shards = sorted(out.glob("*.safetensors"))
    contents = {path.name: path.read_bytes() for path in shards}
    kept = shards[0].stat().st_mtime_ns
    shards[1].write_bytes(shards[1].read_bytes()[:-8])
    shards[2].unlink()
    (out / "init.json").unlink()
    write_model(out, made, {}, dtype=None, max_shard_bytes=100_000)
    assert {path.name: path.read_bytes() for path in out.glob("*.safetensors")} == contents
    assert shards[0].stat().st_mtime_ns == kept


def test_a_preset_starts_alike_from_the_same_seed():
    from vargpt_model.weights import start_from_preset

    first, second, third = (start_from_preset("tiny", seed=seed) for seed in (1, 1, 2))
    differ = 0
    for name in first.tensors:
        assert first.tensors[name].load().equal(second.tensors[name].load()), name
        differ += not first.tensors[name].load().equal(third.tensors[name].load())
    assert differ > 50


def test_a_preset_takes_the_sizes_and_weights_of_a_trained_image_tokenizer(tmp_path):
    from vargpt_model.image_tokenizer import ImageTokenizer
    from vargpt_model.image_tokenizer_folder import save_image_tokenizer
    from vargpt_model.weights import start_from_preset

    own = ImageTokenizer(small_image_tokenizer())
    save_image_tokenizer(own, tmp_path / "tokenizer")
    made = start_from_preset("tiny", seed=0, image_tokenizer=tmp_path / "tokenizer")
    assert made.config.visual_decoder_config.patch_nums == (1, 2, 3)
    assert made.config.vision.image_size == 12 or made.config.num_image_codes == 14
    name = "vae_local.encoder.conv_in.weight"
    assert made.tensors[name].load().equal(own.encoder.conv_in.weight)


def test_a_missing_shard_is_named(parts, tmp_path):
    from vargpt_model.weights import open_model, write_model

    write_model(tmp_path / "model", start(parts), {}, dtype=None, max_shard_bytes=100_000)
    (tmp_path / "model" / "model-00002-of-00007.safetensors").unlink(missing_ok=True)
    missing = sorted((tmp_path / "model").glob("*.safetensors"))[-1]
    missing.unlink()
    with pytest.raises(UserError, match=r"of \d+ shards that it names are missing, first model-"):
        open_model(tmp_path / "model")
    with pytest.raises(UserError, match="shards that it names are missing"):
        from vargpt_model.weights import start_from_official

        start_from_official(tmp_path / "model")


def test_another_architecture_is_named(parts, tmp_path):
    from vargpt_model.weights import open_model, start_from_official, start_from_published

    with pytest.raises(UserError, match="architecture 'llava' found, 'vargpt_llava' expected"):
        open_model(parts / "llava")
    with pytest.raises(UserError, match="architecture 'llava' found, 'vargpt_llava' expected"):
        start_from_official(parts / "llava")
    with pytest.raises(UserError, match="architecture 'vargpt_llava' found, 'llava' expected"):
        start_from_published(parts / "official", parts / "var.pth", parts / "vae.pth", seed=0)
    with pytest.raises(UserError, match=r"config\.json: cannot be read"):
        open_model(tmp_path)


def test_a_tensor_that_is_missing_or_misshapen_is_an_error_not_a_random_start(parts, tmp_path):
    from vargpt_model.vargpt import VargptForConditionalGeneration
    from vargpt_model.weights import open_model, write_model

    write_model(tmp_path / "model", start(parts), {}, dtype=None)
    from safetensors.torch import load_file, save_file

    file = tmp_path / "model" / "model.safetensors"
    tensors = load_file(file)
    del tensors["language_model.lm_head.weight"]
    save_file(tensors, file, {"format": "pt"})
    with pytest.raises(ValueError, match=r"1 missing keys, first language_model\.lm_head\.weight"):
        VargptForConditionalGeneration.from_pretrained(tmp_path / "model")
    with pytest.raises(UserError, match=r"missing language_model\.lm_head\.weight"):
        open_model(tmp_path / "model")


def test_a_learned_null_that_the_checkpoint_lacks_is_an_error(parts, tmp_path):
    from vargpt_model.weights import open_model, start_from_official, write_model

    made = start_from_official(parts / "official", image_tokenizer=small_image_tokenizer())
    write_model(tmp_path / "model", made, {}, dtype=None)
    path = tmp_path / "model" / "config.json"
    path.write_text(
        path.read_text().replace('"guidance_null": "noise"', '"guidance_null": "learned"')
    )
    with pytest.raises(UserError, match="missing guidance_null_states"):
        open_model(tmp_path / "model")
    with pytest.raises(UserError, match="guidance_null is learned and tensor"):
        start_from_official(tmp_path / "model")


def test_weights_of_other_sizes_are_named_with_their_file(parts, tmp_path):
    import torch

    from vargpt_model.weights import start_from_published

    tensors = torch.load(parts / "var.pth", weights_only=True)
    tensors["head.bias"] = torch.zeros(3)
    torch.save(tensors, tmp_path / "var.pth")
    with pytest.raises(UserError, match=r"var\.pth: .*vargpt_gen\.head\.bias \(3,\) instead of"):
        start_from_published(
            parts / "llava",
            tmp_path / "var.pth",
            parts / "vae.pth",
            seed=0,
            image_tokenizer=small_image_tokenizer(),
        )
    with pytest.raises(UserError, match=r"vae\.pth: vocab_size 4096 found, .* has 32"):
        start_from_published(parts / "llava", parts / "var.pth", parts / "vae.pth", seed=0)


def test_a_folder_without_a_working_processor_says_how_to_repair_it(parts, tmp_path):
    from vargpt_model.weights import open_model, start_from_official, write_model

    made = start_from_official(parts / "official", image_tokenizer=small_image_tokenizer())
    write_model(tmp_path / "model", made, {}, dtype=None)
    (tmp_path / "model" / "processor_config.json").unlink()
    with pytest.raises(UserError, match="Repair it with `vargpt init --vargpt"):
        open_model(tmp_path / "model")
    # An official folder at other sizes than the published ones is refused before it is loaded.
    with pytest.raises(UserError, match="tensors do not fit the model"):
        open_model(parts / "official")


def test_an_index_that_leads_out_of_its_folder_is_refused(tmp_path):
    import torch

    from vargpt_model.weights.stored_tensors import open_folder

    save_sharded({"a": torch.zeros(2)}, tmp_path, 1)
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "../model.safetensors"}}))
    with pytest.raises(UserError, match="names of files beside the index were expected"):
        open_folder(tmp_path)
    index.write_text("{")
    with pytest.raises(UserError, match="a damaged index found"):
        open_folder(tmp_path)


MEMORY_PROGRAM = """
import sys
from pathlib import Path
import torch
from vargpt_model.weights.stored_tensors import open_folder
from vargpt_model.weights.writer import write_weights
write_weights(open_folder(Path(sys.argv[1])), Path(sys.argv[2]), dtype=torch.float16,
              max_shard_bytes=500_000_000)
# Not ru_maxrss: that one counts what the parent held when it started this process.
status = Path("/proc/self/status").read_text()
print(int(status.split("VmHWM:")[1].split()[0]) * 1024)
"""


@pytest.mark.slow
def test_converting_2_gb_takes_no_more_memory_than_its_largest_shard_and_half_a_gigabyte(tmp_path):
    import torch

    generator = torch.Generator().manual_seed(0)
    tensors = {
        f"t{index:02d}": torch.empty(25_000_000, dtype=torch.bfloat16).normal_(generator=generator)
        for index in range(40)
    }
    save_sharded(tensors, tmp_path / "in", 4)
    largest = max(path.stat().st_size for path in (tmp_path / "in").glob("*.safetensors"))
    total = sum(path.stat().st_size for path in (tmp_path / "in").glob("*.safetensors"))
    assert total >= 2 * 10**9
    del tensors
    ran = subprocess.run(
        [sys.executable, "-c", MEMORY_PROGRAM, str(tmp_path / "in"), str(tmp_path / "out")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    peak_bytes = int(ran.stdout)
    print(f"peak {peak_bytes / 1e9:.2f} GB, largest shard {largest / 1e9:.2f} GB")
    assert peak_bytes <= 1.2 * largest + 0.5e9
