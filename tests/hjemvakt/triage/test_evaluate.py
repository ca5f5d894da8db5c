"""`hjemvakt triage evaluate` and `fit`, whole, on a table that a seed makes: what they print and what they refuse."""

import csv
import json
import math
import tomllib
from pathlib import Path

import numpy as np
import pytest

from hjemvakt.__main__ import main

PATIENTS, HOURS = 120, 48


@pytest.fixture(scope="session")
def file(tmp_path_factory) -> Path:
    """A CSV of 120 people, of whom 40 get feverish and fast some hours before their onset."""
    random = np.random.default_rng(20)
    path = tmp_path_factory.mktemp("tables") / "people.csv"
    with path.open("w", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["patient", "hour", "pulse_rate", "resp_rate", "spo2", "bp_sys", "body_temp", "ward", "sepsis"])
        for patient in range(PATIENTS):
            onset = int(random.integers(30, 60)) if patient % 3 == 0 else 10_000
            for hour in range(1, HOURS + 1):
                ill = max(0.0, 1 - max(0, onset - hour) / 24)
                told = [
                    round(85 + 25 * ill + random.normal(0, 9)), round(17 + 5 * ill + random.normal(0, 3)),
                    min(100, round(97 - 2 * ill + random.normal(0, 1.5))), round(125 - 10 * ill + random.normal(0, 12)),
                    round(37 + 1.2 * ill + random.normal(0, 0.4), 1),
                ]  # fmt: skip
                told = ["" if random.random() < 0.3 else value for value in told]
                if patient == 5 and hour == 9:
                    told[4] = 50
                rows.writerow([patient, hour, *told, "north", int(hour >= onset - 6)])
    return path


def evaluated(capsys, file: Path, *options: str) -> dict:
    assert main(["triage", "evaluate", str(file), "--label", "sepsis", "--json", *options]) == 0
    return json.loads(capsys.readouterr().out, parse_constant=pytest.fail)


def slow_auroc(score, case, stratum) -> float:
    """Each case against all controls of its stratum."""
    won = all_pairs = 0.0
    for one in np.flatnonzero(case & ~np.isnan(score)):
        others = score[~case & (stratum == stratum[one]) & ~np.isnan(score)]
        won += (others < score[one]).sum() + (others == score[one]).sum() / 2
        all_pairs += len(others)
    return won / all_pairs


def test_the_whole_command(capsys, file):
    told = evaluated(capsys, file, "--horizon", "24h", "--bootstrap", "50", "--budget", "30", "--budget", "100")
    assert (told["rows"], told["patients"]) == (PATIENTS * HOURS, PATIENTS)
    assert told["left_out_as_implausible"] == {"body_temp": 1}
    assert told["columns_passed_over"] == ["ward"]
    assert told["rows_used"] == told["case_rows"] + told["control_rows"]
    assert {"news2", "cusum", "fitted", "hour"} <= {score["score"] for score in told["scores"]}
    for score in told["scores"]:
        for area in (score["auroc"], score["auroc_time_matched"]):
            assert area["low"] <= area["value"] <= area["high"]
        assert [alerts["budget"] for alerts in score["alerts"]] == [30, 100]
        for alerts in score["alerts"]:
            if alerts["threshold"] is not None:
                assert alerts["per_100_patient_days"] <= alerts["budget"]
                assert alerts["ppv"] is None or 0 <= alerts["ppv"] <= 1
    by_name = {score["score"]: score for score in told["scores"]}
    assert by_name["hour"]["auroc"]["value"] > 0.6
    assert by_name["hour"]["auroc_time_matched"]["value"] == 0.5
    assert by_name["fitted"]["auroc_time_matched"]["value"] > 0.7


def test_the_numbers_are_those_of_a_slow_count_made_apart(capsys, file):
    """A pulse's NEWS2 points by hand, cases by the definition printed, every pair counted."""
    told = evaluated(capsys, file, "--score", "news2:pulse_rate_points", "--bootstrap", "0")
    with file.open() as lines:
        rows = list(csv.DictReader(lines))
    score, case, hour = [], [], []
    for patient in range(PATIENTS):
        mine = [row for row in rows if row["patient"] == str(patient)]
        labelled = [int(row["hour"]) for row in mine if row["sepsis"] == "1"]
        onset = min(labelled) + 6 if labelled else math.inf
        last = -math.inf, math.nan
        for row in mine:
            now = int(row["hour"])
            if row["pulse_rate"]:
                last = now, float(row["pulse_rate"])
            if onset <= now:
                continue
            pulse = last[1] if now - last[0] <= 24 else math.nan
            points = 3 if pulse <= 40 or pulse >= 131 else 2 if pulse >= 111 else 1 if pulse <= 50 or pulse >= 91 else 0
            score.append(math.nan if math.isnan(pulse) else points)
            case.append(onset - now <= 24)
            hour.append(now)
    columns = np.array(score), np.array(case)
    (found,) = told["scores"]
    assert told["case_rows"] == sum(case)
    assert told["control_rows"] == len(case) - sum(case)
    assert found["auroc"]["value"] == pytest.approx(slow_auroc(*columns, np.zeros(len(case))), abs=1e-12)
    assert found["auroc_time_matched"]["value"] == pytest.approx(slow_auroc(*columns, np.array(hour)), abs=1e-12)
    assert found["auroc"]["low"] is None


