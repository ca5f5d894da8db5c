"""A nurse orders a dose from the patient's page, and reads there what became of it."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from vitals.events import Event
from vitals.wire import Command as Message
from vitals.wire import DeviceHealth, Health, decode, encode, up

from .conftest import SignIn, Ward, assert_accessible

pytestmark = pytest.mark.chromium


@pytest.fixture
def at_solveigs(ward: Ward, signed_in: SignIn) -> Page:
    """Kari has Solveig's page open, and Solveig's dispenser takes orders."""
    devices = (DeviceHealth("disp-1", "hjemvakt-dispenser", "connected", orders=("dispense", "lock", "unlock")),)
    told = Health("home-1", "e", ward.clock.now_ns(), "test", 0, devices=devices)
    ward.server.receive(up("home-1", "health"), encode(told))
    page = signed_in("kari")
    page.goto("/patient/p-1")
    expect(orders(page)).to_contain_text("Ingen ordre er gitt")
    return page


def orders(page: Page) -> Locator:
    return page.get_by_role("region", name="Ordre til dispenseren")


def order_a_dose(page: Page, ward: Ward) -> str:
    """Through the dialog, to the order's id as the gateway gets it."""
    published: list[tuple[str, bytes]] = []
    ward.server.publish = published.extend
    orders(page).get_by_role("button", name="Gi en ordre").click()
    dialog = page.get_by_role("dialog", name="Ordre til dispenseren til Solveig Nilsen")
    dialog.get_by_role("radio", name="Gi en ekstra dose nå").check()
    dialog.get_by_role("textbox", name="Fra hvilket rom?").fill("3")
    dialog.get_by_role("textbox", name="Hvorfor?").fill("Mistet kveldsdosen på gulvet")
    dialog.get_by_role("button", name="Gå videre").click()
    dialog.get_by_role("button", name="Send ordren").click()
    expect(dialog).to_be_hidden()
    ward.server.tick(ward.clock.advance(seconds=1))
    ((topic, payload),) = [one for one in published if one[0].endswith("/down/command")]
    assert topic == "hjemvakt/1/home-1/down/command"
    return decode(payload, Message).order


def tell(ward: Ward, order: str, step: str, **more: str) -> None:
    ward.take("home-1", "disp-1", Event(f"order.{step}", ward.clock.now_ns(), {"order": order, **more}))


def test_an_order_is_given_in_two_steps_and_what_is_missing_is_said(
    ward: Ward, at_solveigs: Page, tmp_path: Path
) -> None:
    page = at_solveigs
    assert_accessible(page)
    orders(page).get_by_role("button", name="Gi en ordre").click()
    dialog = page.get_by_role("dialog", name="Ordre til dispenseren til Solveig Nilsen")
    expect(dialog).to_be_visible()
    assert_accessible(page)
    expect(dialog.get_by_role("radio")).to_have_count(3)
    dialog.get_by_role("button", name="Gå videre").click()
    for wrong in ("Velg hva den skal gjøre", "Skriv hvorfor"):
        expect(dialog).to_contain_text(wrong)
    dialog.get_by_role("radio", name="Gi en ekstra dose nå").check()
    dialog.get_by_role("textbox", name="Fra hvilket rom?").fill("tre")
    dialog.get_by_role("textbox", name="Hvorfor?").fill("Mistet kveldsdosen på gulvet")
    dialog.get_by_role("button", name="Gå videre").click()
    expect(dialog).to_contain_text("Skriv et tall fra 1 til 254")
    assert_accessible(page)
    dialog.get_by_role("textbox", name="Fra hvilket rom?").fill("3")
    dialog.get_by_role("button", name="Gå videre").click()
    expect(dialog).to_contain_text("Gi en ekstra dose nå, fra rom 3")
    expect(dialog).to_contain_text("høyst én gang")
    assert_accessible(page)
    dialog.get_by_role("button", name="Tilbake").click()
    expect(dialog.get_by_role("textbox", name="Fra hvilket rom?")).to_have_value("3")
    dialog.get_by_role("button", name="Avbryt").click()
    expect(orders(page)).to_contain_text("Ingen ordre er gitt")


