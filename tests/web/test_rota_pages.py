"""Who is told, in a real browser: a roster is made, changed for a while and shown; ladders are tried and saved."""

import pytest
from playwright.sync_api import expect

from server.access.store import lock
from server.oncall.store import newest_of

from .conftest import START_NS, SignIn, Ward, assert_accessible, assert_accessible_in_both_languages

pytestmark = pytest.mark.chromium


def make_roster(page) -> None:
    page.get_by_role("link", name="Vakt", exact=True).click()
    page.get_by_role("link", name="Lag en vaktliste").click()
    page.get_by_role("textbox", name="Kort navn").fill("pleie")
    page.get_by_role("textbox", name="Navn", exact=True).fill("Sykepleiere")
    shift = page.get_by_role("group", name="Vakt: 1")
    for name in ("kari", "mona"):
        shift.get_by_role("combobox", name="Legg til person").select_option(name)
    assert_accessible(page)
    page.get_by_role("button", name="Lagre").click()
    expect(page.get_by_role("region", name="Sykepleiere")).to_contain_text("Kari Berg")


def test_a_roster_is_made_and_says_who_is_on_and_who_is_locked_out_is_replaced(ward: Ward, signed_in: SignIn) -> None:
    anne = signed_in("anne")
    make_roster(anne)
    roster = anne.get_by_role("region", name="Sykepleiere")
    expect(roster.get_by_role("table")).to_contain_text("Mona Dahl")
    assert_accessible(anne)
    with ward.server.db.write() as tx:
        lock(tx, "kari", START_NS)
    anne.reload()
    expect(roster.locator(".locked")).to_contain_text("Kontoen er låst: Kari Berg.")
    expect(roster.locator(".locked")).to_contain_text("kan verken logge inn eller svare. Sett inn noen annen")
    expect(roster.locator(".gaps")).to_contain_text("Kontoen er låst: Kari Berg.")
    assert_accessible(anne)
    roster.get_by_role("button", name="Sett inn noen annen").click()
    dialog = anne.get_by_role("dialog")
    dialog.get_by_role("combobox", name="Settes på vakt").select_option("mona")
    dialog.get_by_role("textbox", name="Hvorfor?").fill("syk")
    assert_accessible(anne)
    dialog.get_by_role("button", name="Lagre").click()
    expect(roster).to_contain_text("Anne Moen: syk")
    assert_accessible(anne)


def test_the_editor_says_who_is_locked_before_anybody_saves_and_the_server_refuses_it(
    ward: Ward, signed_in: SignIn
) -> None:
    anne = signed_in("anne")
    make_roster(anne)
    with ward.server.db.write() as tx:
        lock(tx, "kari", START_NS)
    anne.goto("/oncall/pleie/edit")
    expect(anne.locator(".locked")).to_contain_text("Kontoen er låst: Kari Berg.")
    assert_accessible_in_both_languages(anne, lambda: None)
    anne.get_by_role("button", name="Norsk").click()
    anne.get_by_role("button", name="Lagre").click()
    expect(anne.locator(".notice")).to_contain_text("Kari Berg")
    assert_accessible(anne)
    anne.get_by_role("button", name="Fjern Kari Berg").click()
    expect(anne.locator(".locked")).to_have_count(0)
    anne.get_by_role("button", name="Lagre").click()
    expect(anne.get_by_role("region", name="Sykepleiere")).to_contain_text("Mona Dahl")


def test_at_the_address_of_a_roster_that_is_not_there_no_form_waits_to_make_one(signed_in: SignIn) -> None:
    anne = signed_in("anne")
    anne.goto("/oncall/plei/edit")
    expect(anne.get_by_role("heading", level=1)).to_have_text("Siden finnes ikke")
    expect(anne).to_have_title("Siden finnes ikke – Hjemvakt")
    expect(anne.get_by_role("button", name="Lagre")).to_have_count(0)
    assert_accessible(anne)


def test_a_roster_that_cannot_be_is_refused_with_the_servers_words(ward: Ward, signed_in: SignIn) -> None:
    anne = signed_in("anne")
    anne.goto("/oncall/new/edit")
    anne.get_by_role("textbox", name="Kort navn").fill("pleie")
    anne.get_by_role("textbox", name="Navn", exact=True).fill("Sykepleiere")
    anne.get_by_role("button", name="Lagre").click()
    expect(anne.locator(".notice")).to_contain_text("has 0 people")
    assert_accessible(anne)
    with ward.server.db.read() as tx:
        assert newest_of(tx, "pleie") is None


def test_a_ladder_is_tried_before_it_is_put_in_force(ward: Ward, signed_in: SignIn) -> None:
    anne = signed_in("anne")
    anne.get_by_role("link", name="Varsling").click()
    assert_accessible(anne)
    anne.get_by_role("button", name="Vis", exact=True).click()
    table = anne.get_by_role("table", name="Hvem ville blitt varslet?")
    expect(table).to_contain_text("Kari Berg, Mona Dahl")
    expect(table).to_contain_text("Dr. Nils Haugen")
    anne.get_by_role("textbox", name="Vent (minutter), Trinn 1").fill("2")
    anne.get_by_role("button", name="Vis", exact=True).click()
    expect(table).to_contain_text("2 min")
    anne.get_by_role("textbox", name="Hva er endret?").fill("raskere")
    anne.get_by_role("button", name="Ta i bruk").click()
    expect(anne.get_by_role("region", name="Utgaver")).to_contain_text("raskere")
    assert_accessible(anne)


def test_behaviour_13_a_shift_is_handed_over_with_a_signed_note(ward: Ward, signed_in: SignIn) -> None:
    kari = signed_in("kari")
    ward.deteriorate()
    kari.get_by_role("link", name="Vaktskifte").click()
    expect(kari.get_by_role("region", name="Åpne alarmer")).to_contain_text("Solveig Nilsen")
    kari.get_by_role("textbox", name="Nytt notat").fill("Solveig ringes kl. 20")
    kari.get_by_role("button", name="Signer som Kari Berg").click()
    expect(kari.get_by_role("region", name="Notater til neste vakt")).to_contain_text("Signert Kari Berg")
    assert_accessible(kari)


def test_what_was_missed_is_marked_on_the_patient_and_counted_in_the_reports(ward: Ward, signed_in: SignIn) -> None:
    kari = signed_in("kari")
    ward.deteriorate()
    kari.goto("/patient/p-1")
    kari.get_by_role("button", name="Merk en oversett forverring").click()
    dialog = kari.get_by_role("dialog")
    dialog.get_by_role("textbox", name="Hva skjedde?").fill("falt i natt")
    dialog.get_by_role("button", name="Lagre").click()
    expect(kari.get_by_role("region", name="Oversett forverring")).to_contain_text("falt i natt")
    assert_accessible(kari)
    kari.get_by_role("link", name="Rapporter").click()
    expect(kari.get_by_role("region", name="Forverringer som ble oversett")).to_contain_text("falt i natt")
    assert_accessible(kari)
    with kari.expect_download() as download:
        kari.get_by_role("link", name="Last ned: Byrde per pasient (CSV)").click()
    assert "Solveig Nilsen" in download.value.path().read_text(encoding="utf-8-sig")
