"""`hjemvakt triage explain | replay | whatif`, as somebody in the municipality uses them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hjemvakt.__main__ import main
from server.decisions.record import decisions
from tests.server.decisions.conftest import Day

CONFIGS = Path(__file__).parents[2] / "configs"
COPD = (CONFIGS / "programmes" / "copd.toml").read_text(encoding="utf-8")


class Asked:
    """A server with an alarm, and what the command line says about it."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.day = Day(folder)
        self.day.minutes(2)
        self.day.finger(95)
        self.day.minutes(2)
        self.day.finger(87)
        self.day.minutes(1)
        self.day.finger(84)
        self.day.minutes(1)
        self.alarm = str(self.day.alarm().id)
        self.folder = folder
        self._capsys = capsys
        self.config = folder / "server.toml"
        self.config.write_text(
            f'name = "Prøveby"\ndata = "{folder / "data"}"\nmunicipality = "{folder / "municipality.toml"}"\n'
            f'ladders = "{CONFIGS / "ladders.toml"}"\n',
            encoding="utf-8",
        )

    def say(self, *argv: str) -> tuple[int, str, str]:
        self._capsys.readouterr()
        code = main(["triage", *argv])
        told = self._capsys.readouterr()
        return code, told.out, told.err

    def replay(self, *more: str, patient: str = "eva") -> tuple[int, str, str]:
        return self.say(
            "replay", "--patient", patient, "--from", "2026-03-02T08:00Z", "--to", "2026-03-02T09:00Z",
            "--config", str(self.config), *more,
        )  # fmt: skip

    def file(self, name: str, text: str) -> str:
        (self.folder / name).write_text(text, encoding="utf-8")
        return str(self.folder / name)


@pytest.fixture
def asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Asked]:
    asked = Asked(tmp_path, capsys)
    yield asked
    asked.day.server.close()


def test_an_alarm_is_explained_to_a_person_and_to_a_program(asked: Asked) -> None:
    code, out, _ = asked.say("explain", asked.alarm, "--config", str(asked.config), "--language", "en")
    assert code == 0
    for words in (
        "opened the alarm", "raised the alarm", "SpO₂ 84 %, limit 88 %", "spo2_floor = 88.0 (the patient's own)",
        "Worked out anew: the same, to the last bit", "Source: ", "oximeter",
    ):  # fmt: skip
        assert words in out, (words, out)
    assert "NOT" not in out
    assert "hevet alarmen" in asked.say("explain", asked.alarm, "--config", str(asked.config))[1]
    found = json.loads(asked.say("explain", asked.alarm, "--config", str(asked.config), "--json")[1])
    assert [one["what"] for one in found["decisions"]] == ["opened", "raised"]
    assert all(one["same"] for one in found["decisions"])


def test_what_is_not_there_is_said_to_be_not_there(asked: Asked) -> None:
    for number in ("999", "x", "-1"):
        code, _, err = asked.say("explain", "--config", str(asked.config), "--", number)
        assert (code, "there is no alarm" in err) == (2, True)
    code, _, err = asked.replay(patient="nobody")
    assert (code, "there is no patient 'nobody'" in err) == (2, True)
    code, _, err = asked.replay(patient="odd")
    assert (code, "nothing is known of odd" in err) == (2, True)
    code, _, err = asked.say("explain", "1", "--config", str(asked.folder / "no.toml"))
    assert (code, "no.toml" in err) == (2, True)


def test_a_replay_is_the_same_and_says_so(asked: Asked) -> None:
    code, out, _ = asked.replay("--language", "en")
    assert code == 0, out
    assert "the same as recorded, to the last bit" in out
    lines = out.splitlines()
    assert any(re.fullmatch(r"2026-03-02 \d\d:\d\d:\d\d  clinical alarm opened MEDIUM: .*", line) for line in lines), (
        out
    )
    assert any("clinical alarm raised HIGH: SpO₂ 84 %, limit 88 %" in line for line in lines)
    found = json.loads(asked.replay("--json")[1])
    assert (found["same"], found["assumed_until"]) == (True, None)
    assert [one["what"] for one in found["changes"] if one["kind"] == "clinical"] == ["opened", "raised"]


def test_a_record_that_is_not_what_would_be_decided_is_found_out(asked: Asked) -> None:
    with asked.day.server.db.write() as tx:
        tx.execute(decisions.update().values(t_ns=decisions.c.t_ns + 1))
    code, out, _ = asked.replay()
    assert (code, "NOT the same as recorded" in out) == (1, True)


