"""Images drawn in the middle of replies: ten scales through the LLM and the decoder (section 1.10).

G rows draw at the same time, S scales, n codes of one, V codebook rows, H LLM width, C decoder
width, E code width.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from vargpt_model.drawing import DrawingConfig, ScaleSampler
from vargpt_model.generation.language_state import LanguageState
from vargpt_model.generation.null_branch import NullBranch
from vargpt_model.generation.parts import ImagePart, OnEvent, ScaleEvent
from vargpt_model.generation.random_streams import stream_seed
from vargpt_model.preprocessing import to_uint8


class ImagesInContext:
    """Draws one image for each of some rows, behind the text that the LLM has read."""

    def __init__(
        self,
        state: LanguageState,
        rows: Sequence[int],
        *,
        seeds: Sequence[int],
        image_indices: Sequence[int],
        config: DrawingConfig,
    ) -> None:
        self.state, self.rows = state, list(rows)
        self.image_indices = list(image_indices)
        self.model = state.model
        self.decoder = self.model.vargpt_gen
        own_seeds = [
            stream_seed(seed, "codes", index)
            for seed, index in zip(seeds, image_indices, strict=True)
        ]
        self.sampler = ScaleSampler(self.model.vae_local, own_seeds, config)
        is_guided = self.model.config.guidance_null != "none" and config.guidance_scale > 0
        self.null = NullBranch(self.model, seeds, self.image_indices) if is_guided else None
        row = torch.tensor([self.model.config.inference_condition], device=self.model.device)
        # One row of modulations serves all images: they share the condition.
        self.condition = self.decoder.conditions(row)  # (1, C)
        self.modulations = self.decoder.modulations(self.condition)
        self.cache = self.decoder.new_cache(len(self.rows) * (2 if self.null else 1))

    def draw(self, on_event: OnEvent | None) -> tuple[list[ImagePart], Tensor]:
        """The images, and the LLM's states (G, H) at the end token of each."""
        last = len(self.decoder.ranges) - 1
        inputs = self.decoder.first_inputs(self.condition).expand(len(self.rows), -1, -1)
        hidden = inputs  # replaced in the first round
        for scale in range(last + 1):
            embeds = self.model.to_llm(inputs)  # (G, n, H)
            # The start token is read together with the first scale, the end token with the last.
            if scale == 0:
                embeds = torch.cat([self._marker("start", embeds), embeds], dim=1)
            if scale == last:
                embeds = torch.cat([embeds, self._marker("end", embeds)], dim=1)
            hidden = self.state.read(self.rows, embeds)
            first = 1 if scale == 0 else 0
            features = self.sampler.step(
                self.code_logits(hidden[:, first : first + inputs.shape[1]], scale)
            )
            if on_event is not None:
                self._tell(scale, on_event)
            if features is not None:
                inputs = self.decoder.next_inputs(features.to(inputs.dtype), scale + 1)
        return self._images(), hidden[:, -1]

    def code_logits(self, hidden: Tensor, scale: int) -> Tensor:
        """Guided logits of one scale: LLM states (G, n, H) -> (G, n, V) float32"""
        start, end = self.decoder.ranges[scale]
        x = self.model.to_decoder(hidden, start)
        if self.null is None:
            return self.decoder.decode(x, self.modulations, self.cache)
        x = torch.cat([x, self.null.inputs(start, end).to(x.dtype)])
        logits, null_logits = self.decoder.decode(x, self.modulations, self.cache).chunk(2)
        return self.sampler.guided(logits, null_logits)

    def _marker(self, name: str, embeds: Tensor) -> Tensor:
        config = self.model.config
        id_ = config.image_gen_start_token_id if name == "start" else config.image_gen_end_token_id
        ids = torch.full((len(embeds), 1), id_, device=embeds.device)
        return self.model.get_input_embeddings()(ids).to(embeds.dtype)

    def _tell(self, scale: int, on_event: OnEvent) -> None:
        ids = self.sampler.code_ids[scale].cpu()
        for row, index, own in zip(self.rows, self.image_indices, ids, strict=True):
            on_event(ScaleEvent(row, index, scale, own))

    def _images(self) -> list[ImagePart]:
        drawing = self.sampler.finish()
        pixels = to_uint8(drawing.images).cpu()
        code_ids = torch.cat(drawing.code_ids, dim=1).cpu()
        return [ImagePart(*pair) for pair in zip(pixels, code_ids, strict=True)]
