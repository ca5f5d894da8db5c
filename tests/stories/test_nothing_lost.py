"""Cut anything, at any time: what was measured is stored once, and what is broken is found with its bytes."""

import random

from vitals import wire
from vitals.wire import Ack

from .conftest import Build

INGRID = ("Ingrid", "general", "stable", {})


async def test_the_server_is_away_for_hours_and_nothing_is_lost_or_doubled(build: Build) -> None:
    town = await build(INGRID)
    home = town.homes[0]
    await town.spend(hours=1)
    home.reached = False
    await town.spend(hours=3)
    assert home.spool.status.queued > 0
    home.reached = True
    await town.spend(minutes=5)
    assert town.stored("Ingrid", "spo2") == home.measured("spo2")
    assert home.spool.status.queued == 0


async def test_the_hub_loses_power_between_the_server_and_the_acknowledgement(build: Build) -> None:
    town = await build(INGRID)
    home = town.homes[0]
    assert town.server is not None
    home.reached = False
    await town.spend(hours=2)
    rows = await home.spool.take(0, wire.MAX_ROWS)
    town.server.receive(wire.up(home.name, "obs"), home.batch(rows))
    await home.restart()  # the acknowledgement never came
    home.reached = True
    await town.spend(minutes=5)
    assert town.stored("Ingrid", "spo2") == home.measured("spo2")
    assert home.spool.status.queued == 0


async def test_a_dose_on_a_noisy_line_is_told_once_and_the_damage_is_counted(build: Build) -> None:
    town = await build(("Marit", "general", "missed-dose", {}))
    home = town.homes[0]
    noise = random.Random(5)

    def damage(frame: bytes) -> bytes:
        if noise.random() > 0.3:
            return frame
        place = noise.randrange(len(frame))
        return frame[:place] + bytes([frame[place] ^ 1 << noise.randrange(8)]) + frame[place + 1 :]

    home.carry = damage
    await town.spend(hours=4)
    home.carry = bytes
    await town.spend(minutes=5)
    events = town.events("Marit")
    assert events.count("dispenser.missed") == 2
    assert events.count("dispenser.retrieved") == 1
    assert town.rules("Marit") == {"missed_dose"}
    assert town.quarantined(), "what the noise did can be found"


async def test_a_batch_that_claims_another_home_is_kept_aside_and_its_neighbour_is_untouched(build: Build) -> None:
    town = await build(INGRID, ("Per", "general", "stable", {}))
    mine, other = town.homes
    assert town.server is not None
    mine.reached = False
    await town.spend(hours=1)
    before = town.stored("Per", "spo2")
    payload = mine.batch(await mine.spool.take(0, wire.MAX_ROWS))
    answers = town.server.receive(wire.up(other.name, "obs"), payload)
    assert not [a for _, a in answers if wire.decode(a, Ack).ranges], "nothing of it was acknowledged"
    assert any(record.gateway == other.name and record.data == payload for record in town.quarantined())
    assert town.stored("Per", "spo2") == before
    assert town.stored("Ingrid", "spo2") == []
    mine.reached = True
    await town.spend(minutes=2)
    assert town.stored("Ingrid", "spo2") == mine.measured("spo2")
