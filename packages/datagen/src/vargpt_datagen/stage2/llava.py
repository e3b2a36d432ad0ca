"""LLaVA-1.5's mixture: `llava_v1_5_mix665k.json` and the image folders its rows name."""

import hashlib
from array import array
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from vargpt_datagen.progress import progress
from vargpt_datagen.stage2.conversation import Conversation, Fault, Turn, conversation_of
from vargpt_datagen.stage2.images import ImageRoot, Picture, in_threads, is_misnamed
from vargpt_datagen.stage2.json_records import json_records
from vargpt_datagen.stage2.ledger import ImageLedger
from vargpt_datagen.stage2.mixture import llava_root
from vargpt_datagen.stage2.rows import (
    Findings,
    Piece,
    Pieces,
    Record,
    picture_fault,
    reject_of,
    storable,
)
from vargpt_datagen.stage2.selection import RowHash, Selected
from vargpt_schema import UserError

_UNKNOWN, _GOOD, _BAD = 0, 1, 2
_NAMES_AT_ONCE = 2_000
# A folder that so large a part of the images starts in is part of the set: it must be there.
_ROOT_FRAC = 0.01


class LlavaRows:
    """Rows of a LLaVA file, listed once; the file itself is read again for their text.

    UserError when the file is no JSON array, or a folder of many images is missing.
    """

    def __init__(
        self, path: Path, *, image_root: ImageRoot, ledger: ImageLedger, row_hash: RowHash
    ) -> None:
        self.path = path
        self._image_root = image_root
        self._ledger = ledger
        hashes, is_good = array("Q"), array("B")
        images, ends = array("I"), array("Q")  # numbers of each row's images; where each row ends
        number_of: dict[str, int] = {}
        for record in map(_record_of, json_records(path)):
            texts = (str(turn.text) for turn in record.turns)
            hashes.append(row_hash([record.record_id, *record.images, *texts]))
            result = conversation_of(record.turns, len(record.images))
            is_good.append(isinstance(result, Conversation))
            images.extend(number_of.setdefault(name, len(number_of)) for name in record.images)
            ends.append(len(images))
        self.hashes = np.frombuffer(hashes, np.uint64)
        self.fractions = np.ones(len(hashes))
        self._is_good = np.frombuffer(is_good, np.uint8).astype(bool)
        self._images = np.frombuffer(images, np.uint32)
        self._starts = np.concatenate([[0], np.frombuffer(ends, np.uint64).astype(np.int64)])
        self._names = list(number_of)
        self._state = np.full(len(self._names), _UNKNOWN, np.uint8)
        self._expect_folders()

    def judge(self, numbers: np.ndarray) -> np.ndarray:
        """As Source.judge; pictures never looked at are read and decoded."""
        starts = self._starts[numbers]
        lengths = np.where(self._is_good[numbers], self._starts[numbers + 1] - starts, 0)
        places = np.repeat(starts - np.cumsum(lengths) + lengths, lengths)
        needed = self._images[places + np.arange(len(places))]
        wanted = np.unique(needed)
        self._look_at(wanted[self._state[wanted] == _UNKNOWN])
        row_of_image = np.repeat(np.arange(len(numbers)), lengths)
        num_bad = np.bincount(row_of_image[self._state[needed] == _BAD], minlength=len(numbers))
        return self._is_good[numbers] & (num_bad == 0)

    def pieces(self, selected: Selected, findings: Findings) -> Iterator[Piece]:
        """As Source.pieces."""
        is_accepted, is_rejected = (
            np.isin(np.arange(len(self.hashes)), numbers) for numbers in selected
        )
        pieces = Pieces()
        pictures: dict[str, Picture] = {}
        waiting: list[tuple[int, Record]] = []
        for number, raw in enumerate(json_records(self.path)):
            if is_accepted[number] or is_rejected[number]:
                waiting.append((number, _record_of(raw)))
            if len(waiting) < _NAMES_AT_ONCE and number + 1 < len(self.hashes):
                continue
            names = {name for _, record in waiting for name in record.images}
            pictures = self._ledger.known(sorted(names))
            for row, record in waiting:
                result = self._judged(record, pictures, findings)
                if isinstance(result, Fault):
                    findings.rejects.append(reject_of(record, result))
                    continue
                findings.changes.update(result.changes)
                findings.misnamed.update(
                    name for name in record.images if is_misnamed(name, pictures[name].format)
                )
                sha256 = pictures[record.images[0]].sha256 if record.images else None
                pieces.add(row, record, result, sha256)
            waiting.clear()
            if pieces.is_full:
                yield pieces.take()
        yield pieces.take()

    def roots(self) -> dict[str, int]:
        """Rows of the file by the folder that their images start in."""
        first = self._starts[:-1][np.diff(self._starts) > 0]
        counts = np.bincount(self._images[first], minlength=len(self._names))
        found = Counter({"text": len(self.hashes) - len(first)})
        for name, count in zip(self._names, counts.tolist(), strict=True):
            found[llava_root([name])] += count
        return dict(found)

    def _judged(
        self, record: Record, pictures: dict[str, Picture], findings: Findings
    ) -> Conversation | Fault:
        result = conversation_of(record.turns, len(record.images))
        if isinstance(result, Fault):
            return result
        for name in record.images:
            if pictures[name].fault:
                return picture_fault(findings, name, pictures[name])
        return result

    def _look_at(self, wanted: np.ndarray) -> None:
        done = 0
        with progress("pictures of LLaVA") as show:
            for start in range(0, len(wanted), _NAMES_AT_ONCE):
                numbers = wanted[start : start + _NAMES_AT_ONCE].tolist()
                names = [self._names[number] for number in numbers]
                known = self._trusted(names)
                unknown = [name for name in names if name not in known]
                looked_at = in_threads(self._image_root.picture, unknown)
                for name, picture in zip(unknown, looked_at, strict=True):
                    self._ledger.note(name, picture)
                    known[name] = picture
                    done += 1
                    show(done, len(wanted))
                for number, name in zip(numbers, names, strict=True):
                    self._state[number] = _BAD if known[name].fault else _GOOD
                done = start + len(numbers)
                show(done, len(wanted))
        self._ledger.commit()

    def _trusted(self, names: list[str]) -> dict[str, Picture]:
        """Pictures an earlier run found good and that are still there; bad ones may be mended."""
        return {
            name: picture
            for name, picture in self._ledger.known(names).items()
            if not picture.fault and self._image_root.size_bytes(name) == picture.size_bytes
        }

    def _expect_folders(self) -> None:
        for root, count in Counter(llava_root([name]) for name in self._names).items():
            is_small = count < _ROOT_FRAC * len(self._names)
            if root == "other" or is_small or self._image_root.is_folder(root):
                continue
            folder = self._image_root.root / root
            what = "leads out of the image root" if folder.is_dir() else "no such folder"
            raise UserError(
                f"{folder}: {what}, the folder of {count:,} pictures that {self.path} names was "
                "expected. Put it there, or give the folder that holds it with --image-root DIR."
            )


def sha256_of(path: Path) -> str:
    """sha256 of a whole file as hex digits; UserError when it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(
            f"--llava {path}: cannot be read ({error.strerror}), llava_v1_5_mix665k.json or a file "
            "like it was expected. Check the path."
        ) from error


def _record_of(raw: Any) -> Record:
    """A record as it was read; what is not as it should be comes out without turns."""
    if not isinstance(raw, dict):
        return Record("", "llava/text", (), ())
    image = raw.get("image")
    names = image if isinstance(image, list) else [] if image is None else [image]
    # A name that cannot be a path becomes one that is refused.
    images = tuple(name if isinstance(name, str) and _is_text(name) else "" for name in names)
    said = raw.get("conversations")
    turns = [
        Turn(turn.get("from"), turn.get("value")) if isinstance(turn, dict) else Turn(None, turn)
        for turn in (said if isinstance(said, list) else ())
    ]
    record_id = storable(str(raw.get("id", "")))
    return Record(record_id, f"llava/{llava_root(images)}", turns, images)


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:  # half a surrogate pair
        return False
    return True
