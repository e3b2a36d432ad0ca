"""A small model, a small world and its rows on disk, as the other commands leave them."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.model.vargpt.conftest import small_config, small_model
from tests.model.world_pictures import save_pictures
from vargpt_schema import INSTRUCT, InstructRecord, Message
from vargpt_schema.instruct import sample_id_of
from vargpt_schema.world import SPLITS, caption_at, image_path, questions_at

NUM_SCENES = 24
SIZE_PX = 24  # the model draws 12 px


def record(task: str, question: str, answer: str, images: Sequence[str]) -> InstructRecord:
    messages = (Message("user", question), Message("assistant", answer))
    return InstructRecord(
        sample_id=sample_id_of("world", None, list(images), messages),
        messages=messages,
        images=tuple(images),
        task=task,
        caption=None,
        image_id=None,
        label=None,
        wnid=None,
        source="world",
        method="template",
        prompt_seed_id=None,
        caption_seed_id=None,
        answer_seed_id=None,
        prompt_template_id=None,
        answer_template_id=None,
        shot_ids=(),
        generator=None,
        request_sha256=None,
        attempts=None,
    )


def draws(index: int) -> InstructRecord:
    """A request for a scene's picture."""
    caption = caption_at(index)
    prompt = f"Please draw {caption}."
    return record("generation", prompt, "Here it is.<image_gen>", [image_path(index)])


def asks(index: int) -> InstructRecord:
    """A question about a scene's picture."""
    asked = questions_at(index)[0]
    return record("understanding", f"<image>\n{asked.question}", asked.answer, [image_path(index)])


def talks(index: int) -> InstructRecord:
    """A row without a picture."""
    return record("text", f"What is number {index}?", f"A number, {'very ' * (index % 3)}odd.", [])


class World(NamedTuple):
    """Folders."""

    model: Path
    images: Path
    draws: Path
    mixed: Path  # a third of each kind
    codes: Path


@pytest.fixture(scope="session")
def stage_processor():
    from vargpt_model.processor import VargptProcessor, world_tokenizer

    config = small_config()
    return VargptProcessor.of(config, world_tokenizer(config))


@pytest.fixture(scope="session")
def world(tmp_path_factory, stage_processor) -> World:
    from vargpt_model.encoding import EncodeConfig, encode_images
    from vargpt_model.image_tokenizer_folder import save_image_tokenizer
    from vargpt_model.pictures import pictures_in

    root = tmp_path_factory.mktemp("stages")
    model = small_model(guidance_null="learned")
    model.save_pretrained(root / "model")
    stage_processor.save_pretrained(root / "model")
    save_pictures(root / "images", NUM_SCENES, SIZE_PX)
    save_image_tokenizer(model.vae_local, root / "tokenizer")
    encode_images(
        root / "tokenizer",
        pictures_in(root / "images"),
        root / "codes",
        EncodeConfig(centre="whole", num_random_crops=2),
    )
    scenes = SPLITS["train"][:NUM_SCENES]
    write_rows(root / "draws", [draws(index) for index in scenes])
    kinds = [draws, asks, talks]
    mixed = [kinds[place % 3](index) for place, index in enumerate(scenes)]
    write_rows(root / "mixed", mixed)
    return World(root / "model", root / "images", root / "draws", root / "mixed", root / "codes")


def write_rows(folder: Path, records: Sequence[InstructRecord]) -> None:
    INSTRUCT.write(records, folder / "data" / "train-00000-of-00001.parquet")
