"""Weight files of the references: names, shapes, and what is refused."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.model import golden
from tests.model.golden import tiny_decoder, tiny_tokenizer
from vargpt_model import ImageTokenizer, ImageTokenizerConfig, VisualDecoder, VisualDecoderConfig
from vargpt_model.checkpoint import load_image_tokenizer, load_visual_decoder, read_tensors
from vargpt_schema.errors import UserError

PUBLISHED = {
    "var_d16": lambda: VisualDecoder(VisualDecoderConfig.var(16)),
    "var_d30": lambda: VisualDecoder(VisualDecoderConfig()),
    "vae_ch160v4096z32": lambda: ImageTokenizer(ImageTokenizerConfig()),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_names_shapes_and_types_are_those_of_the_published_file(name):
    manifest = json.loads((golden.FOLDER / f"{name}_manifest.json").read_text("utf-8"))
    with torch.device("meta"):
        module = PUBLISHED[name]()
    found = {
        key: {"shape": list(tensor.shape), "dtype": str(tensor.dtype).removeprefix("torch.")}
        for key, tensor in module.state_dict().items()
    }
    assert found == manifest["tensors"]
    assert sum(p.numel() for p in module.parameters()) == manifest["_meta"]["params"]


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_tokenizer_file_gives_the_codes_of_the_model_that_was_saved(tmp_path, suffix):
    path = tmp_path / f"vae{suffix}"
    tokenizer = tiny_tokenizer()
    save(tokenizer.state_dict(), path)
    loaded = load_image_tokenizer(path, tokenizer.config)
    codes = loaded.encode(golden.tiny_pixels())
    expected = golden.vectors("var_tiny")
    assert all(torch.equal(ids, expected[f"idx.{scale}"]) for scale, ids in enumerate(codes))


def test_the_same_tokenizer_weights_serve_another_resolution(tmp_path):
    tokenizer = tiny_tokenizer()
    save(tokenizer.state_dict(), tmp_path / "vae.pth")
    larger = replace(tokenizer.config, patch_nums=(1, 2, 3, 4, 5))
    loaded = load_image_tokenizer(tmp_path / "vae.pth", larger)
    assert loaded.quantize.ema_vocab_hit_SV.shape == (5, 32)
    assert [ids.shape[1] for ids in loaded.encode(torch.zeros(1, 3, 80, 80))] == [1, 4, 9, 16, 25]


@torch.no_grad()
def test_sizes_of_a_decoder_are_read_off_its_tensors(tmp_path):
    save(tiny_decoder().state_dict(), tmp_path / "var.pth")
    loaded = load_visual_decoder(tmp_path / "var.pth")
    assert loaded.config.patch_nums == (1, 2, 3, 4)
    assert (loaded.config.num_layers, loaded.config.num_heads) == (2, 2)
    assert (loaded.config.num_classes, loaded.config.mlp_ratio) == (10, 4.0)
    expected = golden.vectors("var_tiny")
    logits = loaded(expected["in.label"], expected["var_input"])
    golden.assert_close(logits, expected["logits"], 5e-5)


@pytest.mark.parametrize("shared_adaln", [False, True])
@pytest.mark.parametrize("qk_norm", [False, True])
def test_other_forms_of_decoder_are_read_off_too(tmp_path, shared_adaln, qk_norm):
    config = VisualDecoderConfig(
        num_layers=1,
        hidden_dim=128,
        num_heads=2,
        vocab_size=8,
        code_dim=2,
        patch_nums=(1, 3),
        drop_path=0.1 / 24,
        shared_adaln=shared_adaln,
        qk_norm=qk_norm,
    )
    save(VisualDecoder(config).state_dict(), tmp_path / "var.pth")
    assert load_visual_decoder(tmp_path / "var.pth").config == config


def test_a_width_that_heads_of_64_channels_do_not_fill_is_refused(tmp_path):
    config = VisualDecoderConfig(
        num_layers=1, hidden_dim=32, num_heads=1, vocab_size=8, patch_nums=(1, 3), qk_norm=False
    )
    save(VisualDecoder(config).state_dict(), tmp_path / "var.pth")
    with pytest.raises(UserError, match="width 32 is no multiple of 64"):
        load_visual_decoder(tmp_path / "var.pth")
    assert load_visual_decoder(tmp_path / "var.pth", config).config == config


def changed(**changes: torch.Tensor | None) -> dict[str, torch.Tensor]:
    state = {**tiny_tokenizer().state_dict(), **changes}
    return {name: tensor for name, tensor in state.items() if tensor is not None}


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"quant_conv.bias": None}, "missing quant_conv.bias"),
        ({"loss.weight": torch.zeros(1)}, "unknown loss.weight"),
        (
            {"quant_conv.bias": torch.zeros(9)},
            r"of another shape quant_conv.bias \(9,\) instead of \(8,\)",
        ),
        (
            {"quant_conv.bias": torch.zeros(8, dtype=torch.int64)},
            "of another type found: quant_conv.bias torch.int64 instead of torch.float32",
        ),
    ],
)
def test_missing_unknown_and_misshapen_tensors_are_named(tmp_path, state, message):
    path = tmp_path / "vae.pth"
    save(changed(**state), path)
    with pytest.raises(UserError, match=message) as caught:
        load_image_tokenizer(path, tiny_tokenizer().config)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_many_faults_are_counted_not_listed(tmp_path):
    save({"a": torch.zeros(1)}, tmp_path / "vae.pth")
    with pytest.raises(UserError, match=r"missing (\S+, ){2}\S+ and 321 more; unknown a"):
        load_image_tokenizer(tmp_path / "vae.pth")


def test_a_decoder_of_other_scales_with_as_many_codes_is_refused(tmp_path):
    decoder = tiny_decoder()
    path = tmp_path / "var.pth"
    state = decoder.state_dict()
    state["lvl_1L"] = state["lvl_1L"].flip(1)
    save(state, path)
    with pytest.raises(UserError, match="scales of other sizes than patch_nums"):
        load_visual_decoder(path, decoder.config)


def test_a_tokenizer_given_as_decoder_is_refused(tmp_path):
    save(tiny_tokenizer().state_dict(), tmp_path / "vae.pth")
    with pytest.raises(UserError, match="no visual decoder found"):
        load_visual_decoder(tmp_path / "vae.pth")


class RunsCode:
    """Unpickled, it would make a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


