"""Evaluation prompts by a language model, asked for in the way of -130K; answers are not kept.

Every image is to have its prompt, so there are no spare captions: an image whose text fails is
asked about again in another pass, with other seeds and shots.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

import numpy as np
import pyarrow as pa

from vargpt_datagen.asking import RowsToWrite, asked_rows
from vargpt_datagen.caption_source import CaptionedImage
from vargpt_datagen.endpoint.address import Endpoint
from vargpt_datagen.folder import BuildFolder
from vargpt_datagen.image_columns import ImageColumns
from vargpt_datagen.journal import JournalUsage
from vargpt_datagen.judging import Rejected
from vargpt_datagen.plan import NUM_SHOTS, Plan, PlanConfig, PlannedRow, reserve_size
from vargpt_datagen.request import Pools, RequestWriter
from vargpt_datagen.template_rows import combined
from vargpt_datagen.writer_config import WriterConfig, identity_of
from vargpt_schema import RejectRecord, ReplyRecord, UserError

PASSES = 3


class ImageCaptions:
    """The images of a split, in the order of `rows`, as requests are written from them."""

    def __init__(self, images: ImageColumns, rows: pa.Table) -> None:
        self.name, self.title = images.name, images.title
        self.captioner = images.captioner or ""
        self.fingerprint = images.fingerprint
        self.dropped: Mapping[str, int] = images.dropped
        self._rows = rows
        self._captions: list[str] = combined(rows, "caption").to_pylist()
        self._ids: list[str] = combined(rows, "image_id").to_pylist()

    def __len__(self) -> int:
        return len(self._captions)

    def caption(self, index: int) -> str:
        return self._captions[index]

    def image_id(self, index: int) -> str:
        return self._ids[index]

    def image(self, index: int) -> CaptionedImage:
        columns = ("image_id", "image", "label", "wnid", "caption")
        (row,) = self._rows.select(list(columns)).slice(index, 1).to_pylist()
        return CaptionedImage(**row)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalRequests:
    """Everything that requests for prompts are made from."""

    source: ImageCaptions
    pools: Pools
    seed: int
    endpoint: Endpoint | None  # None: the offline writer
    writer: WriterConfig

    def request_writer(self) -> RequestWriter:
        return RequestWriter(
            self.source,
            self.pools,
            model=identity_of(self.writer, self.endpoint)["model"],
            shots="pairs",
            parameters=self.endpoint.parameters if self.endpoint else None,
        )

    def plan(self, number: int, images: Sequence[int], known: PlannedRow | None) -> "PassPlan":
        """The plan of one pass over images, by their place in the source."""
        config = PlanConfig(
            seed=self.seed,
            fingerprint=f"{self.source.fingerprint} {self.pools.fingerprint()} pass {number}",
            num_captions=len(self.source),
            pool_sizes=self.pools.sizes(),
            num_pairs=len(self.pools.pairs),
        )
        return PassPlan(config, images, known)


@dataclass(slots=True)
class AskedPrompts:
    """What the passes came to."""

    prompts: dict[int, str] = field(default_factory=dict)  # by the image's place in the source
    rejects: list[RejectRecord] = field(default_factory=list)
    replies: list[ReplyRecord] = field(default_factory=list)  # those of an endpoint
    judged_replies: int = 0
    usage: JournalUsage | None = None


class PassPlan(Plan):
    """One pass: position i asks about the i-th of some images.

    The writing fills a failed row from a spare. Here a spare repeats a request that has its reply
    already, so nothing is asked or paid for it, and the row is left to the next pass.
    """

    def __init__(self, config: PlanConfig, images: Sequence[int], known: PlannedRow | None) -> None:
        super().__init__(config)
        places = np.empty(config.num_captions, np.int64)
        places[np.frombuffer(self._order, np.uint32)] = np.arange(config.num_captions)
        self._places = places[np.asarray(images, np.int64)].tolist()
        self._known = known

    def row(self, position: int) -> PlannedRow:
        if position >= len(self._places):
            assert self._known is not None
            return self._known._replace(position=position)
        return super().row(self._places[position])._replace(position=position)

    def spare_position(self, number: int) -> int:
        if self._known is not None:
            return len(self._places) + number
        if number >= len(self._places):
            raise IndexError(number)
        return number


def expect_shots(requests: EvalRequests, where: str) -> None:
    """UserError when there are too few captions to draw the shots of a request from."""
    fewest = next(size for size in count(1) if size - reserve_size(size) > NUM_SHOTS)
    if len(requests.source) < fewest:
        raise UserError(
            f"{where}: {len(requests.source)} validation captions to ask about, at least {fewest} "
            "are needed to draw shots from. Give more captions, or leave --wording llm out."
        )


def asked_prompts(requests: EvalRequests, num_rows: int, folder: BuildFolder) -> AskedPrompts:
    """Ask about the first images, again about those whose text fails; whatever failed is told."""
    writing = requests.request_writer()
    found = AskedPrompts()
    known: PlannedRow | None = None
    open_images: Sequence[int] = range(num_rows)
    for number in range(PASSES):
        plan = requests.plan(number, open_images, known)
        rows = RowsToWrite(plan, writing, len(open_images), requests.endpoint, requests.writer)
        with asked_rows(rows, folder) as asked:
            found.usage = asked.usage
            found.replies = list(asked.journal.records()) if asked.journal else []
        accepted = {each.position: each for each in asked.written.rows}
        rejected = {each.position: each for each in asked.written.rejects}
        for position, image in enumerate(open_images):
            if position in accepted:
                found.prompts[image] = accepted[position].prompt
            else:
                found.rejects.append(_record(rejected[position], requests.source, image))
            found.judged_replies += (accepted.get(position) or rejected[position]).attempts
        if known is None:
            known = plan.row(min(accepted))
        open_images = [image for image in open_images if image not in found.prompts]
        if not open_images:
            break
    return found


def _record(reject: Rejected, source: ImageCaptions, image: int) -> RejectRecord:
    return RejectRecord(
        image_id=source.image_id(image),
        caption=source.caption(image),
        request_sha256=reject.request_sha256,
        attempts=reject.attempts,
        reason=reject.reason,
        detail=reject.detail,
        prompt=reject.prompt,
        answer=reject.answer,
        text=reject.text,
        generator=reject.generator,
    )
