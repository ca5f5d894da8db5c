"""The generic health sensor's bytes, worked out by hand from the specification, and its small segments."""

from datetime import UTC, datetime

from firmware_sim.devices import health_sensor
from tests.firmware_sim.bench import START_NS, Bench
from vitals.clock import NS

WHEN_NS = int(datetime(2026, 11, 21, 7, 55, tzinfo=UTC).timestamp()) * NS


def test_elapsed_time() -> None:
    """8485629000 tenths since 2000 = 01F9C86C48; UTC (02), tenths (04), current (20); from a network, no zone."""
    assert health_sensor.elapsed(WHEN_NS, current=True).hex() == "26" + "486cc8f90100" + "01" + "00"
    assert health_sensor.elapsed(WHEN_NS, current=False).hex() == "06" + "486cc8f90100" + "07" + "00"


def test_a_bundle() -> None:
    time = health_sensor.elapsed(WHEN_NS, current=True)
    told = health_sensor.bundle(time, [(150456, 544, 97)], 0)
    assert told.hex() == "ff1b00" + "0200" + time.hex() + "01" + "010c00" + "0100" + "b84b0200" + "2002" + "61000000"
    told = health_sensor.bundle(time, [], health_sensor.QUESTIONABLE)
    assert told.hex() == "ff0e00" + "0a00" + time.hex() + "0200" + "00"


def test_a_record_goes_in_as_many_segments_as_the_radio_needs() -> None:
    bench = Bench("health-sensor", options={"segment": 20}, drift_ppm=40, clock_offset_s=95)
    bench.live(hours=30)
    assert len(bench.shown) > 20
    assert bench.missing() == []
    assert bench.unshown() == []


def test_the_record_access_control_point() -> None:
    bench = Bench("health-sensor")
    bench.live(hours=2, reads=False)
    sensor = bench.firmware
    made = len(sensor.records)
    for pipe in ("2bdd", "2a52"):
        sensor.subscribed(pipe, True)

    def answer(request: str) -> list[str]:
        sensor.write("2a52", bytes.fromhex(request), START_NS)
        told = []
        while (send := sensor.next_send()) is not None:
            told.append(f"{send.pipe} {send.data.hex()}" if send.pipe == "2a52" else send.pipe)
            sensor.confirmed(send)
        return told

    assert made > 2
    assert answer("0401") == [f"2a52 0500{made:02x}000000"]
    assert answer("07030102000000") == ["2bdd"] * (made - 1) + [f"2a52 0800{made - 1:02x}000000"]
    assert answer("070301ff000000") == ["2a52 06000706"]
    assert answer("0101") == ["2a52 06000102"], "a report that is not combined is not supported"
    assert answer("0705") == ["2a52 06000704"]
    assert answer("07030201000000") == ["2a52 06000709"]
    assert answer("0703") == ["2a52 06000705"]
    assert answer("0300") == ["2a52 06000301"]
