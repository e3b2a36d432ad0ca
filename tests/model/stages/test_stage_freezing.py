"""What is trained, by the names of the official checkpoint at full size."""

import json
from pathlib import Path

import pytest

from vargpt_model.stage_training.freezing import freeze
from vargpt_model.stages import VARIANTS, is_trained

MANIFEST = Path(__file__).parents[2] / "golden" / "vargpt_llava_v1_manifest.json"
NORMS = "ln_q."  # of the generation projectors; never applied, never trained


@pytest.fixture(scope="module")
def full_size():
    import torch

    from vargpt_model.vargpt import VargptForConditionalGeneration
    from vargpt_model.vargpt.presets import preset_7b

    with torch.device("meta"):
        return VargptForConditionalGeneration(preset_7b())


@pytest.mark.parametrize(
    ("stage", "variant", "parts", "millions"),
    [
        ("1", "paper", {"image_gen_projector", "image_gen_projector_out"}, 36.19),
        ("1", "official", {"image_gen_projector", "image_gen_projector_out", "vargpt_gen"}, 97.64),
        ("2", "paper", {"language_model", "multi_modal_projector"}, 6759.92),
        ("2", "official", {"language_model"}, 6738.94),
        ("2", "frozen_projector", {"language_model"}, 6738.94),
        ("2", "frozen_llm", {"multi_modal_projector"}, 20.98),
        ("3", "paper", {"vargpt_gen", "image_gen_projector", "image_gen_projector_out"}, 2105.74),
        (
            "3",
            "official",
            {"vargpt_gen", "image_gen_projector", "image_gen_projector_out"},
            2105.74,
        ),
        ("3", "frozen_projector", {"vargpt_gen"}, 2069.55),
        ("3", "frozen_decoder", {"image_gen_projector", "image_gen_projector_out"}, 36.19),
    ],
)
def test_trained_parts_by_the_names_of_the_official_checkpoint(
    full_size, stage, variant, parts, millions
):
    manifest = json.loads(MANIFEST.read_text("utf-8"))
    trained = set(freeze(full_size, stage, variant))
    official = trained & manifest.keys()
    assert {name.split(".")[0] for name in official} == parts
    assert trained - official <= {"guidance_null_states"}  # the one tensor that is ours
    frozen = {name for name, _ in full_size.named_parameters()} - trained
    assert not any(name.startswith(("vae_local", "vision_tower")) for name in trained)
    assert all(is_trained(stage, name, variant) for name in trained)
    assert not any(is_trained(stage, name, variant) for name in frozen)
    parameters = dict(full_size.named_parameters())
    count = sum(parameters[name].numel() for name in official)
    assert count / 1e6 == pytest.approx(millions, abs=0.02)


def test_the_official_stage_1_trains_the_condition_table_and_nothing_else_of_the_decoder(full_size):
    ours = [name for name in freeze(full_size, "1", "official") if name.startswith("vargpt_gen")]
    assert ours == ["vargpt_gen.class_emb.weight"]


def test_every_variant_belongs_to_a_row_of_the_papers_tables_or_to_the_released_code():
    assert {stage: sorted(variants) for stage, variants in VARIANTS.items()} == {
        "1": ["official", "paper"],
        "2": ["frozen_llm", "frozen_projector", "official", "paper"],
        "3": ["frozen_decoder", "frozen_projector", "official", "paper"],
    }
