"""`vargpt train base`: what the stand-ins read, what is trained, and that it resumes."""

import json
import random
import re
import signal
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.model.vargpt.conftest import small_config, small_model
from tests.model.vargpt_command import run, started, wait_for_lines
from tests.model.world_pictures import save_pictures
from vargpt_datagen.world import captions_table
from vargpt_model.base_training import BaseTraining, train_base
from vargpt_model.base_training.contrast import (
    WORDS,
    ContrastScores,
    bag_of,
    contrast_loss,
    word_embeddings,
)
from vargpt_model.base_training.conversations import (
    TEXT_KINDS,
    picture_description,
    picture_questions,
    text_conversation,
)
from vargpt_model.base_training.hard_negatives import ContrastBatches, alike_but_for
from vargpt_model.base_training.part_optimizer import PartOptimizer
from vargpt_model.base_training.parts import is_trained_by_base, is_trained_by_contrast
from vargpt_model.base_training.train import decoder_training
from vargpt_model.processor import VargptProcessor, world_tokenizer
from vargpt_model.vargpt.presets import preset_7b
from vargpt_model.weights.model_folder import open_model
from vargpt_schema import CAPTIONS, IMAGE, IMAGE_GEN
from vargpt_schema.errors import UserError
from vargpt_schema.world import (
    COLOURS,
    SHAPES,
    SIZES,
    SPLITS,
    Scene,
    WorldObject,
    questions_at,
    scene_at,
)

BRIEF = BaseTraining(
    text_steps=3,
    text_batch_size=4,
    contrast_steps=3,
    contrast_batch_size=8,
    joint_steps=3,
    joint_batch_size=4,
    decoder_steps=3,
    decoder_batch_size=4,
    num_checked=8,
    log_every=1,
    save_every=2,
)
PHASES = ("text", "contrast", "joint", "visual-decoder")
CIRCLE = WorldObject("circle", "red", "small", "top left")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("model")
    small_model().save_pretrained(path)
    VargptProcessor.of(small_config(), world_tokenizer(small_config())).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("world")
    save_pictures(path, 60, size_px=24)
    CAPTIONS.write(captions_table(range(60)), path / "captions.parquet")
    return path


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@given(st.integers(0, SPLITS["train"].stop - 1), st.randoms(use_true_random=False))
def test_nothing_that_the_stand_ins_read_asks_for_a_drawing(index: int, dice: random.Random):
    told = [
        picture_description(index, dice),
        picture_questions(index, dice, 3),
        *(text_conversation(dice, kind, 2) for kind in TEXT_KINDS),
    ]
    for conversation in told:
        texts = [message.content for message in conversation.messages] or [conversation.text]
        said = " ".join(texts)
        assert IMAGE_GEN not in said
        assert not re.search(r"\b(draw|paint|generate|design)\b", said, re.IGNORECASE)
        assert said.count(IMAGE) == (conversation in told[:2])


def test_questions_about_a_caption_can_be_answered_from_it():
    asked = text_conversation(random.Random(3), "questions", 1).messages
    assert [message.content for message in asked] == [
        "The picture shows this: on a grey background, a small cyan star at the top centre is "
        "above a medium pink cross at the middle left.\nIs there a cyan star?",
        "yes",
    ]


@given(st.integers(0, SPLITS["train"].stop - 1), st.randoms(use_true_random=False))
def test_presence_is_asked_before_a_later_question_names_what_is_there(
    index: int, dice: random.Random
):
    kind_of = {question.question: question.kind for question in questions_at(index)}
    asked = picture_questions(index, dice, 3).messages[::2]
    kinds = [
        next(kind for question, kind in kind_of.items() if question in said.content.lower())
        for said in asked
    ]
    assert len(set(kinds)) == 3
    is_presence = [kind in ("count", "existence") for kind in kinds]
    assert is_presence == sorted(is_presence, reverse=True)


def test_presence_is_asked_twelve_times_as_often_as_the_background():
    dice = random.Random(0)
    asked = Counter(
        next(each.kind for each in questions_at(index) if each.question in said.lower())
        for index in range(3_000)
        for said in (picture_questions(index, dice, 1).messages[0].content,)
    )
    # Of 3,000, half with a question about a relation: weights 9.25 and 10.25 in all.
    assert asked["existence"] == pytest.approx(925, abs=90)
    assert asked["background"] == pytest.approx(77, abs=30)


