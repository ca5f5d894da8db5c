"""What the routes need of the server, and how they get it: a handler asks for `Here`, a test gives a small one."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Protocol

import sqlalchemy as sa
from fastapi import Depends, HTTPException, Request

from server.access.door import Anyone, Door
from server.access.scopes import Scope, Scopes
from server.access.vault import Vault
from server.api import Health, Shape
from server.audit.store import Looks
from server.config import Config
from server.db import Database
from server.identity.desk import Desk
from server.live.hub import Hub
from server.metrics.meter import Meter
from server.notify.answers import Desk as Answers
from server.notify.phone import FakePhone
from server.notify.sender import Channel, Sender
from server.patients.programmes import Programmes
from server.watch import New
from vitals.clock import Clock
from vitals.errors import ConfigError


class House(Protocol):
    """The composed server, seen from the web."""

    @property
    def config(self) -> Config: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def db(self) -> Database: ...
    @property
    def hub(self) -> Hub: ...
    @property
    def programmes(self) -> Programmes: ...
    @property
    def meter(self) -> Meter: ...
    @property
    def phone(self) -> FakePhone: ...
    @property
    def desk(self) -> Desk | None: ...
    @property
    def vault(self) -> Vault: ...
    @property
    def answers(self) -> Answers: ...
    @property
    def senders(self) -> Mapping[str, Sender]:
        """Every way out, by channel."""

    @property
    def channels(self) -> list[Channel]:
        """What a person may choose to be reached by."""

    def heard(self, messages: Iterable[tuple[str, str, str]], reports: Iterable[tuple[str, str | None, bool]]) -> None:
        """Text messages that came in (name, sender, text), and reports on those that went out (reference, to whom,
        whether delivered)."""

    def problems(self) -> list[str]:
        """What is wrong, without personal data."""

    def health(self) -> Health: ...
    def look(self, tx: sa.Connection, new: New, now_ns: int) -> set[str]:
        """Run the rules for whoever something was filed of just now; returns whose alarms changed."""


class Problem(Shape):
    """What every error says: what is wrong and what to do."""

    detail: str


@contextlib.contextmanager
def refusing() -> Iterator[None]:
    """What cannot be is answered with 422, and says what to mend."""
    try:
        yield
    except ConfigError as error:
        raise HTTPException(422, f"{error.text}; {error.mend}") from None


def problems(*codes: int) -> dict[int | str, dict[str, Any]]:
    """For a route's `responses`: the errors it may give."""
    return {code: {"model": Problem} for code in codes}


def _house(request: Request) -> House:
    house: House = request.app.state.house
    return house


def _looks(request: Request) -> Looks:
    looks: Looks = request.app.state.looks
    return looks


def _door(request: Request) -> Door:
    door: Door = request.app.state.door
    return door


def _scope(request: Request, account: Anyone) -> Scope:
    scopes: Scopes = request.app.state.scopes
    with _house(request).db.read() as tx:
        return scopes.of(tx, account)


Here = Annotated[House, Depends(_house)]
Seen = Annotated[Looks, Depends(_looks)]
AtDoor = Annotated[Door, Depends(_door)]
Sees = Annotated[Scope, Depends(_scope)]
