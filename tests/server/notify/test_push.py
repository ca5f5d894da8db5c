"""Pushes, to a push service that opens them with the browser's key and checks the server's signature."""

import json

import pytest

from server.notify.config import Push
from server.notify.sender import SendError
from server.notify.senders.push import PushSender, Vapid
from tests.server.notify.conftest import message
from tests.server.notify.push_service import Browser
from vitals.errors import ConfigError

LINK = "https://hjemvakt.example.no/a/key"


@pytest.fixture
def sender(tmp_path):
    return PushSender(Push("mailto:drift@example.no", ("127.0.0.1",)), Vapid.open(tmp_path))


def test_a_push_is_for_that_browser_alone_and_says_no_more_than_that_there_is_an_alarm(sink, sender):
    browser = Browser(sink)
    sender.send(message(channel="push", address=browser.subscription, link=LINK))
    [asked] = sink.asked
    said = browser.opened(asked, sender.vapid.public)
    assert said["body"] == "Du varsles om alarm 12."
    assert said["link"] == LINK
    for health in ("S.N.", "SpO", "RØD", "Kari"):
        assert health not in json.dumps(said, ensure_ascii=False)
    assert asked.headers["urgency"] == "high"
    assert int(asked.headers["ttl"]) > 0


def test_the_same_message_sent_twice_is_one_in_the_browser(sink, sender):
    browser = Browser(sink)
    for _ in range(2):
        sender.send(message(channel="push", address=browser.subscription))
    first, second = sink.asked
    assert first.headers["topic"] == second.headers["topic"]
    tags = {browser.opened(one, sender.vapid.public)["tag"] for one in sink.asked}
    assert len(tags) == 1


@pytest.mark.parametrize(
    ("status", "for_good", "gone"),
    [(404, True, True), (410, True, True), (429, False, False), (503, False, False), (413, True, False)],
)
def test_what_the_push_service_answers(sink, sender, status, for_good, gone):
    sink.answers.append((status, b""))
    with pytest.raises(SendError) as refused:
        sender.send(message(channel="push", address=Browser(sink).subscription))
    assert (refused.value.for_good, refused.value.gone) == (for_good, gone)


@pytest.mark.parametrize(
    "address",
    [
        "{}", "no json", '{"endpoint": "http://169.254.169.254/", "keys": {"p256dh": "a", "auth": "b"}}',
        '{"endpoint": "https://127.0.0.1.evil.example/", "keys": {"p256dh": "a", "auth": "b"}}',
        '{"endpoint": "https://[", "keys": {"p256dh": "a", "auth": "b"}}',
    ],
)  # fmt: skip
def test_a_browser_cannot_send_the_server_elsewhere(sink, sender, address):
    with pytest.raises(SendError) as refused:
        sender.send(message(channel="push", address=address))
    assert refused.value.for_good
    assert sink.asked == []


def test_a_subscription_with_broken_keys_is_given_up(sink, sender):
    broken = json.dumps({"endpoint": f"{sink.url}/push/a", "keys": {"p256dh": "aaaa", "auth": "bbbb"}})
    with pytest.raises(SendError) as refused:
        sender.send(message(channel="push", address=broken))
    assert refused.value.gone


def test_the_key_is_made_once_and_kept_from_others(tmp_path):
    first = Vapid.open(tmp_path / "keys")
    assert Vapid.open(tmp_path / "keys").public == first.public
    assert (tmp_path / "keys" / "vapid.pem").stat().st_mode & 0o077 == 0
    (tmp_path / "keys" / "vapid.pem").write_text("damaged")
    with pytest.raises(ConfigError, match="holds no key"):
        Vapid.open(tmp_path / "keys")
