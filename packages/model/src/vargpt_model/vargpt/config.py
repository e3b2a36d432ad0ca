"""Configuration of VARGPT (arXiv 2501.12327, section 3.1): every literal of the official code.

The official `config.json` (model type `vargpt_llava`) loads as it is.
"""

from dataclasses import asdict
from typing import Any, Literal

from transformers import CLIPVisionConfig, LlamaConfig, PreTrainedConfig

from vargpt_model.drawing import DrawingConfig
from vargpt_model.given_paths import MODEL_TYPE
from vargpt_model.image_tokenizer import ImageTokenizerConfig
from vargpt_model.scales import num_codes
from vargpt_model.visual_decoder import VisualDecoderConfig
from vargpt_schema import IMAGE, IMAGE_GEN_END, IMAGE_GEN_PAD, IMAGE_GEN_START, TOKEN_IDS_7B
from vargpt_schema.conversation import PAD

GuidanceNull = Literal["noise", "learned", "none"]
NoiseAt = Literal["hidden", "projected"]
DecoderPositions = Literal["before_llm", "also_decoder"]
UnderstandingAspect = Literal["crop", "pad"]

# CLIP-L/14 at 336 px and Vicuna-7B, as the official code writes them.
VISION_7B = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "patch_size": 14,
    "image_size": 336,
    "projection_dim": 768,
}
TEXT_7B = {
    "vocab_size": 32064,
    "max_position_embeddings": 4096,
    "rms_norm_eps": 1e-5,
}


