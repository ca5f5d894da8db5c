"""Captures as text: one meaning one line, and every mistake named with its line and its mend."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.capture import arrived, differences, header, lines, parse
from drivers.catalogue import find
from drivers.contract import Bookmark, Rx, Tx
from vitals.block import Block
from vitals.errors import ConfigError
from vitals.events import Event, Fault

START = "# driver plx-1822\n# start 2026-11-21T08:00:00Z\n"
START_NS = 1_795_248_000 * 10**9


def test_one_meaning_is_one_line() -> None:
    """Capitals, spaces, dates for seconds and the order of data do not matter."""
    loose = parse(
        START
        + "<  1.50  2a5f  00 6100 48 00\n=  2026-11-21T08:00:01.5Z spo2 97 %\n"
        + "@ 1 dispenser.missed dose_id=7 compartment=3\n> 1.5 2a52 0101\n! no value   channel=spo2\n"
    )
    assert loose.steps[0].expected == (
        "= 1.5 spo2 97 %",
        "@ 1 dispenser.missed compartment=3 dose_id=7",
        "> 1.5 2a52 01 01",
        "! no value channel=spo2",
    )


def test_precision_is_part_of_the_meaning() -> None:
    driver = find("plx-1822")
    packet = START + "< 1 2a5f 00 62 00 48 00\n= 1 spo2 {} %\n= 1 pulse_rate 72 /min\n"
    assert not differences(parse(packet.format("98")), driver)
    (difference,) = differences(parse(packet.format("98.0")), driver)
    assert difference.line == 3
    assert difference.got == ("= 1 spo2 98 %", "= 1 pulse_rate 72 /min")


@pytest.mark.parametrize("wrong", ["", "= 1 spo2 97 %\n", "= 1 pulse_rate 72 /min\n= 1 spo2 98 %\n"])
def test_what_is_left_out_or_in_another_order_is_a_difference(wrong: str) -> None:
    assert differences(parse(START + "< 1 2a5f 00 62 00 48 00\n" + wrong), find("plx-1822"))


def test_hello_and_what_must_be_sent_are_checked() -> None:
    said = parse(START + "+ 1\n> 1 2a52 01 01\n")
    assert not differences(said, find("plx-1822"))
    assert differences(parse(START + "+ 1\n"), find("plx-1822"))
    assert differences(parse(START + "+ 1\n> 1 2a52 01 01 after_stored\n"), find("plx-1822"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("# start 2026-11-21T08:00:00Z\n", "no `# driver …` line"),
        ("# driver x\n", "no `# start …` line"),
        ("# driver x\n# start yesterday\n", "line 2: 'yesterday' is no number"),
        ("# driver x\n# start 2026-11-31T08:00:00Z\n", "line 2: '2026-11-31T08:00:00Z' is no date"),
        ("# driver x\n# driver y\n", "line 2: a second or an empty `# driver` line"),
        ("# driver x\n< 1 a 00\n", "line 2: the start is not known"),
        (START + "= 1 spo2 97 %\n", "line 3: nothing has happened yet"),
        (START + "? 1\n", "line 3: a line cannot begin with '?'"),
        (START + "+\n", "line 3: a `+` line is the time"),
        (START + "< 1\n", "line 3: a `<` line needs a time, a pipe and bytes"),
        (START + "< 1 2a5f 0\n", "line 3: '0' is not hexadecimal"),
        (START + "< soon 2a5f 00\n", "line 3: 'soon' is no number"),
        (START + "+ 2\n+ 1\n", "line 4: time goes back to 1"),
        (START + "+ 1\n> 1\n", "line 4: a `>` line needs"),
        (START + "+ 1\n= 1 spo2 97\n", "line 4: a reading needs"),
        (START + "+ 1\n= 1 sp02 97 %\n", "line 4: there is no channel 'sp02'"),
        (START + "+ 1\n= 1 weight 70 lb\n", "line 4: weight is not in lb: write it in kg"),
        (START + "+ 1\n= 1 spo2 nan %\n", "line 4: nan is no value"),
        (START + "+ 1\n= 1 spo2 97 % wobbly\n", "line 4: 'wobbly' is no status"),
        (START + "+ 1\n= 1 spo2 97 % colour=blue\n", "line 4: a reading has no colour"),
        (START + "+ 1\n@ 1\n", "line 4: an event needs"),
        (START + "+ 1\n@ 1 a.b loose\n", "line 4: 'loose' is no `key=value`"),
        (START + "+ 1\n@ 1 a.b c='d\n", "line 4: a quotation mark is open"),
        (START + "+ 1\n! bad luck\n", "line 4: 'bad luck' is no fault"),
    ],
)
def test_a_mistake_is_named_with_its_place(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse(text, "new.cap")
    assert str(error.value).startswith("new.cap, line ")
    assert says in str(error.value)
    assert error.value.mend


@given(st.text(alphabet="#<>=@!*+ 0123456789abcT:-.Z%\n'", max_size=200))
def test_no_text_breaks_the_parser(text: str) -> None:
    with suppress(ConfigError):
        parse(START + text)


TIMES = st.integers(0, 2 * 10**18)
WORDS = st.text(min_size=1, max_size=12).filter(lambda word: word.isprintable())
OUTS = st.one_of(
    st.builds(Tx, st.just("2a52"), st.binary(min_size=1, max_size=20), st.booleans()),
    st.builds(Bookmark, st.sampled_from(("9f3c0001:41", "1+2 3-4"))),
    st.builds(lambda channel: Fault("no value", "", 0, channel=channel), st.sampled_from(("", "spo2"))),
    st.builds(
        lambda t_ns, value, decimals, device: Block("weight", (t_ns,), (value,), decimals, ("user_1",), "r 1", device),
        TIMES,
        st.floats(2, 400),
        st.integers(0, 9),
        st.none() | TIMES,
    ).filter(lambda block: block.record is None or " " not in block.record),
    st.builds(lambda t_ns, word: Event("dispenser.missed", t_ns, {"dose_id": 7, "note": word}, word), TIMES, WORDS),
)


@given(OUTS)
def test_what_a_recorder_writes_a_test_reads(out: Tx | Bookmark | Fault | Block | Event) -> None:
    rx = Rx("2a5e", b"\x00\x61", START_NS)
    written = lines(out, START_NS, START_NS)
    text = header("plx-1822", START_NS, "mark") + arrived(rx, START_NS) + "\n" + "\n".join(written) + "\n"
    capture = parse(text)
    assert (capture.driver, capture.start_ns, capture.bookmark) == ("plx-1822", START_NS, "mark")
    assert capture.steps[0].rx == rx
    assert capture.steps[0].expected == tuple(written)


def test_a_waveform_is_a_line_for_each_sample() -> None:
    block = Block("spo2", (START_NS, START_NS + 10**9), (97.0, 96.0))
    assert lines(block, START_NS, START_NS) == ["= 0 spo2 97 %", "= 1 spo2 96 %"]
