"""What small.py keeps between machines: few files, each below a limit, whole or not used."""

import importlib.util
import math
from pathlib import Path

import pytest

from vargpt_schema.errors import UserError

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def packed():
    spec = importlib.util.spec_from_file_location(
        "packed_state", ROOT / "pipelines" / "packed_state.py"
    )
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def model(folder: Path, tensors: dict) -> None:
    from safetensors.torch import save_file

    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def test_a_model_comes_back_as_float32_and_its_image_tokenizer_bit_by_bit(packed, tmp_path):
    import torch
    from safetensors.torch import load_file

    torch.manual_seed(0)
    tensors = {
        "lm.weight": torch.randn(50, 40),
        "vae_local.weight": torch.randn(20, 20),
        "mask": torch.tensor([0.0, -math.inf]),
        "levels": torch.arange(5),
    }
    model(tmp_path / "work" / "base", tensors)
    packed.save(tmp_path / "work", ["base"], tmp_path / "state")
    assert packed.load(tmp_path / "state", tmp_path / "other")
    found = load_file(tmp_path / "other" / "base" / "model.safetensors")
    assert found["lm.weight"].dtype == torch.float32
    assert torch.equal(found["lm.weight"], tensors["lm.weight"].half().float())
    for name in ("vae_local.weight", "mask", "levels"):
        assert torch.equal(found[name], tensors[name])
    assert (tmp_path / "other" / "base" / "config.json").read_text() == "{}"


def test_an_image_tokenizer_alone_comes_back_bit_by_bit(packed, tmp_path):
    import torch
    from safetensors.torch import load_file

    tensors = {"encoder.weight": torch.randn(30, 30)}
    model(tmp_path / "work" / "image-tokenizer", tensors)
    packed.save(tmp_path / "work", ["image-tokenizer"], tmp_path / "state")
    packed.load(tmp_path / "state", tmp_path / "other")
    found = load_file(tmp_path / "other" / "image-tokenizer" / "model.safetensors")
    assert torch.equal(found["encoder.weight"], tensors["encoder.weight"])


def test_a_new_set_takes_the_place_of_the_one_before(packed, tmp_path):
    work, state = tmp_path / "work", tmp_path / "state"
    work.mkdir()
    (work / "a.json").write_text("1")
    packed.save(work, ["a.json"], state)
    (work / "a.json").write_text("2")
    packed.save(work, ["a.json"], state)
    assert [path.name[:9] for path in state.iterdir()] == ["state-002"]
    packed.load(state, tmp_path / "other")
    assert (tmp_path / "other" / "a.json").read_text() == "2"


@pytest.fixture
def pieces(packed, tmp_path, monkeypatch):
    """A set of seven files of at most 2,000 bytes."""
    monkeypatch.setattr(packed, "MAX_FILE_BYTES", 2_000)
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "a.bin").write_bytes(bytes(range(250)) * 4)
    parts = packed.save(tmp_path / "work", ["a.bin"], tmp_path / "state")
    assert [path.stat().st_size for path in parts] == [2_000] * (len(parts) - 1) + [
        10_240 - 2_000 * (len(parts) - 1)
    ]
    return parts


def test_a_set_is_split_and_joined(packed, pieces, tmp_path):
    assert len(pieces) == 6
    packed.load(tmp_path / "state", tmp_path / "other")
    assert (tmp_path / "other" / "a.bin").read_bytes() == bytes(range(250)) * 4


def test_a_set_that_lacks_a_piece_is_passed_over_for_a_whole_one(packed, pieces, tmp_path):
    newer = pieces[0].name.replace("state-001", "state-002")
    (tmp_path / "state" / newer).write_bytes(b"half written by a killed process")
    packed.load(tmp_path / "state", tmp_path / "other")
    assert (tmp_path / "other" / "a.bin").stat().st_size == 1_000


def test_pieces_without_a_whole_set_are_an_error_that_says_how_many(packed, pieces, tmp_path):
    pieces[2].unlink()
    with pytest.raises(UserError, match=f"{len(pieces) - 1} of {len(pieces)} pieces of state 1"):
        packed.load(tmp_path / "state", tmp_path / "other")


