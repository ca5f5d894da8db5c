"""Which version is in force: the file's, until the page says otherwise; and what becomes of the patients then."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa

from server.alarms import table
from server.decisions.record import decisions_of
from server.first import Overtaken
from server.patients.programmes import OURS, load
from server.programmes import store
from server.wishes.document import gateway_wishes
from tests.server.conftest import TOWN, Town, spo2
from triage.programme import Programme
from vitals.errors import ConfigError
from vitals.wire import Wishes

COPD = (OURS / "copd.toml").read_text(encoding="utf-8")
VERSION = load(None).of("copd").version
LOWER = ("spo2_floor = 90", "spo2_floor = 86")
PAIN = ("# What to do, and", '[[ask]]\nchannel = "pain"\nevery_s = 86400\n\n# What to do, and')


def text(version: str, *changes: tuple[str, str]) -> str:
    said = COPD.replace(f'version = "{VERSION}"', f'version = "{version}"')
    for find, put in changes:
        assert find in said
        said = said.replace(find, put)
    return said


class Place(Town):
    """A town whose folder of programmes can be edited, and whose administrator puts versions in force."""

    def __init__(self, folder: Path, **more: object) -> None:
        self.files = folder / "programmes"
        self.files.mkdir()
        for path in OURS.glob("*.toml"):
            (self.files / path.name).write_bytes(path.read_bytes())
        super().__init__(folder, programmes=self.files, **more)

    def read(self, said: str) -> Programme:
        with self.server.db.read() as tx:
            return store.read(tx, self.server.programmes, "copd", said)

    def put(self, said: str, seen: int | None = None, reason: str = "fewer calls") -> list[str]:
        with self.server.db.read() as tx:
            newest = store.newest_of(tx, "copd")
        assert newest is not None
        return store.put(
            self.server.db, self.server.programmes, self.read(said), said, seen=seen or newest.id, username="odd",
            name="Odd Berg", reason=reason, now_ns=self.clock.now_ns(),
        )  # fmt: skip

    def file(self, said: str) -> None:
        """The file is edited, and the server begins again."""
        (self.files / "copd.toml").write_text(said, encoding="utf-8")
        self.begin_again()

    @property
    def now(self) -> str:
        return self.server.programmes.of("copd").version

    def history(self) -> list[tuple[str, str]]:
        with self.server.db.read() as tx:
            return [(one.put_by, one.reason) for one in store.history(tx, "copd")]


@pytest.fixture
def place(tmp_path: Path, database) -> Iterator[Place]:
    place = Place(tmp_path, database=database)
    yield place
    place.server.close()


def test_the_file_is_in_force_until_the_page_puts_another_there_and_that_stays_through_a_restart(place: Place) -> None:
    assert (place.now, place.history()) == (VERSION, [("", "")])
    assert place.put(text("9", LOWER)) == ["eva"]
    assert place.now == "9"
    place.begin_again()
    assert place.now == "9"
    assert place.server.programmes.limits("copd", {})["spo2_floor"] == 86
    assert place.history() == [("Odd Berg", "fewer calls"), ("", "")]


def test_whoever_follows_it_is_judged_by_it_at_once_and_the_alarm_says_so(place: Place) -> None:
    place.put(text("9", LOWER))
    for number, value in enumerate((88.0, 88.0)):
        place.send(spo2(value, place.clock.advance(minutes=1)), first=number)
    with place.server.db.read() as tx:
        (alarm,) = [one for one in table.every(tx, "eva") if one.kind == "clinical"]
        decisions = decisions_of(tx, [alarm.id])
    assert {one.version for one in decisions} == {"9"}
    rules = {reason.rule for one in decisions for reason in one.findings}
    assert rules == {"news2"}, "88 is above the new floor"


def test_the_hubs_of_its_patients_are_asked_to_ask_what_is_new(place: Place) -> None:
    def asked(gateway: str) -> set[str]:
        with place.server.db.read() as tx:
            body = tx.scalar(sa.select(gateway_wishes.c.body).where(gateway_wishes.c.gateway == gateway))
        return {one.channel for one in msgspec.json.decode(body, type=Wishes).asking}

    before = asked("gw-2")
    sent: list[tuple[str, bytes]] = []
    place.server.publish = sent.extend
    place.tick(seconds=1)
    sent.clear()
    place.put(text("9", PAIN))
    assert "pain" in asked("gw-1")
    assert asked("gw-2") == before, "odd follows another programme"
    place.tick(seconds=1)
    wished = [payload for topic, payload in sent if topic.endswith("gw-1/down/wishes")]
    assert wished, "and it goes out to the hub with the next round"
    assert b"pain" in wished[-1]


def test_an_earlier_version_can_be_put_back_and_stays_though_the_file_is_higher(place: Place) -> None:
    place.put(text("9", LOWER))
    place.put(COPD, reason="9 missed one")
    place.begin_again()
    assert place.now == VERSION
    assert [who for who, _ in place.history()] == ["Odd Berg", "Odd Berg", ""]


def test_a_file_that_has_changed_wins_only_with_a_higher_version(place: Place) -> None:
    place.put(text("9", LOWER))
    place.file(text("8", PAIN))
    assert place.now == "9"
    place.put(COPD, reason="back to what was")
    place.begin_again()
    assert place.now == VERSION, "the file of version 8 has been seen, and was passed over"
    place.put(text("9", LOWER))
    place.file(text("10", PAIN))
    assert place.now == "10", "number by number, and not letter by letter"
    assert place.history()[0] == ("", "")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (text("9", ("spo2_floor = 90", "spo2_flor = 90")), r"copd\.toml: .* 'spo2_flor': did you mean 'spo2_fl"),
        (text("9", ('name = "copd"', 'name = "kols"')), r'name = "kols" is another programme: write name = "copd"'),
        (text(VERSION, LOWER), f"version {VERSION} has been in force here and said something else: give this one a"),
        (text("9") + "\nx = ", r"copd\.toml is not TOML"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_with_the_place_and_the_mend(place: Place, said: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        place.put(said)
    assert (place.now, len(place.history())) == (VERSION, 1)


def test_whoever_has_limits_that_it_does_not_take_is_named_and_nothing_is_changed(tmp_path: Path) -> None:
    own = TOWN.replace('programme = "copd"\n', 'programme = "copd"\n[patients.limits]\ncat_rise = 3\n', 1)
    place = Place(tmp_path, municipality=own)
    without = text("9", ('"cat_rise", ', ""), ("cat_rise = 2      # (check)\n", ""))
    with pytest.raises(
        ConfigError, match=r"patient eva: .* no rule of the programme has a limit 'cat_rise'.*municipal"
    ):
        place.put(without)
    assert (place.now, len(place.history())) == (VERSION, 1)
    place.server.close()


def test_of_two_administrators_one_is_first_and_the_other_is_told_who(place: Place) -> None:
    with place.server.db.read() as tx:
        seen = store.newest_of(tx, "copd")
    assert seen is not None
    place.put(text("9", LOWER))
    with pytest.raises(Overtaken) as first:
        place.put(text("10", PAIN), seen=seen.id)
    assert first.value.who == "Odd Berg"
    assert place.now == "9"
    with pytest.raises(ConfigError, match="version 9 is in force already"):
        place.put(text("9", LOWER))


def test_who_waits_while_a_colleague_is_first_takes_nothing_back(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    write = place.server.db.write

    def after_a_colleague():  # type: ignore[no-untyped-def]
        monkeypatch.setattr(place.server.db, "write", write)
        place.put(text("9", LOWER))
        return write()

    monkeypatch.setattr(place.server.db, "write", after_a_colleague)
    with pytest.raises(Overtaken):
        place.put(text("10", PAIN))
    assert place.now == "9", "the page and the database say 9, so everybody is watched over by 9"


def test_where_it_cannot_be_stored_what_was_in_force_still_is(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise sa.exc.OperationalError("insert", {}, Exception("database or disk is full"))

    monkeypatch.setattr(store, "write", full)
    with pytest.raises(sa.exc.OperationalError):
        place.put(text("9", LOWER))
    assert (place.now, len(place.history())) == (VERSION, 1)