def test_a_picture_scores_highest_with_the_words_whose_embeddings_it_shows():
    scores = ContrastScores(torch.tensor([[3.0, 0.0], [0.0, 0.1]]))
    features = torch.tensor([[[2.0, 0.0], [0.0, 2.0]], [[0.0, 5.0], [0.0, 1.0]]])
    bags = torch.tensor([[1.0, 1.0], [0.0, 1.0]])
    # Cosines of (1, 1) and (0, 3) with (1, 1) and (0, 1), at the scale of the start, 10.
    expected = torch.tensor([[10.0, 7.0710678], [7.0710678, 10.0]])
    torch.testing.assert_close(scores(features, bags), expected)
    scores.log_scale.data.fill_(9.0)
    assert float(scores(features, bags).detach().max()) == pytest.approx(30.0)


def test_a_word_of_several_tokens_is_their_mean(model):
    opened = open_model(model)
    tokenizer = opened.processor.tokenizer
    table = opened.model.state_dict()["language_model.model.embed_tokens.weight"]
    first, second = tokenizer(" top left", add_special_tokens=False).input_ids
    found = word_embeddings(opened.model, opened.processor)[WORDS.index("top left")]
    torch.testing.assert_close(found, (table[first] + table[second]) / 2)


def test_a_text_by_itself_is_a_full_caption():
    text = "a picture of a small pink star at the centre on a white background"
    assert text_conversation(random.Random(0), "caption", 1) == ((), text)


def test_groups_hold_one_object_scenes_that_differ_in_one_attribute_alone():
    def alone(thing: WorldObject) -> Scene:
        return Scene("white", (thing,))

    scenes = [
        alone(CIRCLE),
        alone(CIRCLE._replace(shape="square")),
        alone(CIRCLE._replace(colour="blue")),
        Scene("black", (CIRCLE._replace(shape="moon"),)),
        Scene("white", (CIRCLE._replace(shape="star"), CIRCLE)),
        alone(CIRCLE),
    ]
    assert alike_but_for("shape", scenes) == [[[0, 5], [1]]]
    assert alike_but_for("size", scenes) == []


def test_half_of_a_contrast_batch_differs_in_shape_or_size_alone():
    scenes = [
        Scene("white", (WorldObject(shape, colour, size, "centre"),))
        for colour in COLOURS
        for shape in SHAPES
        for size in SIZES
    ]
    batches = ContrastBatches(scenes, batch_size=16, hard_frac=0.5, seed=0)
    rows, num_hard = batches.at(7)
    assert (len(rows), num_hard) == (16, 7)
    assert (rows, 7) == ContrastBatches(scenes, batch_size=16, hard_frac=0.5, seed=0).at(7)
    assert rows != batches.at(8).rows
    things = [scenes[row].objects[0] for row in rows]
    shapes, sizes = things[:4], things[4:7]
    assert len({thing.shape for thing in shapes}) == 4
    assert len({(thing.colour, thing.size) for thing in shapes}) == 1
    assert len({thing.size for thing in sizes}) == 3
    assert len({(thing.colour, thing.shape) for thing in sizes}) == 1


@pytest.mark.parametrize(("frac", "moves"), [(0.0, False), (0.1, True)])
def test_the_joint_phase_may_leave_the_vision_tower_as_it_is(tmp_path, model, world, frac, moves):
    training = replace(
        BRIEF, text_steps=0, contrast_steps=0, decoder_steps=0, joint_tower_lr_frac=frac
    )
    train_base(model, world, world, tmp_path, training)
    name = "vision_tower.vision_model.encoder.layers.0.mlp.fc1.weight"
    before, after = (open_model(one).model.state_dict()[name] for one in (model, tmp_path))
    assert torch.equal(before, after) is not moves


def test_without_groups_a_contrast_batch_is_any_rows():
    batches = ContrastBatches([scene_at(0), scene_at(1)], batch_size=4, hard_frac=0.5, seed=0)
    assert sorted(batches.at(0).rows) == [0, 0, 1, 1]


