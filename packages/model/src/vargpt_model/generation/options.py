"""What a caller may choose about a reply."""

from dataclasses import dataclass

from vargpt_model.drawing import DrawingConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationOptions:
    """Text is greedy by default; drawing follows the model's own configuration by default."""

    max_part_tokens: int = 512  # tokens of one text part; the reply ends or draws there
    min_images: int = 0  # a reply that would end earlier draws instead
    max_images: int = 8  # from there on the model cannot open an image
    temperature: float = 0.0  # of text; 0 = the most probable token
    top_k: int = 0  # of text; 0 = all
    top_p: float = 0.0  # of text; 0 = off
    drawing: DrawingConfig | None = None  # None: the model's `drawing`

    def __post_init__(self) -> None:
        if self.max_part_tokens < 1:
            raise ValueError(f"max_part_tokens must be at least 1, got {self.max_part_tokens}")
        if not 0 <= self.min_images <= self.max_images:
            raise ValueError(
                f"min_images must be between 0 and max_images, got {self.min_images} and "
                f"{self.max_images}"
            )
        if self.temperature < 0 or self.top_k < 0 or not 0 <= self.top_p <= 1:
            raise ValueError(
                "temperature and top_k must be at least 0 and top_p in [0, 1], got "
                f"{self.temperature}, {self.top_k} and {self.top_p}"
            )
