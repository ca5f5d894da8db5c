"""A certificate lives for 90 days at most and is renewed by itself, and nothing that may happen meanwhile costs a
reading or leaves a hub that is nobody."""

import asyncio
import itertools
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.identity.draft import draft
from gateway.identity.held import due, held, notes
from gateway.identity.secure import secure
from server.fleet.seals import keyrings
from server.identity import store
from server.identity.authority import Authority
from server.identity.desk import BETWEEN_NS, HANDSHAKES_PER_S
from tests.identity.place import Place, claim_it, home
from tests.identity.visitor import Papers
from vitals.clock import NS
from vitals.errors import LinkError
from vitals.identity import Renewal, Renewed, decode, encode
from vitals.wire import up

DAY_NS = 86_400 * NS


def now() -> datetime:
    return datetime.now(UTC)


async def test_a_hub_renews_in_the_midst_of_its_traffic_and_loses_nothing(place: Place) -> None:
    days_ago_70 = time.time_ns() - 70 * DAY_NS
    place.at(lambda: days_ago_70)
    config = await place.claimed("home-1")
    place.at(time.time_ns)
    first = held(Path(config.data))
    assert first is not None
    async with home(config, now) as hub:
        for number in itertools.count():
            await hub.measure(80.0 + number % 20)
            if hub.uplink.connections >= 2 and number >= 200:
                break
        await hub.until(lambda: hub.spool.status.queued == 0)
    second = held(Path(config.data))
    assert second is not None
    assert place.serials("home-1") == [second.serial, first.serial]
    assert timedelta(days=89) < second.ends - now() < timedelta(days=90)
    assert not first.folder.exists(), "the old key is gone"
    assert place.stored() == [80.0 + n % 20 for n in range(number + 1)]
    assert place.aside() == []


async def test_one_that_is_not_due_is_left_as_it_is_and_one_that_has_ended_too(place: Place) -> None:
    config = await place.claimed("home-1")
    found = held(Path(config.data))
    assert found is not None
    moments = [due(found, late) for late in (0.0, 1.0)]
    assert [round((moment - found.begins) / timedelta(days=1)) for moment in moments] == [60, 69]
    for moment in (moments[0] - timedelta(hours=1), found.ends + timedelta(days=1)):
        async with home(config, lambda moment=moment: moment) as hub:
            await hub.uplink.connected.wait()
            await asyncio.sleep(0.3)  # three looks at the clock
    assert place.serials("home-1") == [found.serial]


async def test_a_hub_that_asks_twice_gets_one_certificate(place: Place) -> None:
    """The answer was lost, or the hub died before it could write it down."""
    config = await place.claimed("home-1")
    found, later = held(Path(config.data)), time.time_ns() + 65 * DAY_NS
    assert found is not None
    place.at(lambda: later)
    answers = [renew(place, draft(Path(config.data), go_on=True).renewal(found)) for _ in range(3)]
    assert len(set(answers)) == 1
    assert len(place.serials("home-1")) == 2
    new = draft(Path(config.data), go_on=True).renewed(decode(answers[0], Renewed), found)
    assert new.serial == place.serials("home-1")[0]


def renew(place: Place, said: Renewal, gateway: str = "home-1") -> bytes:
    """The server's answer to it, b"" for none."""
    topic, body = up(gateway, "renew"), encode(said)
    with place.server.db.read() as tx:
        key, *_ = keyrings(tx, (gateway,), 0)[gateway]
    answers = place.server.receive(topic, key.seal(topic, body))
    return answers[0][1] if answers else b""


async def test_nobody_renews_who_only_publishes_under_the_name(place: Place) -> None:
    """Somebody who owns the broker, or an account of it, but not the hub's key."""
    config, other = await place.claimed("home-1"), await place.claimed("home-2")
    mine, theirs = held(Path(config.data)), held(Path(other.data))
    assert mine is not None
    assert theirs is not None
    later = time.time_ns() + 65 * DAY_NS
    place.at(lambda: later)
    good = draft(Path(config.data)).renewal(mine)
    unsigned = Renewal("home-1", Papers().request, mine.serial, good.signature)
    with_anothers_key = draft(Path(other.data)).renewal(theirs)
    claims_anothers = Renewal("home-1", with_anothers_key.request, theirs.serial, with_anothers_key.signature)
    nonsense = Renewal("home-1", "x", mine.serial, "x")
    unknown = Renewal("home-1", good.request, "12345", good.signature)
    for said in (unsigned, with_anothers_key, claims_anothers, nonsense, unknown):
        assert renew(place, said) == b"", said
    assert sorted(place.aside()) == ["renewal"] * 5
    assert renew(place, good) != b""
    place.revoke("home-1")
    assert renew(place, draft(Path(config.data)).renewal(mine)) == b"", "a revoked one gets no other"


