"""My ways to be reached: only ever those of whoever is signed in.

A code and a test message are sent while the person waits, and not through the outbox: what went wrong is told to the
one who can mend it.
"""

import re
import secrets
from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, HTTPException, Path

from server.access.door import Anyone
from server.access.store import Account, staff
from server.audit.store import write
from server.escalation import store as ladders
from server.house import Here, House, problems, refusing
from server.notify import ways
from server.notify.api import MOST_WAIT_S, Code, MyWays, NewWay, Spoken, Tried, Wait, WayView
from server.notify.sender import Language, Message, Receipt, SendError
from server.notify.senders.push import PushSender
from server.notify.ways import Owned

router = APIRouter(prefix="/api/me/ways", tags=["me"])

_SENDING = problems(401, 403, 404, 409, 422, 429, 502)

WayId = Annotated[int, Path(ge=1, lt=2**63)]

_NUMBER = re.compile(r"\+?[\d ()-]{5,24}")
_MAIL = re.compile(r"[^@\s,;<>\"]+@[^@\s,;<>\"]+\.[^@\s,;<>\"]+")
_FORM = {"sms": _NUMBER, "voice": _NUMBER, "email": _MAIL, "webhook": re.compile(r"[\w.@+ -]{1,120}")}
_LIKE = {"sms": "+47 900 00 000", "voice": "+47 900 00 000", "email": "kari@example.no", "webhook": "kari"}

_CODE: dict[Language, str] = {
    "nb": "Hjemvakt: koden din er {code}. Den gjelder i 15 minutter. Skriv den på siden du kom fra.",
    "en": "Hjemvakt: your code is {code}. It is good for 15 minutes. Write it on the page you came from.",
}
TEST: dict[Language, str] = {
    "nb": "Hjemvakt: dette er en prøve. Du trenger ikke gjøre noe.",
    "en": "Hjemvakt: this is a test. There is nothing to do.",
}


@router.get("", operation_id="getMyWays", responses=problems(401))
def get_ways(account: Anyone, here: Here) -> MyWays:
    """How I am reached, in the order in which it is tried."""
    with here.db.read() as tx:
        return _all(tx, account, here)


@router.post("", operation_id="addMyWay", responses=problems(401, 403, 409, 422, 429, 502))
def add_way(said: NewWay, account: Anyone, here: Here) -> WayView:
    """A new way: a code is sent there. A browser counts at once."""
    address = said.address.strip()
    _check(here, said.channel, address)
    push = said.channel == "push"
    with here.db.write() as tx:
        now_ns = here.clock.now_ns()
        if len(ways.of(tx, account.id)) >= ways.MOST:
            raise HTTPException(409, f"you have {ways.MOST} ways already; remove one first")
        _check_wait(tx, account, said.after_s, now_ns)
        number = ways.add(
            tx, account.id, said.channel, address, said.name.strip(), said.after_s, now_ns, confirmed=push
        )
        write(tx, now_ns, account.id, "add way", None, said.channel)
        code = "" if push else ways.new_code(tx, number, now_ns)
        way = _mine(tx, account, number)
    if not push:
        _send_code(here, account, way, code, said.language, new=True)
    return _view(way)


@router.post("/{way_id}/code", operation_id="sendWayCode", responses=problems(401, 403, 404, 409, 422, 429, 502))
def send_code(way_id: WayId, said: Spoken, account: Anyone, here: Here) -> WayView:
    """Send another code; the one before it is good no more."""
    with here.db.write() as tx:
        way = _mine(tx, account, way_id)
        if way.confirmed:
            raise HTTPException(409, "that way is confirmed already; there is nothing to do")
        now_ns = here.clock.now_ns()
        code = ways.new_code(tx, way_id, now_ns)
        write(tx, now_ns, account.id, "send way code", None, str(way_id))
    _send_code(here, account, way, code, said.language)
    return _view(way)


@router.post("/{way_id}/confirm", operation_id="confirmMyWay", responses=problems(401, 403, 404, 409, 422))
def confirm_way(way_id: WayId, said: Code, account: Anyone, here: Here) -> WayView:
    """Show that the code has come: the way counts from now on."""
    with here.db.write() as tx:
        now_ns = here.clock.now_ns()
        _mine(tx, account, way_id)
        good = ways.confirm(tx, way_id, said.code, now_ns)
        way = _mine(tx, account, way_id)
        if good:
            _check_wait(tx, account, way.after_s, now_ns)
            write(tx, now_ns, account.id, "confirm way", None, str(way_id))
    if not good:
        raise HTTPException(409, "that is not the code, or it is too old; look again, or have another one sent")
    return _view(way)


