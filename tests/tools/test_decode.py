"""`hjemvakt decode`: published bytes, worked out by hand, and every capture there is."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from drivers.capture import parse
from hjemvakt.__main__ import main

CAPTURES = Path(__file__).parents[1] / "drivers" / "captures"
BM85 = "56 6a 00 47 00 00 00 ea 07 08 0b 12 1f 00 00 3f 00 00 00"


def decoded(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    """What comes out as JSON, numbers as they are written."""
    assert main(["decode", *arguments, "--json"]) == 0
    return [json.loads(line, parse_float=str, parse_int=str) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize(
    ("driver", "packet", "meaning"),
    [
        ("gls-1808", "07 01 00 e3 07 08 15 06 1f 0d b4 00 3b c0 f1", [("glucose", "5.9", "mmol/L")]),
        ("gls-1808", "03 06 00 e4 07 04 0d 10 26 0a 00 00 78 b0 f1", [("glucose", "6.66", "mmol/L")]),
        ("beurer-bm85", BM85, [("bp_sys", "106", "mm[Hg]"), ("bp_dia", "71", "mm[Hg]"), ("pulse_rate", "63", "/min")]),
        ("xiaomi-scale", "22 9e 43 e5 07 04 0b 10 13 01", [("weight", "86.550", "kg")]),
        ("contec-cms50dplus-46", "01 e0 85 b3 96 c1 e1 ff ff", [("spo2", "97", "%"), ("pulse_rate", "65", "/min")]),
    ],
)
def test_published_packets(
    driver: str, packet: str, meaning: list[tuple[str, str, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    told = decoded(capsys, driver, *packet.split())
    assert [(one["channel"], one["value"], one["unit"]) for one in told if one["kind"] == "block"] == meaning


def test_a_reading_for_a_program_has_these_keys_and_its_decimals(capsys: pytest.CaptureFixture[str]) -> None:
    (told,) = decoded(capsys, "gls-1808", "0701 00e307 0815 061f0d b400 3bc0 f1", "--at", "2026-11-21T08:00:00Z")
    assert told == {
        "kind": "block",
        "channel": "glucose",
        "value": "5.9",
        "unit": "mmol/L",
        "t": "2019-08-21T09:31:13Z",
        "device_t": "2019-08-21T09:31:13Z",
        "status": ["sample_capillary_blood"],
        "record": "1@2019-08-21T06:31:13",
    }


def test_what_is_no_reading_says_why_and_never_a_number(capsys: pytest.CaptureFixture[str]) -> None:
    told = decoded(capsys, "plx-1822", "--pipe", "2a5f", "--at", "2026-11-21T09:00:00+01:00", "00 ff 07 48 00")
    fault, pulse = told
    assert fault == {
        "kind": "fault",
        "code": "no value",
        "channel": "spo2",
        "text": "spo2: the device sent NaN: not a number, the measurement failed",
        "t": "2026-11-21T08:00:00Z",
        "pipe": "2a5f",
        "data_hex": "00ff074800",
    }
    assert (pulse["channel"], pulse["value"], pulse["t"]) == ("pulse_rate", "72", "2026-11-21T08:00:00Z")


@pytest.mark.parametrize(
    "written", ["0061004800", "00:61:00:48:00", "0x00 0x61 0x00 0x48 0x00", "0x0061004800", "00-61-00-48-00"]
)
@pytest.mark.parametrize("pipe", ["2a5f", "0x2A5F", "00002A5F-0000-1000-8000-00805F9B34FB"])
def test_bytes_and_pipes_may_be_written_as_people_write_them(
    written: str, pipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    told = decoded(capsys, "plx-1822", "--pipe", pipe, written)
    assert [(one["channel"], one["value"]) for one in told] == [("spo2", "97"), ("pulse_rate", "72")]


@pytest.mark.parametrize("pipe", ["181d", "advert:181d", "0000181d-0000-1000-8000-00805f9b34fb"])
def test_the_pipe_of_an_advert_goes_by_its_service(pipe: str, capsys: pytest.CaptureFixture[str]) -> None:
    told = decoded(capsys, "xiaomi-scale", "--pipe", pipe, "229e43e507040b101301")
    assert told[0]["value"] == "86.550"


@pytest.mark.parametrize("file", sorted(CAPTURES.glob("*.cap")), ids=lambda file: file.stem)
def test_of_a_capture_all_is_told_that_it_expects(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expected = [line for step in parse(file.read_text()).steps for line in step.expected]
    told = decoded(capsys, parse(file.read_text()).driver, str(file))
    kinds = {"=": "block", "@": "event", "!": "fault", ">": "send", "*": "bookmark"}
    assert [one["kind"] for one in told] == [kinds[line[0]] for line in expected]
    for one, line in zip(told, expected, strict=True):
        if one["kind"] == "block":
            assert f" {one['channel']} {one['value']} {one['unit']}" in line
            assert re.fullmatch(r"-?\d+(\.\d+)?", one["value"])
        if one["kind"] == "event":
            assert f" {one['code']}" in line
        if one["kind"] == "send":
            assert one["data_hex"] == "".join(line.removesuffix(" after_stored").split()[3:])
            assert ("status" in one) is line.endswith(" after_stored")


def test_a_person_gets_a_line_for_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decode", "hjemvakt-dispenser", str(CAPTURES / "hjemvakt-dispenser-happy.cap")]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "block battery 85 % 2026-11-21T08:00:10.05Z" in lines
    assert (
        "event dispenser.missed count=2 compartment=3 dose_id=7 time_critical=1 window_min=60 "
        "2026-11-21T08:00:00Z record 9f3c0001:44 device 2026-11-21T08:00:00Z" in lines
    )
    assert "send serial 02 03 02 01 04 3c 9f 2c 01 01 03 45 08 00 after_stored" in lines
    assert "bookmark 9f3c0001:44" in lines


def test_bytes_that_tell_nothing_yet_say_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decode", "contec-cms50dplus-46", "01 e0 85"]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "tell nothing" in said.err


def test_a_capture_of_another_driver_is_read_as_asked_and_that_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decode", "bps-1810", str(CAPTURES / "beurer-bm85-normal.cap")]) == 0
    assert "is of beurer-bm85, read here as bps-1810" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["plx-1822", "00", "6g"], "'g', character 5, is no hexadecimal digit"),
        (["plx-1822", "0x00:0x6z"], "'z', character 9, is no hexadecimal digit"),
        (["plx-1822", "00 610 0"], "'610', from character 4, is not in whole bytes"),
        (["plx-1822", "0x"], "'0x', from character 1, is not in whole bytes"),
        (["plx-1822", ":"], "there are no bytes"),
        (["plx-1822", "--pipe", "2a9d", "00"], "plx-1822 has no pipe '2a9d': it has 2a5e, 2a5f"),
        (["bci", "--pipe", "2a5e", "00"], "bci has no pipe '2a5e': it has serial"),
        (["plx-1822", "--at", "noon", "00"], "--at 'noon' is no date: write it as"),
        (["plx-1822", "nowhere.cap"], "nowhere.cap cannot be read"),
        (["plx-1822", str(CAPTURES / "plx-1822-normal.cap"), "--pipe", "2a5e"], "--pipe and --at are for HEX"),
    ],
)
def test_what_cannot_be_decoded_is_told_in_one_line(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["decode", *arguments]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("hjemvakt: ")
    assert says in said.err
    assert said.err.count("\n") == 1


def test_a_capture_with_a_mistake_names_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.cap"
    file.write_text("# driver plx-1822\n# start 2026-11-21T08:00:00Z\n< 0 2a5e 0\n")
    assert main(["decode", "plx-1822", str(file)]) == 2
    assert "mine.cap, line 3: '0' is not hexadecimal" in capsys.readouterr().err
