"""What homes are asked: from a reading through the rules to a document on the wire, and back to an answer."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from server.alarms.table import all_open
from server.config import Database as DatabaseConfig
from server.ingest.store import Message
from server.patients.programmes import Programmes
from server.patients.store import assignments, watched_since, whose
from server.programmes import store as in_force
from server.startup.store import set_learned
from server.wishes import document, person, store
from server.wishes.document import AGAIN_S, LASTS_S
from server.wishes.store import Asked
from tests.server.conftest import TOWN, Town, spo2
from triage.contract import Finding, Window
from triage.plan import LEAST_S, MEASURED_WITH
from triage.programme import parse
from triage.rules.spo2_floor import spo2_floor
from vitals.alarm import Audience, Kind, Level
from vitals.block import Block
from vitals.channels import CHANNELS
from vitals.clock import NS
from vitals.errors import ConfigError
from vitals.wire import Health, Wishes, decode, down, encode, retained, up

ASKING = """
name = "copd"
version = "1"
rules = ["spo2_floor", "news2", "device_silent"]
title = { nb = "KOLS", en = "COPD" }
expect = [{ channel = "spo2", every_s = 43200 }]
ask = [{ channel = "breathlessness", every_s = 86400 }, { channel = "oxygen_flow", every_s = 86400 }]
"""
ACTION = """
[[action]]
priority = "high"
source = "wording (check)"
do = { nb = "Ring pasienten.", en = "Ring the patient." }
"""
SILENT = ASKING.replace('"copd"', '"heart-failure"').split("ask = ")[0]


class Ward(Town):
    """A town whose COPD programme asks questions, and what the server says of its own accord."""

    def __init__(self, folder: Path, municipality: str = TOWN, **more: object) -> None:
        programmes = folder / "programmes"
        programmes.mkdir(exist_ok=True)
        (programmes / "copd.toml").write_text(ASKING)
        (programmes / "heart-failure.toml").write_text(SILENT)
        super().__init__(folder, municipality, programmes=programmes, **more)
        self.carried: list[Message] = []
        self.server.publish = self.carried.extend

    def wishes(self, gateway: str = "gw-1") -> list[Wishes]:
        """What was published for it since the last look."""
        said, self.carried[:] = list(self.carried), []
        assert all(retained(topic) for topic, _ in said)
        return [decode(body, Wishes) for topic, body in said if topic == down(gateway, "wishes")]

    def measure(self, value: float, minutes: float = 0, **more: object) -> None:
        self.clock.advance(minutes=minutes)
        self.send(spo2(value, self.clock.now_ns(), **more), first=self.clock.now_ns() // NS)
        self.server.tick(self.clock.now_ns())

    def says(self, version: int, gateway: str = "gw-1") -> None:
        """The gateway's heartbeat, with the wishes that its home is shown."""
        told = Health(gateway, "e", self.clock.now_ns(), "0.1", 0, wishes_version=version)
        self.server.receive(up(gateway, "health"), encode(told))

    def asked(self, patient: str = "eva") -> list[Asked]:
        with self.server.db.read() as tx:
            return store.of_patient(tx, patient, 50)

    def states(self) -> list[str]:
        return [one.state for one in self.asked()]


@pytest.fixture
def ward(tmp_path: Path, database: DatabaseConfig) -> Iterator[Ward]:
    ward = Ward(tmp_path, database=database)
    yield ward
    ward.server.close()


def test_a_finding_asks_the_home_and_the_next_measurement_answers(ward: Ward) -> None:
    ward.tick(seconds=1)
    (first,) = ward.wishes()
    assert (first.version, first.requests) == (1, ())
    ward.says(1)
    ward.measure(88)  # below the floor: MEDIUM, and NEWS2's single 3
    (asked,) = [one for one in ward.asked() if one.wish.channel == "spo2"]
    assert (asked.state, asked.wish.channel) == ("asked", "spo2")
    (document,) = ward.wishes()
    assert document.version == 2
    _, request = document.requests
    assert request.channel == "spo2", "and the oxygen flow, which NEWS2 reads and the programme asks"
    assert (request.from_ns, request.by_ns) == (asked.wish.from_ns, asked.wish.by_ns)
    ward.says(2)
    ward.tick(seconds=1)
    assert set(ward.states()) == {"delivered"}
    ward.measure(97, minutes=10)
    mine = [(one.wish.why, one.state) for one in ward.asked() if one.wish.channel == "spo2"]
    assert mine == [("again", "asked"), ("again", "answered")], "they disagree, so a third decides"
    ward.measure(97, minutes=5)
    assert all(one.at_once is False for one in ward.wishes()[-1].requests)


