"""A nurse says how she is reached, and takes an alarm by the link in a message, in a real browser."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from server.alarms import store as alarms
from server.alarms import table
from server.notify.config import Push
from server.notify.phone import messages
from server.notify.sender import SendError
from server.notify.senders.push import PushSender, Vapid
from tests.server.notify.push_service import Browser as Subscribed
from tests.server.notify.sink import Sink, sink

from .conftest import SignIn, Ward, assert_accessible

pytestmark = pytest.mark.chromium


@pytest.fixture(name="service")
def _service() -> Iterator[Sink]:
    with sink() as made:
        yield made


def told(ward: Ward, name: str) -> list[str]:
    with ward.server.db.read() as tx:
        return [one.text for one in messages(tx) if one.to == name]


def test_a_way_is_added_confirmed_tried_and_removed(ward: Ward, signed_in: SignIn) -> None:
    page = signed_in("kari")
    page.get_by_role("link", name="Kari Berg: slik nås du").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Slik nås du")
    expect(page.get_by_text("Kommunens nummer.")).to_be_visible()
    assert_accessible(page)
    add = page.get_by_role("region", name="Legg til en måte")
    add.get_by_role("button", name="Send kode").click()
    expect(add.get_by_text("Fyll inn adressen.")).to_be_visible()
    assert_accessible(page)
    add.get_by_label("Måte").select_option("E-post")
    add.get_by_role("textbox", name="E-postadresse").fill("kari@")
    add.get_by_role("button", name="Send kode").click()
    expect(add.get_by_role("alert")).to_contain_text("Dit kan ikke noe sendes")
    add.get_by_role("textbox", name="E-postadresse").fill("kari@example.no")
    add.get_by_label("Når").select_option("Etter 2 min")
    add.get_by_role("button", name="Send kode").click()
    row = page.get_by_role("listitem").filter(has_text="kari@example.no")
    expect(row).to_contain_text("Ikke bekreftet")
    expect(page.get_by_text("Kommunens nummer.")).to_be_visible()
    row.get_by_role("textbox", name="Koden som kom til kari@example.no").fill("000000")
    row.get_by_role("button", name="Bekreft").click()
    expect(row.get_by_role("alert")).to_contain_text("Det er ikke koden")
    assert_accessible(page)
    [text] = told(ward, "Kari Berg")
    found = re.search(r"\d{6}", text)
    assert found
    row.get_by_role("textbox").fill(found[0])
    row.get_by_role("button", name="Bekreft").click()
    expect(row.get_by_role("button", name="Prøv kari@example.no")).to_be_visible()
    expect(page.get_by_text("Kommunens nummer.")).to_have_count(0)
    expect(row.get_by_label("Når kari@example.no brukes")).to_have_value("2")
    row.get_by_role("button", name="Prøv kari@example.no").click()
    expect(row.get_by_text("Prøvemelding sendt")).to_be_visible()
    assert "dette er en prøve" in told(ward, "Kari Berg")[-1]
    assert_accessible(page)
    row.get_by_label("Når kari@example.no brukes").select_option("Etter 1 min")
    expect(row.get_by_label("Når kari@example.no brukes")).to_have_value("1")
    page.reload()
    expect(row.get_by_label("Når kari@example.no brukes")).to_have_value("1")
    row.get_by_role("button", name="Fjern kari@example.no").click()
    expect(row).to_have_count(0)
    expect(page.get_by_text("Kommunens nummer.")).to_be_visible()


def test_what_went_wrong_is_said_in_the_language_of_the_page(ward: Ward, signed_in: SignIn) -> None:
    class Down:
        def send(self, _message: object) -> None:
            raise SendError("no such number", "correct it", for_good=True)

    ward.server.senders["sms"] = Down()  # type: ignore[assignment]
    page = signed_in("kari")
    page.get_by_role("button", name="English").or_(page.get_by_role("radio", name="English")).first.click()
    page.goto("/me")
    expect(page.get_by_role("heading", level=1)).to_have_text("How you are reached")
    add = page.get_by_role("region", name="Add a way")
    add.get_by_role("textbox", name="Phone number").fill("+47 911 11 111")
    add.get_by_role("button", name="Send a code").click()
    expect(add.get_by_role("alert")).to_contain_text("The message did not get away")
    assert_accessible(page)


STUB = """
const point = %s;
PushManager.prototype.subscribe = async function (how) {
  globalThis.asked = how;
  globalThis.subscribed = { toJSON: () => point, unsubscribe: async () => true };
  return globalThis.subscribed;
};
PushManager.prototype.getSubscription = async () => globalThis.subscribed ?? null;
"""


def test_this_browser_is_told_also_when_the_page_is_shut(
    ward: Ward, signed_in: SignIn, service: Sink, tmp_path: Path
) -> None:
    """The push service is ours, since a test speaks with nobody else's; the worker and its notification are real."""
    sender = PushSender(Push("mailto:drift@example.no", ("127.0.0.1",)), Vapid.open(tmp_path / "keys"))
    ward.server.senders["push"] = sender
    subscribed = Subscribed(service)

    def allowed(context: BrowserContext) -> None:
        context.grant_permissions(["notifications"])
        context.add_init_script(STUB % subscribed.subscription)

    page = signed_in("kari", allowed)
    page.goto("/me")
    here = page.get_by_role("region", name="Denne nettleseren")
    here.get_by_role("button", name="Varsle i denne nettleseren").click()
    expect(here.get_by_text("Denne nettleseren er med.")).to_be_visible()
    assert page.evaluate("globalThis.asked.applicationServerKey") == sender.vapid.public
    assert_accessible(page)
    row = page.get_by_role("listitem").filter(has_text="Chrome, Linux")
    row.get_by_role("button", name="Prøv").click()
    expect(row.get_by_text("Prøvemelding sendt")).to_be_visible()
    ward.deteriorate()
    said = [subscribed.opened(one, sender.vapid.public) for one in service.asked]
    assert said[0]["body"].startswith("Hjemvakt: dette er en prøve")
    alarm = said[-1]
    assert re.fullmatch(r"(Du varsles om alarm|You are called about alarm) \d+\.", alarm["body"])
    shown = _delivered(page, ward, alarm)
    assert shown == [alarm["title"], alarm["body"], alarm["link"]]
    service.answers.append((410, b""))
    row.get_by_role("button", name="Prøv").click()
    expect(row).to_have_count(0)