def test_its_way_is_told_in_words_as_it_goes(ward: Ward, at_solveigs: Page) -> None:
    page = at_solveigs
    order = order_a_dose(page, ward)
    expect(orders(page)).to_contain_text("Gi en ekstra dose nå, fra rom 3 08:00")
    expect(orders(page)).to_contain_text("Ikke mottatt av boksen i hjemmet ennå. Gjelder til 08:15.")
    expect(orders(page)).to_contain_text("Gitt av Kari Berg: Mistet kveldsdosen på gulvet")
    assert_accessible(page)
    for step, words in (
        ("received", "Mottatt i hjemmet 08:00. Venter på dispenseren, til 08:15."),
        ("sent", "Sendt til dispenseren 08:00. Venter på svar."),
        ("done", "Utført 08:00."),
    ):
        tell(ward, order, step)
        expect(orders(page)).to_contain_text(words)
        assert_accessible(page)


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ("refused", "Ikke utført, 08:00. Årsak: it is locked."),
        ("expired", "Ikke utført: dispenseren var ikke å nå innen 08:15."),
    ],
)
def test_what_was_not_done_is_told_with_the_reason(ward: Ward, at_solveigs: Page, step: str, words: str) -> None:
    order = order_a_dose(at_solveigs, ward)
    tell(ward, order, step, why="it is locked")
    expect(orders(at_solveigs)).to_contain_text(words)
    assert_accessible(at_solveigs)


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        (("unknown",), "Ukjent: se på dispenseren, eller ring pasienten."),
        (("refused", "done"), "Motstrid"),
    ],
)
def test_what_nobody_knows_alarms_until_somebody_has_looked(
    ward: Ward, at_solveigs: Page, steps: tuple[str, ...], words: str
) -> None:
    page = at_solveigs
    order = order_a_dose(page, ward)
    for step in steps:
        tell(ward, order, step)
    expect(orders(page)).to_contain_text(words)
    expect(page.get_by_role("article", name="Middels, klinisk")).to_contain_text("se på dispenseren")
    assert_accessible(page)
    orders(page).get_by_role("button", name="Si hva du fant").click()
    dialog = page.get_by_role("dialog", name="Dispenseren til Solveig Nilsen: hva fant du?")
    dialog.get_by_role("button", name="Lagre").click()
    expect(dialog).to_contain_text("Velg ett svar")
    assert_accessible(page)
    dialog.get_by_role("radio", name=re.compile("^ikke utført")).check()
    dialog.get_by_role("textbox", name="Notat").fill("Ringte, dosen ligger igjen.")
    dialog.get_by_role("button", name="Lagre").click()
    expect(dialog).to_be_hidden()
    expect(orders(page)).to_contain_text("Kari Berg så etter 08:00: ikke utført. Ringte, dosen ligger igjen.")
    expect(orders(page).get_by_role("button", name="Si hva du fant")).to_have_count(0)
    assert_accessible(page)


def test_the_same_ordered_twice_is_refused_with_who_was_first(ward: Ward, at_solveigs: Page) -> None:
    page = at_solveigs
    order_a_dose(page, ward)
    orders(page).get_by_role("button", name="Gi en ordre").click()
    dialog = page.get_by_role("dialog", name="Ordre til dispenseren til Solveig Nilsen")
    dialog.get_by_role("radio", name="Gi en ekstra dose nå").check()
    dialog.get_by_role("textbox", name="Fra hvilket rom?").fill("4")
    dialog.get_by_role("textbox", name="Hvorfor?").fill("Igjen")
    dialog.get_by_role("button", name="Gå videre").click()
    dialog.get_by_role("button", name="Send ordren").click()
    expect(dialog.get_by_role("alert")).to_contain_text("Kari Berg has ordered the same")
    assert_accessible(page)


def test_a_patient_without_a_dispenser_has_no_such_section(ward: Ward, signed_in: SignIn) -> None:
    page = signed_in("kari")
    page.goto("/patient/p-2")
    expect(page.get_by_role("heading", level=1, name="Arne Johansen")).to_be_visible()
    expect(page.get_by_role("region", name="Utstyr")).to_be_visible()
    expect(orders(page)).to_have_count(0)


def test_it_is_there_in_english_too(ward: Ward, at_solveigs: Page) -> None:
    page = at_solveigs
    tell(ward, order_a_dose(page, ward), "unknown")
    page.get_by_role("button", name="English").click()
    section = page.get_by_role("region", name="Orders to the dispenser")
    expect(section).to_contain_text("Give an extra dose now, from compartment 3")
    expect(section).to_contain_text("Unknown: look at the dispenser, or call the patient.")
    assert_accessible(page)


def test_a_double_click_never_gets_past_the_question(ward: Ward, at_solveigs: Page) -> None:
    page = at_solveigs
    orders(page).get_by_role("button", name="Gi en ordre").click()
    dialog = page.get_by_role("dialog", name="Ordre til dispenseren til Solveig Nilsen")
    dialog.get_by_role("radio", name="Lås", exact=True).check()
    dialog.get_by_role("textbox", name="Hvorfor?").fill("Innlagt")
    dialog.get_by_role("button", name="Gå videre").click()
    send = dialog.get_by_role("button", name="Send ordren")
    expect(send).to_be_visible()
    send.dispatch_event("click", {"detail": 2})
    expect(send).to_be_visible()
    send.click()
    expect(dialog).to_be_hidden()
    expect(orders(page)).to_contain_text("Lås 08:00")