def test_it_is_published_again_while_the_home_is_not_shown_it_and_only_then(ward: Ward) -> None:
    ward.says(0)
    ward.tick(seconds=1)
    assert len(ward.wishes()) == 1
    ward.tick(seconds=AGAIN_S - 2)
    assert ward.wishes() == []
    ward.says(0)
    ward.tick(seconds=2)
    assert [one.version for one in ward.wishes()] == [1]
    ward.says(1)
    ward.tick(seconds=AGAIN_S * 2)
    assert ward.wishes() == []
    ward.says(-1)  # it has nothing to show it on: no use shouting
    ward.tick(seconds=AGAIN_S * 2)
    assert ward.wishes() == []


def test_a_server_put_back_from_a_backup_goes_past_what_the_gateway_has(ward: Ward) -> None:
    ward.says(0)
    ward.tick(seconds=1)
    ward.wishes()
    ward.clock.advance(seconds=AGAIN_S)
    ward.says(40)
    ward.tick(seconds=1)
    assert [one.version for one in ward.wishes()] == [41]


def test_nobody_answers_and_it_is_given_up_by_the_clock_alone_also_over_a_restart(ward: Ward) -> None:
    ward.measure(88)
    assert "asked" in ward.states()
    ward.begin_again()
    ward.server.publish = ward.carried.extend
    ward.tick(hours=3)
    assert set(ward.states()) == {"expired"}
    assert ward.wishes()[-1].requests == ()


def test_who_has_no_gateway_is_asked_nothing(tmp_path: Path) -> None:
    ward = Ward(tmp_path, TOWN.replace('patient = "eva"\npassword_hash', "password_hash"))
    ward.measure(88)
    assert ward.asked() == []
    ward.server.close()


