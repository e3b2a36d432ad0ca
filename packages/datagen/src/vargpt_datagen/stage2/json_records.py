"""Reads the records of a large JSON array one by one, in bounded memory."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from vargpt_schema import UserError

_CHUNK_CHARACTERS = 1 << 22
_MAX_RECORD_CHARACTERS = 1 << 26
_MAX_NUMBER_PART = 4  # no number ends before `.`, `e` or `e+`, but a part of it does
_SPACE = " \t\r\n"


def json_records(path: Path) -> Iterator[Any]:
    """Every element of the array that a file holds.

    UserError, with the record and the character, where it is no JSON array.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            yield from _Text(path, file).records()
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: not UTF-8 ({error.reason}), a JSON array was expected. Download it again."
        ) from error
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror}), a JSON array was expected. Check the path."
        ) from error


class _Text:
    """The part of a file that is in memory, and the place that has been read up to."""

    def __init__(self, path: Path, file: IO[str]) -> None:
        self._path = path
        self._file = file
        self._text = ""
        self._at = 0
        self._before = 0  # characters that are no longer in memory
        self._num_records = 0
        self._decoder = json.JSONDecoder()

    def records(self) -> Iterator[Any]:
        self._expect("[")
        if self._mark() == "]":
            self._at += 1
        else:
            while True:
                yield self._record()
                if self._mark() == "]":
                    self._at += 1
                    break
                self._expect(",")
        if self._mark():
            raise self._broken("more text after the array", self._place)

    def _record(self) -> Any:
        self._mark()
        while True:
            try:
                record, end = self._decoder.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                # A record that ends outside the text in memory looks broken at the text's end, or
                # at the start of its last string.
                place = self._before + error.pos
                may_be_cut = error.pos >= len(self._text) - 8 or error.msg.startswith("Unterm")
                is_too_long = len(self._text) - self._at > _MAX_RECORD_CHARACTERS
                if is_too_long or not may_be_cut or not self._read_more():
                    raise self._broken(error.msg, place) from error
            except RecursionError as error:
                raise self._broken("nested too deeply", self._place) from error
            else:
                is_near_end = len(self._text) - end < _MAX_NUMBER_PART
                if is_near_end and self._read_more():  # a number may go on
                    continue
                self._at = end
                self._num_records += 1
                return record

    def _mark(self) -> str:
        """The next character that is no space; "" at the end of the file."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in _SPACE:
                self._at += 1
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._read_more():
                return ""

    def _expect(self, mark: str) -> None:
        found = self._mark()
        if found != mark:
            what = f"{found!r} where {mark!r} belongs" if found else "the file ends"
            raise self._broken(what, self._place)
        self._at += 1

    def _read_more(self) -> bool:
        more = self._file.read(_CHUNK_CHARACTERS)
        if not more:
            return False
        self._before += self._at
        self._text = self._text[self._at :] + more
        self._at = 0
        return True

    @property
    def _place(self) -> int:
        """Characters of the file before the place that has been read up to."""
        return self._before + self._at

    def _broken(self, what: str, place: int) -> UserError:
        where = f"after record {self._num_records:,}, character {place:,}"
        return UserError(
            f"{self._path}: broken JSON {where} ({what}), an array of records was expected. "
            "Download it again."
        )
