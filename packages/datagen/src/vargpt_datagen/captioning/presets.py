"""How captions are generated: the settings of published captions, by name."""

from dataclasses import dataclass
from typing import Literal

PresetName = Literal["vl-enriched", "lavis"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """Settings of one way to caption."""

    num_beams: int  # 1: greedy
    max_new_tokens: int
    dtype: str  # on a GPU
    # Decoder-only models end a caption with a line break there; else with what their config says.
    ends_at_newline: bool
    origin: str


PRESETS: dict[PresetName, Preset] = {
    "vl-enriched": Preset(
        num_beams=1,
        max_new_tokens=20,
        dtype="float16",
        ends_at_newline=False,
        origin="the captioning scripts of visual-layer/imagenet-1k-vl-enriched",
    ),
    "lavis": Preset(
        num_beams=5,
        max_new_tokens=30,
        dtype="float16",
        ends_at_newline=True,
        origin="the defaults of LAVIS, blip2_opt.py",
    ),
}
