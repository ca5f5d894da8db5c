"""The ordinary lane: batches in which nothing is out of the ordinary are filed in columns, without a look at each row.

Ordinary is: what can be put into columns (`server.ingest.columns`), of devices that were one person's all the while, at
times that can be. Whatever else is in a batch, the whole of it goes the careful way (`server.ingest.filing`), row by
row. Both ways file the same readings under the same identities; a test holds them against each other.

All batches that came together are filed together.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from server.ingest.columns import Columns, columns
from server.ingest.filing import AHEAD_NS, EARLIEST_NS
from server.ingest.parcel import Parcel
from server.patients.store import Whose
from server.readings.sheaf import Sheaf


def ordinary(parcels: Sequence[Parcel], whose: Whose, now_ns: int) -> Sheaf | None:
    """What to keep of the rows of these, in their order; None if they are not all ordinary."""
    found = columns(parcels)
    if found is None:
        return None
    t_ns = found.sheaf.rows["t_ns"]
    owners = owners_of(found.devices, int(t_ns.min()), int(t_ns.max()), whose, now_ns)
    return None if owners is None else owned(found, owners)


def owners_of(devices: Sequence[str], first_ns: int, last_ns: int, whose: Whose, now_ns: int) -> dict[str, str] | None:
    """Whose each of these was from one moment to another, both inclusive; None if one was nobody's or several's, or if
    they cannot be moments of a measurement."""
    if last_ns > now_ns + AHEAD_NS or first_ns < EARLIEST_NS:
        return None
    owners: dict[str, str] = {}
    for device in devices:
        patient = whose.patient_throughout(device, first_ns, last_ns)
        if patient is None:
            return None
        owners[device] = patient
    return owners


def owned(found: Columns, owners: Mapping[str, str]) -> Sheaf:
    """The readings, now that it is known whose they are."""
    sheaf = found.sheaf
    words = list(dict.fromkeys([*sheaf.words, *owners.values()]))
    number = {word: place for place, word in enumerate(words)}
    patient = np.array([number[owners[word]] if word in owners else 0 for word in sheaf.words], np.uint32)
    sheaf.rows["patient"] = patient[sheaf.rows["device"]]
    return Sheaf(sheaf.rows, words, sheaf.statuses, sheaf.records)
