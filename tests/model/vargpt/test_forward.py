"""The training pass: what is learned where, in batches of every mixture."""

import pytest

from tests.model.vargpt.conftest import small_model

L, P = 14, 4  # codes of a drawn image, positions of an understood one
PAD, END_OF_TURN, IMAGE, START, END, CODE = 0, 2, 3, 4, 5, 6


@pytest.fixture(scope="module")
def model():
    return small_model()


def batch(*rows, side="right"):
    """input_ids, attention_mask and labels of rows padded to one length; all text is labelled."""
    import torch

    length = max(map(len, rows))
    pads = [[PAD] * (length - len(row)) for row in rows]
    ids = [row + pad if side == "right" else pad + row for row, pad in zip(rows, pads, strict=True)]
    input_ids = torch.tensor(ids)
    unlabelled = (input_ids == PAD) | (input_ids == IMAGE) | (input_ids == CODE)
    return {
        "input_ids": input_ids,
        "attention_mask": (input_ids != PAD).long(),
        "labels": input_ids.masked_fill(unlabelled, -100),
    }


DRAWS = [7, 8, 9, START, *[CODE] * L, END, END_OF_TURN]
UNDERSTANDS = [10, *[IMAGE] * P, 11, 12, 13, END_OF_TURN]
TALKS = [14, 15, 16, 17]


def codes(count):
    import torch

    return torch.randint(0, 32, (count, L), generator=torch.Generator().manual_seed(count))


def pixels(count):
    import torch

    return torch.randn(count, 3, 12, 12, generator=torch.Generator().manual_seed(count))


def test_rows_of_every_kind_in_one_batch_have_the_losses_they_have_alone(model):
    import torch

    both = model(**batch(DRAWS, UNDERSTANDS), pixel_values=pixels(1), image_code_ids=codes(1))
    draws = model(**batch(DRAWS), image_code_ids=codes(1))
    understands = model(**batch(UNDERSTANDS), pixel_values=pixels(1))
    torch.testing.assert_close(both.code_losses, draws.code_losses)
    torch.testing.assert_close(
        both.text_losses, torch.cat([draws.text_losses, understands.text_losses])
    )
    assert understands.image_loss is None
    assert understands.code_losses is None


def test_both_kinds_of_image_in_one_row_are_scattered_to_their_own_places(model):
    import torch

    row = [IMAGE] * P + [7, START, *[CODE] * L, END]
    one = model(**batch(row), pixel_values=pixels(1), image_code_ids=codes(1))
    other_pixels = model(**batch(row), pixel_values=-pixels(1), image_code_ids=codes(1))
    other_codes = model(**batch(row), pixel_values=pixels(1), image_code_ids=31 - codes(1))
    assert not torch.allclose(one.text_losses, other_pixels.text_losses)
    # The first code's loss depends on the codes as targets alone, the pixels reach it as input.
    assert not torch.allclose(one.code_logits, other_pixels.code_logits)
    torch.testing.assert_close(one.code_logits[:, 0], other_codes.code_logits[:, 0])
    assert not torch.allclose(one.code_logits[:, 1], other_codes.code_logits[:, 1])


def test_images_are_taken_in_the_order_of_their_placeholders_over_the_batch(model):
    import torch

    row = [7, START, *[CODE] * L, END, 8, START, *[CODE] * L, END]
    together = model(**batch(row, DRAWS), image_code_ids=codes(3))
    torch.testing.assert_close(
        model(**batch(row), image_code_ids=codes(3)[:2]).code_losses, together.code_losses[:2]
    )
    torch.testing.assert_close(
        model(**batch(DRAWS), image_code_ids=codes(3)[2:]).code_losses, together.code_losses[2:]
    )


def test_losses_do_not_depend_on_the_side_of_the_padding(model):
    import torch

    right = model(**batch(DRAWS, TALKS), image_code_ids=codes(1))
    left = model(**batch(DRAWS, TALKS, side="left"), image_code_ids=codes(1))
    torch.testing.assert_close(right.code_losses, left.code_losses)
    torch.testing.assert_close(right.text_losses, left.text_losses)


