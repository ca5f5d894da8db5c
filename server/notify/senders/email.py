"""E-mail over SMTP, with STARTTLS or TLS from the first byte.

The Message-ID is made of the message's own key, so a mail that had to be sent twice is one in the reader's mailbox
where the mail server cares for that, and can be known as the same where it does not. A server that refuses with 5xx
has said no for good; with 4xx, or not at all, it is asked again. A password that is refused is not for good: somebody
mends it while the message waits.
"""

import functools
import hashlib
import smtplib
import ssl
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime

from server.notify.config import Email, secret
from server.notify.sender import Message, Receipt, SendError
from server.notify.words import subject, whole
from vitals.clock import NS


class EmailSender:
    """Sends through one mail server. The password is read when it is made; raises ConfigError then."""

    def __init__(self, config: Email) -> None:
        self._config = config
        self._password = secret(config.password_file)

    def send(self, message: Message) -> Receipt:
        mail = self._mail(message)
        try:
            with self._connected() as server:
                if self._config.username:
                    server.login(self._config.username, self._password)
                server.send_message(mail)
        except smtplib.SMTPRecipientsRefused as error:
            code = next(iter(error.recipients.values()), (0, b""))[0]
            raise _refused("the mail server refuses the address", code) from error
        except smtplib.SMTPAuthenticationError as error:
            raise SendError("the mail server refuses the password", "mend [notify.email]") from error
        except (smtplib.SMTPDataError, smtplib.SMTPSenderRefused) as error:
            raise _refused("the mail server refuses the message", error.smtp_code) from error
        except ssl.SSLError as error:
            raise SendError("the mail server's certificate is not trusted", "see to ca_file and the name") from error
        except (OSError, smtplib.SMTPException) as error:
            name = type(error).__name__
            raise SendError(f"the mail server cannot be used ({name})", "see whether it is up") from error
        return Receipt(str(mail["Message-ID"]))

    def _connected(self) -> smtplib.SMTP:
        config = self._config
        if config.tls == "tls":
            return smtplib.SMTP_SSL(config.host, config.port, timeout=config.timeout_s, context=self._trust)
        server = smtplib.SMTP(config.host, config.port, timeout=config.timeout_s)
        if config.tls == "starttls":
            try:
                server.starttls(context=self._trust)
            except BaseException:
                server.close()
                raise
        return server

    @functools.cached_property
    def _trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self._config.ca_file) if self._config.ca_file else None)

    def _mail(self, message: Message) -> EmailMessage:
        mail = EmailMessage()
        try:
            mail["From"], mail["To"], mail["Subject"] = self._config.sender, message.address, subject(message)
        except ValueError as error:  # a line's end in an address would begin another header
            raise SendError("that is no mail address", "correct it", for_good=True) from error
        mail["Date"] = format_datetime(datetime.fromtimestamp(message.t_ns // NS, UTC))
        mail["Message-ID"] = _name(message.dedupe, self._config.sender)
        mail["Auto-Submitted"] = "auto-generated"
        mail["X-Hjemvakt-Key"] = message.dedupe
        mail.set_content(whole(message))
        return mail


def _name(dedupe: str, sender: str) -> str:
    return f"<{hashlib.sha256(dedupe.encode()).hexdigest()[:32]}@{sender.rpartition('@')[2]}>"


def _refused(text: str, code: int) -> SendError:
    return SendError(f"{text} ({code})", "correct the address, or ask whoever runs it", for_good=500 <= code < 600)
