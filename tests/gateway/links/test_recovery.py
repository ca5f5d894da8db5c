"""What failures say about a bond, and who is next."""

import asyncio

import pytest

from gateway.links.recovery import LOST_AFTER, NEAR_DBM, BondHistory, Remedy
from gateway.links.slots import Slots
from gateway.tasks import ended

CANCELED = "[org.bluez.Error.Failed] br-connection-canceled"
ABORTED = "[org.bluez.Error.Failed] le-connection-abort-by-local"
REFUSED = "[org.bluez.Error.AuthenticationFailed]"
INSUFFICIENT = "GATT Protocol Error: Insufficient Encryption"
OTHER = "GATT Protocol Error: Value Not Allowed"
AWAY = "BlueZ has not seen F0:00:00:00:00:01"
MISSING = "HCI_Error: hci/PIN_OR_KEY_MISSING_ERROR [0x6]"
NEAR, FAR = NEAR_DBM, NEAR_DBM - 1


@pytest.mark.parametrize(
    ("failures", "rssi_dbm", "lost"),
    [
        ([CANCELED] * LOST_AFTER, NEAR, True),
        ([CANCELED] * (LOST_AFTER - 1), NEAR, False),
        ([CANCELED, ABORTED, REFUSED, "[org.freedesktop.DBus.Error.NoReply] ", INSUFFICIENT], NEAR, True),
        ([CANCELED] * 50, FAR, False),
        ([REFUSED] * LOST_AFTER, FAR, True),
        ([CANCELED, CANCELED, "", "", AWAY, CANCELED, CANCELED, CANCELED], NEAR, True),
        ([CANCELED, CANCELED, CANCELED, CANCELED, OTHER, CANCELED, CANCELED, CANCELED, CANCELED], NEAR, False),
        ([MISSING], FAR, True),
        ([""] * 50, NEAR, False),
    ],
)
@pytest.mark.parametrize("needs_person", [True, False])
def test_a_bond_is_lost_when_all_failures_say_so(
    failures: list[str], rssi_dbm: int, lost: bool, needs_person: bool
) -> None:
    history = BondHistory(needs_person=needs_person)
    remedies = [history.failed(reason, rssi_dbm) for reason in failures]
    assert set(remedies[:-1]) <= {Remedy.NONE}
    remedy = Remedy.ASK_A_PERSON if needs_person else Remedy.BOND_ANEW
    assert remedies[-1] is (remedy if lost else Remedy.NONE)


def test_a_connection_that_worked_is_proof_of_the_contrary() -> None:
    history = BondHistory(needs_person=False)
    for _ in range(3):
        assert {history.failed(CANCELED, NEAR) for _ in range(LOST_AFTER - 1)} == {Remedy.NONE}
        history.well()


async def test_the_bonded_go_first_and_among_equals_who_came_first() -> None:
    slots = Slots(2)
    order: list[str] = []
    hold = asyncio.Event()

    async def visit(name: str, precedence: int) -> None:
        async with slots.taken(precedence):
            order.append(name)
            await hold.wait()

    tasks = []
    for name, precedence in (("a", 1), ("b", 1), ("c", 1), ("d", 1), ("bonded 1", 0), ("bonded 2", 0)):
        tasks.append(asyncio.create_task(visit(name, precedence)))
        await asyncio.sleep(0)
    assert (order, slots.in_use) == (["a", "b"], 2)
    hold.set()
    await asyncio.gather(*tasks)
    assert order == ["a", "b", "bonded 1", "bonded 2", "c", "d"]
    assert slots.in_use == 0


@pytest.mark.parametrize("when", ["while it waits", "in the instant of its turn"])
async def test_who_gives_up_takes_no_place(when: str) -> None:
    slots = Slots(1)

    async def visit() -> None:
        async with slots.taken(1):
            pass

    async with slots.taken(0):
        waits = asyncio.create_task(visit())
        await asyncio.sleep(0)
        if when == "while it waits":
            await ended([waits])
    await ended([waits])
    async with asyncio.timeout(1), slots.taken(0):
        assert slots.in_use == 1
