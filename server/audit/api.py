"""What the page is told of the audit trail."""

from server.api import Shape


class AuditRow(Shape):
    """One entry. `who` is a name, `what` the server's word (`see readings`, `acknowledge`), `detail` more of it.

    `withheld`: the detail is left out: it may hold clinical text, and whoever asks does not care for the patient.
    """

    id: int
    t_ms: int
    who: str
    role: str | None
    what: str
    detail: str
    withheld: bool


class AuditPage(Shape):
    """Entries, newest first. `more`: older ones are there, asked for with the last `id` as `before`."""

    rows: list[AuditRow]
    more: bool
