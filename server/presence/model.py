"""Who has which patient's page open: "being viewed by …".

It is known by the live stream, one for each tab of a browser: the page says over a request what its stream looks at,
and when the stream ends, for whatever reason, nobody looks any more. So there is nothing to expire and nothing to keep:
a server that starts again knows of nobody, and each page tells it anew when its stream is back. No health data.

Who looks at whom is itself about the patient: `server.live.screens` tells it to carers who may see that patient, and a
stream that may no longer see whom it looked at looks at nobody.
"""

import threading
from collections.abc import Callable

import msgspec

from server.access.scopes import Scope


class Viewer(msgspec.Struct, frozen=True, order=True):
    """Somebody of the staff. `id` is the user name."""

    name: str
    id: str


class Presence:
    """Thread-safe. `tell` is called with a patient whenever other people than before look at them.

    It must not call back; who it is then is for `of` to say.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._lock = threading.Lock()
        self._streams: dict[str, Viewer] = {}
        self._looks: dict[str, str] = {}
        """Stream to patient."""

    def came(self, stream: str, viewer: Viewer) -> None:
        """A stream is open. It looks at nobody yet."""
        with self._lock:
            self._streams[stream] = viewer

    def looks_at(self, stream: str, staff_id: str, patient_id: str | None) -> bool:
        """The page of that stream shows this patient (None: nobody) now; False where they have no such stream."""
        with self._lock:
            viewer = self._streams.get(stream)
            if viewer is None or viewer.id != staff_id:
                return False
            self._set(stream, patient_id)
            return True

    def keep_within(self, stream: str, scope: Scope) -> None:
        """The stream may see these patients and no other now."""
        with self._lock:
            at = self._looks.get(stream)
            if at is not None and at not in scope:
                self._set(stream, None)

    def left(self, stream: str) -> None:
        """The stream has ended."""
        with self._lock:
            self._set(stream, None)
            self._streams.pop(stream, None)

    def of(self, patient_id: str) -> list[Viewer]:
        """Who looks at that patient now."""
        with self._lock:
            return self._viewers(patient_id)

    def everybody(self) -> dict[str, list[Viewer]]:
        """Each patient who is looked at, and by whom."""
        with self._lock:
            return {patient_id: self._viewers(patient_id) for patient_id in sorted(set(self._looks.values()))}

    def _set(self, stream: str, patient_id: str | None) -> None:
        before = self._looks.pop(stream, None)
        if patient_id is not None:
            self._looks[stream] = patient_id
        for changed in {before, patient_id} - {None} if before != patient_id else ():
            assert changed is not None
            self._tell(changed)

    def _viewers(self, patient_id: str) -> list[Viewer]:
        """Each of them once, however many tabs they have."""
        return sorted({self._streams[stream] for stream, at in self._looks.items() if at == patient_id})
