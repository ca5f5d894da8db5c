"""People, keys, the broken glass and who saw what, in a real browser; axe looks at every state."""

import pyotp
import pytest
from playwright.sync_api import expect

from .conftest import PASSWORD, SignIn, Ward, assert_accessible

pytestmark = pytest.mark.chromium


def test_an_administrator_sees_the_people_and_locks_one_out(ward: Ward, signed_in: SignIn) -> None:
    kari, page = signed_in("kari"), signed_in("anne")
    page.get_by_role("link", name="Personer").click()
    row = page.get_by_role("row", name="Mona Dahl")
    expect(row).to_contain_text("sykepleier")
    assert_accessible(page)
    page.get_by_role("button", name="Sperr Kari Berg").click()
    expect(page.get_by_role("row", name="Kari Berg")).to_contain_text("Sperret")
    assert_accessible(page)
    kari.goto("/")
    kari.get_by_role("textbox", name="Brukernavn").wait_for()


def test_a_second_step_is_enrolled_and_asked_for(ward: Ward, signed_in: SignIn) -> None:
    page = signed_in("kari")
    page.goto("/me/security")
    page.get_by_role("button", name="Sett opp to trinn").click()
    page.get_by_role("textbox", name="Passord").fill(PASSWORD)
    assert_accessible(page)
    page.get_by_role("button", name="Fortsett").click()
    page.get_by_role("img", name="Firkantkode").wait_for()
    assert_accessible(page)
    secret = page.locator(".secret code").inner_text().replace(" ", "")
    page.get_by_role("textbox", name="Koden appen viser").fill(pyotp.TOTP(secret).now())
    page.get_by_role("button", name="Bekreft").click()
    expect(page.get_by_role("heading", name="Reservekoder")).to_be_visible()
    code = page.locator(".recovery code").first.inner_text()
    assert_accessible(page)
    page.get_by_role("button", name="Logg ut").first.click()
    page.get_by_role("textbox", name="Brukernavn").fill("kari")
    page.get_by_role("textbox", name="Passord").fill(PASSWORD)
    page.get_by_role("button", name="Logg inn").click()
    page.get_by_role("textbox", name="Kode").fill(code)
    assert_accessible(page)
    page.get_by_role("button", name="Logg inn").click()
    page.get_by_role("region", name="Uten alarm").wait_for()


def test_behaviour_20_the_patients_page_says_who_saw_it(ward: Ward, signed_in: SignIn) -> None:
    page = signed_in("kari")
    page.goto("/patient/p-1")
    page.get_by_role("button", name="Vis Hvem så og gjorde hva").click()
    expect(page.get_by_role("row", name="Kari Berg").first).to_contain_text("så")
    assert_accessible(page)


def test_who_signs_in_where_anothers_session_ended_sees_nothing_that_was_fetched_for_them(
    ward: Ward, signed_in: SignIn
) -> None:
    ward.deteriorate()
    page = signed_in("kari")
    page.get_by_role("searchbox", name="Søk etter navn").fill("solveig")
    expect(page.get_by_role("status").filter(has_text="Filteret skjuler 2 pasienter")).to_be_visible()
    page.get_by_role("link", name="Solveig Nilsen", exact=True).click()
    alarm = page.get_by_role("article", name="Høy, klinisk")
    expect(alarm).to_be_visible()
    page.context.clear_cookies()  # her session is over, and the page has not heard of it
    alarm.get_by_role("button", name="Kvitter").click()
    page.get_by_role("textbox", name="Brukernavn").fill("mona")
    page.get_by_role("textbox", name="Passord").fill(PASSWORD)
    with page.expect_request("**/api/patients/p-1"):
        page.get_by_role("button", name="Logg inn").click()
    expect(alarm).to_be_visible()
    page.get_by_role("link", name="Arbeidsliste").click()
    expect(page.get_by_role("link", name="Eli Vik", exact=True)).to_be_visible()
    expect(page.get_by_text("Filteret skjuler")).to_have_count(0)


def test_who_could_not_be_signed_out_is_told_so(ward: Ward, signed_in: SignIn) -> None:
    page = signed_in("kari")
    page.route("**/api/session", lambda route: route.abort())
    page.get_by_role("button", name="Logg ut").click()
    expect(page.get_by_role("alert").filter(has_text="Du er fortsatt logget inn.")).to_be_visible()
    assert_accessible(page)
    page.unroute("**/api/session")
    page.get_by_role("button", name="Logg ut").click()
    expect(page.get_by_role("textbox", name="Brukernavn")).to_be_visible()


def test_from_a_patient_who_is_not_ones_own_there_is_a_way_in_need(ward: Ward, signed_in: SignIn) -> None:
    page = signed_in("nils")
    page.goto("/patient/somebody")
    page.get_by_role("button", name="Nødtilgang").click()
    page.get_by_role("button", name="Åpne med nødtilgang").click()
    expect(page.get_by_role("dialog")).to_contain_text("minst ti tegn")
    assert_accessible(page)
