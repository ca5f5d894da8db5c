"""Text messages over HTTP, webhooks and calls, against an HTTP server that is told what to answer."""

import hashlib
import hmac
import json
import time
from urllib.parse import parse_qs

import pytest

from server.notify.config import Gateway, Hook
from server.notify.sender import SendError
from server.notify.senders.sms import SmsSender
from server.notify.senders.voice import VoiceSender
from server.notify.senders.webhook import WebhookSender
from tests.server.notify.conftest import TEXT, message

SECRET = "a secret of the other system"  # noqa: S105
LINK = "https://hjemvakt.example.no/a/key-of-this-alarm"


@pytest.mark.parametrize("drip_s", [0.02, 2.0], ids=["slowly", "never"])
def test_a_provider_that_took_the_message_and_does_not_end_its_answer_is_neither_waited_for_nor_asked_again(
    sink, drip_s
):
    sink.drip_s, sink.body = drip_s, b"." * 10_000
    began_s = time.monotonic()
    assert SmsSender(Gateway(sink.url, timeout_s=0.3)).send(message()).reference == ""
    assert (time.monotonic() - began_s < 20, len(sink.asked)) == (True, 1)


def test_a_provider_is_sent_json_with_its_own_headers_and_the_messages_key(sink, secret_file):
    sink.answers.append((202, b'{"messages": [{"id": 77}]}'))
    headers = secret_file("Authorization: Bearer abc\nX-Account: 9")
    sender = SmsSender(Gateway(f"{sink.url}/send", headers_file=headers, reference="messages.0.id"))
    receipt = sender.send(message(code="4821", text='RØD "alarm" \\ 12.'))
    [asked] = sink.asked
    assert json.loads(asked.body) == {
        "to": "+47 900 00 101",
        "text": 'RØD "alarm" \\ 12. Svar OK 4821 for å ta den.',
        "reference": "12/0.0/kari/sms",
    }
    assert asked.headers["authorization"] == "Bearer abc"
    assert asked.headers["x-account"] == "9"
    assert asked.headers["idempotency-key"] == "12/0.0/kari/sms"
    assert receipt.reference == "77"


def test_a_provider_may_want_a_form_or_everything_in_the_address(sink):
    form = SmsSender(Gateway(sink.url, content_type="application/x-www-form-urlencoded", body="n=$to&m=$text&x=$$"))
    form.send(message(text="å & =?"))
    assert parse_qs(sink.asked[0].body.decode()) == {"n": ["+47 900 00 101"], "m": ["å & =?"], "x": ["$"]}
    SmsSender(Gateway(f"{sink.url}/s?to=$to&text=$text", method="GET")).send(message(text="å & /"))
    assert sink.asked[1].path == "/s?to=%2B47%20900%2000%20101&text=%C3%A5%20%26%20%2F"


@pytest.mark.parametrize(("status", "for_good"), [(503, False), (429, False), (401, False), (400, True), (302, True)])
def test_what_the_provider_answers_says_whether_to_try_again(sink, status, for_good):
    sink.answers.append((status, b"no"))
    with pytest.raises(SendError, match=str(status)) as refused:
        SmsSender(Gateway(sink.url)).send(message())
    assert refused.value.for_good is for_good


def test_a_provider_that_does_not_answer_is_not_waited_for(sink):
    sink.holding.clear()
    with pytest.raises(SendError, match=r"no answer within 0\.2 s") as refused:
        SmsSender(Gateway(sink.url, timeout_s=0.2)).send(message())
    assert not refused.value.for_good


def test_a_provider_that_is_not_there_is_worth_another_try(free_port):
    with pytest.raises(SendError, match="cannot be reached") as refused:
        SmsSender(Gateway(f"http://127.0.0.1:{free_port()}")).send(message())
    assert not refused.value.for_good


def test_an_answer_without_a_number_is_a_receipt_all_the_same(sink):
    sink.body = b"OK"
    assert SmsSender(Gateway(sink.url, reference="messages.0.id")).send(message()).reference == ""


def signed(asked):
    """Whether the signature fits, as its reader would find out, and how old it is."""
    t, _, mark = asked.headers["hjemvakt-signature"].partition(",v1=")
    own = hmac.new(SECRET.encode(), t.removeprefix("t=").encode() + b"." + asked.body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(own, mark) and abs(time.time() - int(t.removeprefix("t="))) < 60


def test_another_system_gets_signed_json_and_gives_its_own_number(sink, secret_file):
    sink.body = b'{"id": "case-5"}'
    sender = WebhookSender(Hook(sink.url, secret_file(SECRET)))
    assert sender.send(message(link=LINK)).reference == "case-5"
    [asked] = sink.asked
    assert signed(asked)
    said = json.loads(asked.body)
    assert (said["key"], said["alarm"], said["text"], said["link"]) == ("12/0.0/kari/sms", 12, TEXT, LINK)


def test_a_call_says_the_text_and_where_a_pressed_key_is_to_be_told(sink, secret_file):
    VoiceSender(Hook(sink.url, secret_file(SECRET))).send(message(link=LINK, channel="voice"))
    [asked] = sink.asked
    assert signed(asked)
    said = json.loads(asked.body)
    assert said["say"].endswith("Trykk 1 for å ta den.")
    assert said["answer"] == "https://hjemvakt.example.no/hooks/voice/key-of-this-alarm"
    assert LINK not in said["say"]


@pytest.mark.parametrize(("status", "for_good"), [(500, False), (409, False), (422, True)])
def test_another_system_that_refuses(sink, secret_file, status, for_good):
    sink.answers.append((status, b""))
    with pytest.raises(SendError) as refused:
        WebhookSender(Hook(sink.url, secret_file(SECRET))).send(message())
    assert refused.value.for_good is for_good
