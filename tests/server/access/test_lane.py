"""The fast lane: the same answer as the ordinary way gives, to the same person, and never a moment too long."""

import socket
import threading
from collections.abc import Iterator
from typing import NamedTuple

import pytest
import uvicorn

from server.access import glass, organisations, sessions, store
from server.access.scopes import EVERYBODY
from server.audit.store import LOOK_NS
from server.config import Database as DatabaseConfig
from server.lane import KEPT_NS, LONGEST, MOST, Given, Lane, Moment, Wire
from tests.ports import free_port
from tests.server.conftest import SQLITE
from tests.waiting import until
from vitals.clock import NS

from .conftest import STAFF, Region

EVERY_ROLE = ("kari", "ingrid", "odd", "berit", "siri")


class Answer(NamedTuple):
    status: int
    headers: list[str]
    body: bytes


class Screen:
    """Somebody's open connection, of which every byte is ours."""

    def __init__(self, port: int, cookie: str) -> None:
        self.cookie = cookie
        self._wire = socket.create_connection(("127.0.0.1", port), timeout=20)
        self._answers = self._wire.makefile("rb")
        self._others = 0

    def asks(self, *headers: str) -> bytes:
        lines = ("GET /api/worklist HTTP/1.1", "Host: hjemvakt.test", f"Cookie: {self.cookie}", *headers)
        return "\r\n".join((*lines, "", "")).encode()

    def says(self, what: bytes) -> None:
        self._wire.sendall(what)

    def hears(self) -> Answer:
        lines = []
        while line := self._answers.readline().decode().strip():
            lines.append(line)
        assert lines, "the connection is closed"
        sizes = [int(one.split(": ")[1]) for one in lines if one.lower().startswith("content-length")]
        dated = [one for one in lines[1:] if not one.startswith("date: ")]
        assert len(dated) == len(lines) - 2, "an answer says when it was given, once"
        return Answer(int(lines[0].split()[1]), sorted(dated), self._answers.read(sum(sizes)))

    def closed(self) -> bool:
        return self._answers.read(1) == b""

    def get(self, *headers: str) -> Answer:
        self.says(self.asks(*headers))
        return self.hears()

    def slowly(self, *headers: str) -> Answer:
        """The same by the ordinary way: one more header, and nobody has asked by these bytes before."""
        self._others += 1
        return self.get(*headers, f"X-Other: {self._others}")

    def close(self) -> None:
        self._answers.close()
        self._wire.close()


class Street:
    """The region's page over real connections."""

    def __init__(self, town: Region) -> None:
        self.town = town
        self.port = free_port()
        site = town.site()
        self.lane: Lane = site.state.lane
        self.web = uvicorn.Server(
            uvicorn.Config(site, http=Wire, port=self.port, log_level="warning", timeout_graceful_shutdown=1)
        )
        self.screens: list[Screen] = []

    def screen(self, who: str) -> Screen:
        """A browser in which they are signed in."""
        with self.town.write() as tx:
            token = sessions.open_session(tx, who, self.town.wall_ns)
        self.screens.append(Screen(self.port, f"hjemvakt_session={token}"))
        return self.screens[-1]

    def given_to(self, screen: Screen, *headers: str) -> bool:
        """Whether the lane gives them the worklist, once they have asked as often as it takes to be known."""
        for _ in range(3):
            screen.get(*headers)
        before = self.lane.given
        screen.get(*headers)
        return self.lane.given > before

    def asked(self, screen: Screen) -> tuple[Answer, bool]:
        """The very next answer, and whether the lane gave it."""
        before = self.lane.given
        return screen.get(), self.lane.given > before


@pytest.fixture
def database() -> DatabaseConfig:
    """One kind will do: the lane asks nothing of it but how often it has been written to."""
    return SQLITE


@pytest.fixture
def street(town_region: Region) -> Iterator[Street]:
    town_region.alarm()
    street = Street(town_region)
    thread = threading.Thread(target=street.web.run)
    thread.start()
    try:
        until(lambda: street.web.started or not thread.is_alive())
        yield street
    finally:
        for one in street.screens:
            one.close()
        street.web.should_exit = True
        thread.join(timeout=20)


