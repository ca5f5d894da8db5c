"""A patient's page."""

from server.alarms.api import AlarmView
from server.api import PatientBrief, Priority, Shape, Text
from server.fleet.api import DeviceView
from server.held.api import HeldValue, Question
from server.readings.api import Channel, News2, Value
from server.startup.api import ProposalView, StartupView
from server.wishes.api import WishView


class ActionView(Shape):
    """What the programme says is to be done about an alarm of this priority, or (`rule`) about what that rule finds."""

    priority: Priority
    rule: str | None
    do: Text
    steps: list[Text]
    source: str


class PlanView(Shape):
    """The programme that the patient follows now, and what it says is to be done."""

    programme: str
    version: str
    actions: list[ActionView]


class PatientPage(Shape):
    patient: PatientBrief
    phone: str
    conditions: list[str]
    limits: dict[str, float | None]
    latest: list[Value]
    emptied: list[Channel]
    """Of which nothing counts that was measured: somebody has said of all of it that it is wrong."""
    news2: News2 | None
    gateway: str | None
    gateway_online: bool | None
    devices: list[DeviceView]
    alarms: list[AlarmView]
    """Open ones first, then the latest closed."""
    questions: list[Question]
    """Open ones first, then the latest answered."""
    unjudged: HeldValue | None
    """A first weight of these days: it was filed, for there was nothing to hold it against."""
    wishes: list[WishView]
    """What the home is asked now, and the latest that is over, the newest first."""
    startup: StartupView | None
    proposals: list[ProposalView]
    """The newest first."""
    plan: PlanView
