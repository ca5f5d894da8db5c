"""What the nurse sees of what a home is asked, and what a clinician decides about a new patient's own limits."""

import pytest
from playwright.sync_api import expect

from server.readings.store import newest_moments
from server.startup.store import of_patient
from tests.web.conftest import SignIn, Ward, assert_accessible
from vitals.wire import Health, encode, up

pytestmark = pytest.mark.chromium


def shown_at_home(ward: Ward) -> None:
    """The gateway says that its page shows the newest."""
    with ward.server.db.read() as tx:
        from server.wishes.document import gateway_wishes

        version = tx.execute(gateway_wishes.select().where(gateway_wishes.c.gateway == "home-1")).one().version
    told = Health("home-1", "e", ward.clock.now_ns(), "test", 0, wishes_version=version)
    ward.server.receive(up("home-1", "health"), encode(told))
    ward.server.tick(ward.clock.now_ns())


def test_what_a_home_is_asked_stands_small_in_the_row_and_on_the_page_until_it_is_answered(
    ward: Ward, signed_in: SignIn
) -> None:
    ward.measure(96, 80)
    ward.measure(89, 82, minutes=15)  # one, below the floor
    page = signed_in("kari")
    row = page.get_by_role("listitem", name="Solveig Nilsen, middels prioritet")
    expect(row).to_contain_text("Bedt om å måle på nytt nå: SpO₂, før 08:30")
    expect(row).to_contain_text("ikke vist i hjemmet ennå")
    assert_accessible(page)
    shown_at_home(ward)
    expect(row).not_to_contain_text("ikke vist i hjemmet ennå")
    page.goto("/patient/p-1")
    asked = page.get_by_role("region", name="Bedt om i hjemmet")
    expect(asked).to_contain_text("før 08:30 – vist i hjemmet")
    expect(asked).to_contain_text("Fordi: SpO₂ 89 %")
    assert_accessible(page)
    ward.measure(96, 80, minutes=5)
    expect(asked).to_contain_text("– målt")
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("region", name="Asked for at home")).to_contain_text("– measured")
    assert_accessible(page)
    with ward.server.db.read() as tx:
        assert len(newest_moments(tx, "p-1", "spo2", 5, ward.clock.now_ns())) == 3


def test_a_new_patients_limit_is_proposed_and_a_clinician_decides(ward: Ward, signed_in: SignIn) -> None:
    page = signed_in("kari")
    page.goto("/patient/p-1")
    limits = page.get_by_role("region", name="Egne grenser")
    expect(limits).to_contain_text("Pasientens egne grenser læres")
    assert_accessible(page)
    for _ in range(15):
        for spo2, pulse in ((93, 90), (92, 86)):
            ward.measure(spo2, pulse, minutes=12 * 60)
    card = limits.get_by_role("article", name="SpO₂: nedre grense 89 % i stedet for 90 %")
    expect(card).to_contain_text("Vanligvis 93 %, av 28 målinger på 15 dager.")
    expect(card).to_contain_text("Ingenting endres før en av dere bestemmer det.")
    assert_accessible(page)
    card.get_by_role("button", name="Sett en annen grense …").click()
    dialog = page.get_by_role("dialog", name="SpO₂: nedre grense")
    field = dialog.get_by_role("textbox", name="Grense (%)")
    expect(field).to_have_value("89")
    assert_accessible(page)
    field.fill("12")
    dialog.get_by_role("button", name="Sett grensen").click()
    expect(dialog.get_by_role("alert")).to_contain_text("set it from 40 to 100")
    field.fill("88")
    dialog.get_by_role("textbox", name="Notat").fill("Avtalt med lungelegen")
    dialog.get_by_role("button", name="Sett grensen").click()
    expect(dialog).to_have_count(0)
    decided = limits.get_by_role("list", name="Bestemt om grenser")
    expect(decided).to_contain_text("SpO₂, nedre grense: satt til 88 % – Kari Berg")
    expect(decided).to_contain_text("Avtalt med lungelegen")
    pulse = limits.get_by_role("article", name="Puls: øvre grense")
    pulse.get_by_role("button", name="Behold grensen").click()
    expect(decided).to_contain_text("forslaget ble ikke brukt")
    assert_accessible(page)
    with ward.server.db.read() as tx:
        assert {one.proposal.limit: one.set_to for one in of_patient(tx, "p-1")} == {
            "spo2_floor": 88.0, "pulse_ceiling": None,
        }  # fmt: skip
