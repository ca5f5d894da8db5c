"""The demo's own judgement: a step counts only if the timeline says it, of the right person; wishes are granted."""

from pathlib import Path

import pytest

from firmware_sim.config import load as load_homes
from gateway.config.file import load as load_gateway
from hjemvakt.demo.story import PLOTS, Step, missing, speaks_of, steps
from hjemvakt.demo.town import CAST, Wishes, build
from server.app import checked_municipality
from server.config import load as load_server
from server.escalation.model import load as load_ladders

NAMES = {"nurse": "Kari Berg", "doctor": "Dr. Nils Haugen", "administrator": "Anne Moen"}
WALL_NS = 1_795_300_000_000_000_000


def entry(what: str, who: str | None = None, t_ms: int = 5) -> dict[str, object]:
    return {"what": what, "who": who, "t_ms": t_ms, "text": {"en": what, "nb": what}}


WHOLE = [
    entry("taken"), entry("stored"), entry("raised"), entry("told", NAMES["nurse"]), entry("told", NAMES["doctor"]),
    entry("acknowledged", NAMES["doctor"]), entry("closed", NAMES["doctor"]),
]  # fmt: skip


def test_a_whole_timeline_lacks_nothing() -> None:
    told = steps(PLOTS["deteriorates"], {"timeline": WHOLE}, NAMES)
    assert missing(told) == []
    assert [step.what for step in told] == [step["what"] for step in WHOLE]


@pytest.mark.parametrize("place", range(len(WHOLE)))
def test_each_step_that_is_not_there_is_missed(place: int) -> None:
    told = steps(PLOTS["deteriorates"], {"timeline": WHOLE[:place] + WHOLE[place + 1 :]}, NAMES)
    assert len(missing(told)) == 1


def test_the_wrong_persons_deed_does_not_count() -> None:
    timeline = [*WHOLE[:5], entry("acknowledged", NAMES["nurse"]), WHOLE[6]]
    assert missing(steps(PLOTS["deteriorates"], {"timeline": timeline}, NAMES)) == ["acknowledged Dr. Nils Haugen"]


def test_without_an_alarm_everything_is_missing() -> None:
    plot = PLOTS["falls silent"]
    assert steps(plot, None, NAMES) == [Step("raised", None, None), Step("told", NAMES["nurse"], None)]


def test_an_alarm_about_something_else_is_not_the_storys() -> None:
    alarm = {"raised_ms": 100, "reasons": [{"rule": "news2"}, {"rule": "weight_gain"}]}
    assert speaks_of(PLOTS["gains weight"], alarm, {})
    assert not speaks_of(PLOTS["gains weight"], alarm | {"reasons": [{"rule": "news2"}]}, {})


@pytest.mark.parametrize(
    ("seen_ms", "counts"), [({}, False), ({"fell silent": 101}, False), ({"fell silent": 99}, True)]
)
def test_silence_counts_only_after_the_home_fell_silent(seen_ms: dict[str, int], counts: bool) -> None:
    alarm = {"raised_ms": 100, "reasons": [{"rule": "device_silent"}]}
    assert speaks_of(PLOTS["falls silent"], alarm, seen_ms) is counts


def test_the_wishes_are_in_every_configuration(tmp_path: Path) -> None:
    wishes = Wishes(patients=9, speed=120, seed=7, port=8123, broker="embedded", broker_port=18830)
    town = build(tmp_path, wishes, WALL_NS)
    server, homes = load_server(town.server_config), load_homes(town.sim_config)
    assert server.web.port == 8123
    assert (server.broker.kind, server.broker.port) == ("embedded", 18830)
    assert homes.seed == 7
    assert server.clock == homes.clock == town.clock
    assert town.clock.speed == 120
    load_ladders(server.ladders)
    municipality = checked_municipality(server)
    assert len(municipality.patients) == len(municipality.gateways) == len(homes.homes) == 9
    for home in homes.homes:
        gateway = load_gateway(town.gateway_config(home.name))
        assert gateway.clock == town.clock
        assert gateway.uplink.port == 18830
        assert {device.id for device in gateway.devices} == {device.id for device in home.devices}
    assert {assignment.device for assignment in municipality.assignments} == {
        device.id for home in homes.homes for device in home.devices
    }


def test_another_seed_makes_other_people_and_the_same_cast(tmp_path: Path) -> None:
    def people(seed: int) -> list[str]:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        return [part.name for part in build(folder, Wishes(12, 240, seed, 8123, "auto", 18830), WALL_NS).parts.values()]

    cast = [part.name for part in CAST]
    assert people(1) == people(1)
    assert people(1)[: len(cast)] == people(2)[: len(cast)] == cast
    assert people(1) != people(2)


def test_no_password_is_readable_by_others_or_in_the_servers_files(tmp_path: Path) -> None:
    town = build(tmp_path, Wishes(4, 240, 1, 8123, "auto", 18830), WALL_NS)
    secrets = [account.password for account in town.staff.values()]
    for home in town.homes:
        file = town.folder / home / "password"
        assert file.stat().st_mode & 0o077 == 0
        secrets.append(file.read_text(encoding="utf-8").strip())
    for path in town.server_config.parent.rglob("*.toml"):
        text = path.read_text(encoding="utf-8")
        assert not [secret for secret in secrets if secret in text], path.name
    assert all(secret not in repr(town) for secret in secrets[:3])
