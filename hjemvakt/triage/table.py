"""A wide table from a Parquet or CSV file: `patient, hour, <channels…>[, <label>]`, one row a patient and hour.

A file of measurements is never quite what its reader hopes. What would make every number that follows wrong is an
error that names the place and the mend: a column that is nearly called something we know, a whole column in another
unit, an hour twice or out of order, a label that is not 0 or 1. What real files hold by the handful, a temperature of
50 or an inspired fraction of oxygen of 4000, is left out value by value and counted (`Wide.left_out`).

Names are those of `vitals.channels`, and `age`, `male` and `fio2`. A column that resembles none of them is passed over
and named in `Wide.ignored`.
"""

import difflib
import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.csv as pc  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
from numpy.typing import NDArray

from triage.contract import Bools, Floats
from triage.study.wide import TRAITS, Rows, Wide, plausible, unit
from vitals.channels import CHANNELS
from vitals.errors import ConfigError

FORMATS = (".parquet", ".csv")
PATIENT, HOUR = "patient", "hour"
KNOWN = (*(name for name, about in CHANNELS.items() if not about.wave), *TRAITS)

_ALIASES = {
    "hr": "pulse_rate", "heartrate": "pulse_rate", "pulse": "pulse_rate", "rr": "resp_rate", "resp": "resp_rate",
    "respiratory_rate": "resp_rate", "o2sat": "spo2", "sao2": "spo2", "sp02": "spo2", "temp": "body_temp",
    "temperature": "body_temp", "sbp": "bp_sys", "dbp": "bp_dia", "map": "bp_map", "acvpu": "consciousness",
    "avpu": "consciousness", "sex": "male", "gender": "male", "on_o2": "oxygen_flow", "patient_id": PATIENT,
    "id": PATIENT, "subject": PATIENT, "time": HOUR, "hours": HOUR, "iculos": HOUR, "t": HOUR,
}  # fmt: skip
"""Other people's names for our columns, in small letters."""

_PRESSURES = {name: [("kPa", 7.50062, 0.0, "multiply by 7.50062")] for name in ("bp_sys", "bp_dia", "bp_map")}
_OTHER_UNITS: Mapping[str, list[tuple[str, float, float, str]]] = {
    "body_temp": [
        ("°F", 1 / 1.8, -32 / 1.8, "subtract 32 and divide by 1.8"),
        ("K", 1.0, -273.15, "subtract 273.15"),
    ],
    "spo2": [("a fraction", 100.0, 0.0, "multiply by 100")],
    "fio2": [("%", 0.01, 0.0, "divide by 100")],
    "glucose": [("mg/dL", 1 / 18.016, 0.0, "divide by 18.016")],
    "rr_interval": [("s", 1000.0, 0.0, "multiply by 1000")],
    **_PRESSURES,
}
"""By column: what else it is given in, as ours = factor · theirs + offset, and how to say so."""

_FEW = 5
"""So few values say nothing about the column's unit: each is looked at by itself."""


def read(path: Path, label: str | None = None) -> Wide:
    """The table in `path`, with the column `label` as its label if one is named. Raises ConfigError."""
    table = _load(path)
    names = _columns(path, table.column_names, label)
    if not table.num_rows:
        raise ConfigError(f"{path} has no rows", "give one row for each patient and hour under the line of names")
    patient = _patients(path, table.column(PATIENT))
    hour = _numbers(path, table, HOUR)
    _complete(path, HOUR, hour)
    flag = None if label is None else _flags(path, table, label)
    values = {name: _numbers(path, table, name) for name in names}
    for name, value in values.items():
        _in_our_unit(path, name, value)
    told, index = np.unique(patient, return_inverse=True)
    order = np.argsort(index, kind="stable")
    _in_order(path, index[order], hour[order], order, told)
    left_out = {name: _gate(name, value) for name, value in values.items()}
    return Wide(
        patients=tuple(map(str, told.tolist())),
        patient=index[order].astype(np.int64),
        hour=hour[order],
        column={name: value[order] for name, value in values.items()},
        label=None if flag is None else flag[order],
        left_out={name: count for name, count in left_out.items() if count},
        ignored=tuple(name for name in table.column_names if name not in {PATIENT, HOUR, label, *names}),
    )


