"""Proposals and a running start-up as the page sees them."""

import sqlalchemy as sa

from server.api import Text
from server.patients.programmes import Programmes
from server.patients.store import PatientRecord
from server.readings.views import label, unit
from server.startup import store
from server.startup.api import ProposalView, StartupView
from server.startup.store import Proposed
from triage.startup import LEARNED
from vitals.channels import CHANNELS
from vitals.clock import MS, NS

_SIDE = {"low": Text(nb="nedre grense", en="lower limit"), "high": Text(nb="øvre grense", en="upper limit")}


def proposals(tx: sa.Connection, patient_id: str) -> list[ProposalView]:
    """The patient's, the newest first."""
    return [view(one) for one in store.of_patient(tx, patient_id) if one.proposal.limit in LEARNED]


def startup(tx: sa.Connection, record: PatientRecord, programmes: Programmes) -> StartupView | None:
    """The patient's start-up while it runs."""
    found = store.running(tx, record.id)
    if found is None:
        return None
    started_ns, look_ns = found
    ends_ns = look_ns or started_ns + round(programmes.of(record.programme).startup_days * 86_400 * NS)
    return StartupView(started_ms=started_ns // MS, ends_ms=ends_ns // MS)


def view(one: Proposed) -> ProposalView:
    """One proposal."""
    proposal, how = one.proposal, LEARNED[one.proposal.limit]
    return ProposalView(
        id=str(one.id), limit=proposal.limit, label=label(how.channel), side=_SIDE[how.side], unit=unit(how.channel),
        decimals=CHANNELS[how.channel].decimals, value=proposal.value, usual=proposal.usual, median=proposal.median,
        readings=proposal.readings, days=proposal.days, made_ms=one.made_ns // MS, state=one.state, set_to=one.set_to,
        decided_by=one.decided_by, decided_ms=None if one.decided_ns is None else one.decided_ns // MS, note=one.note,
    )  # fmt: skip
