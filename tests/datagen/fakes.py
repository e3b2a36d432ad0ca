"""Small stand-ins: a writer with canned replies and a source of few captions."""

import json
from collections.abc import Mapping

from vargpt_datagen.caption_source import CaptionedImage
from vargpt_datagen.plan import Plan, PlanConfig
from vargpt_datagen.pools import shipped_seeds, shipped_shot_pairs
from vargpt_datagen.reply import Reply
from vargpt_datagen.request import Pools, RequestWriter

ANIMALS = ("dog", "cat", "horse", "bird", "goat", "sheep", "fox", "bear", "frog", "crab")
PLACES = ("sofa", "road", "lawn", "roof", "beach", "bridge", "table", "rock", "boat", "field")


class FewCaptions:
    """One hundred captions: ten animals at ten places."""

    name = "few"
    title = "Few-Instruct"
    captioner = "a fake"
    fingerprint = "few"
    dropped: Mapping[str, int] = {}

    def __len__(self) -> int:
        return len(ANIMALS) * len(PLACES)

    def caption(self, index: int) -> str:
        return f"a {ANIMALS[index // 10]} near a {PLACES[index % 10]}"

    def image_id(self, index: int) -> str:
        return f"few-{index:03d}"

    def image(self, index: int) -> CaptionedImage:
        return CaptionedImage(
            self.image_id(index), f"few/{index:03d}.png", index % 7, None, self.caption(index)
        )


class CannedWriter:
    """Answers well, except for captions it was told to answer with something else."""

    def __init__(self, bad: Mapping[str, list[str]] | None = None) -> None:
        self.bad = {caption: list(texts) for caption, texts in (bad or {}).items()}
        self.asked: list[str] = []

    async def complete(self, body: bytes) -> Reply:
        caption = json.loads(body)["messages"][1]["content"].rstrip().rsplit("Caption: ", 1)[1]
        self.asked.append(caption)
        texts = self.bad.get(caption)
        text = texts.pop(0) if texts else good_reply(caption)
        return Reply(text, "stop", "fake-1", 10, 4, 5, 0.001)


def good_reply(caption: str) -> str:
    pair = {"prompt": f"Could I see a photo of {caption}?", "answer": f"Here is {caption}."}
    return json.dumps(pair)


def few_parts(seed: int = 0) -> tuple[Plan, RequestWriter]:
    """Plan and request writer over FewCaptions."""
    source = FewCaptions()
    pools = Pools(seeds=shipped_seeds(), pairs=shipped_shot_pairs())
    plan = Plan(
        PlanConfig(
            seed=seed,
            fingerprint="few",
            num_captions=len(source),
            pool_sizes=pools.sizes(),
            num_pairs=len(pools.pairs),
        )
    )
    return plan, RequestWriter(source, pools, model="fake-1", shots="pairs")