def _delivered(page: Page, ward: Ward, said: dict[str, str]) -> list[str]:
    """Hand the push to the browser as its push service would; what it then shows."""
    cdp = page.context.new_cdp_session(page)
    versions: list[str] = []
    cdp.on(
        "ServiceWorker.workerRegistrationUpdated",
        lambda told: versions.extend(one["registrationId"] for one in told["registrations"]),
    )
    cdp.send("ServiceWorker.enable")
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    assert versions
    push = {"origin": ward.url, "registrationId": versions[-1], "data": json.dumps(said)}
    cdp.send("ServiceWorker.deliverPushMessage", push)
    # Asked again within the page: `wait_for_function` takes the promise of an answer for one.
    look = """async () => {
      const worker = await navigator.serviceWorker.getRegistration("/push.js");
      const began = performance.now();
      while (performance.now() < began + 15_000) {
        const [one] = await worker.getNotifications();
        if (one) return [one.title, one.body, one.data.link];
        await new Promise((next) => setTimeout(next, 20));
      }
    }"""
    found: list[str] = page.evaluate(look)
    return found


@pytest.fixture
def telephone(chromium: Browser, ward: Ward) -> Iterator[Callable[[str], Page]]:
    """A telephone without script, in a language."""
    contexts = []

    def made(language: str) -> Page:
        contexts.append(
            chromium.new_context(
                base_url=ward.url, locale=language, java_script_enabled=False, viewport={"width": 390, "height": 844}
            )
        )
        return contexts[-1].new_page()

    yield made
    for context in contexts:
        context.close()


def link(ward: Ward, name: str) -> str:
    found = re.search(r"https?://\S+", told(ward, name)[-1])
    assert found
    return found[0]


@pytest.mark.parametrize(
    ("language", "take", "mine"), [("nb-NO", "Jeg tar den", "Du har"), ("en-GB", "I take it", "You have")]
)
def test_the_link_in_a_message_takes_the_alarm_with_one_button_and_no_script(
    ward: Ward, telephone: Callable[[str], Page], chromium: Browser, language: str, take: str, mine: str
) -> None:
    ward.deteriorate()
    phone = telephone(language)
    phone.goto(link(ward, "Kari Berg"))
    _accessible_twin(chromium, phone)
    with ward.server.db.read() as tx:
        assert all(alarm.acknowledged_by is None for alarm in table.all_open(tx))
    phone.get_by_role("button", name=take).click()
    expect(phone.get_by_role("heading", level=1)).to_contain_text(mine)
    _accessible_twin(chromium, phone)
    with ward.server.db.read() as tx:
        [alarm] = [one for one in table.all_open(tx, ["p-1"]) if one.kind == "clinical"]
    assert alarm.acknowledged_by == "Kari Berg"
    second = telephone(language)
    second.goto(link(ward, "Mona Dahl"))
    expect(second.get_by_role("heading", level=1)).to_contain_text("Kari Berg")
    _accessible_twin(chromium, second)
    with ward.server.db.write() as tx:
        [alarm] = [one for one in table.all_open(tx, ["p-1"]) if one.kind == "clinical"]
        alarms.close(tx, alarm, "Kari Berg", ward.clock.now_ns(), "phoned_patient", "resolved_at_home", 4)
    second.reload()
    _accessible_twin(chromium, second)
    second.goto("/a/none")
    _accessible_twin(chromium, second)


def _accessible_twin(chromium: Browser, phone: Page) -> None:
    """axe is a script, so it reads the same page in a browser that has one."""
    context = chromium.new_context()
    try:
        page = context.new_page()
        page.goto(phone.url)
        assert_accessible(page)
    finally:
        context.close()
