"""Somebody else notices when the server falls silent, calls by a way of their own, and says when it is back."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.__main__ import main
from server.notify.config import Gateway, Notify
from server.notify.sender import Message, Receipt, SendError
from server.sentry import Sentry, Told, Watch, trouble
from tests.server.conftest import LADDERS, TOWN
from tests.server.notify.sink import Sink, sink
from tests.waiting import until

ROOT = Path(__file__).parents[2]
WELL = {"stored": 5, "tick_age_s": 0.4, "outbox_late_s": 0.0}


@pytest.mark.parametrize(
    ("health", "what"),
    [
        (WELL, None),
        (None, "silent"),
        (WELL | {"stored": None, "outbox_late_s": None}, "away"),
        (WELL | {"tick_age_s": 500}, "stuck"),
        (WELL | {"outbox_late_s": 121}, "late"),
        (WELL | {"outbox_late_s": 119}, None),
        ({"stored": 5}, None),
    ],
)
def test_what_is_wrong_with_a_server_that_says_this(health, what):
    assert trouble(health, 120) == what


class Line:
    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.down = False

    def send(self, message: Message) -> Receipt:
        if self.down:
            raise SendError("down", "wait")
        self.sent.append(message)
        return Receipt("")


@pytest.fixture(name="server")
def _server() -> Iterator[Sink]:
    with sink() as made:
        made.body = json.dumps(WELL).encode()
        yield made


@pytest.fixture
def guard(server):
    """The sentry, its line, and its clock as a list of one number."""
    line, now = Line(), [0.0]
    watch = Watch("Fjordvik", server.url, (Told("sms", "+4790000109", "Drift"),), Notify(), language="en")
    return Sentry(watch, {"sms": line}, steady=lambda: now[0], wall=lambda: 1e9), line, now


def test_a_server_that_is_silent_for_a_minute_is_told_of_once_then_each_quarter_and_when_it_is_back(server, guard):
    sentry, line, now = guard
    sentry.look()
    assert line.sent == []
    told = []
    for second in range(0, 2400, 15):
        now[0] = float(second)
        server.answers.append((503, b""))
        sentry.look()
        if len(line.sent) > len(told):
            told.append(second)
    assert told == [60, 960, 1860]
    assert len({one.dedupe for one in line.sent}) == 3
    assert "does not answer" in line.sent[0].text
    sentry.look()
    sentry.look()
    assert [one.text for one in line.sent[3:]] == ["The Hjemvakt server (Fjordvik) is well again."]


def test_a_short_pause_calls_nobody(server, guard):
    sentry, line, now = guard
    for second in (0, 15, 30, 45):
        now[0] = float(second)
        server.answers.append((500, b"not json"))
        sentry.look()
    sentry.look()
    assert line.sent == []


def test_what_cannot_be_told_is_told_with_the_next_look_and_never_that_all_is_well_before(server, guard):
    sentry, line, now = guard
    late = json.dumps(WELL | {"outbox_late_s": 300}).encode()
    line.down = True
    server.answers += [(200, late), (200, late)]
    sentry.look()
    line.down = False
    now[0] = 15.0
    sentry.look()
    assert ["cannot send messages" in one.text for one in line.sent] == [True]


def test_who_was_never_told_is_not_told_that_it_is_over(server, guard):
    sentry, line, now = guard
    line.down = True
    server.answers.append((200, json.dumps(WELL | {"tick_age_s": 300}).encode()))
    sentry.look()
    line.down = False
    now[0] = 15.0
    sentry.look()
    assert line.sent == []


@pytest.mark.parametrize(
    ("find", "put", "words"),
    [
        ('channel = "sms"', 'channel = "email"', "nothing sends email"),
        ("http://127.0.0.1", "http://192.0.2.1", "unencrypted"),
        ("every_s", "evry_s", "did you mean 'every_s'?"),
        ("headers", "nothing", "nothing"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(tmp_path, capsys, find, put, words):
    file = tmp_path / "watch.toml"
    (tmp_path / "headers").write_text("X-Key: 1\n")
    text = (
        'name = "F"\nserver = "http://127.0.0.1:1"\nevery_s = 1\n[[tell]]\nchannel = "sms"\naddress = "+4790000109"\n'
        '[notify.sms]\nurl = "http://127.0.0.1:1/"\nheaders_file = "headers"\n'
    )
    file.write_text(text)
    assert main(["watch", str(file), "--once"]) == 1
    assert "The Hjemvakt server (F) does not answer." in capsys.readouterr().out
    file.write_text(text.replace(find, put))
    assert main(["watch", str(file), "--once"]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.processes
def test_a_real_server_is_frozen_missed_and_welcomed_back(tmp_path, free_port):
    """The server is a process that is stopped with SIGSTOP: its port still answers, and nobody behind it."""
    port = free_port()
    (tmp_path / "municipality.toml").write_text(TOWN, encoding="utf-8")
    config = tmp_path / "server.toml"
    config.write_text(
        f'name = "P"\nladders = "{LADDERS}"\n[web]\nport = {port}\n[broker]\nkind = "embedded"\nport = {free_port()}\n'
    )
    with sink() as provider:
        (tmp_path / "watch.toml").write_text(
            f'name = "P"\nserver = "http://127.0.0.1:{port}"\nevery_s = 0.2\nsilent_after_s = 0.5\nlanguage = "en"\n'
            '[[tell]]\nchannel = "sms"\naddress = "+4790000109"\n'
            f'[notify.sms]\nurl = "{provider.url}/send"\n'
        )
        server = _started("run", config)
        watch = None
        try:
            assert server.stderr is not None
            assert any(b"ready http" in line for line in server.stderr)
            threading.Thread(target=server.stderr.read, daemon=True).start()
            watch = _started("watch", tmp_path / "watch.toml")
            server.send_signal(signal.SIGSTOP)
            until(lambda: provider.asked, 40)
            assert "does not answer" in json.loads(provider.asked[0].body)["text"]
            server.send_signal(signal.SIGCONT)
            until(lambda: len(provider.asked) > 1, 40)
            assert "well again" in json.loads(provider.asked[-1].body)["text"]
            watch.send_signal(signal.SIGTERM)
            assert watch.wait(20) == 0
        finally:
            for one in (server, watch):
                if one is not None:
                    one.send_signal(signal.SIGCONT)
                    one.kill()
                    one.wait(20)
                    assert one.stderr is not None
                    one.stderr.close()


def _started(command: str, file: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "server", command, str(file)], cwd=ROOT, stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip


def test_a_channel_is_tried_from_the_command_line(tmp_path, capsys):
    (tmp_path / "municipality.toml").write_text(TOWN, encoding="utf-8")
    with sink() as provider:
        provider.body = b'{"id": "7"}'
        (tmp_path / "server.toml").write_text(
            f'name = "P"\nladders = "{LADDERS}"\n[notify.sms]\nurl = "{provider.url}/send"\nreference = "id"\n'
        )
        ask = ["notify-test", "sms", "--to", "+4790000109", "--config", str(tmp_path / "server.toml")]
        assert main(ask) == 0
        assert "sms: taken, reference 7" in capsys.readouterr().out
        assert json.loads(provider.asked[0].body)["to"] == "+4790000109"
        provider.answers.append((400, b""))
        assert main(ask) == 1
        assert "the provider answered 400" in capsys.readouterr().err
        assert main([ask[0], "email", *ask[2:]]) == 2
        assert "no way out by email: write [notify.email] (there is sms)" in capsys.readouterr().err


def test_a_provider_that_would_be_sent_no_text_is_refused():
    with pytest.raises(ValueError, match="body has no"):
        Gateway("https://sms.example.no/", content_type="text/plain", body="hello")
