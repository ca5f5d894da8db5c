"""A message is never lost, whatever the sender does."""

import pytest
import sqlalchemy as sa

from server.alarms import store as alarms
from server.notify.delivery import ATTEMPTS
from server.notify.outbox import outbox
from server.notify.sender import Message, Receipt, SendError
from vitals.alarm import Kind, Level, Reason


class Line:
    """A sender that can be cut, and remembers what it was asked to send."""

    def __init__(self, *, error: Exception | None = None) -> None:
        self.error = error
        self.asked: list[Message] = []

    def send(self, message: Message) -> Receipt:
        self.asked.append(message)
        if self.error:
            raise self.error
        return Receipt(f"r{len(self.asked)}")


class Killed(BaseException):
    """The process dies here."""


def states(ward):
    with ward.db.read() as tx:
        return list(tx.scalars(sa.select(outbox.c.state).order_by(outbox.c.id)))


def test_a_crash_between_send_and_mark_sends_again_with_the_same_key_and_rings_once(ward):
    rang = []

    class Dying:
        def send(self, message):
            rang.append(message.dedupe)
            ward.phone.send(message)
            raise Killed

    ward.senders = {"sms": Dying()}
    with pytest.raises(Killed):
        ward.hear(Level.HIGH)
    assert ward.phones() != []
    assert states(ward) == ["queued", "queued"]
    ward.senders = {"sms": ward.phone}
    ward.later(seconds=11)
    assert states(ward) == ["delivered", "delivered"]
    assert rang == ["1/0.0/kari/sms"]
    assert [text.split(":")[0] for text in ward.phones()] == ["Kari Olsen", "Per Hansen"]


def test_a_line_that_is_down_is_tried_again_less_and_less_often(ward):
    line = Line(error=SendError("the line is down", "wait"))
    ward.senders = {"sms": line}
    ward.hear(Level.LOW)
    tried_s = [0]
    for second in range(1, 400):
        before = len(line.asked)
        ward.later(seconds=1)
        if len(line.asked) > before:
            tried_s.append(second)
    assert tried_s == [0, 10, 30, 70, 150, 310]
    line.error = None
    ward.later(seconds=300)
    assert states(ward) == ["sent", "sent"]
    assert ward.timeline("undelivered") == [
        f"Not delivered to {name}: the line is down. Trying again." for name in ("Kari Olsen", "Per Hansen")
    ]
    assert len({message.dedupe for message in line.asked}) == 2


def test_a_number_that_does_not_exist_is_given_up_at_once_and_the_timeline_says_so(ward):
    ward.senders = {"sms": Line(error=SendError("no such number", "correct it", for_good=True))}
    ward.hear(Level.LOW)
    assert states(ward) == ["failed", "failed"]
    assert ward.timeline("undelivered")[0] == "Not delivered to Kari Olsen: no such number. Given up."


def test_it_is_given_up_in_the_end(ward):
    line = Line(error=SendError("the line is down", "wait"))
    ward.senders = {"sms": line}
    ward.hear(Level.LOW)
    for _ in range(3 * ATTEMPTS):
        ward.later(minutes=5, seconds=1)
    assert len(line.asked) == 2 * ATTEMPTS
    assert states(ward) == ["failed", "failed"]


def test_a_channel_that_nothing_serves_is_said(ward):
    ward.senders = {}
    ward.hear(Level.LOW)
    assert ward.timeline("undelivered")[0] == "Not delivered to Kari Olsen: nothing sends sms. Given up."


def test_a_sender_that_breaks_over_one_message_still_sends_the_others(ward):
    class Broken(Line):
        def send(self, message):
            self.asked.append(message)
            if message.to == "Kari Olsen":
                raise KeyError("a mistake of ours")
            return Receipt("r")

    ward.senders = {"sms": Broken()}
    ward.hear(Level.HIGH)
    assert states(ward) == ["queued", "sent"]


def test_what_was_not_sent_when_somebody_acted_is_withdrawn(ward):
    ward.senders = {"sms": Line(error=SendError("the line is down", "wait"))}
    ward.hear(Level.HIGH)
    ward.acknowledge("Kari Olsen")
    assert states(ward) == ["withdrawn", "withdrawn"]
    ward.senders = {"sms": ward.phone}
    assert ward.later(minutes=5) == []


def test_a_newer_message_to_the_same_person_replaces_one_that_was_never_sent(ward):
    ward.senders = {"sms": Line(error=SendError("the line is down", "wait"))}
    ward.hear(Level.MEDIUM)
    ward.hear(Level.HIGH)
    ward.senders = {"sms": ward.phone}
    ward.clock.advance(seconds=10)
    assert ward.deliver() == ["solveig"]
    assert [text.split(" for ")[0] for text in ward.phones()] == [
        "Kari Olsen: Hjemvakt: RED alarm 1",
        "Per Hansen: Hjemvakt: RED alarm 1",
    ]


def test_no_message_carries_more_than_the_policy(ward):
    ward.hear(Level.HIGH)
    for secret in ("Solveig", "Nilsen", "Rognan", "84", "COPD", "75000001"):
        assert all(secret not in text for text in ward.phones())


def test_a_ladder_can_speak_norwegian(ward, words):
    from server.escalation import store as ladders
    from server.escalation.model import load

    with ward.db.write() as tx:
        ladders.apply(tx, [words.replace(one, language="nb") for one in load(words.ladders)])
    ward.hear(Level.HIGH)
    ward.later(minutes=5)
    assert ward.phones("Ingrid Dahl") == [
        "Hjemvakt: RØD alarm 1 for S.N. (SpO₂ under grensen). Ikke kvittert av sykepleier innen 5 min. "
        "Logg inn for å se den."
    ]


def test_who_acts_while_a_slow_sender_is_busy_is_not_sent_the_rest(ward):
    rang = []

    class Slow:
        def send(self, message):
            rang.append(message.to)
            ward.acknowledge("Kari Olsen")
            return Receipt("1")

    ward.senders = {"sms": Slow()}
    ward.hear(Level.HIGH)
    assert rang == ["Kari Olsen"]
    assert states(ward) == ["sent", "withdrawn"]


def test_something_worse_overtakes_what_waits_behind_a_slow_sender(ward):
    rang = []

    class Slow:
        def send(self, message):
            rang.append((message.alarm_id, message.to))
            if len(rang) == 1:
                with ward.db.write() as tx:
                    alarms.judge(tx, "arne", Kind.CLINICAL, [red(ward)], frozenset(), ward.now_ns)
            return Receipt(str(len(rang)))

    ward.senders = {"sms": Slow()}
    ward.hear(Level.LOW)
    assert [alarm for alarm, _ in rang] == [1, 2, 2, 1]


def red(ward):
    return Reason("spo2_floor", "1", Level.HIGH, {}, {"nb": "SpO₂", "en": "SpO₂"}, ward.now_ns)
