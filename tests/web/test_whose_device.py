"""A device is given to a patient and taken back on the equipment page; before it is done, what follows is said."""

import pytest
from playwright.sync_api import Locator, Page, expect

from server.fleet import holders

from .conftest import SignIn, Ward, assert_accessible

pytestmark = pytest.mark.chromium


def at_home(page: Page, number: int) -> Locator:
    page.get_by_role("link", name="Utstyr").click()
    return page.get_by_role("region", name=f"Boks home-{number}")


def say_why(dialog: Locator, why: str) -> None:
    dialog.get_by_role("textbox", name="Hvorfor?").fill(why)
    dialog.get_by_role("button", name="Se hva som følger").click()


def test_a_device_is_taken_back_and_given_to_another_and_the_page_says_who_had_it_when(
    ward: Ward, signed_in: SignIn
) -> None:
    ward.measure(95, 70)
    page = signed_in("kari")
    home = at_home(page, 1)
    expect(home).to_contain_text("oxi-1Solveig Nilsen")
    assert_accessible(page)
    home.get_by_role("button", name="Ta tilbake … oxi-1").click()
    dialog = page.get_by_role("dialog", name="Ta oxi-1 tilbake fra Solveig Nilsen")
    dialog.get_by_role("button", name="Se hva som følger").click()
    expect(dialog).to_contain_text("minst tre tegn")
    assert_accessible(page)
    dialog.get_by_role("radio", name="Et tidligere tidspunkt").check()
    dialog.get_by_label("Dato og klokkeslett").fill("2026-11-21T07:30")
    say_why(dialog, "Levert inn")
    expect(dialog).to_contain_text("2 målinger etter dette er alt lagret på Solveig Nilsen og blir stående der")
    assert_accessible(page)
    with ward.server.db.read() as tx:
        assert holders.history(tx, "oxi-1")[0].to_ns is None, "nothing is done before the second step"
    dialog.get_by_role("button", name="Ta tilbake", exact=True).click()
    expect(dialog).to_be_hidden()
    expect(home).to_contain_text("oxi-1Ikke tildelt")
    home.get_by_role("button", name="Tildel … oxi-1").click()
    dialog = page.get_by_role("dialog", name="Tildel oxi-1")
    dialog.get_by_role("combobox", name="Hvem skal ha den?").select_option(label="Arne Johansen, 1948, Rognan")
    say_why(dialog, "Utlevert")
    expect(dialog).to_contain_text("blir Arne Johansen sine målinger")
    dialog.get_by_role("button", name="Tildel", exact=True).click()
    expect(home).to_contain_text("oxi-1Arne Johansen")
    home.get_by_text("Hvem har hatt den").first.click()
    had = home.get_by_role("list", name="Hvem har hatt oxi-1").get_by_role("listitem")
    expect(had.nth(0)).to_contain_text("tildelt av Kari Berg")
    expect(had.nth(1)).to_contain_text("tatt tilbake av Kari Berg")
    assert_accessible(page)


def test_a_gateway_is_found_by_its_patient_and_by_what_is_wrong(ward: Ward, signed_in: SignIn) -> None:
    page = signed_in("kari")
    home = at_home(page, 3)
    page.get_by_role("searchbox").fill("eli vik")
    expect(home).to_be_visible()
    expect(page.get_by_role("region", name="Boks home-1")).to_have_count(0)
    page.get_by_role("searchbox").fill("")
    page.get_by_role("checkbox", name="Bare det som trenger tilsyn").check()
    expect(home).to_have_count(0)
    expect(page.get_by_role("region", name="Boks home-2")).to_be_visible()  # its oximeter is nobody's
    assert_accessible(page)
