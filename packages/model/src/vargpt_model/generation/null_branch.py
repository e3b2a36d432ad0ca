"""What the decoder sees in place of the LLM's states, for classifier-free guidance (section 3.1).

G images, n codes of one scale, L of an image, H LLM width, C decoder width.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from vargpt_model.generation.random_streams import stream_seed
from vargpt_model.sampler import row_generators
from vargpt_model.vargpt import VargptForConditionalGeneration


class NullBranch:
    """Decoder inputs without a prompt: Gaussian noise (Eq. 3), fresh at every scale, or learned."""

    def __init__(
        self, model: VargptForConditionalGeneration, seeds: Sequence[int], image_indices: list[int]
    ) -> None:
        self.model = model
        self.num_images = len(seeds)
        own = [
            stream_seed(seed, "null", index)
            for seed, index in zip(seeds, image_indices, strict=True)
        ]
        self._generators = row_generators(own, model.device)

    def inputs(self, start: int, end: int) -> Tensor:
        """Inputs of the codes from `start` to `end`: (G, n, C)"""
        config = self.model.config
        if config.guidance_null == "learned":
            states = self.model.guidance_null_states[start:end]
            return self.model.to_decoder(states.expand(self.num_images, -1, -1), start)
        if config.noise_at == "projected":
            width = config.visual_decoder_config.hidden_dim
            return self.model.with_positions(self._noise(end - start, width), start)
        return self.model.to_decoder(self._noise(end - start, config.text.hidden_size), start)

    def _noise(self, length: int, width: int) -> Tensor:
        """(G, length, width) of standard deviation 1."""
        draws = [
            torch.randn(length, width, generator=generator, device=self.model.device)
            for generator in self._generators
        ]
        return torch.stack(draws).to(self.model.vargpt_gen.head.weight.dtype)
