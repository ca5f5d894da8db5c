"""Flux, as far as we speak it: how a text is written, and how the rows of an answer are read.

An answer is read as text and not by the client's own reader, whose times end at the microsecond.
"""

import csv
import io
from collections.abc import Iterator


def rows_of(text: str) -> Iterator[dict[str, str]]:
    """The rows of a Flux answer without annotations: tables of other columns follow after an empty line."""
    names: list[str] | None = None
    for row in csv.reader(io.StringIO(text, newline="")):
        if not row:
            names = None
        elif names is None:
            names = row
        else:
            yield dict(zip(names, row, strict=True))


def quoted(text: str) -> str:
    """A string of Flux, or of a delete's predicate."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("${", "\\${") + '"'


def quoted_influxql(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
