"""LLaVA-OneVision's rows: drawn by weight, their embedded pictures written below the image root."""

from array import array
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from vargpt_datagen.progress import progress
from vargpt_datagen.stage2.conversation import Conversation, Fault, conversation_of
from vargpt_datagen.stage2.images import (
    MAX_FILE_BYTES,
    MISSING,
    TOO_LARGE,
    EmbeddedImages,
    ImageRoot,
    Picture,
    embedded_name,
    in_threads,
    picture_of,
)
from vargpt_datagen.stage2.ledger import ImageLedger
from vargpt_datagen.stage2.onevision_files import ReadRow, Subset, SubsetFile, read_rows
from vargpt_datagen.stage2.rows import Findings, Piece, Pieces, Record, picture_fault, reject_of
from vargpt_datagen.stage2.selection import RowHash, Selected

_PREFIX = "onevision/"


class OneVisionRows:
    """Rows of some subsets, listed once by their text; the files are read again for the rest."""

    def __init__(
        self,
        subsets: Sequence[Subset],
        *,
        image_root: ImageRoot,
        embedded: EmbeddedImages,
        ledger: ImageLedger,
        row_hash: RowHash,
    ) -> None:
        self._image_root = image_root
        self._embedded = embedded
        self._ledger = ledger
        self._files = [(subset, file) for subset in subsets for file in subset.files]
        hashes, rows, is_good, has_picture = array("Q"), array("I"), array("B"), array("B")
        ends: list[int] = []  # where each file's rows end
        fractions: list[np.ndarray] = []
        num_rows, done = sum(subset.num_rows for subset in subsets), 0
        with progress("texts of OneVision") as show:
            for subset, file in self._files:
                before = len(hashes)
                fraction = subset.weight.fraction(subset.num_rows)
                for read in read_rows(file):
                    texts = (str(turn.text) for turn in read.turns)
                    hashed = row_hash([subset.name, read.record_id, *texts])
                    if hashed / 2.0**64 >= fraction:  # not in the recipe, so never drawn
                        continue
                    result = conversation_of(read.turns, int(read.has_picture))
                    hashes.append(hashed)
                    rows.append(read.row)
                    is_good.append(isinstance(result, Conversation))
                    has_picture.append(read.has_picture)
                ends.append(len(hashes))
                fractions.append(np.full(len(hashes) - before, fraction))
                done += file.num_rows
                show(done, num_rows)
        self.hashes = np.frombuffer(hashes, np.uint64)
        self.fractions = np.concatenate([np.empty(0), *fractions])
        self._rows = np.frombuffer(rows, np.uint32)
        self._is_good = np.frombuffer(is_good, np.uint8).astype(bool)
        self._has_picture = np.frombuffer(has_picture, np.uint8).astype(bool)
        self._starts = np.array([0, *ends])

    def judge(self, numbers: np.ndarray) -> np.ndarray:
        """As Source.judge; embedded pictures are decoded and written below the image root."""
        is_good = self._is_good[numbers]
        needs_picture = is_good & self._has_picture[numbers]
        num_pictures = int(needs_picture.sum())
        if num_pictures == 0:
            return is_good
        done = 0
        with progress("pictures of OneVision") as show, self._embedded.writing():
            for file_number, places in self._by_file(numbers, needs_picture):
                subset, file = self._files[file_number]
                rows = self._rows[numbers[places]].tolist()
                usable: set[int] = set()
                for row, picture in self._pictures(subset, file, rows):
                    if not picture.fault:
                        usable.add(row)
                    done += 1
                    show(done, num_pictures)
                is_good[places] = [row in usable for row in rows]
        self._ledger.commit()
        return is_good

    def pieces(self, selected: Selected, findings: Findings) -> Iterator[Piece]:
        """As Source.pieces."""
        numbers = np.sort(np.concatenate(selected))
        is_any = np.ones(len(numbers), bool)
        pieces = Pieces()
        for file_number, places in self._by_file(numbers, is_any):
            subset, file = self._files[file_number]
            chosen = numbers[places].tolist()
            rows = self._rows[numbers[places]].astype(np.int64)
            pictures = self._ledger.known([_place(subset, file, row) for row in rows.tolist()])
            for number, read in zip(chosen, read_rows(file, rows), strict=True):
                place = _place(subset, file, read.row)
                picture = pictures.get(place) if read.has_picture else None
                images = (embedded_name(subset.name, picture.sha256),) if picture else ()
                record = Record(read.record_id, _PREFIX + subset.name, read.turns, images)
                result = conversation_of(read.turns, int(read.has_picture))
                if picture and picture.fault and isinstance(result, Conversation):
                    result = picture_fault(findings, place, picture)
                if isinstance(result, Fault):
                    findings.rejects.append(reject_of(record, result))
                    continue
                findings.changes.update(result.changes)
                pieces.add(number, record, result, picture.sha256 if picture else None)
                if pieces.is_full:
                    yield pieces.take()
        yield pieces.take()

    def _by_file(
        self, numbers: np.ndarray, is_wanted: np.ndarray
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Places of the wanted numbers, file by file; files without one are left out."""
        wanted = np.flatnonzero(is_wanted)
        files = np.searchsorted(self._starts, numbers[wanted], side="right") - 1
        for file_number in np.unique(files).tolist():
            yield file_number, wanted[files == file_number]

    def _pictures(
        self, subset: Subset, file: SubsetFile, rows: list[int]
    ) -> Iterator[tuple[int, Picture]]:
        """The pictures of these rows, those that can be used written below the image root."""
        known = self._ledger.known([_place(subset, file, row) for row in rows])
        unknown: list[int] = []
        for row in rows:
            picture = known.get(_place(subset, file, row))
            if picture and (picture.fault or self._is_there(subset, picture)):
                yield row, picture
            else:
                unknown.append(row)
        if unknown:
            read = read_rows(file, np.array(unknown), pictures=True)
            for row, picture in in_threads(partial(self._write, subset), read):
                self._ledger.note(_place(subset, file, row), picture)
                yield row, picture

    def _write(self, subset: Subset, read: ReadRow) -> tuple[int, Picture]:
        if read.data is None:
            return read.row, MISSING
        if len(read.data) > MAX_FILE_BYTES:
            return read.row, TOO_LARGE
        picture = picture_of(read.data)
        if not picture.fault:
            self._embedded.write(embedded_name(subset.name, picture.sha256), read.data)
        return read.row, picture

    def _is_there(self, subset: Subset, picture: Picture) -> bool:
        name = embedded_name(subset.name, picture.sha256)
        return self._image_root.size_bytes(name) == picture.size_bytes


def _place(subset: Subset, file: SubsetFile, row: int) -> str:
    """A row's name in the ledger and in the list of pictures that cannot be used."""
    return f"{subset.name}/{file.path.name}, row {row}"
