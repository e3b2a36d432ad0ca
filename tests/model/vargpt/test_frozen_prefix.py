"""What is read without gradient, as nothing there is trained, changes no loss and no gradient."""

import pytest

from tests.model.vargpt.conftest import small_model
from tests.model.vargpt.test_forward import DRAWS, TALKS, UNDERSTANDS, batch, codes, pixels

READER = "vargpt_model.vargpt.model.frozen_columns"
LONGER = [7, 8, 9, 10, 11, *DRAWS]


def passed(model, inputs):
    """Losses and gradients by parameter of one training pass."""
    import torch

    torch.manual_seed(0)  # the null states and dropped conditions
    model.zero_grad(set_to_none=True)
    output = model(**inputs)
    output.loss.backward()
    gradients = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    return output, gradients


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("stage", ["1", "3"])
def test_stages_with_a_frozen_llm_learn_the_same_from_a_prefix_without_gradient(
    side, stage, monkeypatch
):
    import torch

    from vargpt_model.stages import is_trained
    from vargpt_model.vargpt.frozen_prefix import frozen_columns

    model = small_model(guidance_null_dropout=0.3).train()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(is_trained(stage, name))
    inputs = {**batch(DRAWS, LONGER, TALKS, side=side), "image_code_ids": codes(2)}
    seen = []
    monkeypatch.setattr(READER, lambda *a: seen.append(frozen_columns(*a)) or seen[-1])
    output, gradients = passed(model, inputs)
    monkeypatch.setattr(READER, lambda *_: 0)
    expected, expected_gradients = passed(model, inputs)
    assert seen == [4 if side == "right" else 9]
    torch.testing.assert_close(output.text_losses, expected.text_losses)
    torch.testing.assert_close(output.code_losses, expected.code_losses)
    torch.testing.assert_close(gradients, expected_gradients, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("part", ["language_model.", "multi_modal_projector."])
def test_where_llm_or_pictures_before_it_are_trained_every_column_has_its_gradient(
    part, monkeypatch
):
    from vargpt_model.vargpt.frozen_prefix import frozen_columns

    model = small_model().train()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith((part, "image_gen_projector.")))
    seen = []
    monkeypatch.setattr(READER, lambda *a: seen.append(frozen_columns(*a)) or seen[-1])
    passed(
        model,
        {**batch(UNDERSTANDS, DRAWS), "image_code_ids": codes(1), "pixel_values": pixels(1)},
    )
    assert seen == [0]