def test_a_bag_counts_the_words_of_all_objects():
    bag = bag_of(Scene("navy", (CIRCLE, CIRCLE._replace(colour="blue", position="centre"))))
    found = {word: int(count) for word, count in zip(WORDS, bag, strict=True) if count}
    assert found == {
        "circle": 2,
        "red": 1,
        "blue": 1,
        "small": 2,
        "top left": 1,
        "centre": 1,
        "navy ground": 1,
    }


def test_pictures_of_the_same_words_share_their_target():
    is_same = torch.tensor([[1, 1, 0], [1, 1, 0], [0, 0, 1]], dtype=torch.bool)
    logits = torch.where(is_same, 50.0, -50.0)
    # Two equal rows: each is found with probability 1/2, its share of the target.
    assert float(contrast_loss(logits, is_same)) == pytest.approx(2 / 3 * 0.6931472)
    assert float(contrast_loss(torch.zeros(3, 3), is_same)) == pytest.approx(1.0986123)


def test_the_contrastive_phase_leaves_the_llm_as_it_is():
    config = small_config()
    assert is_trained_by_contrast(config, "multi_modal_projector.linear_1.weight")
    assert is_trained_by_contrast(config, "vision_tower.vision_model.embeddings.class_embedding")
    assert not is_trained_by_contrast(config, "language_model.model.embed_tokens.weight")


@pytest.mark.parametrize(
    ("name", "is_trained"),
    [
        ("vision_tower.vision_model.embeddings.patch_embedding.weight", True),
        ("vision_tower.vision_model.encoder.layers.0.mlp.fc1.weight", True),
        ("vision_tower.vision_model.encoder.layers.1.mlp.fc1.weight", False),
        ("vision_tower.vision_model.post_layernorm.weight", False),
        ("multi_modal_projector.linear_1.weight", True),
        ("language_model.lm_head.weight", True),
        ("image_gen_projector.mlp.0.weight", False),
        ("image_gen_projector_out.mlp.0.weight", False),
        ("vargpt_gen.head.weight", False),
        ("guidance_null_states", False),
        ("vae_local.decoder.conv_in.weight", False),
    ],
)
def test_layers_behind_the_features_and_the_generation_parts_are_frozen(name, is_trained):
    assert is_trained_by_base(small_config(), name) is is_trained


def test_the_first_of_all_layers_counts_from_the_front_too():
    config = small_config(vision_feature_layer=1)
    assert not is_trained_by_base(config, "vision_tower.vision_model.encoder.layers.1.mlp.fc1.bias")


def test_every_trained_parameter_of_the_joint_phase_gets_a_gradient(tmp_path, model, world):
    missing: list[str] = []

    class Watched(PartOptimizer):
        def update(self, loss, step):
            done = super().update(loss, step)
            missing.extend(name for name, p in self.parameters.items() if p.grad is None)
            return done

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vargpt_model.base_training.language.PartOptimizer", Watched)
        patch.setattr("vargpt_model.base_training.contrast.PartOptimizer", Watched)
        train_base(model, world, world, tmp_path, replace(BRIEF, decoder_steps=0, text_frac=0.0))
    assert missing == []


def test_base_trains_the_downloaded_parts_and_leaves_the_others(tmp_path, model, world):
    ended = train_base(model, world, world, tmp_path, BRIEF)
    assert ended.phases == dict.fromkeys(PHASES, 3)
    before = open_model(model).model.state_dict()
    after = open_model(tmp_path).model.state_dict()
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {
        "vision_tower",
        "multi_modal_projector",
        "language_model",
        "vargpt_gen",
    }
    behind = [name for name in before if "layers.1." in name and name.startswith("vision_tower")]
    assert behind
    assert all(torch.equal(before[name], after[name]) for name in behind)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["pretrained_parts"] == "trained here on the sample world"
    for phase in PHASES:
        assert [line["step"] for line in lines(tmp_path / phase / "metrics.jsonl")] == [1, 2, 3]
    joint = lines(tmp_path / "joint" / "metrics.jsonl")[-1]
    assert 0 <= joint["question_accuracy"] <= 1

    written = (tmp_path / "model.safetensors").stat()
    assert train_base(model, world, world, tmp_path, BRIEF) == ended
    assert (tmp_path / "model.safetensors").stat() == written


