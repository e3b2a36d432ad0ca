"""What stands in for the prompt in classifier-free guidance, and how strongly, at every scale."""

import pytest

from tests.model.vargpt.conftest import small_model
from vargpt_schema import Message


def drawn(model, processor, **drawing):
    """Guided and plain logits of the three scales of one image: what the sampler was given."""
    from vargpt_model.drawing import DrawingConfig
    from vargpt_model.generation import GenerationOptions, answer
    from vargpt_model.generation.drawing_in_context import ImagesInContext

    seen = []
    own = ImagesInContext.code_logits

    def record(self, hidden, scale):
        seen.append(own(self, hidden, scale))
        return seen[-1]

    ImagesInContext.code_logits = record  # pyright: ignore[reportAttributeAccessIssue]
    try:
        reply = answer(
            model,
            processor,
            [[Message("user", "draw a red circle")]],
            seeds=[1],
            # One code a logit row, so that runs compare scale by scale.
            options=GenerationOptions(
                min_images=1,
                max_images=1,
                max_part_tokens=1,
                drawing=DrawingConfig(**{"top_k": 1, "top_p": 0, **drawing}),
            ),
        )[0]
    finally:
        ImagesInContext.code_logits = own
    return seen, reply.images[0].code_ids


def is_close(first, second):
    import torch

    return torch.allclose(first, second, atol=1e-4)


def test_linear_guidance_is_none_at_the_first_scale_and_constant_is_full_there(processor):
    model = small_model(guidance_null="noise")
    plain, _ = drawn(model, processor, guidance_scale=0)
    linear, _ = drawn(model, processor, guidance_scale=1.5, guidance_schedule="linear")
    constant, _ = drawn(model, processor, guidance_scale=1.5, guidance_schedule="constant")
    assert is_close(linear[0], plain[0])
    assert not is_close(constant[0], plain[0])


def test_no_null_means_no_guidance_whatever_its_scale(processor):
    guided, codes = drawn(small_model(guidance_null="none"), processor, guidance_scale=3.0)
    plain, plain_codes = drawn(small_model(guidance_null="noise"), processor, guidance_scale=0)
    assert codes.equal(plain_codes)
    assert all(is_close(one, other) for one, other in zip(guided, plain, strict=True))


def test_noise_before_and_behind_the_projector_differ(processor):
    model = small_model(guidance_null="noise")
    hidden, _ = drawn(model, processor, guidance_schedule="constant")
    model.config.noise_at = "projected"
    projected, _ = drawn(model, processor, guidance_schedule="constant")
    assert not is_close(hidden[0], projected[0])


def test_noise_of_an_image_depends_on_its_seed_and_place_alone():
    from vargpt_model.generation.null_branch import NullBranch

    model = small_model(guidance_null="noise")
    both = NullBranch(model, [1, 2], [0, 0])
    alone = NullBranch(model, [2], [0])
    later = NullBranch(model, [2], [1])
    first = both.inputs(0, 1)
    assert is_close(first[1:], alone.inputs(0, 1))
    assert not is_close(first[1:], later.inputs(0, 1))
    assert is_close(both.inputs(1, 5)[1:], alone.inputs(1, 5))  # fresh at every scale


def test_learned_null_is_the_models_own_states_of_those_codes(processor):
    import torch

    from vargpt_model.generation.null_branch import NullBranch

    model = small_model(guidance_null="learned")
    assert model.guidance_null_states.shape == (14, 32)
    inputs = NullBranch(model, [1, 2], [0, 0]).inputs(1, 5)
    expected = model.to_decoder(model.guidance_null_states[1:5], 1)
    assert is_close(inputs[0], expected)
    assert is_close(inputs[1], expected)
    before, _ = drawn(model, processor, guidance_schedule="constant")
    with torch.no_grad():
        model.guidance_null_states.neg_()
    after, _ = drawn(model, processor, guidance_schedule="constant")
    assert not is_close(before[0], after[0])


def test_condition_row_of_inference_is_a_choice_of_the_configuration(processor):
    model = small_model(guidance_null="none")
    no_class, _ = drawn(model, processor)
    model.config.inference_condition = model.vargpt_gen.no_class - 1
    start, _ = drawn(model, processor)
    assert not is_close(no_class[0], start[0])


def test_models_made_here_learn_their_null_and_official_ones_use_noise():
    from vargpt_model.vargpt import VargptConfig
    from vargpt_model.vargpt.presets import PRESETS

    assert {name: preset().guidance_null for name, preset in PRESETS.items()} == {
        "tiny": "learned",
        "small": "learned",
        "7b": "learned",
    }
    assert VargptConfig().guidance_null == "noise"  # what an official folder loads with


@pytest.mark.parametrize("mode", ["noise", "none"])
def test_only_the_learned_null_adds_a_tensor(mode):
    import torch

    from tests.model.vargpt.conftest import small_config
    from vargpt_model.vargpt import VargptForConditionalGeneration

    with torch.device("meta"):
        learned = VargptForConditionalGeneration(small_config(guidance_null="learned"))
        other = VargptForConditionalGeneration(small_config(guidance_null=mode))
    added = learned.state_dict().keys() - other.state_dict().keys()
    assert added == {"guidance_null_states"}
    assert other.state_dict().keys() <= learned.state_dict().keys()