class VargptConfig(PreTrainedConfig):
    """Sizes of all parts, token ids, and what the released code decides by literals.

    `image_tokenizer` and `visual_decoder` hold the fields of ImageTokenizerConfig and
    VisualDecoderConfig; read them back by the properties of those names with `_config`. `drawing`
    holds defaults of DrawingConfig.
    """

    model_type = MODEL_TYPE
    sub_configs = {  # noqa: RUF012  # pyright: ignore
        "text_config": LlamaConfig,
        "vision_config": CLIPVisionConfig,
    }

    text_config: dict[str, Any] | PreTrainedConfig | None = None
    vision_config: dict[str, Any] | PreTrainedConfig | None = None
    image_tokenizer: dict[str, Any] | None = None
    visual_decoder: dict[str, Any] | None = None

    image_token_index: int = TOKEN_IDS_7B[IMAGE]
    pad_token_id: int | None = TOKEN_IDS_7B[PAD]
    bos_token_id: int | None = 1
    eos_token_id: int | list[int] | None = 2
    image_gen_start_token_id: int = TOKEN_IDS_7B[IMAGE_GEN_START]
    image_gen_end_token_id: int = TOKEN_IDS_7B[IMAGE_GEN_END]
    image_gen_pad_token_id: int = TOKEN_IDS_7B[IMAGE_GEN_PAD]
    ignore_index: int = -100  # of positions without a text label
    add_bos: bool = False  # before the system sentence; the official training has none
    tie_word_embeddings: bool = False

    projector_hidden_act: str = "gelu"  # of the understanding projector; erf, not tanh
    vision_feature_layer: int = -2  # hidden states of the vision tower that the LLM sees
    vision_feature_select_strategy: Literal["default", "full"] = "default"  # without / with CLS
    understanding_aspect: UnderstandingAspect = "crop"  # llava-hf; "pad" is LLaVA-1.5's own

    # Rows of the decoder's condition table. None: the last but one, of the start token, and the
    # last, "no class".
    training_condition: int | None = None
    inference_condition: int | None = None

    guidance_null: GuidanceNull = "noise"
    guidance_null_dropout: float = 0.1  # share of images trained on the learned null states
    noise_at: NoiseAt = "hidden"  # before the projector; "projected": behind it, Eq. 3
    decoder_positions: DecoderPositions = "before_llm"
    drawing: dict[str, Any] | None = None
    initializer_range: float = 0.02

    def __post_init__(self, **kwargs: Any) -> None:
        if self.text_config is None or isinstance(self.text_config, dict):
            self.text_config = LlamaConfig(**{**TEXT_7B, **_known(self.text_config)})
        if self.vision_config is None or isinstance(self.vision_config, dict):
            self.vision_config = CLIPVisionConfig(**{**VISION_7B, **_known(self.vision_config)})
        self._take_official_tokens(kwargs.pop("special_tokens", None))
        for name in ("hidden_size", "vocab_size", "train_from_scratch", "is_composition"):
            kwargs.pop(name, None)  # the official file repeats them beside text_config
        if self.visual_decoder is None:
            self.visual_decoder = {"num_classes": self.image_gen_start_token_id + 1}
        # Written out in full, so that a later default never changes a stored model.
        self.image_tokenizer = _plain(_from_plain(ImageTokenizerConfig, self.image_tokenizer or {}))
        self.visual_decoder = _plain(_from_plain(VisualDecoderConfig, self.visual_decoder))
        self.drawing = _plain(_from_plain(DrawingConfig, self.drawing or {}))
        num_classes = self.visual_decoder["num_classes"]
        if self.training_condition is None:
            self.training_condition = num_classes - 1
        if self.inference_condition is None:
            self.inference_condition = num_classes
        super().__post_init__(**kwargs)
        self._expect_consistent()

    def _take_official_tokens(self, tokens: dict[str, Any] | None) -> None:
        for name in ("image_gen_start", "image_gen_end", "image_gen_pad"):
            found = (tokens or {}).get(f"{name}_token_id")
            if isinstance(found, int):
                setattr(self, f"{name}_token_id", found)

    def _expect_consistent(self) -> None:
        decoder, tokenizer = self.visual_decoder_config, self.image_tokenizer_config
        for name in ("patch_nums", "vocab_size", "code_dim"):
            ours, theirs = getattr(decoder, name), getattr(tokenizer, name)
            if ours != theirs:
                raise ValueError(
                    f"{name}: visual_decoder has {ours}, image_tokenizer has {theirs}; "
                    "they must be equal"
                )
        for name in ("training_condition", "inference_condition"):
            row = getattr(self, name)
            if not 0 <= row <= decoder.num_classes:
                raise ValueError(
                    f"{name} must be a row of the decoder's condition table, 0 to "
                    f"{decoder.num_classes}, got {row}"
                )
        choices = {
            "guidance_null": ("noise", "learned", "none"),
            "noise_at": ("hidden", "projected"),
            "decoder_positions": ("before_llm", "also_decoder"),
            "understanding_aspect": ("crop", "pad"),
            "vision_feature_select_strategy": ("default", "full"),
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"{name} must be one of {', '.join(allowed)}, got {getattr(self, name)!r}"
                )
        if self.num_image_tokens > self.context_length:
            raise ValueError(
                f"an image to understand takes {self.num_image_tokens} positions, more than the "
                f"context of {self.context_length}"
            )

    @property
    def text(self) -> LlamaConfig:
        """`text_config`, once built."""
        assert isinstance(self.text_config, LlamaConfig)
        return self.text_config

    @property
    def vision(self) -> CLIPVisionConfig:
        """`vision_config`, once built."""
        assert isinstance(self.vision_config, CLIPVisionConfig)
        return self.vision_config

    @property
    def image_tokenizer_config(self) -> ImageTokenizerConfig:
        """Sizes of the image tokenizer."""
        return _from_plain(ImageTokenizerConfig, self.image_tokenizer or {})

    @property
    def visual_decoder_config(self) -> VisualDecoderConfig:
        """Sizes of the visual decoder."""
        return _from_plain(VisualDecoderConfig, self.visual_decoder or {})

    @property
    def drawing_config(self) -> DrawingConfig:
        """How images are drawn unless the caller says otherwise."""
        return _from_plain(DrawingConfig, self.drawing or {})

    @property
    def vision_size_px(self) -> int:
        """Side of the images that the vision tower sees: 336."""
        return _side(self.vision.image_size)

    @property
    def num_image_tokens(self) -> int:
        """Positions of one image to understand: 576."""
        side = self.vision_size_px // _side(self.vision.patch_size)
        return side * side + (self.vision_feature_select_strategy == "full")

    @property
    def num_image_codes(self) -> int:
        """Positions of one image to draw, without start and end: 680."""
        return num_codes(self.visual_decoder_config.patch_nums)

    @property
    def context_length(self) -> int:
        """Positions the LLM takes: 4096."""
        return self.text.max_position_embeddings

    @property
    def eos_token_ids(self) -> frozenset[int]:
        """Ids that end an answer."""
        eos = self.eos_token_id
        return frozenset([eos] if isinstance(eos, int) else eos or ())


def _side(size: Any) -> int:
    """Of a square that CLIP's configuration gives by one number or two."""
    return int(size) if isinstance(size, int) else int(max(size))


def _known(sub_config: dict[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (sub_config or {}).items() if name != "model_type"}


def _plain(config: Any) -> dict[str, Any]:
    """A dataclass as JSON holds it: tuples are lists."""
    values = asdict(config)
    return {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}


def _from_plain(config_class: Any, fields: dict[str, Any]) -> Any:
    return config_class(
        **{name: tuple(v) if isinstance(v, list) else v for name, v in fields.items()}
    )
