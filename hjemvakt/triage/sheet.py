"""A table of patients to be scored, read so that nothing in it is guessed.

Commas or semicolons part its columns; decimals have a point or, as Norwegian spreadsheets write them, a comma. An
empty cell is what was not measured. A cell that cannot be meant, because it is no number or in another unit, is an
error that names its row and column. Rows are counted as a person counts them: the first below the names is row 1.
"""

import csv
import difflib
import io
import itertools
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from triage.contract import Floats
from triage.scores.contract import Column, Reads, Score
from vitals.channels import ACVPU
from vitals.errors import ConfigError

STDIN = "-"
_YES = {"yes": 1.0, "y": 1.0, "true": 1.0, "1": 1.0, "ja": 1.0, "j": 1.0}
_NO = {"no": 0.0, "n": 0.0, "false": 0.0, "0": 0.0, "nei": 0.0}
_WORDS = {Reads.YES: _YES | _NO, Reads.LETTER: {letter.lower(): float(code) for code, letter in enumerate(ACVPU)}}
_MENDS = {
    "temp": "give it in °C: subtract 32 from °F and divide by 1.8",
    "spo2": "give it in %: 0.97 is 97",
    "sbp": "give it in mmHg: multiply kPa by 7.5",
    "dbp": "give it in mmHg: multiply kPa by 7.5",
    "spo2_scale": "write 1, or 2 where it has been prescribed",
}
"""What to do about a number that cannot be, by column."""


class Sheet:
    """A table as read: `values` [P] by channel, and the names of the columns that no score has."""

    def __init__(self, values: Mapping[str, Floats], rows: int, ignored: Sequence[str]) -> None:
        self.values = values
        self.rows = rows
        self.ignored = ignored


def read(name: str, score: Score) -> Sheet:
    """The table in the file `name` (`-`: standard input) for `score`. Raises ConfigError."""
    text = _text(name)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    try:
        names = [cell.strip() for cell in next(rows, [])]
        place = _places(name, names, score)
        cells = _cells(name, rows, names)
    except csv.Error as error:
        raise ConfigError(f"{name}, line {rows.line_num}: {error}", "close every quotation mark") from error
    if not cells:
        raise ConfigError(f"{name} has no rows", "give one row for each patient under the line of names")
    columns = list(zip(*cells, strict=True))
    values = {column.channel: _values(name, column, columns[place[column.name]]) for column in score.columns}
    return Sheet(values, len(cells), [one for index, one in enumerate(names) if index not in place.values()])


def _text(name: str) -> str:
    try:
        data = sys.stdin.buffer.read() if name == STDIN else Path(name).read_bytes()
    except OSError as error:
        raise ConfigError(f"{name} cannot be read ({error.strerror})", "correct the name") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{name} is not UTF-8 text ({error.reason})", "save it as CSV UTF-8") from error


def _delimiter(text: str) -> str:
    first = text[: text.find("\n")] if "\n" in text else text
    return max(",;\t", key=first.count)


def _places(name: str, names: Sequence[str], score: Score) -> dict[str, int]:
    """Where each of the score's columns stands; raises ConfigError where one is missing or twice."""
    small = [one.lower() for one in names]
    place: dict[str, int] = {}
    missing = []
    for column in score.columns:
        if small.count(column.name) > 1:
            raise ConfigError(f"{name} has the column {column.name!r} twice", "take one of them out")
        if column.name in small:
            place[column.name] = small.index(column.name)
        else:
            missing.append(column.name)
    if missing:
        others = [one for one in small if one and one not in place]
        close = [(found[0], one) for one in missing if (found := difflib.get_close_matches(one, others, 1, 0.6))]
        mend = f"{score.name} takes {','.join(column.name for column in score.columns)}: leave cells empty, not columns"
        if close:
            mend = "; ".join(f"is {found!r} meant to be {one!r}?" for found, one in close)
        raise ConfigError(f"{name} has no column {', '.join(map(repr, missing))}", mend)
    return place


def _cells(name: str, rows: Iterable[list[str]], names: Sequence[str]) -> list[list[str]]:
    """The rows below the names, empty lines left out; raises ConfigError for one that is longer or shorter."""
    cells = [row for row in rows if row]
    for number, row in enumerate(cells, 1):
        if len(row) != len(names):
            raise ConfigError(
                f"{name}, row {number}: {len(row)} cells under {len(names)} names",
                "give every row as many cells as there are names; a decimal comma needs semicolons between columns",
            )
    return cells


def _values(name: str, column: Column, cells: Sequence[str]) -> Floats:
    """One column as numbers, NaN (or what is usual) where a cell is empty. Raises ConfigError."""
    read_as = dict.fromkeys(cells, 0.0)  # Few values are different: each is looked at once.
    for cell in read_as:
        try:
            read_as[cell] = _value(column, cell.strip())
        except ValueError as error:
            row = cells.index(cell) + 1
            said, mend = error.args
            raise ConfigError(f"{name}, row {row}, column {column.name}: {said}", mend) from None
    return np.fromiter(map(read_as.__getitem__, cells), np.float64, len(cells))


def _value(column: Column, cell: str) -> float:
    """The number of one cell; raises ValueError with what is wrong and the mend."""
    if not cell:
        return column.usual
    words = _WORDS.get(column.reads)
    if words is not None:
        if cell.lower() not in words:
            shown = column.reads.value if column.reads is Reads.LETTER else "yes or no (ja or nei, 1 or 0)"
            raise ValueError(f"{cell!r} is none of what may stand there", f"write {shown}, or leave it empty")
        return words[cell.lower()]
    try:
        number = float(cell.replace(",", ".")) if _plain(cell) else float("nan")
    except ValueError:
        number = float("nan")
    if number != number:
        raise ValueError(f"{cell!r} is not a number", "write a number, or leave the cell empty if it was not measured")
    whole = column.name == "spo2_scale" and number not in (1.0, 2.0)
    if whole or not column.low <= number <= column.high:
        unit = f" {column.unit}" if column.unit else ""
        usual = f"write {column.low:g} to {column.high:g}{unit}, or leave it empty if it was not measured"
        raise ValueError(f"{cell}{unit} cannot be", _MENDS.get(column.name, usual))
    return number


def _plain(cell: str) -> bool:
    """Digits with at most one sign and one mark for decimals: no `nan`, no `1e3`, no `1_000`, no thousands."""
    return all(one in "+-.,0123456789" for one in cell) and cell.count(".") + cell.count(",") <= 1


def first(items: Iterable[str], most: int) -> str:
    """The first few of them in one line."""
    few = list(itertools.islice(items, most + 1))
    return ", ".join(few[:most]) + (", …" if len(few) > most else "")