def test_position_i_predicts_code_i_from_coarser_scales_alone(model):
    import torch

    changed = codes(1).clone()
    changed[0, 1:5] = 31 - changed[0, 1:5]  # the second scale
    before = model(**batch(DRAWS), image_code_ids=codes(1)).code_logits
    after = model(**batch(DRAWS), image_code_ids=changed).code_logits
    torch.testing.assert_close(before[:, :5], after[:, :5])
    assert not torch.allclose(before[:, 5:], after[:, 5:])


def test_text_head_runs_at_labelled_positions_alone(model):
    given = batch(DRAWS, TALKS)
    output = model(**given, image_code_ids=codes(1))
    num_targets = int((given["labels"][:, 1:] != -100).sum())
    assert output.text_logits.shape == (num_targets, 640)
    assert num_targets == 5 + 3  # the first token of a row has no predecessor


def test_loss_is_text_loss_plus_weighted_image_loss(model):
    import torch

    output = model(**batch(DRAWS), image_code_ids=codes(1), image_loss_weight=0.25)
    torch.testing.assert_close(output.loss, output.text_loss + 0.25 * output.image_loss)
    torch.testing.assert_close(output.image_loss, output.code_losses.mean())
    torch.testing.assert_close(output.text_loss, output.text_losses.mean())


def test_without_labels_there_is_no_text_loss(model):
    given = batch(DRAWS)
    del given["labels"]
    output = model(**given, image_code_ids=codes(1))
    assert output.text_loss is None
    assert output.loss == output.image_loss


def test_pictures_to_draw_are_encoded_when_codes_are_not_at_hand(model):
    import torch

    pictures = pixels(1).tanh()
    encoded = model.encode_images(pictures)
    torch.testing.assert_close(
        model(**batch(DRAWS), target_pixel_values=pictures).code_losses,
        model(**batch(DRAWS), image_code_ids=encoded).code_losses,
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "14 positions of <image_gen> found in input_ids, image_code_ids holds 0 images"),
        ({"num_codes": 2}, "holds 2 images of 14 positions each"),
        ({"num_codes": 1, "num_pixels": 1}, "0 positions of <image> found"),
        ({"num_codes": 1, "length": 13}, "image_code_ids of 13 codes an image found"),
    ],
)
def test_placeholders_and_images_must_match(model, given, message):
    arguments = {}
    if "num_codes" in given:
        arguments["image_code_ids"] = codes(given["num_codes"])[:, : given.get("length", L)]
    if "num_pixels" in given:
        arguments["pixel_values"] = pixels(given["num_pixels"])
    with pytest.raises(ValueError, match=message):
        model(**batch(DRAWS), **arguments)


def trained_parts(model, output):
    model.zero_grad()
    output.loss.backward()
    return {
        name.split(".")[0]
        for name, parameter in model.named_parameters()
        if parameter.grad is not None and parameter.grad.abs().sum() > 0
    }


def test_teacher_forcing_trains_everything_that_draws():
    model = small_model().train()
    output = model(**batch(DRAWS), image_code_ids=codes(1))
    assert trained_parts(model, output) >= {
        "vargpt_gen",
        "image_gen_projector",
        "image_gen_projector_out",
        "language_model",
    }
    assert model.vargpt_gen.word_embed.weight.grad.abs().sum() > 0
    assert model.vargpt_gen.pos_1LC.grad.abs().sum() > 0


@pytest.mark.parametrize("row", [TALKS, UNDERSTANDS, DRAWS], ids=["text", "understand", "draw"])
def test_every_part_takes_part_in_every_batch_when_ranks_must_agree(row):
    model = small_model().train()
    given = batch(row)
    arguments = {
        "pixel_values": pixels(1) if IMAGE in row else None,
        "image_code_ids": codes(1) if CODE in row else None,
    }
    plain = model.eval()(**given, **arguments)
    every = model(**given, **arguments, run_every_part=True)
    assert every.text_loss.item() == pytest.approx(plain.text_loss.item(), abs=1e-6)
    model.train()
    model.zero_grad()
    model(**given, **arguments, run_every_part=True).loss.backward()
    lacking = {
        name
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and parameter.grad is None
    }
    # The vision tower's layers behind the one that is read: no batch gives them a gradient.
    behind = ("vision_tower.vision_model.encoder.layers.1.", "vision_tower.vision_model.post_")
    assert {name for name in lacking if not name.startswith(behind)} == set()