@router.put("/{way_id}", operation_id="changeMyWay", responses=problems(401, 403, 404, 422))
def change_way(way_id: WayId, said: Wait, account: Anyone, here: Here) -> WayView:
    """Change how long it waits. Refused where a ladder would go on before it has been used."""
    with here.db.write() as tx:
        now_ns = here.clock.now_ns()
        _mine(tx, account, way_id)
        _check_wait(tx, account, said.after_s, now_ns)
        ways.wait(tx, way_id, said.after_s)
        write(tx, now_ns, account.id, "change way", None, str(way_id))
        return _view(_mine(tx, account, way_id))


@router.delete("/{way_id}", operation_id="removeMyWay", responses=problems(401, 403, 404, 422))
def remove_way(way_id: WayId, account: Anyone, here: Here) -> MyWays:
    """It is used no more. Returns those that are left."""
    with here.db.write() as tx:
        way = _mine(tx, account, way_id)
        ways.remove(tx, way_id)
        write(tx, here.clock.now_ns(), account.id, "remove way", None, way.channel)
        return _all(tx, account, here)


@router.post("/{way_id}/test", operation_id="testMyWay", responses=_SENDING)
def test_way(way_id: WayId, said: Spoken, account: Anyone, here: Here) -> Tried:
    """Send a test message there, and say what became of it."""
    with here.db.write() as tx:
        way = _mine(tx, account, way_id)
        if not way.confirmed:
            raise HTTPException(409, "that way is not confirmed yet; write its code first")
        write(tx, here.clock.now_ns(), account.id, "test way", None, str(way_id))
    receipt = _send(here, account, way, TEST[said.language], said.language)
    return Tried(reference=receipt.reference, delivered=receipt.delivered)


def _send_code(here: House, account: Account, way: Owned, code: str, language: Language, *, new: bool = False) -> None:
    """A way to which nothing can be sent is not kept."""
    try:
        _send(here, account, way, _CODE[language].format(code=code), language)
    except HTTPException:
        if new:
            with here.db.write() as tx:
                ways.remove(tx, way.id)
        raise


def _send(here: House, account: Account, way: Owned, text: str, language: Language) -> Receipt:
    now_ns = here.clock.now_ns()
    sender = here.senders.get(way.channel)
    if sender is None:
        raise HTTPException(409, f"this server no longer sends by {way.channel}; choose another way")
    if wait_s := here.answers.sendings.wait_s(account.id, "", now_ns):
        raise HTTPException(
            429, "many messages were sent for you; try again later", {"Retry-After": str(int(wait_s) + 1)}
        )
    here.answers.sendings.failed(account.id, "", now_ns)
    key = f"way/{way.id}/{secrets.token_hex(8)}"
    try:
        return sender.send(
            Message(key, None, way.channel, account.name, account.role, way.address, text, now_ns, language=language)
        )
    except SendError as error:
        if error.gone:
            with here.db.write() as tx:
                ways.remove(tx, way.id)
        raise HTTPException(502, f"nothing was sent: {error.text}; {error.mend}") from None


def _check(here: House, channel: str, address: str) -> None:
    if channel not in here.channels:
        raise HTTPException(409, f"this server does not send by {channel}; choose another way")
    sender = here.senders[channel]
    if isinstance(sender, PushSender):
        try:
            sender.check(address)
        except SendError as error:
            raise HTTPException(422, f"{error.text}; {error.mend}") from None
    elif channel in _FORM and not _FORM[channel].fullmatch(address):
        raise HTTPException(422, f"{address!r} cannot be reached by {channel}; write it like {_LIKE[channel]}")


def _check_wait(tx: sa.Connection, account: Account, after_s: float, now_ns: int) -> None:
    with refusing():
        ladders.check_own_wait(tx, account.id, account.name, after_s, now_ns)


def _all(tx: sa.Connection, account: Account, here: House) -> MyWays:
    mine = ways.of(tx, account.id)
    phone = tx.scalar(sa.select(staff.c.phone).where(staff.c.id == account.id))
    push = here.senders.get("push")
    below_s = min(ladders.own_waits_below_s(tx, account.id, here.clock.now_ns()), MOST_WAIT_S + 1)
    return MyWays(
        ways=[_view(one) for one in mine], phone=phone or None, channels=here.channels,
        push_key=push.vapid.public if isinstance(push, PushSender) else None, waits_below_s=below_s,
    )  # fmt: skip


def _mine(tx: sa.Connection, account: Account, way_id: int) -> Owned:
    way = ways.get(tx, account.id, way_id)
    if way is None:
        raise HTTPException(404, f"you have no way {way_id}; load the page again")
    return way


def _view(way: Owned) -> WayView:
    shown = "" if way.channel == "push" else way.address
    return WayView(
        id=str(way.id), channel=way.channel, address=shown, name=way.name, after_s=way.after_s, confirmed=way.confirmed
    )