def test_each_phase_learns(tmp_path, model, world):
    training = replace(
        BRIEF, text_steps=60, contrast_steps=60, joint_steps=40, decoder_steps=40, save_every=100
    )
    train_base(model, world, world, tmp_path, training)
    for phase in PHASES:
        losses = [line["loss"] for line in lines(tmp_path / phase / "metrics.jsonl")]
        assert sum(losses[-5:]) < 0.9 * sum(losses[:5]), phase


def test_another_model_or_setting_on_a_started_folder_is_refused(tmp_path, model, world):
    short = replace(BRIEF, text_steps=1, contrast_steps=0, joint_steps=0, decoder_steps=0)
    train_base(model, world, world, tmp_path, short)
    with pytest.raises(UserError, match=r"text_lr: started with 0\.002, now 0\.1"):
        train_base(model, world, world, tmp_path, replace(short, text_lr=0.1))


def test_a_model_of_published_sizes_is_refused(tmp_path, world):
    preset_7b().save_pretrained(tmp_path / "7b")
    with pytest.raises(UserError, match=r"32,003 condition rows, 1,001 expected.*--llava P"):
        train_base(tmp_path / "7b", world, world, tmp_path / "out", BRIEF)
    assert not (tmp_path / "out").exists()


def test_a_missing_picture_is_one_line(tmp_path, model, world):
    with pytest.raises(UserError, match=r"world/000000\d\d\.png"):
        train_base(model, world, tmp_path, tmp_path / "out", BRIEF)


def test_validation_scenes_are_refused(tmp_path, model):
    CAPTIONS.write(captions_table(range(2_000_000, 2_000_004)), tmp_path / "captions.parquet")
    with pytest.raises(UserError, match="scene 2000000, of no training split found"):
        train_base(model, tmp_path, tmp_path, tmp_path / "out", BRIEF)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"joint_steps": -1}, "joint_steps must be at least 0"),
        ({"log_every": 0}, "log_every must be at least 1"),
        ({"text_frac": 1.5}, r"text_frac must be in \[0, 1\]"),
        ({"contrast_batch_size": 1}, "contrast_batch_size must be at least 2"),
        ({"decoder_scenes": "two"}, "decoder_scenes must be one of one-object, all"),
    ],
)
def test_settings_out_of_range_are_told(setting, message):
    with pytest.raises(ValueError, match=message):
        BaseTraining(**setting)


def test_the_decoders_peak_is_the_one_asked_for():
    assert decoder_training(replace(BRIEF, decoder_lr=3e-3)).peak_lr == pytest.approx(3e-3)


@pytest.mark.slow
def test_killed_and_stopped_in_several_phases_equals_undisturbed(tmp_path, model, world):
    steps = 30  # the signal arrives before the last
    words = ["train", "base", "--model", model, "--data", world, "--image-root", world]
    for name in ("text", "contrast", "joint", "decoder"):
        words += ["--set", f"{name}_steps={steps}", "--set", f"{name}_batch_size=4"]
    words += ["--set", "log_every=1", "--set", "save_every=4", "--set", "num_checked=4"]
    whole = run(*words, "--out", tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    out = tmp_path / "killed"
    for phase, sent in (
        ("contrast", signal.SIGKILL),
        ("joint", signal.SIGTERM),
        ("visual-decoder", signal.SIGKILL),
    ):
        process = started(*words, "--out", out)
        wait_for_lines(out / phase / "metrics.jsonl", 6, process)
        process.send_signal(sent)
        said = process.communicate()[1]
        assert process.returncode == (0 if sent is signal.SIGTERM else -sent), said
        assert ("Continue with: vargpt train base" in said) == (sent is signal.SIGTERM)
    last = run(*words, "--out", out)
    assert last.returncode == 0, last.stderr
    for phase in PHASES:
        name = Path(phase) / "metrics.jsonl"
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert (out / "model.safetensors").read_bytes() == (
        tmp_path / "whole" / "model.safetensors"
    ).read_bytes()
