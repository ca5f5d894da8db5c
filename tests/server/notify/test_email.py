"""Mail, to a mail server that is real: aiosmtpd, with and without TLS."""

import email
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.policy import default
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Session

from server.identity.authority import Authority
from server.notify.config import Email
from server.notify.sender import SendError
from server.notify.senders.email import EmailSender
from tests.ports import free_port
from tests.server.notify.conftest import message

FROM, TO = "hjemvakt@example.no", "kari@example.no"


class Mailbox:
    """What the mail server does with mail."""

    def __init__(self) -> None:
        self.mails: list[email.message.EmailMessage] = []
        self.refuse_to = self.refuse_data = ""

    async def handle_RCPT(self, _server, _session: Session, envelope, address, _options):
        if self.refuse_to:
            return self.refuse_to
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server, _session: Session, envelope):
        if self.refuse_data:
            return self.refuse_data
        self.mails.append(email.message_from_bytes(envelope.content, policy=default))
        return "250 taken"


@contextmanager
def mail_server(**how) -> Iterator[tuple[Mailbox, int]]:
    box = Mailbox()
    controller = Controller(box, hostname="127.0.0.1", port=free_port(), **how)
    controller.start()
    try:
        yield box, controller.port
    finally:
        controller.stop()


@pytest.fixture
def papers(tmp_path: Path) -> tuple[ssl.SSLContext, Path]:
    """The mail server's certificate, and the file of whoever vouches for it."""
    authority = Authority.open(tmp_path / "authority")
    key, certificate = authority.issue_broker(["localhost"], datetime.now(UTC))
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    (tmp_path / "server.pem").write_bytes(key + certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    return context, tmp_path / "ca.pem"


def test_a_mail_says_what_the_text_message_says_and_has_one_name_however_often_it_is_sent():
    with mail_server() as (box, port):
        sender = EmailSender(Email("127.0.0.1", FROM, port, "none"))
        link = "https://hjemvakt.example.no/a/" + "k" * 43
        receipts = [sender.send(message(address=TO, link=link)) for _ in range(2)]
        first, second = box.mails
    assert first["To"] == TO
    assert first["Subject"] == "Hjemvakt: alarm 12"
    assert "RØD alarm 12 for S.N. (SpO₂ under grensen)" in first.get_content()
    assert link in first.get_content()
    assert first["Auto-Submitted"] == "auto-generated"
    assert first["Message-ID"] == second["Message-ID"] == receipts[0].reference


@pytest.mark.parametrize("tls", ["starttls", "tls"])
def test_mail_crosses_a_network_encrypted_and_with_a_password(papers, secret_file, tls):
    context, ca = papers
    asked = []

    def knows(_server, _session, _envelope, _mechanism, data):
        asked.append((data.login, data.password))
        return AuthResult(success=data.password == b"hemmelig", handled=False)

    how = {"ssl_context" if tls == "tls" else "tls_context": context}
    with mail_server(
        authenticator=knows, auth_required=tls == "starttls", auth_require_tls=tls == "starttls", **how
    ) as (box, port):

        def sender(password: str) -> EmailSender:
            return EmailSender(Email("localhost", FROM, port, tls, "hjemvakt", secret_file(password), ca))

        sender("hemmelig").send(message(address=TO))
        assert len(box.mails) == 1
        with pytest.raises(SendError, match="password") as refused:
            sender("feil").send(message(address=TO))
        assert not refused.value.for_good
        assert "feil" not in str(refused.value)
    assert asked[0] == (b"hjemvakt", b"hemmelig")


def test_a_certificate_that_nobody_vouches_for_is_not_trusted(papers):
    context, _ = papers
    with mail_server(ssl_context=context) as (box, port):
        with pytest.raises(SendError, match="not trusted"):
            EmailSender(Email("localhost", FROM, port, "tls")).send(message(address=TO))
        assert box.mails == []


def test_a_mail_server_without_tls_is_not_given_the_message():
    with mail_server() as (box, port):
        with pytest.raises(SendError, match="cannot be used"):
            EmailSender(Email("127.0.0.1", FROM, port, "starttls")).send(message(address=TO))
        assert box.mails == []


@pytest.mark.parametrize(
    ("to", "data", "for_good"),
    [("550 no such user", "", True), ("450 try later", "", False), ("", "554 no", True), ("", "451 later", False)],
)
def test_a_refusal_is_for_good_or_it_is_not(to, data, for_good):
    with mail_server() as (box, port):
        box.refuse_to, box.refuse_data = to, data
        with pytest.raises(SendError) as refused:
            EmailSender(Email("127.0.0.1", FROM, port, "none")).send(message(address=TO))
        assert refused.value.for_good is for_good


def test_an_address_cannot_begin_another_header():
    with pytest.raises(SendError, match="no mail address"):
        EmailSender(Email("127.0.0.1", FROM, 1, "none")).send(message(address="a@b.no\nBcc: c@d.no"))