def test_a_pickle_with_code_in_it_is_refused_and_not_run(tmp_path):
    made = tmp_path / "made"
    torch.save({"weight": RunsCode(made)}, tmp_path / "vae.pth")
    with pytest.raises(UserError, match="unpickling it could run code"):
        read_tensors(tmp_path / "vae.pth")
    assert not made.exists()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("kept_bytes", [0, 100, 60_000])
def test_a_truncated_file_is_refused_in_one_line(tmp_path, suffix, kept_bytes):
    path = tmp_path / f"vae{suffix}"
    save(tiny_tokenizer().state_dict(), path)
    path.write_bytes(path.read_bytes()[:kept_bytes])
    with pytest.raises(UserError, match="Download the file again") as caught:
        read_tensors(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kept_bytes", [24, 40, 200, 500])
def test_a_truncated_file_of_the_old_format_is_refused_too(tmp_path, kept_bytes):
    path = tmp_path / "vae.pth"
    torch.save({"weight": torch.zeros(40)}, path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes()[:kept_bytes])
    with pytest.raises(UserError, match="Download the file again"):
        read_tensors(path)


@pytest.mark.parametrize("content", [b"<html>404</html>", b"hello world", b"\x80\x04."])
def test_other_files_are_refused_in_one_line(tmp_path, content):
    (tmp_path / "vae.pth").write_bytes(content)
    with pytest.raises(UserError, match="a state dict was expected") as caught:
        read_tensors(tmp_path / "vae.pth")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content", [[1, 2], {"trainer": {"x": torch.zeros(1)}}, {1: torch.zeros(1)}]
)
def test_anything_but_a_bare_state_dict_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "vae.pth")
    with pytest.raises(UserError, match="a bare state dict was expected"):
        read_tensors(tmp_path / "vae.pth")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match="no such file found"):
        read_tensors(tmp_path / "none.pth")


def save(state: dict[str, torch.Tensor], path: Path) -> None:
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save(state, path)
