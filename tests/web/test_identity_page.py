"""An administrator makes a code for a hub, and ends a hub, on the equipment page in a real browser."""

import pytest
from playwright.sync_api import expect

from server.identity.store import code, standing
from vitals.identity import read_code

from .conftest import SignIn, Ward, assert_accessible

pytestmark = pytest.mark.chromium


def test_a_code_is_shown_once_and_a_hub_is_revoked_with_a_reason(ward: Ward, signed_in: SignIn) -> None:
    page = signed_in("anne")
    page.get_by_role("link", name="Utstyr").click()
    card = page.get_by_role("region", name="Boks home-1")
    expect(card).to_contain_text("Har ikke sertifikat")
    card.get_by_role("button", name="Lag kode for innmelding home-1").click()
    shown = card.get_by_role("status").locator("code").inner_text()
    with ward.server.db.read() as tx:
        made = code(tx, read_code(shown).secret)
    assert made is not None
    assert made.gateway == "home-1"
    assert_accessible(page)
    card.get_by_role("button", name="Trekk tilbake home-1").click()
    dialog = page.get_by_role("dialog", name="Trekk tilbake home-1")
    dialog.get_by_role("button", name="Trekk tilbake").click()
    expect(dialog).to_contain_text("minst tre tegn")
    assert_accessible(page)
    dialog.get_by_role("textbox", name="Hvorfor").fill("stjålet")
    dialog.get_by_role("button", name="Trekk tilbake").click()
    expect(card).to_contain_text("ingenting fra den tas imot")
    with ward.server.db.read() as tx:
        assert standing(tx, "home-1") == (True, True)
    page.reload()
    expect(card).to_contain_text("ingenting fra den tas imot")
    assert shown not in page.content(), "the code is shown once"


def test_a_nurse_sees_the_gateways_and_none_of_this(ward: Ward, signed_in: SignIn) -> None:
    page = signed_in("kari")
    page.get_by_role("link", name="Utstyr").click()
    expect(page.get_by_role("region", name="Boks home-1")).to_be_visible()
    expect(page.get_by_role("button", name="Trekk tilbake home-1")).to_have_count(0)
