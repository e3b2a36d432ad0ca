"""The one schema of the VARGPT toolkit: tables, literals, chat form, sample world."""

from vargpt_schema.answers import ANSWERS, EVAL_SAMPLES, AnswerRecord, EvalSampleRecord
from vargpt_schema.captions import CAPTIONS, CaptionRecord
from vargpt_schema.conversation import (
    IMAGE,
    IMAGE_GEN,
    IMAGE_GEN_END,
    IMAGE_GEN_PAD,
    IMAGE_GEN_START,
    PATCH_NUMS_7B,
    SYSTEM_SENTENCE,
    TOKEN_IDS_7B,
    Message,
    chat_text,
    expand_image_gen,
    num_image_codes,
)
from vargpt_schema.errors import UserError
from vargpt_schema.generations import (
    EVAL_PROMPTS,
    GENERATIONS,
    EvalPromptRecord,
    GenerationRecord,
)
from vargpt_schema.image_codes import (
    IMAGE_CODES,
    CodesConfig,
    ImageCodesRecord,
    read_image_codes,
    write_image_codes,
)
from vargpt_schema.instruct import INSTRUCT, InstructRecord, messages_array, sample_id_of
from vargpt_schema.replies import REJECTS, REPLIES, RejectRecord, ReplyRecord
from vargpt_schema.seeds import SEED_KINDS, SEEDS, SeedRecord
from vargpt_schema.table import RowFault, Table

TABLES = (
    CAPTIONS,
    SEEDS,
    INSTRUCT,
    REPLIES,
    REJECTS,
    IMAGE_CODES,
    EVAL_PROMPTS,
    GENERATIONS,
    ANSWERS,
    EVAL_SAMPLES,
)

__all__ = [
    "ANSWERS",
    "CAPTIONS",
    "EVAL_PROMPTS",
    "EVAL_SAMPLES",
    "GENERATIONS",
    "IMAGE",
    "IMAGE_CODES",
    "IMAGE_GEN",
    "IMAGE_GEN_END",
    "IMAGE_GEN_PAD",
    "IMAGE_GEN_START",
    "INSTRUCT",
    "PATCH_NUMS_7B",
    "REJECTS",
    "REPLIES",
    "SEEDS",
    "SEED_KINDS",
    "SYSTEM_SENTENCE",
    "TABLES",
    "TOKEN_IDS_7B",
    "AnswerRecord",
    "CaptionRecord",
    "CodesConfig",
    "EvalPromptRecord",
    "EvalSampleRecord",
    "GenerationRecord",
    "ImageCodesRecord",
    "InstructRecord",
    "Message",
    "RejectRecord",
    "ReplyRecord",
    "RowFault",
    "SeedRecord",
    "Table",
    "UserError",
    "chat_text",
    "expand_image_gen",
    "messages_array",
    "num_image_codes",
    "read_image_codes",
    "sample_id_of",
    "write_image_codes",
]
