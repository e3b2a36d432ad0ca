"""The configuration: what it holds, what it refuses, and the names it goes by."""

import json

import pytest

from tests.model.vargpt.conftest import small_config


def test_default_sizes_are_the_papers():
    from vargpt_model.vargpt import VargptConfig

    config = VargptConfig()
    assert (config.text.hidden_size, config.text.num_hidden_layers) == (4096, 32)
    assert (config.text.vocab_size, config.context_length) == (32064, 4096)
    assert (config.num_image_tokens, config.num_image_codes) == (576, 680)
    decoder = config.visual_decoder_config
    assert (decoder.num_layers, decoder.hidden_dim, decoder.num_classes) == (30, 1920, 32003)
    assert config.image_tokenizer_config.base_channels == 160


def test_token_ids_are_the_official_ones_and_conditions_are_rows_of_start_and_end():
    from vargpt_model.vargpt import VargptConfig

    config = VargptConfig()
    assert config.image_token_index == 32000
    assert config.pad_token_id == 32001
    assert config.image_gen_start_token_id == 32002
    assert config.image_gen_end_token_id == 32003
    assert config.image_gen_pad_token_id == 32004
    assert (config.training_condition, config.inference_condition) == (32002, 32003)


def test_a_configuration_saved_and_loaded_is_the_same(tmp_path):
    from vargpt_model import VargptConfig

    first = small_config(noise_at="projected", guidance_null="none", add_bos=True)
    first.save_pretrained(tmp_path)
    second = VargptConfig.from_pretrained(tmp_path)
    assert second.to_dict() == first.to_dict()
    assert second.image_tokenizer_config == first.image_tokenizer_config
    assert second.visual_decoder_config == first.visual_decoder_config


def test_sizes_are_written_out_in_full_so_that_later_defaults_change_no_stored_model(tmp_path):
    from vargpt_model.vargpt import VargptConfig

    VargptConfig().save_pretrained(tmp_path)
    stored = json.loads((tmp_path / "config.json").read_text())
    assert stored["visual_decoder"]["condition_dropout"] == 0.1
    assert stored["image_tokenizer"]["patch_nums"] == [1, 2, 3, 4, 5, 6, 8, 10, 13, 16]
    assert stored["drawing"]["top_p"] == 0.96
    assert stored["model_type"] == "vargpt_llava"


def test_auto_classes_know_the_model(tmp_path):
    from transformers import AutoConfig, AutoModelForImageTextToText

    from vargpt_model import VargptConfig, VargptForConditionalGeneration

    model = VargptForConditionalGeneration(small_config())
    model.save_pretrained(tmp_path)
    assert isinstance(AutoConfig.from_pretrained(tmp_path), VargptConfig)
    loaded = AutoModelForImageTextToText.from_pretrained(tmp_path)
    assert isinstance(loaded, VargptForConditionalGeneration)
    for name, tensor in model.state_dict().items():
        assert loaded.state_dict()[name].equal(tensor), name


def test_a_model_read_as_bfloat16_keeps_its_image_tokenizer_in_float32(tmp_path):
    import torch

    from vargpt_model import VargptForConditionalGeneration

    VargptForConditionalGeneration(small_config()).save_pretrained(tmp_path)
    model = VargptForConditionalGeneration.from_pretrained(tmp_path, dtype=torch.bfloat16)
    dtypes = {name.split(".")[0]: tensor.dtype for name, tensor in model.named_parameters()}
    assert dtypes.pop("vae_local") == torch.float32
    assert set(dtypes.values()) == {torch.bfloat16}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"guidance_null": "zero"}, "guidance_null must be one of noise, learned, none"),
        ({"noise_at": "x"}, "noise_at must be one of hidden, projected"),
        ({"decoder_positions": "x"}, "decoder_positions must be one of before_llm"),
        ({"understanding_aspect": "x"}, "understanding_aspect must be one of crop, pad"),
        ({"training_condition": 5000}, "training_condition must be a row"),
        ({"drawing": {"top_p": 2.0}}, "top_p in"),
    ],
)
def test_values_that_mean_nothing_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        small_config(**changes)


def test_decoder_and_image_tokenizer_must_agree():
    changed = {**(small_config().visual_decoder or {}), "patch_nums": [1, 3]}
    with pytest.raises(ValueError, match="patch_nums: visual_decoder has"):
        small_config(visual_decoder=changed)


@pytest.mark.parametrize("name", ["tiny", "small"])
def test_presets_of_the_world_have_a_condition_row_for_every_class_and_two_more(name):
    from vargpt_model.vargpt.presets import PRESETS
    from vargpt_schema.world import NUM_CLASSES

    config = PRESETS[name]()
    assert config.visual_decoder_config.num_classes == NUM_CLASSES + 1
    assert config.training_condition == NUM_CLASSES + 1
    assert config.inference_condition == NUM_CLASSES + 1
    tokens = [config.image_gen_start_token_id, config.image_gen_end_token_id]
    assert all(token < config.text.vocab_size for token in tokens)


def test_the_worlds_tokenizer_has_the_ids_of_the_configuration():
    from vargpt_model.processor import world_tokenizer
    from vargpt_model.vargpt.presets import preset_7b

    tokenizer = world_tokenizer(preset_7b())
    assert tokenizer.convert_tokens_to_ids("<image>") == 32000
    assert tokenizer.convert_tokens_to_ids("<|image_gen_pad|>") == 32004
    assert (tokenizer.pad_token_id, tokenizer.eos_token_id) == (32001, 2)
    text = "a small red circle at the top left, is it?"
    assert tokenizer.decode(tokenizer(text).input_ids) == text


def test_names_of_the_package_are_those_it_promises():
    import vargpt_model

    for name in vargpt_model.__all__:
        assert getattr(vargpt_model, name) is not None
    with pytest.raises(AttributeError):
        vargpt_model.absent  # noqa: B018