def test_learned_null_replaces_the_states_of_whole_images_in_training_only():
    import torch

    model = small_model(guidance_null="learned", guidance_null_dropout=1.0)
    plain = model(**batch(DRAWS), image_code_ids=codes(1)).code_logits
    other = model(**batch([12, *DRAWS[1:]]), image_code_ids=codes(1)).code_logits
    assert not torch.allclose(plain, other)
    model.train()
    model.vargpt_gen.eval()  # keeps the condition rows
    null = model(**batch(DRAWS), image_code_ids=codes(1))
    other_null = model(**batch([12, *DRAWS[1:]]), image_code_ids=31 - codes(1))
    torch.testing.assert_close(null.code_logits, other_null.code_logits)
    model.zero_grad()
    null.image_loss.backward()
    assert model.guidance_null_states.grad.abs().sum() > 0


def test_without_a_learned_null_no_state_is_replaced_and_no_tensor_is_added():
    model = small_model(guidance_null="noise", guidance_null_dropout=1.0)
    assert not hasattr(model, "guidance_null_states")
    model.train()
    model.vargpt_gen.eval()
    import torch

    first = model(**batch(DRAWS), image_code_ids=codes(1)).code_logits
    other = model(**batch([12, *DRAWS[1:]]), image_code_ids=codes(1)).code_logits
    assert not torch.allclose(first, other)


def test_gradient_checkpointing_changes_no_gradient():
    import torch

    model = small_model().train()
    model.config.guidance_null_dropout = 0.0
    model.vargpt_gen.eval()
    model.zero_grad()
    model(**batch(DRAWS), image_code_ids=codes(1)).loss.backward()
    plain = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    model.gradient_checkpointing_enable()
    model.zero_grad()
    model(**batch(DRAWS), image_code_ids=codes(1)).loss.backward()
    for name, parameter in model.named_parameters():
        if name in plain:
            torch.testing.assert_close(parameter.grad, plain[name], msg=name)


def test_unused_norms_of_the_projectors_are_on_disk_and_never_trained(model):
    names = {name for name in model.state_dict() if "ln_q" in name}
    assert names == {
        "image_gen_projector.ln_q.weight",
        "image_gen_projector.ln_q.bias",
        "image_gen_projector_out.ln_q.weight",
        "image_gen_projector_out.ln_q.bias",
    }
    assert not any("ln_q" in name for name, _ in model.named_parameters())


def test_image_tokenizer_stays_in_float32_and_in_evaluation():
    import torch

    model = small_model()
    weights = {name: tensor.clone() for name, tensor in model.vae_local.state_dict().items()}
    model = model.to(torch.bfloat16).train()
    assert model.vargpt_gen.head.weight.dtype == torch.bfloat16
    for name, tensor in model.vae_local.state_dict().items():
        assert torch.equal(tensor, weights[name])
    assert not model.vae_local.training
    output = model(**batch(DRAWS), image_code_ids=codes(1))
    assert output.code_logits.dtype == torch.float32


def test_positions_at_the_decoder_too_change_what_it_predicts():
    import torch

    model = small_model()
    before = model(**batch(DRAWS), image_code_ids=codes(1)).code_logits
    model.config.decoder_positions = "also_decoder"
    with torch.no_grad():
        model.vargpt_gen.pos_1LC.add_(1.0)
    after = model(**batch(DRAWS), image_code_ids=codes(1)).code_logits
    assert not torch.allclose(before, after)


def test_a_resized_vocabulary_trains_and_keeps_its_old_rows():
    import torch

    model = small_model()
    before = model(**batch(TALKS)).text_logits
    model.resize_token_embeddings(700)
    assert model.config.text.vocab_size == 700
    after = model(**batch(TALKS)).text_logits
    assert after.shape[1] == 700
    torch.testing.assert_close(after[:, :640], before)


def test_losses_in_evaluation_count_the_images(model):
    assert not model.training
    output = model(**batch(DRAWS), image_code_ids=codes(1))
    assert output.image_loss > 0
    assert output.loss > output.text_loss