def answer(ward: Ward, device: str, value: float = 2) -> list[tuple[int, int]]:
    now_ns = ward.clock.advance(seconds=1)
    block = Block("breathlessness", (now_ns,), (value,), record=f"breathlessness@{now_ns}")
    return ward.send(block, first=now_ns // NS, device=device)


def test_questions_go_out_with_the_device_that_answers_are_readings_of(ward: Ward) -> None:
    ward.tick(seconds=1)
    (document,) = ward.wishes()
    assert [(one.channel, one.every_s) for one in document.asking] == [
        ("breathlessness", 86_400), ("oxygen_flow", 86_400),
    ]  # fmt: skip
    assert document.answers == "answers-gw-1"
    assert ward.wishes("gw-2") == [], "a programme without questions asks none"
    answer(ward, document.answers)
    assert ward.values("eva", "breathlessness") == [2]
    assert ward.aside() == []


def test_an_answer_is_never_the_next_patients_whose_gateway_it_becomes(tmp_path: Path) -> None:
    ward = Ward(tmp_path)
    ward.tick(seconds=1)
    (document,) = ward.wishes()
    ward.server.close()
    moved = TOWN.replace('programme = "heart-failure"', 'programme = "copd"')
    moved = moved.replace('patient = "eva"\npassword_hash', 'patient = "odd"\npassword_hash')
    ward = Ward(tmp_path, moved)
    ward.clock.advance(minutes=5)
    ward.tick(seconds=1)
    new = ward.wishes()[-1]
    assert (new.answers, new.version) == ("answers-gw-1.2", 2)
    answer(ward, document.answers)  # by a page that does not know yet
    assert ward.aside() == ["no patient"]
    answer(ward, new.answers)
    assert (ward.values("eva", "breathlessness"), ward.values("odd", "breathlessness")) == ([], [2])
    ward.server.close()
    back = Ward(tmp_path, TOWN)
    back.tick(seconds=1)
    assert back.wishes()[-1].answers == "answers-gw-1.3"
    with back.server.db.read() as tx:
        spans = tx.execute(sa.select(assignments.c.device).where(assignments.c.device.startswith("answers-"))).all()
        assert whose(tx, ["answers-gw-1.2"]).patient_at("answers-gw-1.2", back.clock.now_ns() + NS) is None
    assert len(spans) >= 3
    back.server.close()


def test_the_device_for_answers_is_the_servers_own(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="assigned by the server itself: take it out"):
        Ward(tmp_path, TOWN.replace('device = "oximeter"', 'device = "answers-gw-1"'))


def test_that_somebody_may_be_asked_does_not_start_the_clock_of_their_devices(tmp_path: Path) -> None:
    ward = Ward(tmp_path, TOWN.replace('device = "oximeter"\npatient = "eva"', 'device = "oximeter"\npatient = "odd"'))
    with ward.server.db.read() as tx:
        tx.execute(sa.select(1))
        since = watched_since(tx, ward.clock.now_ns(), ["eva"])
    assert since["eva"] == ward.clock.now_ns(), "the scale's, not the answers' of an hour ago"
    ward.server.close()


def test_a_finding_for_the_home_is_told_there_and_kept_and_rings_no_nurse(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = ward.server.programmes.of("copd").rules_of()

    def for_the_patient(w: Window) -> Finding:
        found = spo2_floor.judge(w)
        return replace(found, tells=np.full(w.patients, Audience.PATIENT, np.int8), asks={})

    rules = (replace(spo2_floor, judge=for_the_patient), *(one for one in plain if one.kind is Kind.TECHNICAL))
    monkeypatch.setattr(Programmes, "rules", lambda self, name: rules)
    ward.measure(80)
    (told,) = [one for one in ward.asked() if one.wish.why == "tell"]
    assert (told.state, told.wish.rule, told.wish.channel) == ("asked", "spo2_floor", "")
    (telling,) = ward.wishes()[-1].telling
    assert telling.text == told.wish.text
    assert "80 %" in telling.text["nb"]
    with ward.server.db.read() as tx:
        assert [one for one in all_open(tx, ["eva"]) if one.kind == "clinical"] == []
    ward.measure(79, minutes=1)
    assert len([one for one in ward.asked() if one.wish.why == "tell"]) == 1, "told once"
    for _ in range(5):
        ward.measure(97, minutes=31)
    (told,) = [one for one in ward.asked() if one.wish.why == "tell"]
    assert told.state == "withdrawn", "and kept"
    assert ward.wishes()[-1].telling == ()


def test_every_channel_that_can_be_asked_for_is_one() -> None:
    assert {*LEAST_S, *MEASURED_WITH, *MEASURED_WITH.values()} <= CHANNELS.keys()


def test_what_a_person_asks_for_is_shown_at_home_and_answered_by_a_measurement(ward: Ward) -> None:
    ward.measure(95)
    ward.clock.advance(minutes=30)
    now_ns = ward.clock.now_ns()
    with ward.server.db.write() as tx:
        assert "spo2" in person.may_ask(tx, ward.server.programmes, "eva")
        assert person.ask(tx, ward.server.programmes, "eva", ["spo2"], Level.MEDIUM, "Dr. Dahl", now_ns)
    ward.server.tick(now_ns)
    wished = ward.wishes()[-1]
    assert [(one.channel, one.from_ns, one.by_ns) for one in wished.requests] == [("spo2", now_ns, now_ns + 3600 * NS)]
    ward.server.tick(ward.clock.advance(minutes=40))
    [stands] = ward.asked()
    assert (stands.state, stands.wish.text["nb"]) == ("asked", "Dr. Dahl ber om det"), "calm does not withdraw it"
    ward.measure(96, minutes=1)
    assert ward.states() == ["answered"]


def put_in_force(ward: Ward, text: str) -> None:
    """On the administration page."""
    server, newer = ward.server, parse(text, "copd.toml")
    with server.db.read() as tx:
        standing = in_force.newest_of(tx, newer.name)
    assert standing is not None
    in_force.put(
        server.db, server.programmes, newer, None, seen=standing.id, username="odd", name="Odd", reason="fewer calls",
        now_ns=ward.clock.now_ns(),
    )  # fmt: skip


def test_a_home_has_the_programme_that_is_in_force_and_gets_the_next_version_at_once(ward: Ward) -> None:
    ward.tick(seconds=1)
    (first,) = ward.wishes()
    assert first.followed is not None
    assert (first.followed.programme["version"], first.followed.digest) == ("1", parse(ASKING, "").digest)
    assert first.expires_ns == first.issued_ns + round(LASTS_S * NS)
    ward.says(1)
    newer = ASKING.replace('version = "1"', 'version = "2"') + ACTION
    put_in_force(ward, newer)
    ward.tick(seconds=1)
    (second,) = ward.wishes()
    assert second.version == 2
    assert second.followed is not None
    assert (second.followed.programme["version"], second.followed.digest) == ("2", parse(newer, "").digest)
    assert "action" not in second.followed.programme, "what staff do is no business of the home's"
    with ward.server.db.write() as tx:
        set_learned(tx, "eva", {"spo2_floor": 88.0})
        document.compose(tx, ward.server.programmes, ["eva"], ward.clock.now_ns())
    ward.tick(seconds=1)
    (third,) = ward.wishes()
    assert third.followed is not None
    assert third.followed.limits == {"spo2_floor": 88.0}


def test_a_home_that_is_asked_nothing_has_it_from_when_its_hub_could_show_something(ward: Ward) -> None:
    ward.says(-1, "gw-2")
    ward.tick(seconds=1)
    assert ward.wishes("gw-2") == []
    ward.says(0, "gw-2")
    ward.tick(seconds=1)
    (only,) = ward.wishes("gw-2")
    assert only.followed is not None
    assert only.followed.programme["name"] == "heart-failure"
    ward.says(only.version, "gw-2")
    ward.tick(seconds=AGAIN_S * 2)
    assert ward.wishes("gw-2") == []