def test_the_same_seed_gives_the_same_document_and_another_other_intervals(capsys, file):
    options = ("--score", "cusum", "--bootstrap", "40", "--seed")
    one, again, other = (evaluated(capsys, file, *options, seed) for seed in ("3", "3", "4"))
    assert one == again
    assert one["scores"][0]["auroc"]["value"] == other["scores"][0]["auroc"]["value"]
    assert one["scores"][0]["auroc"]["low"] != other["scores"][0]["auroc"]["low"]


def test_columns_that_are_missing_are_missing_and_not_an_error(capsys, tmp_path):
    path = tmp_path / "few.csv"
    lines = [f"{patient},{hour},{80 + hour * (patient % 2)},{int(patient % 2 and hour > 10)}"
             for patient in range(6) for hour in range(1, 20)]  # fmt: skip
    path.write_text("\n".join(["patient,hour,pulse_rate,sepsis", *lines]))
    told = evaluated(capsys, path, "--bootstrap", "5", "--score", "news2", "--score", "fitted")
    news2, fitted = told["scores"]
    assert news2["auroc"]["value"] > 0.5
    assert fitted["rows_with_score"] == 0
    assert fitted["auroc"] == {"value": None, "low": None, "high": None}
    assert [alerts["threshold"] for alerts in fitted["alerts"]] == [None, None]
    assert main(["triage", "evaluate", str(path), "--label", "sepsis", "--score", "fitted"]) == 0
    printed = capsys.readouterr().out
    assert "no pairs" in printed
    assert "no threshold calls so seldom" in printed


def test_for_a_person_it_says_what_a_case_is_and_claims_nothing(capsys, file):
    assert main(["triage", "evaluate", str(file), "--label", "sepsis", "--horizon", "12h", "--bootstrap", "20"]) == 0
    printed, remarks = capsys.readouterr()
    assert "5,760 rows, 120 patients" in printed
    assert "within 12 h of it" in printed
    assert "left out as implausible: body_temp 1" in printed
    assert "time-matched AUROC" in printed
    assert "at most 21 episodes per 100 patient-days" in printed
    assert "no benefit to anybody is claimed" in printed
    assert "nan" not in printed
    assert remarks == "", "a progress bar is for a terminal"


def test_a_picture_on_request(capsys, file, tmp_path):
    out = tmp_path / "out.png"
    evaluated(capsys, file, "--score", "news2", "hour", "--bootstrap", "5", "--plot", str(out))
    assert out.read_bytes().startswith(b"\x89PNG")


REFUSED = {
    "an unknown score": (["--score", "new2"], "there is no score 'new2': use one of"),
    "a label that is not there": (["--label", "death"], "no column 'death'"),
    "a picture of no kind": (["--plot", "out.gif"], "use .png"),
    "a score that is none": (["--model", "{file}"], "is no score of ours"),
    "a score that is not there": (["--model", "none.toml"], "cannot be read"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_makes_no_sense_is_one_line_and_exit_code_2(what, capsys, file):
    options, says = REFUSED[what]
    given = [option.format(file=file) for option in options]
    assert main(["triage", "evaluate", str(file), "--label", "sepsis", "--bootstrap", "5", *given]) == 2
    printed, remarks = capsys.readouterr()
    assert printed == ""
    assert says in remarks
    assert remarks.count("\n") == 1


@pytest.mark.parametrize("option", ["--horizon=0h", "--horizon=soon", "--budget=0", "--budget=x", "--seed=-1"])
def test_an_option_that_makes_no_sense_is_refused(option, file, capsys):
    with pytest.raises(SystemExit) as refused:
        main(["triage", "evaluate", str(file), "--label", "sepsis", option])
    assert refused.value.code == 2
    assert option.partition("=")[0] in capsys.readouterr().err


def test_a_fit_is_a_file_that_can_be_measured_on_others(capsys, file, tmp_path):
    out = tmp_path / "mine.toml"
    command = ["triage", "fit", str(file), "--label", "sepsis", "--out", str(out), "--credit", "nobody's"]
    assert main(command) == 0
    assert "cross-validated by patient" in capsys.readouterr().out
    first = tomllib.loads(out.read_text())
    made = first["made"]
    assert 0.6 < made["auroc_time_matched"] < 1
    assert made["data_credit"] == "nobody's"
    assert main(command) == 0
    again = tomllib.loads(out.read_text())
    again["made"]["date"] = made["date"]  # a test may run at midnight
    assert again == first, "the same table and seed give the same score"
    capsys.readouterr()
    told = evaluated(capsys, file, "--score", "fitted", "--model", str(out), "--bootstrap", "5")
    shipped = evaluated(capsys, file, "--score", "fitted", "--bootstrap", "5")
    assert told["fitted_to_this_file"]
    assert not shipped["fitted_to_this_file"]
    assert told["scores"][0]["auroc"]["value"] > shipped["scores"][0]["auroc"]["value"] - 0.05
    assert [path.name for path in tmp_path.iterdir()] == ["mine.toml"]


def test_a_fit_to_too_few_writes_nothing(capsys, tmp_path):
    path = tmp_path / "few.csv"
    path.write_text("patient,hour,pulse_rate,sepsis\n1,1,80,0\n1,2,80,1\n2,1,80,0\n")
    out = tmp_path / "mine.toml"
    assert main(["triage", "fit", str(path), "--label", "sepsis", "--out", str(out)]) == 2
    assert "too few" in capsys.readouterr().err
    assert not out.exists()
    assert main(["triage", "fit", str(path), "--label", "sepsis", "--out", str(tmp_path / "no" / "mine.toml")]) == 2
    assert "there is no folder" in capsys.readouterr().err