def test_other_bytes_than_were_written_are_an_error(packed, pieces, tmp_path):
    pieces[1].write_bytes(b"x" + pieces[1].read_bytes()[1:])
    with pytest.raises(UserError, match="other bytes than were written"):
        packed.load(tmp_path / "state", tmp_path / "other")


def test_more_than_eight_files_worth_is_refused(packed, tmp_path, monkeypatch):
    monkeypatch.setattr(packed, "MAX_FILE_BYTES", 1_000)
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "a.bin").write_bytes(bytes(20_000))
    with pytest.raises(UserError, match="at most 8 files of"):
        packed.save(tmp_path / "work", ["a.bin"], tmp_path / "state")
    assert list((tmp_path / "state").iterdir()) == []


def test_weights_beyond_float16_are_refused_by_name(packed, tmp_path):
    import torch

    tensors = {"lm.bad": torch.tensor([70_000.0]), "vae_local.weight": torch.zeros(1)}
    model(tmp_path / "work" / "base", tensors)
    with pytest.raises(UserError, match=r"lm\.bad has values up to 70000, at most 65,504"):
        packed.save(tmp_path / "work", ["base"], tmp_path / "state")


def test_what_is_there_already_is_left_alone(packed, tmp_path):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "a.json").write_text("old")
    packed.save(tmp_path / "work", ["a.json"], tmp_path / "state")
    (tmp_path / "work" / "a.json").write_text("newer")
    packed.load(tmp_path / "state", tmp_path / "work")
    assert (tmp_path / "work" / "a.json").read_text() == "newer"


@pytest.mark.slow
def test_the_small_preset_fits_eight_files_of_15_mib(packed, tmp_path):
    import torch
    import yaml

    from vargpt_model import VargptForConditionalGeneration
    from vargpt_model.image_tokenizer.presets import IMAGE_TOKENIZER_PRESETS
    from vargpt_model.settings import with_settings
    from vargpt_model.vargpt.presets import preset_small

    config = yaml.safe_load((ROOT / "pipelines" / "config" / "small.yaml").read_text())
    sizes = [f"{key}={value}" for key, value in config["set_model"].items()]
    with torch.device("meta"):
        empty = VargptForConditionalGeneration(
            preset_small(with_settings(IMAGE_TOKENIZER_PRESETS["tiny"], sizes))
        )
    tensors = {
        name: torch.zeros(tensor.shape, dtype=tensor.dtype)
        for name, tensor in empty.state_dict().items()
    }
    model(tmp_path / "work" / "stage3", tensors)
    parts = packed.save(tmp_path / "work", ["stage3"], tmp_path / "state")
    assert len(parts) <= 8
    assert max(path.stat().st_size for path in parts) <= 15 * 2**20
    assert sum(path.stat().st_size for path in parts) > 100 * 2**20  # of the size that is meant


def test_a_kill_while_unpacking_leaves_no_record_of_what_is_not_there(
    packed, tmp_path, monkeypatch
):
    import torch

    model(tmp_path / "work" / "stage1", {"lm.weight": torch.ones(2)})
    (tmp_path / "work" / "small.json").write_text("{}")
    packed.save(tmp_path / "work", ["small.json", "stage1"], tmp_path / "state")

    class KilledError(BaseException):
        pass

    num_moved = 0

    def killed_behind_the_first(self, target):
        nonlocal num_moved
        num_moved += 1
        if num_moved == 2:
            raise KilledError
        return replace(self, target)

    replace = Path.replace
    monkeypatch.setattr(Path, "replace", killed_behind_the_first)
    with pytest.raises(KilledError):
        packed.load(tmp_path / "state", tmp_path / "new")
    monkeypatch.undo()
    assert {path.name for path in (tmp_path / "new").iterdir()} == {".unpacking", "stage1"}
    packed.load(tmp_path / "state", tmp_path / "new")
    assert (tmp_path / "new" / "small.json").exists()