@pytest.mark.parametrize("who", EVERY_ROLE)
def test_everybody_is_given_what_the_ordinary_way_gives_them(street: Street, who: str) -> None:
    screen = street.screen(who)
    assert street.given_to(screen)
    given, fast = street.asked(screen)
    assert (fast, given) == (True, screen.slowly())
    assert given.status == 200
    assert (b"Solveig" in given.body) == (STAFF[who][2] == "salten")
    tag = next(one for one in given.headers if one.startswith("etag: ")).removeprefix("etag: ")
    assert street.given_to(screen, f"If-None-Match: {tag}")
    nothing = screen.get(f"If-None-Match: {tag}")
    assert nothing == screen.slowly(f"If-None-Match: {tag}")
    assert (nothing.status, nothing.body) == (304, b"")


def test_two_who_ask_in_turn_each_get_their_own(street: Street) -> None:
    kari, berit = street.screen("kari"), street.screen("berit")
    assert street.given_to(kari)
    assert street.given_to(berit)
    for _ in range(3):
        assert b"Solveig" in kari.get().body
        assert b"Solveig" not in berit.get().body
    assert street.asked(kari)[1]


def _ends_session(town: Region) -> None:
    with town.write() as tx:
        sessions.end_of(tx, "berit")


def _locks(town: Region) -> None:
    with town.write() as tx:
        store.lock(tx, "berit", town.wall_ns)


def _ends_relation(town: Region) -> None:
    with town.write() as tx:
        (one,) = organisations.lasting(tx, town.clock.now_ns())
        organisations.end(tx, one.id, town.clock.now_ns(), "a test")


def _session_runs_out(town: Region) -> None:
    town.wall_ns += sessions.IDLE_NS


def _second(town: Region) -> None:
    town.wall_ns += KEPT_NS


def _wall_goes_back(town: Region) -> None:
    town.wall_ns -= 60 * NS


