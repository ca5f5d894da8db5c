"""`[notify.*]` of `server.toml`: which ways out there are. What is left out is not there.

Secrets stand in files of their own and never in the table, so that the configuration may be shown to anybody. A file of
headers has a line for each, as HTTP writes them: `Authorization: Bearer …`.
"""

import re
from pathlib import Path
from string import Template
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from vitals.errors import ConfigError, reason

Seconds = Annotated[float, Meta(gt=0)]
Wait = Annotated[float, Meta(gt=0, le=60)]
"""Seconds that one try may take."""
Together = Annotated[int, Meta(ge=1, le=32)]
"""So many messages of a way are on their way at once; while all of them wait for an answer, so does the next."""

LEAST_SECRET = 16
_URL = re.compile(r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\])(:\d{1,5})?(/\S*)?")
_LOCAL = ("localhost", "127.0.0.1", "[::1]")
_HEADER = re.compile(r"(?P<name>[A-Za-z0-9-]+):[ \t]*(?P<value>[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?)")

BODIES: dict[str, str] = {
    "application/json": '{"to": $to, "text": $text, "reference": $dedupe}',
    "application/x-www-form-urlencoded": "to=$to&text=$text&reference=$dedupe",
    "text/plain": "$text",
}
"""What is sent where the configuration has no `body`, by its type."""

S = TypeVar("S", bound=msgspec.Struct)


