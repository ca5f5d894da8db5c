"""A table of measurements as somebody hands it over, and what is said where it cannot be what they think it is."""

import math
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hjemvakt.triage.table import read, sha256
from vitals.errors import ConfigError

GOOD = """\
patient,hour,pulse_rate,body_temp,age,sepsis
7,1,80,,61,0
7,2,84,37.1,61,1
3,5,,36.9,70,0
"""


@pytest.fixture
def file(tmp_path):
    def write(text: str, name: str = "table.csv") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def long(column: str, value: str, rows: int = 12) -> str:
    """A table of one patient with `column` always at `value`."""
    return f"patient,hour,{column}\n" + "".join(f"1,{hour},{value}\n" for hour in range(rows))


def test_rows_come_sorted_by_patient_with_nan_for_what_was_not_measured(file):
    table = read(file(GOOD), "sepsis")
    assert table.patients == ("3", "7")
    assert table.patient.tolist() == [0, 1, 1]
    assert table.hour.tolist() == [5, 1, 2]
    assert np.array_equal(table.column["pulse_rate"], [math.nan, 80, 84], equal_nan=True)
    assert table.column["age"].tolist() == [70, 61, 61]
    assert table.label is not None
    assert table.label.tolist() == [False, False, True]
    assert table.start.tolist() == [0, 1]
    assert not table.left_out


def test_parquet_says_the_same_as_csv(file, tmp_path):
    columns = {
        "patient": [7, 7, 3],
        "hour": [1, 2, 5],
        "pulse_rate": pa.array([80, 84, None], pa.int16()),
        "body_temp": pa.array([None, 37.1, 36.9], pa.float64()),
        "age": [61, 61, 70],
        "sepsis": [False, True, False],
    }
    pq.write_table(pa.table(columns), tmp_path / "table.parquet")
    one, other = read(tmp_path / "table.parquet", "sepsis"), read(file(GOOD), "sepsis")
    assert one.patients == other.patients
    assert all(np.array_equal(one.column[name], other.column[name], equal_nan=True) for name in other.column)
    assert np.array_equal(one.label, other.label)


def test_single_values_that_cannot_be_true_are_left_out_and_counted(file):
    text = "patient,hour,body_temp,fio2\n1,1,37,0.4\n1,2,50,4000\n1,3,inf,0.5\n1,4,36.5,\n"
    table = read(file(text))
    assert np.array_equal(table.column["body_temp"], [37, math.nan, math.nan, 36.5], equal_nan=True)
    assert np.array_equal(table.column["fio2"], [0.4, math.nan, 0.5, math.nan], equal_nan=True)
    assert table.left_out == {"body_temp": 2, "fio2": 1}


def test_patients_may_take_turns_as_long_as_each_ones_hours_increase(file):
    table = read(file("patient,hour,spo2\nb,1,96\na,1,97\nb,2,95\na,2,98\n"))
    assert table.patients == ("a", "b")
    assert table.column["spo2"].tolist() == [97, 98, 96, 95]


def test_a_column_that_is_nothing_to_us_is_passed_over_and_named(file):
    assert read(file("patient,hour,spo2,ward\n1,1,96,north\n")).ignored == ("ward",)


