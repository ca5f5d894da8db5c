"""The check value of Bluetooth's end-to-end protected characteristics (E2E-CRC): continuous glucose, insulin pumps.

The polynomial 1021 from the low bit up, begun with FFFF and not inverted (CRC-16/MCRF4XX); `123456789` gives 6F91. It
stands at the end of what it protects, low byte first.

Source: Continuous Glucose Monitoring Service 1.0.2, E2E-CRC.
"""

_REFLECTED_1021 = 0x8408


def crc16_reflected(data: bytes) -> int:
    """The check value of `data`."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (_REFLECTED_1021 if crc & 1 else 0)
    return crc
