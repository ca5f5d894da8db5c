"""Text messages through a modem, with a modem on a pseudo-terminal."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.notify.config import Modem as Config
from server.notify.sender import SendError
from server.notify.senders import gsm
from server.notify.senders.modem import Heard, Modem, Report
from tests.server.notify.conftest import message
from tests.server.notify.gsm_modem import GsmModem, gsm_modem
from vitals.errors import LinkError

LINK = "https://hjemvakt.example.no/a/" + "x" * 43


@pytest.fixture
def sender(modem: GsmModem):
    made = Modem(Config(modem.path, timeout_s=1.0))
    yield made
    made.close()


def test_a_norwegian_message_goes_in_gsms_own_alphabet(modem, sender):
    receipt = sender.send(message())
    [sent] = modem.sent
    assert (sent.to, sent.dcs) == ("+4790000101", 0)
    assert sent.text == "Hjemvakt: RØD alarm 12 for S.N. (SpO2 under grensen). Logg inn for å se den."
    assert receipt.reference == str(sent.reference)


def test_a_letter_that_is_in_no_other_alphabet_makes_it_ucs2(modem, sender):
    sender.send(message(text="Hjemvakt: alarm 12 for Á.Š."))
    assert modem.sent[0][1:3] == ("Hjemvakt: alarm 12 for Á.Š.", 8)


def test_what_is_too_long_for_one_goes_in_numbered_parts_with_the_link_whole(modem, sender):
    receipt = sender.send(message(link=LINK, code="4821"))
    assert [one.text[:4] for one in modem.sent] == ["1/2 ", "2/2 "]
    assert modem.sent[-1].text.endswith(LINK)
    assert "Svar OK 4821" in " ".join(one.text[4:] for one in modem.sent)
    assert receipt.reference == ",".join(str(one.reference) for one in modem.sent)


def test_references_begin_anew_after_255(modem, sender):
    for _ in range(8):
        sender.send(message())
    assert [one.reference for one in modem.sent] == [250, 251, 252, 253, 254, 255, 0, 1]


@pytest.mark.parametrize(
    ("error", "for_good"), [("+CMS ERROR: 500", False), ("+CMS ERROR: 28", True), ("ERROR", False), (None, False)]
)
def test_what_the_network_refuses_is_told_and_the_next_message_goes_out(modem, sender, error, for_good):
    modem.errors.append(error)
    with pytest.raises(SendError) as refused:
        sender.send(message())
    assert refused.value.for_good is for_good
    sender.send(message())
    assert len(modem.sent) == 1


def test_a_modem_that_says_things_in_between_is_understood():
    with gsm_modem(chatty=True) as modem:
        sender = Modem(Config(modem.path))
        sender.send(message())
        assert len(modem.sent) == 1
        sender.close()


def test_a_number_that_is_none_is_given_up_before_anything_is_sent(modem, sender):
    with pytest.raises(SendError, match="no telephone number") as refused:
        sender.send(message(address='90000101"\rATD113;'))
    assert refused.value.for_good
    assert modem.commands == []


def test_the_sim_is_unlocked_and_a_wrong_pin_is_tried_once(secret_file: Callable[[str], Path]):
    with gsm_modem(pin="1234", locked=True) as modem:
        sender = Modem(Config(modem.path, pin_file=secret_file("1234")))
        sender.send(message())
        assert len(modem.sent) == 1
        sender.close()
        modem.locked = True
        wrong = Modem(Config(modem.path, pin_file=secret_file("9999")))
        for _ in range(3):
            with pytest.raises(SendError, match="SIM"):
                wrong.send(message())
        assert modem.wrong_pins == 1
        wrong.close()


def test_a_modem_that_is_not_there_yet_is_found_when_it_is():
    with gsm_modem() as modem:
        path, sender = modem.path, Modem(Config(modem.path))
        sender.send(message())
    with pytest.raises(SendError, match="port cannot be used"):
        sender.send(message())
    sender.close()
    with gsm_modem() as again:
        sender = Modem(Config(again.path))
        sender.send(message())
        assert again.sent
        assert path
        sender.close()


def test_replies_are_deleted_only_when_they_are_stored(modem, sender):
    modem.receive("+4790000101", "Ok 4821 – går nå æøå")
    modem.receive("Telenor", "Ny faktura")

    def full(*_: object) -> None:
        raise OSError("the disk is full")

    with pytest.raises(LinkError):
        sender.listen(full)
    assert len(modem.memory) == 2
    heard: list[Heard] = []
    sender.listen(lambda messages, _: heard.extend(messages))
    assert [(one.sender, one.text) for one in heard] == [
        ("+4790000101", "Ok 4821 – går nå æøå"),
        ("Telenor", "Ny faktura"),
    ]
    assert modem.memory == {}


def test_the_same_reply_read_twice_has_the_same_name(modem, sender):
    modem.receive("+4790000101", "OK 4821")
    names: list[str] = []

    def cut_off(messages: list[Heard], _: object) -> None:
        names.extend(one.id for one in messages)
        if len(names) == 1:
            raise LinkError("killed here", "")

    with pytest.raises(LinkError):
        sender.listen(cut_off)
    sender.listen(cut_off)
    assert len(names) == 2
    assert len(set(names)) == 1


def test_the_network_reports_on_what_was_sent_even_while_something_else_is_sent(modem, sender):
    sender.send(message())
    for status in (48, 0):
        modem.report(modem.sent[0], status)
    sender.send(message(address="+4790000102"))
    modem.report(modem.sent[1], 70)
    reports: list[Report] = []
    sender.listen(lambda _, found: reports.extend(found))
    assert [(one.reference, one.to, one.delivered) for one in reports] == [
        ("250", "+4790000101", None),
        ("250", "+4790000101", True),
        ("251", "+4790000102", False),
    ]


WORDS = st.text(st.sampled_from("abc æøåÆ€[]₂–Šж1"), max_size=400)


@given(WORDS, st.integers(1, 5))
def test_every_part_fits_and_no_text_is_in_more_parts_than_allowed(text, most):
    made = gsm.parts(text, most)
    assert 1 <= len(made.texts) <= most
    for one in made.texts:
        assert (len(one.encode("utf-16-be")) // 2 <= 70) if made.ucs2 else ((gsm.size(one) or 0) <= 160)


@given(st.lists(st.sampled_from(["Hjemvakt:", "rød", "alarm", "4821", "å"]), min_size=1, max_size=60))
def test_a_text_that_fits_loses_no_word(words):
    made = gsm.parts(" ".join(words), 9)
    told = [re.sub(r"^\d/\d ", "", one) if len(made.texts) > 1 else one for one in made.texts]
    assert " ".join(told).split() == words


@given(st.lists(st.sampled_from(["Hjemvakt:", "rød", "alarm", "ж"]), min_size=60, max_size=80))
def test_the_link_survives_whatever_is_cut(words):
    made = gsm.parts(" ".join([*words, "https://h.no/a/abcdefghijklmn"]), 2)
    assert made.texts[-1].endswith("https://h.no/a/abcdefghijklmn")
