"""What `vargpt init` leaves in its folder, and makes again when it is lost."""

import json

import pytest


def test_facts_of_init_are_beside_the_weights(tmp_path):
    from vargpt_model.weights import start_from_preset, write_model

    write_model(tmp_path, start_from_preset("tiny", seed=0), {"seed": 0}, dtype=None)
    facts = json.loads((tmp_path / "init.json").read_text())
    assert facts["settings"] == {"seed": 0}
    assert facts["files"] == ["model.safetensors"]
    assert "torch" in facts["versions"]


@pytest.mark.parametrize("lost", ["config.json", "model.safetensors"])
def test_a_file_that_was_lost_since_is_made_again(tmp_path, lost):
    from vargpt_model.weights import start_from_preset, write_model
    from vargpt_model.weights.model_folder import is_complete

    made = start_from_preset("tiny", seed=0)
    write_model(tmp_path, made, {"seed": 0}, dtype=None)
    assert is_complete(tmp_path, {"seed": 0})
    content = (tmp_path / lost).read_bytes()
    (tmp_path / lost).unlink()
    assert not is_complete(tmp_path, {"seed": 0})
    write_model(tmp_path, made, {"seed": 0}, dtype=None)
    assert (tmp_path / lost).read_bytes() == content