async def test_no_hub_gets_certificates_by_the_dozen(place: Place) -> None:
    config, clock = await place.claimed("home-1"), [time.time_ns() + 65 * DAY_NS]
    place.at(lambda: clock[0])
    mine = held(Path(config.data))
    assert mine is not None
    assert renew(place, draft(Path(config.data)).renewal(mine)) != b""
    assert renew(place, draft(Path(config.data)).renewal(mine)) == b""
    clock[0] += BETWEEN_NS + NS
    assert renew(place, draft(Path(config.data)).renewal(mine)) != b""


async def test_a_hub_takes_no_certificate_that_is_not_its_own(place: Place, tmp_path: Path) -> None:
    config, others = await place.claimed("home-1"), Authority.open(tmp_path / "others")
    found, made = held(Path(config.data)), draft(Path(config.data))
    assert found is not None
    ours, request = place.desk.authority, made.request()
    for certificate in (
        others.issue_hub("home-1", request, now()).pem.decode(),
        ours.issue_hub("home-2", request, now()).pem.decode(),
        ours.issue_hub("home-1", Papers().request, now()).pem.decode(),
        "nonsense",
    ):
        with pytest.raises(LinkError, match="certificate"):
            made.renewed(Renewed("home-1", certificate), found)
    assert held(Path(config.data)) == found


class PowerCut(BaseException):
    """Nothing is done after this."""


@pytest.fixture
def cut(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """Let so many of the calls that change the disk through, and none after."""

    def after(calls: int) -> None:
        left = itertools.count(calls, -1)
        for owner, name in (
            (os, "fsync"), (os, "open"), (Path, "rename"), (Path, "symlink_to"), (Path, "unlink"), (Path, "mkdir"),
        ):  # fmt: skip
            monkeypatch.setattr(owner, name, _counted(getattr(owner, name), left))

    yield after
    monkeypatch.undo()


def _counted(real: Callable[..., object], left: Iterator[int]) -> Callable[..., object]:
    def call(*given: object, **more: object) -> object:
        if next(left) <= 0:
            raise PowerCut
        return real(*given, **more)

    return call


async def test_a_power_cut_at_any_step_leaves_the_old_identity_or_the_new(
    place: Place, cut: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = await place.claimed("home-1")
    data, seen = Path(config.data), set()
    for calls in itertools.count():
        before = held(data)
        assert before is not None
        batch_key = before.file("batch.key")
        cut(calls)
        try:
            made = draft(data, go_on=True)
            given = place.desk.authority.issue_hub("home-1", made.request(), now()).pem.decode()
            made.renewed(Renewed("home-1", given), before)
            whole = True
        except PowerCut:
            whole = False
        monkeypatch.undo()
        after, connection = held(data), secure(config)
        assert after is not None
        assert connection is not None
        connection.context()  # key and certificate belong together
        seen.add(after.serial != before.serial)
        assert after.file("batch.key") == batch_key
        if whole:
            break
    assert calls > 15, "there are that many steps"
    assert seen == {False, True}


async def test_a_hub_is_told_how_far_apart_they_all_come_back(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "fleet_size", lambda tx: 90 * HANDSHAKES_PER_S)
    config = await place.claimed("home-1")
    connection = secure(config)
    assert connection is not None
    assert connection.spread_s() == 90.0


async def test_a_hub_whose_certificate_is_not_renewed_says_so_while_it_can(place: Place) -> None:
    config = await place.claimed("home-1")
    assert notes(config, now()) == ()
    days_ago_80 = time.time_ns() - 80 * DAY_NS
    place.at(lambda: days_ago_80)
    await claim_it(config, place.code("home-1"))
    assert "and is not renewed" in notes(config, now())[0]
