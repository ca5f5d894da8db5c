"""What other programs tell us: replies to text messages, reports on delivery, a key pressed on a call.

They are machines and have no session: a provider shows the secret of `[notify.inbound]`, a call shows the key that is
in the address it was given. So the origin of the request says nothing, and `server.site.Guard` does not ask for it.
Each may come twice, and does the same once.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, HTTPException, Request
from fastapi.concurrency import run_in_threadpool

from server.access.door import address_of
from server.house import Here, House
from server.notify import outbox
from server.notify.config import LEAST_SECRET, Inbound, secret
from server.notify.page import GUESS

router = APIRouter(prefix="/hooks", include_in_schema=False)

TAKE = "1"


@router.post("/sms")
async def reply(request: Request, here: Here) -> dict[str, str]:
    """A text message has come."""
    how, said = await _said(request, here)
    sender, text, name = _field(said, how.sender), _field(said, how.text), said.get(how.id)
    name = str(name) if name else hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
    await run_in_threadpool(here.heard, [(f"sms/{name}", sender, text)], ())
    return {"status": "ok"}


@router.post("/receipt")
async def receipt(request: Request, here: Here) -> dict[str, str]:
    """What became of a message. A word that is in neither list says that it is still under way."""
    how, said = await _said(request, here)
    reference, status = _field(said, how.reference), _field(said, how.status)
    if status in how.delivered or status in how.failed:
        await run_in_threadpool(here.heard, (), [(reference, None, status in how.delivered)])
    return {"status": "ok"}


@router.post("/voice/{token}")
async def pressed(token: str, request: Request, here: Here) -> dict[str, str]:
    """A key was pressed on a call; what is then said is answered in `say`."""
    said = _parsed(request, await request.body())
    return await run_in_threadpool(_pressed, here, token, str(said.get("digits", "")), address_of(request))


def _pressed(here: House, token: str, digits: str, source: str) -> dict[str, str]:
    now_ns = here.clock.now_ns()
    if here.answers.guesses.wait_s(GUESS, source, now_ns):
        raise HTTPException(429, "too many keys that are none; try again later")
    with here.db.write() as tx:
        key = here.answers.keys.behind_link(tx, token, now_ns)
        if key is None:
            here.answers.guesses.failed(GUESS, source, now_ns)
        answers = here.answers
        outcome = answers.take(tx, key, now_ns, "by call") if digits == TAKE else answers.look(tx, key, now_ns)
        language = outbox.language(tx, key.dedupe) if key else "nb"
    if outcome.what == "taken":
        here.hub.patient_changed(outcome.patient_id)
    return {"status": outcome.what, "say": outcome.says(language, here.answers.zone)}


async def _said(request: Request, here: House) -> tuple[Inbound, Mapping[str, Any]]:
    """What an authenticated provider says; raises 401, 404, 422, 429."""
    how, now_ns, source = here.config.notify.inbound, here.clock.now_ns(), address_of(request)
    if how is None:
        raise HTTPException(404, "nothing is heard here; write [notify.inbound] in server.toml")
    if here.answers.guesses.wait_s("inbound", source, now_ns):
        raise HTTPException(429, "too many wrong secrets; try again later")
    shown = request.headers.get("authorization", "").encode()
    wanted = f"Bearer {await run_in_threadpool(secret, how.token_file, LEAST_SECRET)}".encode()
    if not hmac.compare_digest(shown, wanted):
        here.answers.guesses.failed("inbound", source, now_ns)
        raise HTTPException(401, "show the secret of [notify.inbound] as a bearer token")
    return how, _parsed(request, await request.body())


def _parsed(request: Request, body: bytes) -> Mapping[str, Any]:
    try:
        text = body.decode("utf-8")
        if "json" not in request.headers.get("content-type", ""):
            return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=100))
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise HTTPException(422, "that is neither a JSON object nor a form; send one of the two") from error
    if not isinstance(found, dict):
        raise HTTPException(422, "that is no JSON object; send one")
    return found


def _field(said: Mapping[str, Any], name: str) -> str:
    found = said.get(name)
    if not isinstance(found, str | int) or isinstance(found, bool):
        raise HTTPException(422, f"there is no text in {name!r}; send it, or name the field in [notify.inbound]")
    return str(found)