class Email(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A mail server that takes messages. `sender` is the address they come from."""

    host: str
    sender: str
    port: Annotated[int, Meta(ge=1, le=65535)] = 587
    tls: Literal["starttls", "tls", "none"] = "starttls"
    """`none`: only to a mail server on this machine."""
    username: str = ""
    password_file: Path | None = None
    ca_file: Path | None = None
    """Certificates to trust instead of the system's."""
    timeout_s: Wait = 20.0
    together: Together = 4

    def __post_init__(self) -> None:
        if self.tls == "none" and self.host not in _LOCAL:
            raise ValueError(
                f'tls = "none" with host = {self.host!r}', 'mail crosses a network: use "starttls" or "tls"'
            )
        if self.username and self.password_file is None:
            raise ValueError("username without password_file", "name the file that holds the password alone")
        if "@" not in self.sender or any(c.isspace() for c in self.sender):
            raise ValueError(f"sender = {self.sender!r} is no mail address", "write it as hjemvakt@example.no")


class Gateway(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Any provider of text messages that speaks HTTP.

    `body` has `$to`, `$text` and `$dedupe` where the message's belong; each is written as the `content_type` wants it
    (in JSON with its quotes). `url` may have `$to` too. `reference` names the place of the provider's own number in
    its JSON answer, such as `messages.0.id`.
    """

    url: str
    method: Literal["POST", "PUT", "GET"] = "POST"
    content_type: Literal["application/json", "application/x-www-form-urlencoded", "text/plain"] = "application/json"
    body: str = ""
    headers_file: Path | None = None
    idempotency_header: str = "Idempotency-Key"
    """The header that carries the message's own key; empty: the provider knows none."""
    good: tuple[int, ...] = (200, 201, 202)
    again: tuple[int, ...] = (401, 403, 404, 408, 425, 429, 500, 502, 503, 504)
    """Answers after which it is tried again; a key that has run out is mended while the message waits. After any other
    answer it is given up, and the person's next way is taken."""
    reference: str = ""
    timeout_s: Wait = 15.0
    together: Together = 4

    def __post_init__(self) -> None:
        check_url(self.url)
        template = Template(self.body or BODIES[self.content_type])
        if not template.is_valid() or not set(template.get_identifiers()) <= {"to", "text", "dedupe"}:
            raise ValueError("body has a $ that is none of $to, $text, $dedupe", "write $$ for a dollar sign")
        if "text" not in template.get_identifiers() and "$text" not in self.url:
            raise ValueError("body has no $text", "say where the message stands in it")


class Modem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A GSM modem on a serial port, spoken to with AT commands."""

    port: str
    baud: int = 115_200
    pin_file: Path | None = None
    """The SIM's PIN. A wrong one is tried once and no more, since three lock the card."""
    parts_most: Annotated[int, Meta(ge=1, le=9)] = 3
    """A longer message is cut; the link in it never is."""
    timeout_s: Wait = 30.0
    """For one part to be taken by the network."""


class Push(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Messages to browsers. `subject`: a mailto: or https: address where a push service reaches whoever runs this.

    A browser says itself where it is reached, so only these `hosts` (and what is under them) are ever spoken to.
    """

    subject: str
    hosts: tuple[str, ...] = (
        "fcm.googleapis.com", "push.services.mozilla.com", "push.apple.com", "notify.windows.com",
    )  # fmt: skip
    timeout_s: Wait = 15.0
    together: Together = 4

    def __post_init__(self) -> None:
        if not self.subject.startswith(("mailto:", "https://")):
            raise ValueError(f"subject = {self.subject!r}", "write it as mailto:drift@example.no")


class Hook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody else's program that takes signed JSON: another system (`webhook`), or one that telephones (`voice`)."""

    url: str
    secret_file: Path
    headers_file: Path | None = None
    timeout_s: Wait = 15.0
    together: Together = 4

    def __post_init__(self) -> None:
        check_url(self.url)


class Inbound(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a provider of text messages posts to `/hooks/sms` (replies) and `/hooks/receipt` (delivery reports).

    It shows the secret in `token_file` as a bearer token. The others name the fields of its JSON or its form.
    """

    token_file: Path
    sender: str = "from"
    text: str = "text"
    id: str = "id"
    reference: str = "reference"
    status: str = "status"
    delivered: tuple[str, ...] = ("delivered", "DELIVRD")
    failed: tuple[str, ...] = ("failed", "undelivered", "expired", "rejected", "UNDELIV", "EXPIRED", "REJECTD")


class Heartbeat(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody else who misses us: `url` is asked for every `every_s` while all goes well, and not otherwise."""

    url: str
    every_s: Seconds = 60.0
    timeout_s: Wait = 10.0

    def __post_init__(self) -> None:
        check_url(self.url)


class Notify(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The ways out that there are, and what is heard from outside."""

    email: Email | None = None
    sms: Gateway | None = None
    modem: Modem | None = None
    push: Push | None = None
    webhook: Hook | None = None
    voice: Hook | None = None
    inbound: Inbound | None = None
    heartbeat: Heartbeat | None = None

    def __post_init__(self) -> None:
        if self.sms is not None and self.modem is not None:
            raise ValueError("[notify.sms] and [notify.modem] both send text messages", "keep one of them")

    def together(self, channel: str) -> int:
        """So many messages go out by it at once: a modem, like a telephone on the screen, takes one after another."""
        table = getattr(self, channel)
        return 1 if table is None else int(table.together)

    @property
    def replies(self) -> bool:
        """Whether an answer to a text message is heard."""
        return self.modem is not None or (self.sms is not None and self.inbound is not None)


def beside(table: S, base: Path) -> S:
    """With every file in it, and in the tables in it, found beside the configuration in the folder `base`."""
    found: dict[str, Any] = {}
    for name in table.__struct_fields__:
        value = getattr(table, name)
        if isinstance(value, Path):
            found[name] = base / value
        elif isinstance(value, msgspec.Struct):
            found[name] = beside(value, base)
    return msgspec.structs.replace(table, **found)


def check(notify: Notify) -> None:
    """Read every secret that is named; raises ConfigError."""
    for part in (notify.email, notify.sms, notify.modem, notify.webhook, notify.voice, notify.inbound):
        for name in part.__struct_fields__ if part else ():
            file = getattr(part, name)
            if isinstance(file, Path):
                headers(file) if name == "headers_file" else secret(file)
    for hook in (notify.webhook, notify.voice):
        if hook:
            secret(hook.secret_file, LEAST_SECRET)
    if notify.inbound:
        secret(notify.inbound.token_file, LEAST_SECRET)


def secret(file: Path | None, least: int = 1) -> str:
    """What the file holds, without the line's end, or "" where none is named; raises ConfigError."""
    if file is None:
        return ""
    try:
        text = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read ({reason(error)})", "name a file that the server may read") from error
    if len(text) < least:
        raise ConfigError(
            f"{file} holds no secret of {least} characters or more", "make one with `openssl rand -hex 32`"
        )
    return text


def headers(file: Path | None) -> dict[str, str]:
    """The headers that the file holds, or none; raises ConfigError that does not show them."""
    found: dict[str, str] = {}
    for number, line in enumerate(secret(file).splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            parts = _HEADER.fullmatch(line.strip())
            if parts is None:
                raise ConfigError(f"{file}: line {number} is no header", "write it as `Authorization: Bearer …`")
            found[parts["name"]] = parts["value"]
    return found


def check_url(url: str) -> None:
    """That it is one, and encrypted where it crosses a network; raises ValueError with what is wrong and the mend."""
    parts = _URL.fullmatch(url)
    if parts is None:
        raise ValueError(f"url = {url!r} is no address", "write it as https://sms.example.no/send")
    if parts["scheme"] == "http" and parts["host"] not in _LOCAL:
        raise ValueError("url would send messages over the network unencrypted", "write https://")
