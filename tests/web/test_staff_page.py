"""What a nurse sees, in a real browser: an alarm appears by itself, is acknowledged here and seen there, and is closed.

axe looks at every state, not only at the one the page loads in.
"""

from collections.abc import Callable

import pytest
from msgspec.structs import replace
from playwright.sync_api import BrowserContext, expect

from server.fleet import desired
from vitals.wire import Health, Settings, encode, up

from .conftest import PASSWORD, SignIn, Ward, assert_accessible

pytestmark = pytest.mark.chromium


def test_a_wrong_password_is_told_and_the_right_one_opens_the_worklist(
    fresh: Callable[[], BrowserContext], ward: Ward
) -> None:
    page = fresh().new_page()
    page.goto("/")
    assert_accessible(page)
    page.get_by_role("textbox", name="Brukernavn").fill("kari")
    page.get_by_role("textbox", name="Passord").fill("feil")
    page.get_by_role("button", name="Logg inn").click()
    expect(page.get_by_text("Feil brukernavn eller passord")).to_be_visible()
    assert_accessible(page)
    page.get_by_role("textbox", name="Passord").fill(PASSWORD)
    page.get_by_role("button", name="Logg inn").click()
    expect(page.get_by_role("region", name="Uten alarm")).to_contain_text("Solveig Nilsen")
    assert_accessible(page)


def test_an_alarm_appears_without_a_reload_and_is_acknowledged_in_one_browser_and_seen_in_another(
    ward: Ward, signed_in: SignIn
) -> None:
    kari, mona = signed_in("kari"), signed_in("mona")
    for page in (kari, mona):
        page.evaluate("window.neverReloaded = true")
    ward.deteriorate()
    for page in (kari, mona):
        clinical = page.get_by_role("region", name="Kliniske alarmer")
        expect(clinical).to_contain_text("Solveig Nilsen")
        expect(clinical).to_contain_text("SpO₂ 85 %")
        assert_accessible(page)
    kari.get_by_role("button", name="Kvitter klinisk alarm for Solveig Nilsen").click()
    for page in (kari, mona):
        expect(page.locator('li[data-patient="p-1"]')).to_contain_text("Kari Berg")
        assert page.evaluate("window.neverReloaded"), "live, without a reload"
        assert_accessible(page)


def test_who_was_first_is_named_to_the_one_who_was_second(ward: Ward, signed_in: SignIn) -> None:
    kari = signed_in("kari")
    ward.deteriorate()
    # Mona's browser hears nothing more after it has loaded: she still sees the alarm as nobody's.
    mona = signed_in("mona", lambda context: context.route("**/api/stream", lambda route: route.abort()))
    expect(mona.get_by_role("region", name="Kliniske alarmer")).to_contain_text("Solveig Nilsen")
    kari.get_by_role("button", name="Kvitter klinisk alarm for Solveig Nilsen").click()
    expect(kari.locator('li[data-patient="p-1"]')).to_contain_text("Kari Berg")
    mona.get_by_role("button", name="Kvitter klinisk alarm for Solveig Nilsen").click()
    expect(mona.locator('li[data-patient="p-1"]').get_by_role("alert")).to_contain_text("Kari Berg")
    assert_accessible(mona)


def test_a_broken_link_is_told_and_stays_told(ward: Ward, signed_in: SignIn) -> None:
    page = signed_in("kari", lambda context: context.route("**/api/stream", lambda route: route.abort()))
    expect(page.get_by_text("Ingen forbindelse med serveren")).to_be_visible(timeout=20_000)
    assert_accessible(page)


def test_a_server_that_cannot_store_says_so_for_as_long_as_it_cannot(ward: Ward, signed_in: SignIn) -> None:
    page = signed_in("kari")
    told = page.get_by_text("Serveren kan ikke lagre det hjemmene sender.")
    expect(page.get_by_role("region", name="Kliniske alarmer")).to_be_attached()
    expect(told).to_have_count(0)
    ward.server.hub.screens.deaf = lambda: True
    expect(told).to_be_visible(timeout=20_000)
    assert_accessible(page)
    ward.server.hub.screens.deaf = lambda: False
    expect(told).to_have_count(0, timeout=20_000)