def sha256(path: Path) -> str:
    """The SHA-256 of a file, by which a result can name the data it was made of."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _load(path: Path) -> pa.Table:
    if path.suffix not in FORMATS:
        raise ConfigError(f"{path} has no ending that says what is in it", f"use {' or '.join(FORMATS)}")
    if not path.is_file():
        raise ConfigError(f"there is no file {path}", "correct the name")
    try:
        if path.suffix == ".parquet":
            table = pq.read_table(path)
            return table.drop_columns([name for name in table.column_names if name.startswith("__index_level_")])
        return pc.read_csv(path, convert_options=pc.ConvertOptions(strings_can_be_null=True))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        raise ConfigError(f"{path} cannot be read ({_line(error)})", f"give a whole {path.suffix[1:]} file") from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


# Names


def _columns(path: Path, found: list[str], label: str | None) -> list[str]:
    """The columns that are ours; raises ConfigError where a name is missing, twice, or nearly one of ours."""
    if len(found) == 1 and ";" in found[0]:
        raise ConfigError(f"{path} has semicolons between its columns", "separate them by commas, decimals by a point")
    for name in found:
        if found.count(name) > 1:
            raise ConfigError(f"{path} has the column {name!r} twice", "rename or take out one of them")
    for name in (PATIENT, HOUR, *(() if label is None else (label,))):
        if name not in found:
            raise ConfigError(f"{path} has no column {name!r}", _nearest_mend(name, found))
    if label in (PATIENT, HOUR, *KNOWN):
        raise ConfigError(f"the column {label!r} cannot be the label", "name the column that says what came to pass")
    taken = {PATIENT, HOUR, label}
    names = [name for name in found if name in KNOWN]
    for name in found:
        if name not in taken and name not in KNOWN and (ours := _resembles(name)) and ours not in found:
            raise ConfigError(
                f"{path} has a column {name!r}, which is nothing here",
                f"call it {ours!r} if that is what it is, or take it out",
            )
    if not set(names) & set(CHANNELS):
        raise ConfigError(f"{path} has no column with measurements", f"name them as our channels: {', '.join(KNOWN)}")
    return names


def _resembles(name: str) -> str | None:
    """The column of ours that somebody may mean by `name`."""
    small = name.strip().lower().replace(" ", "_").replace("-", "_")
    if small in _ALIASES:
        return _ALIASES[small]
    close = difflib.get_close_matches(small, (PATIENT, HOUR, *KNOWN), 1, 0.8)
    return close[0] if close else None


def _nearest_mend(wanted: str, found: list[str]) -> str:
    meant = [name for name in found if _resembles(name) == wanted]
    close = meant or difflib.get_close_matches(wanted, found, 1, 0.6)
    return f"is it {close[0]!r}? call it {wanted!r}" if close else f"it has {', '.join(found)}"


# Values


def _patients(path: Path, column: pa.ChunkedArray) -> NDArray[np.int64] | NDArray[np.str_]:
    nobody = np.flatnonzero(column.is_null(nan_is_null=True).to_numpy())
    if len(nobody):
        row = int(nobody[0])
        raise ConfigError(f"{path}, row {row + 1}: no patient is named", "give every row its patient")
    if pa.types.is_integer(column.type):
        return np.asarray(column.to_numpy(), dtype=np.int64)
    return np.array([str(name) for name in column.to_pylist()])


def _numbers(path: Path, table: pa.Table, name: str) -> Floats:
    """A column as float64, missing as NaN. Raises ConfigError for what is no number, with its row."""
    column = table.column(name)
    if pa.types.is_null(column.type):
        return np.full(table.num_rows, np.nan)
    if pa.types.is_boolean(column.type) or pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        # A copy of our own: what Arrow hands out may not be written to.
        return np.array(column.cast(pa.float64()).to_numpy(), dtype=np.float64)
    return np.array(list(_parsed(path, name, column.to_pylist())), dtype=np.float64)


def _parsed(path: Path, name: str, cells: Iterable[object]) -> Iterable[float]:
    for row, cell in enumerate(cells):
        try:
            yield np.nan if cell is None else float(str(cell))
        except ValueError as error:
            raise ConfigError(
                f"{path}, row {row + 1}: {name} is {cell!r}, which is no number",
                "write a number with a decimal point, or leave the cell empty where nothing was measured",
            ) from error


def _complete(path: Path, name: str, value: Floats) -> None:
    wrong = np.flatnonzero(~np.isfinite(value))
    if len(wrong):
        raise ConfigError(f"{path}, row {wrong[0] + 1}: no {name} is given", f"give every row its {name}, as a number")


def _flags(path: Path, table: pa.Table, name: str) -> Bools:
    """A label as bools."""
    value = _numbers(path, table, name)
    wrong = np.flatnonzero((value != 0) & (value != 1))
    if len(wrong):
        said = "empty" if np.isnan(value[wrong[0]]) else f"{value[wrong[0]]:g}"
        raise ConfigError(f"{path}, row {wrong[0] + 1}: the label {name} is {said}", "a label is 0 or 1 in every row")
    return np.asarray(value == 1)


def _in_our_unit(path: Path, name: str, value: Floats) -> None:
    """Raises ConfigError where most of a column cannot be true in our unit: then it is in another."""
    there = value[np.isfinite(value)]
    low, high = plausible(name)
    if not len(there) or low <= (middle := float(np.median(there))) <= high:
        return
    says = f"{path}: {name} must be in {unit(name)}, and half of its values are about {middle:g}"
    for other, factor, offset, mend in _OTHER_UNITS.get(name, ()):
        if low <= middle * factor + offset <= high:
            raise ConfigError(f"{says}, as in {other}", f"{mend} in the whole column")
    if len(there) >= _FEW:
        raise ConfigError(f"{says}, which cannot be ({low:g} to {high:g} can)", "find its unit and convert it")


def _gate(name: str, value: Floats) -> int:
    """Blank out, in place, what cannot be true; how many there were."""
    low, high = plausible(name)
    wrong = ~np.isnan(value) & ~((value >= low) & (value <= high))
    value[wrong] = np.nan
    return int(wrong.sum())


def _in_order(path: Path, patient: Rows, hour: Floats, row: Rows, told: NDArray[np.generic]) -> None:
    """Raises ConfigError unless each patient's hours increase down the file. `row`: where a row stood in it."""
    wrong = np.flatnonzero((patient[1:] == patient[:-1]) & (hour[1:] <= hour[:-1])) + 1
    if not len(wrong):
        return
    at = int(wrong[0])
    place = f"{path}, row {row[at] + 1}, patient {told[patient[at]]}: hour {hour[at]:g}"
    if hour[at] == hour[at - 1]:
        raise ConfigError(f"{place} is there twice", "merge the two rows or take one out")
    raise ConfigError(f"{place} comes after hour {hour[at - 1]:g}", "sort the file by patient and hour")
