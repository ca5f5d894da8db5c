"""A guest steps on the scale: bytes, spool and server as ever, and the weight is nobody's until somebody says whose."""

from collections.abc import Callable

import msgspec

from firmware_sim.body import Truth
from server.held import store

from .conftest import Build
from .town import START_NS, Home, Town

GUEST_KG = 54.2


async def test_a_guests_weight_is_held_through_the_whole_house_and_nothing_else_is(build: Build) -> None:
    town = await build(("Kari", "heart-failure", "stable", {}))
    home = town.homes[0]
    await town.until(lambda: len(town.stored("Kari", "weight")) >= 2, hours=50)
    own = town.stored("Kari", "weight")
    leave = comes_to_stay(home)
    await town.until(lambda: held(town), hours=26)
    leave()
    assert town.stored("Kari", "weight") == own
    assert [round(kg) for kg in held(town)] == [round(GUEST_KG)]
    assert town.stored("Kari", "spo2") == home.measured("spo2"), "her other readings came as ever"
    assert home.spool.status.queued == 0, "the hub has let go of it: it is stored"
    assert town.quarantined() == []

    await town.until(lambda: len(town.stored("Kari", "weight")) > len(own), hours=26)
    shown = [one.data["weight"] for one in home.happenings if one.t_ns >= START_NS and "weight" in one.data]
    assert sorted([*town.stored("Kari", "weight"), *held(town)]) == sorted(shown), "each weight is in one place"
    assert town.rules("Kari") == set(), "it alarmed nobody"
    await home.restart()
    town.stop_server()
    town.start_server()
    await town.spend(hours=1)
    assert len(held(town)) == 1, "it is still asked about"


def comes_to_stay(home: Home) -> Callable[[], None]:
    """From now on a guest of 54.2 kg stands on the scale; returns how to make them leave."""
    own = home._body.truth

    def truth(t_ns: int) -> Truth:
        return msgspec.structs.replace(own(t_ns), weight=GUEST_KG)

    home._body.truth = truth  # type: ignore[method-assign]

    def leave() -> None:
        home._body.truth = own  # type: ignore[method-assign]

    return leave


def held(town: Town) -> list[float]:
    """The weights under open questions."""
    with town._up.db.read() as tx:
        questions = [one.id for one in store.all_open(tx)]
        return [one.value for kept in store.readings_of(tx, questions).values() for one in kept]