def test_the_patients_page_answers_why_and_the_alarm_is_closed_with_an_outcome(ward: Ward, signed_in: SignIn) -> None:
    ward.deteriorate()
    page = signed_in("kari")
    page.get_by_role("link", name="Åpne Solveig Nilsen").click()
    expect(page.get_by_role("heading", level=1, name="Solveig Nilsen")).to_be_visible()
    alarm = page.get_by_role("article", name="Høy, klinisk")
    expect(alarm).to_contain_text("SpO₂ 85 %")
    expect(alarm).to_contain_text("spo2_floor")
    expect(page.locator("canvas").first).to_be_visible()
    assert_accessible(page)
    alarm.get_by_role("button", name="Kvitter").click()
    expect(alarm).to_contain_text("Kari Berg")
    assert_accessible(page)
    alarm.get_by_role("button", name="Avslutt").click()
    dialog = page.get_by_role("dialog", name="Avslutt alarm for Solveig Nilsen")
    expect(dialog).to_be_visible()
    assert_accessible(page)
    dialog.get_by_role("combobox", name="Hva gjorde du?").select_option(index=1)
    dialog.get_by_role("combobox", name="Hvordan gikk det?").select_option(index=1)
    dialog.get_by_role("radio", name="5").check()
    dialog.get_by_role("button", name="Avslutt alarmen").click()
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("article", name="Høy, klinisk").get_by_role("button", name="Kvitter")).to_have_count(0)
    assert_accessible(page)
    page.get_by_role("link", name="Arbeidsliste").click()
    expect(page.get_by_role("region", name="Uten alarm")).to_contain_text("Solveig Nilsen")


def test_escalating_tells_the_doctor_and_the_phone_shows_it(ward: Ward, signed_in: SignIn) -> None:
    page, phones = signed_in("kari"), signed_in("nils")
    ward.deteriorate()
    phones.goto("/phone")
    expect(phones.get_by_role("region", name="Telefonen til Kari Berg")).to_contain_text("RED")
    page.goto("/patient/p-1")
    page.get_by_role("article", name="Høy, klinisk").get_by_role("button", name="Eskaler").click()
    dialog = page.get_by_role("dialog", name="Eskaler alarm for Solveig Nilsen")
    expect(dialog).to_be_visible()
    assert_accessible(page)
    dialog.get_by_role("combobox", name="Til hvem?").select_option("ladder")
    assert_accessible(page)
    dialog.get_by_role("textbox", name="Notat").fill("Blå på leppene")
    dialog.get_by_role("button", name="Varsle nå").click()
    expect(dialog).to_be_hidden()
    ward.server.tick(ward.clock.advance(seconds=1))
    expect(phones.get_by_role("region", name="Telefonen til Dr. Nils Haugen")).to_contain_text("RED")
    assert_accessible(phones)


def test_the_page_speaks_english_too(ward: Ward, signed_in: SignIn) -> None:
    page = signed_in("kari")
    ward.deteriorate()
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("region", name="Clinical alarms")).to_contain_text("SpO₂ 85 %")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    assert_accessible(page)


def test_the_keyboard_is_enough(ward: Ward, signed_in: SignIn) -> None:
    page = signed_in("kari")
    ward.deteriorate()
    expect(page.get_by_role("region", name="Kliniske alarmer")).to_contain_text("Solveig Nilsen")
    page.keyboard.press("j")
    page.keyboard.press("a")
    expect(page.locator('li[data-patient="p-1"]')).to_contain_text("Kari Berg")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1, name="Solveig Nilsen")).to_be_visible()


def test_the_equipment_page_shows_homes_and_to_an_administrator_what_could_not_be_filed(
    ward: Ward, signed_in: SignIn
) -> None:
    ward.server.receive("hjemvakt/1/home-1/up/obs", b"{ not a message")
    for username, sees in (("kari", 0), ("anne", 1)):
        page = signed_in(username)
        page.get_by_role("link", name="Utstyr").click()
        expect(page.get_by_role("region", name="Boks home-1")).to_be_visible()
        expect(page.get_by_role("table", name="Karantene")).to_have_count(sees)
        assert_accessible(page)


def test_the_equipment_page_says_how_far_a_gateways_configuration_has_come(ward: Ward, signed_in: SignIn) -> None:
    page = signed_in("anne")
    page.get_by_role("link", name="Utstyr").click()
    home = page.get_by_role("region", name="Boks home-1")
    expect(home).to_contain_text("Programvare")
    expect(home).not_to_contain_text("Oppsett")
    with ward.server.db.write() as tx:
        wanted = desired.change(tx, "home-1", Settings(heartbeat_s=30.0), "Anne Moen", ward.clock.now_ns())
    told = Health("home-1", "e", ward.clock.now_ns(), "0.1", 0)
    for changes, shown in (
        ({}, "venter"),
        ({"config_refused": "version 1: needs a radio"}, "avvist"),
        ({"config_version": 1, "config_hash": wanted.hash}, "tatt i bruk"),
    ):
        ward.server.receive(up("home-1", "health"), encode(replace(told, **changes)))
        page.reload()
        expect(home).to_contain_text(f"Oppsett{shown}")
        expect(home.get_by_text("version 1: needs a radio")).to_have_count(int(shown == "avvist"))
        assert_accessible(page)
