"""A nurse and a doctor as the server sees them: a session, a live stream, commands. The same routes as the page's."""

import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx

from hjemvakt.demo.town import Account
from vitals.errors import HjemvaktError

Json = dict[str, Any]


class Person:
    """Somebody signed in."""

    def __init__(self, client: httpx.AsyncClient, account: Account) -> None:
        self.account = account
        self._client = client

    async def stream(self) -> AsyncIterator[tuple[str, Json]]:
        """The server-sent events as (name, data), from now on."""
        async with self._client.stream("GET", "/api/stream", timeout=httpx.Timeout(10, read=20)) as answer:
            answer.raise_for_status()
            name = ""
            async for line in answer.aiter_lines():
                if line.startswith("event:"):
                    name = line.removeprefix("event:").strip()
                elif line.startswith("data:"):
                    yield name, json.loads(line.removeprefix("data:"))

    async def get(self, path: str) -> Any:
        return self._heard(await self._client.get(path))

    async def acknowledge(self, alarm_id: str, note: str) -> None:
        self._heard(await self._client.post(f"/api/alarms/{alarm_id}/acknowledge", json={"note": note}))

    async def close(self, alarm_id: str, action: str, outcome: str, note: str) -> None:
        form = {"action": action, "outcome": outcome, "usefulness": 5, "note": note}
        self._heard(await self._client.post(f"/api/alarms/{alarm_id}/close", json=form))

    def _heard(self, answer: httpx.Response) -> Any:
        if answer.is_error:
            raise HjemvaktError(
                f"{self.account.name}: {answer.request.url.path} answered {answer.status_code}", answer.text
            )
        return answer.json()


@contextlib.asynccontextmanager
async def signed_in(url: str, account: Account) -> AsyncIterator[Person]:
    """Sign in, and out again at the end."""
    async with httpx.AsyncClient(base_url=url, headers={"Origin": url}, timeout=10) as client:
        form = {"username": account.username, "password": account.password}
        answer = await client.post("/api/session", json=form)
        if answer.is_error:
            raise HjemvaktError(f"{account.username} could not sign in ({answer.status_code})", answer.text)
        yield Person(client, account)
        with contextlib.suppress(httpx.HTTPError):
            await client.delete("/api/session")