WRONG = {
    "a name that is nearly ours": ("patient,hour,sp02,sepsis\n1,1,96,0\n", r"'sp02'.*call it 'spo2'"),
    "another's name for ours": ("patient,hour,HR,sepsis\n1,1,96,0\n", r"'HR'.*call it 'pulse_rate'"),
    "no patient": ("patient_id,hour,spo2\n1,1,96\n", r"no column 'patient': is it 'patient_id'\?"),
    "no hour": ("patient,ICULOS,spo2\n1,1,96\n", r"no column 'hour': is it 'ICULOS'\?"),
    "no label": (long("spo2", "96"), r"no column 'sepsis': it has patient, hour, spo2"),
    "a label nearly so called": ("patient,hour,spo2,Sepsis\n1,1,96,0\n", r"no column 'sepsis': is it 'Sepsis'\?"),
    "twice the same name": ("patient,hour,spo2,spo2\n1,1,96,96\n", r"'spo2' twice"),
    "nothing measured": ("patient,hour,age,sepsis\n1,1,70,0\n", r"no column with measurements"),
    "semicolons": ("patient;hour;spo2\n1;1;96\n", r"semicolons.*by commas"),
    "no rows": ("patient,hour,spo2,sepsis\n", r"no rows"),
    "nothing at all": ("", r"cannot be read"),
    "a ragged line": ("patient,hour,spo2\n1,1\n", r"cannot be read"),
    "a word for a number": ("patient,hour,spo2,sepsis\n1,1,96,0\n1,2,high,0\n", r"row 2: spo2 is 'high'"),
    "a decimal comma": ('patient,hour,body_temp,sepsis\n1,1,"37,5",0\n', r"row 1: body_temp is '37,5'.*decimal point"),
    "a row of nobody": ("patient,hour,spo2,sepsis\n1,1,96,0\n,2,96,0\n", r"row 2: no patient"),
    "a row of no hour": ("patient,hour,spo2,sepsis\n1,1,96,0\n1,,96,0\n", r"row 2: no hour"),
    "an hour twice": ("patient,hour,spo2,sepsis\n1,1,96,0\n2,1,96,0\n1,1,96,0\n", r"row 3, patient 1: hour 1.*twice"),
    "an hour too late": ("patient,hour,spo2,sepsis\n1,3,96,0\n1,2,96,0\n", r"row 2, patient 1: hour 2 comes after.*3"),
    "a label of 2": ("patient,hour,spo2,sepsis\n1,1,96,0\n1,2,96,2\n", r"row 2: the label sepsis is 2"),
    "an empty label": ("patient,hour,spo2,sepsis\n1,1,96,0\n1,2,96,\n", r"row 2: the label sepsis is empty"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_read_is_named_with_its_place_and_the_mend(what, file):
    text, says = WRONG[what]
    with pytest.raises(ConfigError) as error:
        read(file(text), "sepsis")
    assert re.search(says, str(error.value)), str(error.value)


UNITS = {
    "fahrenheit": ("body_temp", "98.6", "°F"),
    "kelvin": ("body_temp", "310", "K"),
    "a fraction": ("spo2", "0.97", "a fraction"),
    "kilopascal": ("bp_sys", "16.5", "kPa"),
    "kilopascal, diastolic": ("bp_dia", "10", "kPa"),
    "kilopascal, mean": ("bp_map", "12", "kPa"),
    "percent": ("fio2", "40", "%"),
    "milligrams": ("glucose", "110", "mg/dL"),
    "who knows": ("pulse_rate", "5000", "which cannot be"),
}


@pytest.mark.parametrize("what", UNITS)
def test_a_whole_column_in_another_unit_is_an_error_and_not_a_column_left_out(what, file):
    column, value, says = UNITS[what]
    text = f"patient,hour,weight,{column}\n" + "".join(f"1,{hour},80,{value}\n" for hour in range(12))
    with pytest.raises(ConfigError, match=re.escape(says)) as error:
        read(file(text))
    assert column in str(error.value)
    assert error.value.mend


def test_files_that_are_not_there_or_not_what_they_say(file, tmp_path):
    with pytest.raises(ConfigError, match="there is no file"):
        read(tmp_path / "none.csv")
    with pytest.raises(ConfigError, match=r"use \.parquet or \.csv"):
        read(file("", "table.xlsx"))
    with pytest.raises(ConfigError, match="cannot be read"):
        read(file("patient,hour", "table.parquet"))
    with pytest.raises(ConfigError, match="cannot be the label"):
        read(file(GOOD), "pulse_rate")


def test_a_file_is_known_by_its_hash(file):
    path = file("abc")
    assert sha256(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
