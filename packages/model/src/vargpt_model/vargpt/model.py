"""VARGPT: one language model that answers in text and opens images, and a decoder that draws them.

arXiv 2501.12327, section 3.1. B rows of S positions, N images to draw of L codes, U images to
understand of P positions, H LLM width, C decoder width, E code width, V codebook rows.
Module names are those of the official checkpoint.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import LlamaForCausalLM, PreTrainedModel

from vargpt_model.scales import scale_ranges
from vargpt_model.vargpt.code_dropout import without_some
from vargpt_model.vargpt.config import VargptConfig
from vargpt_model.vargpt.frozen_prefix import frozen_columns, states_behind
from vargpt_model.vargpt.held_float32 import Float32ImageTokenizer
from vargpt_model.vargpt.output import CodeRows, VargptOutput
from vargpt_model.vargpt.placeholders import expect_count, scattered
from vargpt_model.vargpt.projectors import GenerationProjector, UnderstandingProjector
from vargpt_model.vargpt.vision_tower import VisionTower
from vargpt_model.visual_decoder import VisualDecoder, code_cross_entropy, initialize

if TYPE_CHECKING:
    from vargpt_model.generation import GenerationOptions, Reply
    from vargpt_model.generation.parts import OnEvent

DUMMY_SCALES = 2  # of the pass without images: enough to reach every parameter


class VargptForConditionalGeneration(PreTrainedModel):
    """The whole model. `forward` trains; `generate` answers and draws."""

    config_class = VargptConfig
    config: VargptConfig
    main_input_name = "input_ids"
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True
    _no_split_modules = ["LlamaDecoderLayer", "CLIPEncoderLayer", "Block"]  # noqa: RUF012
    _keep_in_fp32_modules_strict = ["vae_local"]  # noqa: RUF012

    def __init__(self, config: VargptConfig) -> None:
        super().__init__(config)
        decoder_config = config.visual_decoder_config
        width, decoder_width = config.text.hidden_size, decoder_config.hidden_dim
        self.vision_tower = VisionTower(config)
        self.multi_modal_projector = UnderstandingProjector(config)
        self.language_model = LlamaForCausalLM(config.text)
        self.vae_local = Float32ImageTokenizer(config.image_tokenizer_config)
        self.vargpt_gen = VisualDecoder(decoder_config)
        self.image_gen_projector = GenerationProjector(decoder_width, width)
        self.image_gen_projector_out = GenerationProjector(width, decoder_width)
        if config.guidance_null == "learned":
            # Starts as one draw of the noise that it replaces.
            self.guidance_null_states = nn.Parameter(torch.randn(config.num_image_codes, width))
        self.gradient_checkpointing = False
        # These start as their own papers say, so transformers' normal(0, 0.02) must not reach them.
        if not self.vargpt_gen.head.weight.is_meta:
            initialize(self.vargpt_gen)
        for part in (self.vae_local, self.vargpt_gen):
            for module in part.modules():
                module.__dict__["_is_hf_initialized"] = True
        self.post_init()
        self.vae_local.requires_grad_(False).eval()

    @classmethod
    def from_pretrained(cls, *args: Any, **kwargs: Any) -> Any:
        """As transformers' own, but a tensor that is missing or misshapen is a ValueError.

        transformers would fill it at random and say so in one line of its log.
        """
        wants_info = kwargs.pop("output_loading_info", False)
        loaded: Any = super().from_pretrained(*args, output_loading_info=True, **kwargs)
        model, info = loaded
        for fault in ("missing_keys", "mismatched_keys", "unexpected_keys"):
            if info.get(fault):
                first = sorted(map(str, info[fault]))[0]
                raise ValueError(
                    f"{args[0] if args else kwargs}: {len(info[fault])} {fault.replace('_', ' ')}, "
                    f"first {first}; a checkpoint of this configuration was expected. Make one "
                    "with `vargpt init`."
                )
        return (model, info) if wants_info else model

    def train(self, mode: bool = True) -> "VargptForConditionalGeneration":
        """As torch's own; the image tokenizer is never trained here."""
        super().train(mode)
        self.vae_local.eval()
        return self

    def get_input_embeddings(self) -> nn.Module:
        """The LLM's token table."""
        return self.language_model.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replace the LLM's token table."""
        self.language_model.set_input_embeddings(value)

    def get_output_embeddings(self) -> nn.Module:
        """The LLM's head."""
        return self.language_model.lm_head

    def set_output_embeddings(self, new_embeddings: nn.Module) -> None:
        """Replace the LLM's head."""
        self.language_model.set_output_embeddings(new_embeddings)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        pixel_values: Tensor | None = None,
        image_code_ids: Tensor | None = None,
        target_pixel_values: Tensor | None = None,
        image_loss_weight: float = 1.0,
        code_dropout: float = 0.0,
        run_every_part: bool | None = None,
    ) -> VargptOutput:
        """Teacher forcing. Batches may mix text, images to understand and images to draw.

        input_ids (B, S), attention_mask (B, S) with padding on either side, labels (B, S) unshifted
        with `ignore_index` where nothing is learned (the processor makes all three);
        pixel_values (U, 3, h, w) for the vision tower and image_code_ids (N, L) for the decoder, in
        the order of their placeholders over the flattened batch; target_pixel_values (N, 3, s, s)
        in [-1, 1] where codes are not at hand: they are encoded here. With both, the images are
        those whose codes are negative, in order.

        In training, `guidance_null="learned"` replaces the LLM states of some images by the null,
        some images lose their condition row, and `code_dropout` of the images lose all of their
        code inputs, as many lose half of them. An `image_loss_weight` of 0 leaves the image loss
        as a figure without gradient. `run_every_part` passes a dummy of zero weight
        through the parts that this batch does not need, so that all ranks of a distributed run do
        the same; None: in training, when torch.distributed runs.

        ValueError when placeholders and images do not match.
        """
        if run_every_part is None:
            run_every_part = self.training and torch.distributed.is_initialized()
        image_code_ids = self._all_codes(image_code_ids, target_pixel_values)
        embeds = self.get_input_embeddings()(input_ids)
        embeds = self._with_understood(embeds, input_ids, pixel_values, run_every_part)
        drawn = self._drawn(image_code_ids, code_dropout, run_every_part)
        prefix = 0
        if not run_every_part:  # ranks do the same, whatever their rows hold
            is_code = self._is_code(input_ids)
            prefix = frozen_columns(self.language_model.model, embeds, is_code)
        embeds = self._with_drawn(embeds, input_ids, image_code_ids, drawn)
        hidden = self.hidden_states(embeds, attention_mask, prefix)
        output = VargptOutput()
        if labels is not None:
            self._add_text_loss(output, hidden, labels, attention_mask)
        if drawn is not None:
            with torch.set_grad_enabled(torch.is_grad_enabled() and image_loss_weight != 0):
                self._add_image_loss(output, hidden, input_ids, image_code_ids, drawn)
        losses = [output.text_loss] if output.text_loss is not None else []
        if output.image_loss is not None:
            losses.append(image_loss_weight * output.image_loss)
        output.loss = torch.stack(losses).sum() if losses else None
        return output

    def generate(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        pixel_values: Tensor | None = None,
        image_code_ids: Tensor | None = None,
        *,
        seeds: Sequence[int],
        options: "GenerationOptions | None" = None,
        on_event: "OnEvent | None" = None,
    ) -> "list[Reply]":
        """Text and images, in order, for each of B prompts; see `vargpt_model.generation`.

        `vargpt_model.generation.answer` takes conversations and gives decoded text.
        """
        from vargpt_model.generation import GenerationOptions, generate

        return generate(
            self,
            input_ids=input_ids,
            attention_mask=attention_mask,
            pixel_values=pixel_values,
            image_code_ids=image_code_ids,
            seeds=seeds,
            options=options or GenerationOptions(),
            on_event=on_event,
        )

    @torch.no_grad()
    def encode_images(self, pixels: Tensor) -> Tensor:
        """Codes of images to draw: (N, 3, s, s) in [-1, 1] -> (N, L) int64"""
        return torch.cat(self.vae_local.encode(pixels), dim=1)

    def image_features(self, pixel_values: Tensor) -> Tensor:
        """Images to understand as the LLM sees them: (U, 3, h, w) -> (U, P, H)"""
        features = self.vision_tower(pixel_values, self.config.vision_feature_layer)
        if self.config.vision_feature_select_strategy == "default":
            features = features[:, 1:]  # without CLS
        return self.multi_modal_projector(features.to(self.multi_modal_projector.dtype))

    def code_rows(
        self, image_code_ids: Tensor, class_ids: Tensor, code_dropout: float = 0.0
    ) -> CodeRows:
        """(N, L) codes, (N,) condition rows -> LLM inputs of all scales (section 1.10).

        `image_code_ids` may stop behind any scale but the last; the LLM then sees one scale more.
        """
        decoder = self.vargpt_gen
        with torch.no_grad():
            features = self.vae_local.quantize.teacher_forcing_features(image_code_ids)
            if code_dropout and self.training:
                features = without_some(features, code_dropout)
        condition = decoder.conditions(class_ids)
        inputs = decoder.teacher_forcing_inputs(condition, features.to(condition.dtype))
        return CodeRows(self.to_llm(inputs), condition)

    def to_llm(self, decoder_inputs: Tensor) -> Tensor:
        """(N, n, C) -> (N, n, H)"""
        return self.image_gen_projector(decoder_inputs.to(self.image_gen_projector.dtype))

    def to_decoder(self, hidden: Tensor, start: int) -> Tensor:
        """LLM states of the codes from `start` on: (N, n, H) -> (N, n, C)"""
        x = self.image_gen_projector_out(hidden.to(self.image_gen_projector_out.dtype))
        return self.with_positions(x, start)

    def with_positions(self, x: Tensor, start: int) -> Tensor:
        """Decoder inputs (N, n, C) with positions, where the configuration puts them here too."""
        if self.config.decoder_positions == "before_llm":
            return x
        decoder, end = self.vargpt_gen, start + x.shape[1]
        levels = decoder.lvl_embed(decoder.lvl_1L[:, start:end])
        return x + levels + decoder.pos_1LC[:, start:end]

    def hidden_states(
        self, embeds: Tensor, attention_mask: Tensor | None, prefix: int = 0
    ) -> Tensor:
        """LLM states behind its last norm, `prefix` columns without gradient: (B, S, H) -> same"""
        position_ids = None
        if attention_mask is not None:
            position_ids = (attention_mask.long().cumsum(dim=-1) - 1).clamp_min(0)
        return states_behind(
            self.language_model.model, embeds, attention_mask, position_ids, prefix
        )

    def _is_code(self, input_ids: Tensor) -> Tensor:
        return input_ids == self.config.image_gen_pad_token_id

    def embedded(
        self,
        input_ids: Tensor,
        pixel_values: Tensor | None,
        image_code_ids: Tensor | None,
        condition: int,
    ) -> Tensor:
        """LLM inputs of a prompt that may hold images of both kinds: (B, S) -> (B, S, H)"""
        embeds = self.get_input_embeddings()(input_ids)
        embeds = self._with_understood(embeds, input_ids, pixel_values, False)
        drawn = None
        if image_code_ids is not None and len(image_code_ids):
            rows = torch.full((len(image_code_ids),), condition, device=image_code_ids.device)
            drawn = self.code_rows(image_code_ids, rows)
        return self._with_drawn(embeds, input_ids, image_code_ids, drawn)

    def _with_understood(
        self, embeds: Tensor, input_ids: Tensor, pixel_values: Tensor | None, run_every_part: bool
    ) -> Tensor:
        is_image = input_ids == self.config.image_token_index
        count = 0 if pixel_values is None else len(pixel_values)
        expect_count(is_image, count, self.config.num_image_tokens, "<image>", "pixel_values")
        if pixel_values is not None and count:
            return scattered(embeds, is_image, self.image_features(pixel_values))
        if run_every_part:
            side = self.config.vision_size_px
            dummy = embeds.new_zeros(1, 3, side, side)
            return embeds + 0 * self.image_features(dummy).to(embeds.dtype).sum()
        return embeds

    def _all_codes(
        self, image_code_ids: Tensor | None, target_pixel_values: Tensor | None
    ) -> Tensor | None:
        """Codes given and codes encoded here, in the order of their images: (N, L)."""
        if target_pixel_values is None:
            return image_code_ids
        encoded = self.encode_images(target_pixel_values)
        if image_code_ids is None:
            return encoded
        is_open = image_code_ids[:, 0] < 0
        if int(is_open.sum()) != len(encoded):
            raise ValueError(
                f"{int(is_open.sum())} rows of negative image_code_ids found, target_pixel_values "
                f"holds {len(encoded)} images; they must be equal"
            )
        return image_code_ids.masked_scatter(is_open[:, None], encoded)

    def _drawn(
        self, image_code_ids: Tensor | None, code_dropout: float, run_every_part: bool
    ) -> CodeRows | None:
        """Real images, or a dummy of the first scales, or None."""
        if image_code_ids is None or not len(image_code_ids):
            if not run_every_part:
                return None
            _, end = scale_ranges(self.vargpt_gen.config.patch_nums)[DUMMY_SCALES - 2]
            image_code_ids = torch.zeros(1, end, dtype=torch.long, device=self.device)
        elif image_code_ids.shape[1] != self.config.num_image_codes:
            raise ValueError(
                f"image_code_ids of {image_code_ids.shape[1]} codes an image found, "
                f"patch_nums {self.vargpt_gen.config.patch_nums} give {self.config.num_image_codes}"
            )
        rows = torch.full(
            (len(image_code_ids),), self._training_condition(), device=image_code_ids.device
        )
        return self.code_rows(
            image_code_ids, self.vargpt_gen.dropped_conditions(rows), code_dropout
        )

    def _with_drawn(
        self,
        embeds: Tensor,
        input_ids: Tensor,
        image_code_ids: Tensor | None,
        drawn: CodeRows | None,
    ) -> Tensor:
        is_code = self._is_code(input_ids)
        count = 0 if image_code_ids is None else len(image_code_ids)
        length = self.config.num_image_codes
        expect_count(is_code, count, length, "<image_gen>", "image_code_ids")
        if drawn is None:
            return embeds
        if count:
            return scattered(embeds, is_code, drawn.rows)
        return embeds + 0 * drawn.rows.to(embeds.dtype).sum()

    def _add_text_loss(
        self, output: VargptOutput, hidden: Tensor, labels: Tensor, attention_mask: Tensor | None
    ) -> None:
        """Cross-entropy of the next token; the head runs at labelled positions alone."""
        targets = labels[:, 1:]
        is_target = targets != self.config.ignore_index
        if attention_mask is not None:
            is_target &= attention_mask[:, :-1].bool()  # nothing precedes a row's first token
        logits = self.language_model.lm_head(hidden[:, :-1][is_target]).float()
        output.text_logits = logits
        output.text_targets = targets[is_target]
        output.text_losses = F.cross_entropy(logits, output.text_targets, reduction="none")
        # The sum keeps the graph, and is 0, where no position is labelled.
        output.text_loss = output.text_losses.sum() / max(len(output.text_losses), 1)

    def _add_image_loss(
        self,
        output: VargptOutput,
        hidden: Tensor,
        input_ids: Tensor,
        image_code_ids: Tensor | None,
        drawn: CodeRows,
    ) -> None:
        """Cross-entropy of every code at its own position (no shift)."""
        num_images, length, width = drawn.rows.shape
        is_real = image_code_ids is not None and len(image_code_ids) > 0
        if is_real:
            is_code = self._is_code(input_ids)
            states = self._with_learned_null(hidden[is_code].view(num_images, length, width))
        else:
            states = self._with_learned_null(hidden.new_zeros(num_images, length, width))
        run = self._gradient_checkpointing_func if self._checkpoints_blocks() else None
        logits = self.vargpt_gen.decode(
            self.to_decoder(states, 0), self.vargpt_gen.modulations(drawn.condition), run=run
        )
        if not is_real or image_code_ids is None:
            output.image_loss = 0 * logits.sum()
            return
        output.code_logits, output.code_targets = logits, image_code_ids
        output.code_losses = code_cross_entropy(logits, image_code_ids)
        output.image_loss = output.code_losses.mean()

    def _with_learned_null(self, states: Tensor) -> Tensor:
        """In training, the states of a few whole images become the learned null: (N, L, H)."""
        if self.config.guidance_null != "learned" or not self.training:
            return states
        null = self.guidance_null_states[: states.shape[1]].to(states.dtype)
        is_null = torch.rand(len(states), 1, 1, device=states.device)
        is_null = is_null < self.config.guidance_null_dropout
        # where() gives the null a gradient, if of zeros, in batches that drop no image.
        return torch.where(is_null, null, states)

    def _checkpoints_blocks(self) -> bool:
        return self.gradient_checkpointing and self.training

    def _training_condition(self) -> int:
        row = self.config.training_condition
        assert row is not None  # the configuration fills it
        return row
