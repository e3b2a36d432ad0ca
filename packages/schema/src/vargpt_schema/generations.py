"""Tables `eval_prompts` and `generations`: what a model is asked to draw, and what it gave."""

from dataclasses import dataclass

from vargpt_schema.fields import FLOAT, INT, TEXT, optional, required
from vargpt_schema.table import Table, table_schema


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalPromptRecord:
    prompt_id: str
    prompt: str  # what the user says; no placeholder
    caption: str  # the validation caption the prompt was written from
    image_id: str  # the captioned image: reference for image-text scores
    split: str  # never train
    label: int | None  # class index in label order
    wnid: str | None
    source: str
    prompt_template_id: str | None


EVAL_PROMPTS = Table(
    name="eval_prompts",
    version=1,
    record=EvalPromptRecord,
    schema=table_schema(
        "eval_prompts",
        1,
        [
            required("prompt_id", TEXT),
            required("prompt", TEXT),
            required("caption", TEXT),
            required("image_id", TEXT),
            required("split", TEXT),
            optional("label", INT),
            optional("wnid", TEXT),
            required("source", TEXT),
            optional("prompt_template_id", TEXT),
        ],
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRecord:
    prompt_id: str
    prompt: str
    seed: int
    part_index: int  # 0-based place of this part in the model's output
    kind: str  # text or image
    text: str | None  # of a text part
    image: str | None  # of an image part: POSIX path relative to this file's folder
    image_sha256: str | None  # of the image file's bytes
    guidance_scale: float
    guidance_schedule: str  # linear or constant
    temperature: float
    top_k: int  # 0 = all
    top_p: float  # 0 = off
    model_sha256: str  # of the model's weight files
    finish_reason: str


GENERATIONS = Table(
    name="generations",
    version=1,
    record=GenerationRecord,
    schema=table_schema(
        "generations",
        1,
        [
            required("prompt_id", TEXT),
            required("prompt", TEXT),
            required("seed", INT),
            required("part_index", INT),
            required("kind", TEXT),
            optional("text", TEXT),
            optional("image", TEXT),
            optional("image_sha256", TEXT),
            required("guidance_scale", FLOAT),
            required("guidance_schedule", TEXT),
            required("temperature", FLOAT),
            required("top_k", INT),
            required("top_p", FLOAT),
            required("model_sha256", TEXT),
            required("finish_reason", TEXT),
        ],
    ),
)
