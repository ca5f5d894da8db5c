"""The Record Access Control Point (2A52): asking a Bluetooth device for what it has stored.

A request is an operation, an operator and what to filter by; records then come on the measurement's own pipe, and the
answer `06 00 <request> <code>` ends them. Nothing here deletes: a record stays on the device.

Source: Record Access Control Point, GATT Specification Supplement; GLS 1.0.1; CGMS 1.0.2.
"""

from drivers._gatt import Misfit, Reader
from drivers.contract import Rx
from vitals.events import Fault

PIPE = "2a52"

ALL = bytes((0x01, 0x01))
LAST_NUMBER = 0xFFFF

DONE, NONE = 1, 6
CANNOT_FILTER = {2, 3, 4, 5, 9}
"""Answers of a device that does not understand the request; asking for all may still work."""

_WHY = {
    2: "operation not supported",
    3: "bad operator",
    4: "operator not supported",
    5: "bad operand",
    7: "abort failed",
    8: "not completed",
    9: "operand not supported",
}


def at_least(number: int) -> bytes:
    """The request for records from `number` on, itself included (sequence number, or minutes of a CGM session)."""
    return bytes((0x01, 0x03, 0x01)) + number.to_bytes(2, "little")


def answer(packet: Reader) -> int:
    """The code that ends a request; raises Misfit for anything else."""
    operation, _operator = packet.u8(), packet.u8()
    if operation != 0x06:
        raise Misfit("unknown packet", f"record access answer {operation:#04x}")
    _request, code = packet.u8(), packet.u8()
    packet.end()
    return code


def refused(code: int, rx: Rx) -> Fault:
    """The fault of a request that did not end well."""
    why = _WHY.get(code, "a code that is not known")
    text = f"stored records were not all sent ({code}: {why}); the next connection asks again"
    return Fault("refused", text, rx.t_ns, rx.pipe, rx.data)
