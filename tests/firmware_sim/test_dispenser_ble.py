"""The dispenser on the air: payloads as values, a log that goes in order, and a confirmation that releases nothing."""

import struct

import pytest

from firmware_sim.body import Body
from firmware_sim.clock import DeviceClock
from firmware_sim.device import Battery, Can, Peripheral, Refused, Send, Streaming
from firmware_sim.devices import _gatt
from firmware_sim.devices._dispenser_wire import Ask, Do, State, Tell
from firmware_sim.devices._log import Log, Type
from firmware_sim.devices.dispenser import HEARTBEAT_S, Memory
from firmware_sim.devices.dispenser_ble import CONTROL, EVENT, STATUS, BleDispenser
from firmware_sim.scenario import Scenario
from vitals.clock import NS

START_NS = 1_795_248_000 * NS
BODY = Body(1, Scenario("calm"), START_NS)
LOG_ID = 0x9F3C0001


def dispenser() -> BleDispenser:
    return BleDispenser(
        START_NS,
        seed=1,
        serial="D-1",
        clock=DeviceClock(START_NS),
        battery=Battery(START_NS, 80),
        memory=Memory(Log(LOG_ID)),
    )


def met() -> BleDispenser:
    device = dispenser()
    device.connected()
    for pipe in (EVENT, CONTROL, STATUS):
        device.subscribed(pipe, True)
    return device


def ask(device: BleDispenser, kind: int, body: bytes = b"", at_s: float = 0) -> list[Send]:
    """What it says, with every value confirmed."""
    t_ns = START_NS + round(at_s * NS)
    device.update(t_ns, BODY.truth)
    device.write(CONTROL, bytes((kind, 5)) + body, t_ns)
    return said(device)


def said(device: BleDispenser) -> list[Send]:
    sends = []
    while send := device.next_send():
        sends.append(send)
        device.confirmed(send)
    return sends


def kinds(sends: list[Send]) -> list[tuple[str, int]]:
    return [(send.pipe, send.data[0]) for send in sends]


def dispense(device: BleDispenser, order_id: int = 1) -> bytes:
    return struct.pack("<QBBHII", order_id, Do.DISPENSE, 3, 7, device.boot_id, device.uptime_ms + 60_000)


def test_it_is_a_peripheral_that_tells_nothing_without_a_bond() -> None:
    device: Peripheral = dispenser()
    assert isinstance(device, Streaming)
    assert device.bonds is True
    assert all(pipe.bonded for pipe in device.pipes if pipe.uuid in (EVENT, CONTROL, STATUS))
    assert {pipe.uuid: pipe.can for pipe in device.pipes}[CONTROL] == Can.WRITE | Can.INDICATE
    assert device.has_news, "an order must be able to reach it at any time"


