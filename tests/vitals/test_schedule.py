"""A schedule as text: what is written is read back, and what no device could keep is refused in words."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitals.errors import WireError
from vitals.schedule import MOST_DOSES, Dose, read, written

DOSES = st.lists(
    st.builds(
        Dose,
        st.integers(1, 0xFFFF),
        st.integers(0, 1439),
        st.integers(1, 254),
        st.integers(1, 255),
        st.integers(1, 1440),
        st.integers(1, 0x7F),
        st.booleans(),
    ),
    max_size=MOST_DOSES,
    unique_by=lambda dose: dose.dose_id,
)


@given(DOSES)
def test_what_is_written_is_read_back(doses: list[Dose]) -> None:
    assert read(written(tuple(doses))) == tuple(doses)


def test_the_example_and_what_may_be_left_out() -> None:
    assert read("7@08:00 c3 n2 w60 mtwtf-- !; 8@20:00 c4") == (
        Dose(7, 480, 3, 2, 60, 0b001_1111, True),
        Dose(8, 1200, 4, 1, 60, 0x7F, False),
    )
    assert read(" none ") == ()
    assert written(()) == "none"


def test_a_medicine_whose_time_matters_is_named_by_its_class() -> None:
    (dose,) = read("7@08:00 c3 mtwtf-- insulin")
    assert dose.time_critical
    assert dose.medicine == "insulin"
    assert written((dose,)) == "7@08:00 c3 n1 w60 mtwtf-- insulin"
    assert read(written((dose,))) == (dose,)
    assert read("7@08:00 c3 insulin !") == (Dose(7, 480, 3, time_critical=True, medicine="insulin"),)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "'' is no dose"),
        ("7@08:00", "is no dose"),
        ("7@8:00 c3", "is no dose"),
        ("7@08:00 c3 smtwtfs", "no class of medicine"),
        ("7@08:00 c3 insuline", "did you mean 'insulin'"),
        ("7@08:00 c3 aspirin", "use one of anticoagulant, antiepileptic"),
        ("7@08:00 c3; ", "'' is no dose"),
        ("0@08:00 c3", "the number of"),
        ("70000@08:00 c3", "the number of"),
        ("7@24:00 c3", "the hour of"),
        ("7@08:60 c3", "the minute of"),
        ("7@08:00 c0", "the compartment of"),
        ("7@08:00 c255", "the compartment of"),
        ("7@08:00 c3 n0", "the number of units"),
        ("7@08:00 c3 w1441", "the window of"),
        ("7@08:00 c3 -------", "name a day"),
        ("7@08:00 c3; 7@20:00 c3", "dose 7 stands twice"),
        ("; ".join(f"{number}@08:00 c1" for number in range(1, MOST_DOSES + 2)), "at most 64"),
    ],
)
def test_what_cannot_be_is_refused(text: str, wrong: str) -> None:
    with pytest.raises(WireError, match=wrong):
        read(text)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(WireError):
        assert len(read(text)) <= MOST_DOSES