def renewed(programme: str) -> str:
    """The same text as version `next`."""
    text, times = re.subn(r'^version = ".*"$', 'version = "next"', programme, flags=re.M)
    assert times == 1
    return text


def test_another_programme_is_heard_and_a_broken_one_refused(asked: Asked) -> None:
    only = re.sub(r"rules = \[.*?\]", 'rules = ["spo2_floor", "device_silent"]', COPD, flags=re.S)
    only = re.sub(r"\[limits\].*?\n\n", "[limits]\n\n", only, flags=re.S).split("[[ask]]")[0]
    code, out, _ = asked.replay("--programme", asked.file("next.toml", renewed(only)))
    assert (code, "under copd next" in out) == (0, True), out
    code, _, err = asked.replay("--programme", asked.file("broken.toml", "name = "))
    assert (code, "broken.toml" in err) == (2, True)


def whatif(asked: Asked, programme: str, on: Path, *more: str) -> tuple[int, str, str]:
    return asked.say("whatif", programme, "--on", str(on), *more)


def test_what_a_programme_would_do_on_a_servers_own_record(asked: Asked) -> None:
    narrow = 'name = "copd"\nversion = "next"\nrules = ["pulse_high"]\n[title]\nnb = "x"\nen = "x"\n'
    code, _, err = whatif(asked, asked.file("narrow.toml", narrow), asked.config)
    assert (code, "patient eva under copd next" in err) == (2, True), err
    same = asked.file("same.toml", renewed(COPD))
    for on in (asked.config, asked.folder / "data" / "hjemvakt.sqlite"):
        code, out, err = whatif(asked, same, on, "--json")
        assert code == 0, err
        found = json.loads(out)
        assert found["patients"] == 1
        assert found["before"]["alarms"] == found["after"]["alarms"] > 0
        assert (found["come"], found["go"]) == ([], [])


def test_what_a_limit_would_do_on_a_table_of_hours(asked: Asked) -> None:
    rows = [(p, h, 89.0 if p == "p1" and 5 <= h < 9 else 96.0) for p in ("p1", "p2") for h in range(24)]
    table = pa.table({"patient": [r[0] for r in rows], "hour": [r[1] for r in rows], "spo2": [r[2] for r in rows]})
    pq.write_table(table, asked.folder / "hours.parquet")
    plain = 'name = "copd"\nversion = "{}"\nrules = ["spo2_floor"]\n[title]\nnb = "x"\nen = "x"\n'
    plain += "[limits]\nspo2_floor = {}\n"
    old, new = asked.file("old.toml", plain.format(1, 90)), asked.file("new.toml", plain.format(2, 85))
    code, out, err = whatif(asked, new, asked.folder / "hours.parquet", "--against", old, "--json")
    assert code == 0, err
    found = json.loads(out)
    assert (found["before"]["alarms"], found["before"]["touched"], found["after"]["alarms"]) == (1, 1, 0)
    assert found["patient_days"] == pytest.approx(46 / 24)
    assert found["before"]["per_100_patient_days"] == pytest.approx(52.17)
    assert [(one["patient"], one["opened"]) for one in found["go"]] == [("p1", "after 5 h")]
    code, out, _ = whatif(asked, new, asked.folder / "hours.parquet", "--against", old)
    assert "0 alarms come, 1 go, 0 stay" in out


def test_the_same_on_an_export(asked: Asked) -> None:
    out = asked.folder / "march.parquet"
    code = main(
        ["readings", "export", "--from", "2026-03-01", "--to", "2026-03-09", "--config", str(asked.config), str(out)]
    )
    assert code == 0
    same = asked.file("same.toml", renewed(COPD))
    code, said, err = whatif(asked, same, out, "--json")
    assert code == 0, err
    found = json.loads(said)
    assert found["patients"] == 1
    assert any("events" in one for one in found["remarks"])
    assert found["after"]["alarms"] == found["before"]["alarms"] > 0


def test_what_cannot_be_asked_is_refused_with_what_to_do(asked: Asked) -> None:
    nobody = asked.file("x.toml", COPD.replace('name = "copd"', 'name = "nobody"'))
    code, _, err = whatif(asked, nobody, asked.config)
    assert (code, "nobody follows 'nobody'" in err) == (2, True)
    code, _, err = whatif(asked, nobody, asked.folder / "none.parquet")
    assert (code, "there is no" in err) == (2, True)
    asked.file("bad.parquet", "x")
    code, _, err = whatif(asked, nobody, asked.folder / "bad.parquet")
    assert (code, "cannot be read" in err) == (2, True)