def test_status_says_who_is_there() -> None:
    hello = dispenser().read(STATUS, START_NS + 60 * NS)
    assert hello[:2] == bytes((Tell.HELLO, 0))
    version, log_id, _, oldest, newest, utc, uptime_ms = struct.unpack_from("<BIIIIII", hello, 2)
    assert (version, log_id, oldest, newest) == (1, LOG_ID, 1, 1)
    assert (utc, uptime_ms) == (START_NS // NS + 60, 60_000)


def test_the_log_goes_over_event_and_answers_over_the_control_point() -> None:
    device = met()
    assert said(device) == [], "nothing unasked before a read"
    assert kinds(ask(device, Ask.READ_FROM, struct.pack("<I", 1))) == [(EVENT, Tell.EVENT), (EVENT, Tell.READ_DONE)]
    assert kinds(ask(device, Ask.ORDER, dispense(device))) == [(CONTROL, Tell.ORDER_STATE)]
    device.update(START_NS + 10 * NS, BODY.truth)
    assert kinds(said(device)) == [(EVENT, Tell.EVENT), (EVENT, Tell.ORDER_STATE), (EVENT, Tell.EVENT)]
    assert kinds(ask(device, 0x77)) == [(CONTROL, Tell.ERROR)]
    assert kinds(ask(device, Ask.READ_FROM, b"")) == [(CONTROL, Tell.ERROR)]


def test_a_confirmation_releases_nothing_and_an_acknowledgement_does() -> None:
    device = met()
    first = ask(device, Ask.READ_FROM, struct.pack("<I", 1))
    assert ask(device, Ask.READ_FROM, struct.pack("<I", 1)) == first
    assert kinds(ask(device, Ask.ACK_UPTO, struct.pack("<II", LOG_ID, 1))) == [(CONTROL, Tell.ACKED)]
    assert kinds(ask(device, Ask.READ_FROM, struct.pack("<I", 1))) == [(EVENT, Tell.READ_DONE)]


def test_another_read_takes_the_place_of_the_one_before() -> None:
    device = met()
    device.write(CONTROL, bytes((Ask.READ_FROM, 5)) + struct.pack("<I", 1), START_NS)
    under_way = device.next_send()
    assert under_way is not None
    device.write(CONTROL, bytes((Ask.ORDER, 6)) + dispense(device), START_NS)
    device.write(CONTROL, bytes((Ask.READ_FROM, 7)) + struct.pack("<I", 1), START_NS)
    device.confirmed(under_way)
    assert [send.data[:2] for send in said(device)] == [
        bytes((Tell.ORDER_STATE, 6)),
        bytes((Tell.EVENT, 7)),
        bytes((Tell.READ_DONE, 7)),
    ]


def test_a_new_connection_begins_anew_and_the_order_goes_on() -> None:
    device = met()
    ask(device, Ask.READ_FROM, struct.pack("<I", 1))
    device.write(CONTROL, bytes((Ask.ORDER, 5)) + dispense(device), START_NS)
    device.disconnected()
    device.update(START_NS + 10 * NS, BODY.truth)
    device.connected()
    device.subscribed(EVENT, True)
    device.subscribed(CONTROL, True)
    assert said(device) == []
    (answer,) = ask(device, Ask.ORDER_GET, struct.pack("<Q", 1), at_s=10)
    assert answer.data[10] == State.DONE
    assert device.acts == [1]


def test_its_heart_beats_over_status_while_somebody_listens() -> None:
    device = met()
    for _ in range(2 * HEARTBEAT_S):
        device.tick(START_NS, BODY.truth)
    assert kinds(said(device)) == [(STATUS, Tell.HEARTBEAT)] * 2
    device.subscribed(STATUS, False)
    for _ in range(2 * HEARTBEAT_S):
        device.tick(START_NS, BODY.truth)
    assert said(device) == []


@pytest.mark.parametrize(
    ("pipes", "pipe", "data", "code"),
    [
        ((EVENT,), CONTROL, b"\x01\x05\x01", _gatt.IMPROPERLY_CONFIGURED),
        ((CONTROL,), CONTROL, b"\x01\x05\x01", _gatt.IMPROPERLY_CONFIGURED),
        ((EVENT, CONTROL), CONTROL, b"\x01", _gatt.INVALID_LENGTH),
        ((), _gatt.CURRENT_TIME, b"\x01", _gatt.INVALID_LENGTH),
        ((), _gatt.CURRENT_TIME, b"\xea\x07\x0d\x01" + bytes(6), _gatt.DATA_FIELD_IGNORED),
    ],
)
def test_a_write_that_cannot_be_is_refused(pipes: tuple[str, ...], pipe: str, data: bytes, code: int) -> None:
    device = dispenser()
    device.connected()
    for one in pipes:
        device.subscribed(one, True)
    with pytest.raises(Refused) as refused:
        device.write(pipe, data, START_NS)
    assert refused.value.code == code


def test_the_standard_services_stand_beside_it() -> None:
    device = dispenser()
    assert device.read(_gatt.BATTERY_LEVEL, START_NS) == bytes((80,))
    assert device.read(_gatt.SERIAL_NUMBER, START_NS) == b"D-1"
    assert device.read(_gatt.MAKER, START_NS)
    assert device.read(_gatt.CURRENT_TIME, START_NS) == _gatt.current_time(START_NS)
    device.write(_gatt.CURRENT_TIME, _gatt.current_time(START_NS + 100 * NS), START_NS)
    assert device.memory.log.entries[-1].type == Type.CLOCK_SET
    assert device.memory.log.entries[-1].value == 100
    with pytest.raises(KeyError):
        device.write(_gatt.BATTERY_LEVEL, b"\x01", START_NS)
    with pytest.raises(KeyError):
        device.read("2aff", START_NS)


def test_without_power_it_is_off_the_air() -> None:
    device = BleDispenser(
        START_NS,
        seed=1,
        serial="D-1",
        clock=DeviceClock(START_NS),
        battery=Battery(START_NS, 80),
        memory=Memory(Log(LOG_ID)),
        silent_ns=START_NS + NS,
    )
    device.update(START_NS + 2 * NS, BODY.truth)
    assert not device.has_news
    assert device.next_send() is None