CHANGES = {
    "a patient becomes worse": (lambda town: town.alarm("arne"), 200),
    "a relation ends": (_ends_relation, 200),
    "a relation ends by the clock": (lambda town: town.clock.advance(hours=1), 200),
    "the session is ended from elsewhere": (_ends_session, 401),
    "the account is locked": (_locks, 401),
    "the session was not used for too long": (_session_runs_out, 401),
    "what was found is a second old": (_second, 200),
    "the wall's clock was wrong": (_wall_goes_back, 200),
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_changes_is_heard_at_the_very_next_request(street: Street, change: str) -> None:
    """Berit of Bodø sees Arne, and for an hour Solveig of Salten."""
    town = street.town
    with town.write() as tx:
        now_ns = town.clock.now_ns()
        organisations.relate(
            tx, "solveig", organisation="bodo", purpose="consultation", from_ns=now_ns, until_ns=now_ns + 3600 * NS,
            made_by="a test",
        )  # fmt: skip
    berit = street.screen("berit")
    assert street.given_to(berit)
    assert b"Solveig" in berit.get().body
    happens, status = CHANGES[change]
    happens(town)
    answer, fast = street.asked(berit)
    assert (fast, answer.status) == (False, status)
    assert answer == berit.slowly()
    assert (b"Solveig" in answer.body) == (status == 200 and "relation" not in change)


def test_broken_glass_is_over_by_the_clock_in_the_lane_too(street: Street) -> None:
    town = street.town
    with town.write() as tx:
        glass.break_glass(tx, "hege", "solveig", "a fall in the street", 60, town.clock.now_ns())
    hege = street.screen("hege")
    assert street.given_to(hege)
    assert b"Solveig" in hege.get().body
    town.clock.advance(hours=1)
    answer, fast = street.asked(hege)
    assert (fast, answer.status, b"Solveig" in answer.body) == (False, 200, False)


def test_who_signs_out_is_out_and_nobody_comes_in_by_their_cookie(street: Street) -> None:
    here, there = street.screen("kari"), street.screen("kari")
    there.cookie = here.cookie
    assert street.given_to(here)
    here.says(
        f"DELETE /api/session HTTP/1.1\r\nHost: hjemvakt.test\r\nOrigin: http://hjemvakt.test\r\n"
        f"Cookie: {here.cookie}\r\n\r\n".encode()
    )
    assert here.hears().status == 204
    assert [one.get().status for one in (here, there)] == [401, 401]


def test_a_look_is_in_the_audit_again_when_it_is_due(street: Street) -> None:
    kari = street.screen("kari")
    assert street.given_to(kari)
    looks = [one for one in street.town.audited(None) if one == ("kari", "see worklist")]
    street.town.clock.advance(seconds=LOOK_NS / NS)
    assert not street.asked(kari)[1]
    again = [one for one in street.town.audited(None) if one == ("kari", "see worklist")]
    assert (len(looks), len(again)) == (1, 2)


@pytest.mark.parametrize(
    "headers",
    [("Origin: http://elsewhere.test",), ("Content-Length: 0",), ("Expect: nothing",), (f"X-Long: {'x' * LONGEST}",)],
    ids=lambda headers: headers[0][:14],
)
def test_what_is_not_plainly_a_look_is_never_given_by_the_lane(street: Street, headers: tuple[str, ...]) -> None:
    assert not street.given_to(street.screen("kari"), *headers)


def test_a_connection_that_is_to_stay_open_may_say_so_and_one_that_closes_closes(street: Street) -> None:
    kari = street.screen("kari")
    assert street.given_to(kari, "Connection: keep-alive")
    assert kari.get("Connection: close").status == 200
    assert kari.closed()


def test_requests_in_pieces_and_in_heaps_are_answered_in_their_order(street: Street) -> None:
    kari = street.screen("kari")
    assert street.given_to(kari)
    whole, before = kari.asks(), kari.get()
    other = b"GET /api/session HTTP/1.1\r\nHost: hjemvakt.test\r\nCookie: " + kari.cookie.encode() + b"\r\n\r\n"
    kari.says(whole + other + whole)
    assert [kari.hears() == before, b"Kari Olsen" in kari.hears().body, kari.hears() == before] == [True] * 3
    for cut in (1, len(b"GET /api/worklist HTTP/1.1\r\n"), len(whole) - 1):
        kari.says(whole[:cut])
        kari.says(whole[cut:] + other)
        assert [kari.hears() == before, b"Kari Olsen" in kari.hears().body] == [True] * 2
    kari.says(other + whole[:30])
    assert b"Kari Olsen" in kari.hears().body
    kari.says(whole[30:])
    assert kari.hears() == before
    kari.says(whole.replace(b"\r\nHost", b"\nHost") + other)  # another end of the line: two requests all the same
    assert [kari.hears() == before, b"Kari Olsen" in kari.hears().body] == [True] * 2
    assert street.asked(kari) == (before, True)


def test_whoever_does_not_read_is_not_written_to_by_the_lane(street: Street) -> None:
    kari = street.screen("kari")
    assert street.given_to(kari)
    (wire,) = street.web.server_state.connections
    assert isinstance(wire, Wire)
    before = street.lane.given
    wire.pause_writing()
    kari.says(kari.asks())
    until(lambda: wire.cycle is not None and not wire.cycle.response_complete)
    wire.loop.call_soon_threadsafe(wire.resume_writing)
    assert kari.hears().status == 200
    assert street.lane.given == before


def test_so_many_are_kept_and_no_more(street: Street) -> None:
    kari = street.screen("kari")
    for number in range(MOST + 3):
        street.lane.keep(b"%d" % number, *_something(street), 200, [])
    assert street.given_to(kari)
    assert len(street.lane._held) <= MOST


def _something(street: Street) -> tuple[Moment, Given]:
    return street.lane.moment(), Given("kari", EVERYBODY, street.town.server.hub.shown("nurse"))
