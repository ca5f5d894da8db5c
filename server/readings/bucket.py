"""One bucket of InfluxDB over its API: write lines, ask in Flux, delete a point; and what its answers mean.

A write has four ends. *Taken.* *Partly taken*: the server names a number and a reason, not the points. *Refused* as it
is, because it does not parse or is too large. *Away*: no answer, an error of the server's own, a token or a bucket
that does not fit, or an answer of whatever stands before InfluxDB; whatever is to be written waits.

1.8 has no delete in its v2 API, and answers that there is no such page; then it gets the DELETE of its own language.

The server's complaints quote what they were sent. That is cut out before anybody is told.
"""

import gzip
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from influxdb_client.client.exceptions import InfluxDBError
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.domain.dialect import Dialect
from influxdb_client.service.write_service import WriteService
from urllib3.exceptions import HTTPError

from server.config import Influx
from server.readings.flux import quoted, quoted_influxql, rows_of
from vitals.errors import StoreError

_NO_ORG = "-"
"""1.8 has none, but the API wants one."""
_QUICKLY = 1
"""How hard to pack: the library's own 9 takes longer than everything else of a write together."""
_PLAIN = Dialect(header=True, delimiter=",", annotations=[])  # type: ignore[no-untyped-call]
_TROUBLE = (InfluxDBError, HTTPError, OSError)
_REFUSES = frozenset({400, 413, 422})
_TOO_LARGE = 413
_NO_SUCH_PAGE = "page not found"
_DROPPED = re.compile(r"(partial write: .*?) dropped=(\d+)", re.DOTALL)
_QUOTED = re.compile(r"""'.*'|value=".*\"""", re.DOTALL)
_RIGHTS = "give it a token that may read and write the bucket, in [influx] token_file"
_MEND = {401: _RIGHTS, 403: _RIGHTS, 404: "make the bucket, or correct [influx] bucket and org"}
_PATIENCE = "it is tried again by itself; see that [influx] url is right and that InfluxDB runs"


class Refused(Exception):
    """It will not take this, now or later. `points`: so many are left out and the rest is taken; None: none is."""

    def __init__(self, reason: str, points: int | None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.points = points


class Bucket:
    """Raises StoreError while it is away. `close` it."""

    def __init__(self, config: Influx) -> None:
        """Raises ConfigError for a token that cannot be read."""
        timeout_ms = round(config.timeout_s * 1000)
        self.name = config.bucket
        self._org = config.org or _NO_ORG
        self._client = InfluxDBClient(
            config.url, config.token() or "", org=self._org, timeout=(timeout_ms, timeout_ms),
            ssl_ca_cert=str(config.ca_file) if config.ca_file else None,
        )  # fmt: skip
        self._writing = WriteService(self._client.api_client)  # type: ignore[no-untyped-call]
        self._asking = self._client.query_api()
        self._deleting = self._client.delete_api()

    def close(self) -> None:
        self._client.close()  # type: ignore[no-untyped-call]

    def write(self, lines: Sequence[str]) -> None:
        """In one request, which may be repeated. Raises Refused."""
        packed = gzip.compress("\n".join(lines).encode(), _QUICKLY)
        try:
            self._writing.post_write(  # type: ignore[no-untyped-call]
                self._org, self.name, packed, precision="ns", content_encoding="gzip"
            )
        except _TROUBLE as error:
            if not _refuses(error):
                raise _away(error) from error
            words = _words(error)
            partly = _DROPPED.match(words)
            if partly and int(partly[2]):
                raise Refused(partly[1], int(partly[2])) from error
            raise Refused(words, None) from error

    def ask(self, query: str) -> list[dict[str, str]]:
        """The rows of the answer, as it writes them."""
        try:
            text = self._asking.query_raw(query, dialect=_PLAIN).data.decode()
        except _TROUBLE as error:
            raise _away(error) from error
        rows = list(rows_of(text))
        if rows and "error" in rows[0]:
            raise StoreError(f"InfluxDB does not answer ({rows[0]['error']})", "see its log")
        return rows

    def delete(self, measurement: str, tags: Mapping[str, str], t: str) -> None:
        """The points of all of these tags at this time, which is written as the server writes it."""
        these = "".join(f' AND "{name}" = {quoted(value)}' for name, value in tags.items())
        try:
            self._deleting.delete(t, t, f'_measurement = "{measurement}"{these}', self.name)
        except _TROUBLE as error:
            if _NO_SUCH_PAGE not in _words(error):
                raise _away(error) from error
            self._delete_in_its_own_language(measurement, tags, t)

    def _delete_in_its_own_language(self, measurement: str, tags: Mapping[str, str], t: str) -> None:
        """InfluxDB 1.8: the bucket's first part is its database."""
        these = "".join(f" AND {name} = {quoted_influxql(value)}" for name, value in tags.items())
        said = {"db": self.name.partition("/")[0], "q": f"DELETE FROM {measurement} WHERE time = '{t}'{these}"}
        try:
            answer, _, _ = self._client.api_client.call_api(  # type: ignore[no-untyped-call]
                "/query", "POST", query_params=list(said.items()), response_type="object"
            )
        except _TROUBLE as error:
            raise _away(error) from error
        complaints = [_without_data(str(one["error"])) for one in answer["results"] if "error" in one]
        if complaints:
            raise StoreError(f"InfluxDB does not delete a withdrawn reading ({complaints[0]})", "see its log")


def _status(error: Exception) -> int | None:
    """Of the answer; None where there was none."""
    return getattr(error, "status", None)


def _refuses(error: Exception) -> bool:
    """Whether it is of what we sent. Only what is too large a proxy says rightly in InfluxDB's name."""
    status = _status(error)
    return status == _TOO_LARGE or (status in _REFUSES and _said(error) is not None)


def _words(error: Exception) -> str:
    """What the server said, without what we said, and without the headers that the library prints with it."""
    return _without_data(_said(error) or _text(error).strip())


def _said(error: Exception) -> str | None:
    """InfluxDB's complaint; None for the answer of somebody else."""
    try:
        said = msgspec.json.decode(_text(error), type=dict[str, Any])
    except (msgspec.DecodeError, msgspec.ValidationError):
        return None
    return str(said.get("message") or said.get("error") or _text(error))


def _text(error: Exception) -> str:
    body: Any = getattr(error, "body", None) or getattr(error, "reason", None) or str(error)
    return body.decode(errors="replace") if isinstance(body, bytes) else str(body)


def _without_data(text: str) -> str:
    return _QUOTED.sub("…", text)


def _away(error: Exception) -> StoreError:
    status = _status(error)
    why = f"{status}: {_words(error)[:200]}" if status else type(error).__name__
    return StoreError(f"InfluxDB is away ({why})", _MEND.get(status or 0, _PATIENCE))
