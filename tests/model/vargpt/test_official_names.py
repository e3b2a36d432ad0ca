"""Names and shapes of the official checkpoint, at full size."""

import json
import math
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parents[2] / "golden"
MANIFEST: dict[str, list[int]] = json.loads(
    (GOLDEN / "vargpt_llava_v1_manifest.json").read_text("utf-8")
)


def test_full_size_model_has_the_1424_tensors_of_the_official_checkpoint():
    from vargpt_model.vargpt import VargptConfig
    from vargpt_model.weights.random_tensors import meta_tensors

    own = {name: list(tensor.shape) for name, tensor in meta_tensors(VargptConfig()).items()}
    assert own == MANIFEST
    assert len(own) == 1424


def test_official_names_map_one_to_one_to_those_of_the_published_parts():
    from vargpt_model.weights.official_names import (
        LLAVA_PARTS,
        official_from_llava,
        official_from_vae,
        official_from_var,
    )

    from_llava = {name for name in MANIFEST if name.startswith(LLAVA_PARTS)}
    for name in from_llava:
        assert official_from_llava(name) == name
        newer = name.replace("language_model.lm_head", "lm_head")
        newer = newer.replace("language_model.model.", "model.language_model.")
        if newer == name:
            newer = "model." + name
        assert official_from_llava(newer) == name
    from_var = {
        official_from_var(name)
        for name in json.loads((GOLDEN / "var_d30_manifest.json").read_text("utf-8"))["tensors"]
    }
    from_vae = {
        official_from_vae(name)
        for name in json.loads((GOLDEN / "vae_ch160v4096z32_manifest.json").read_text("utf-8"))[
            "tensors"
        ]
    }
    projectors = {name for name in MANIFEST if name.startswith("image_gen_projector")}
    assert (len(from_llava), len(from_var), len(from_vae), len(projectors)) == (686, 402, 324, 12)
    assert from_llava | from_var | from_vae | projectors == MANIFEST.keys()


@pytest.mark.slow
def test_full_size_checkpoint_loads_with_nothing_missing_unexpected_or_made_anew(tmp_path):
    """The real loader on a sparse file of 18.6 GB that takes no room; weights stay on meta."""
    import torch

    from vargpt_model.vargpt import VargptConfig, VargptForConditionalGeneration

    VargptConfig().save_pretrained(tmp_path)
    header, offset = {}, 0
    for name, shape in MANIFEST.items():
        kind, width = ("I64", 8) if name.endswith("lvl_1L") else ("BF16", 2)
        end = offset + math.prod(shape) * width
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with (tmp_path / "model.safetensors").open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + offset)
    model, info = VargptForConditionalGeneration.from_pretrained(
        tmp_path, dtype=torch.bfloat16, device_map="meta", output_loading_info=True
    )
    assert {name: set(found) for name, found in info.items() if found} == {}
    assert model.language_model.lm_head.weight.shape == (32064, 4096)
    assert model.vae_local.quant_conv.weight.dtype == torch.float32
