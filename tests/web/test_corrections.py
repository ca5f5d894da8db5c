"""A reading that is wrong: the nurse says so under the curve, sees who said so, and takes it back; in real browsers.

axe looks at every state; all of it is also done by the keyboard alone.
"""

import pytest
from playwright.sync_api import Locator, Page, expect

from server.readings.store import series
from vitals.block import Block
from vitals.clock import NS

from .conftest import SignIn, Ward, assert_accessible

pytestmark = pytest.mark.chromium


def saturations(ward: Ward) -> list[float]:
    with ward.server.db.read() as tx:
        return series(tx, "p-1", "spo2", 0, 2**62).value


def latest(page: Page, name: str = "Siste målinger: SpO₂") -> Locator:
    """The list under the curve, opened."""
    page.get_by_text(name).click()
    return page.get_by_role("list", name=name)


@pytest.fixture
def guest(ward: Ward) -> Ward:
    """Solveig's 94 %, and then a guest's 82 %."""
    ward.measure(94, 80)
    ward.measure(82, 121, minutes=10)
    return ward


def test_a_reading_is_said_to_be_wrong_and_counts_again_when_that_is_undone(guest: Ward, signed_in: SignIn) -> None:
    page = signed_in("kari")
    page.goto("/patient/p-1")
    readings = latest(page)
    expect(readings.get_by_role("listitem")).to_have_count(2)
    assert_accessible(page)
    readings.get_by_role("button", name="Ugyldig … 82 %").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Er målingen 82 %")
    expect(dialog.get_by_role("radio", name="Alt som ble målt da: SpO₂ 82 %, Puls 121")).to_be_checked()
    assert_accessible(page)
    dialog.get_by_role("button", name="Merk som ugyldig").click()
    expect(dialog).to_contain_text("Velg ett svar.")
    assert_accessible(page)
    dialog.get_by_role("radio", name="Annet").check()
    dialog.get_by_role("button", name="Merk som ugyldig").click()
    expect(dialog).to_contain_text("Skriv hva som er galt.")
    dialog.get_by_role("radio", name="Det var ikke pasienten").check()
    dialog.get_by_role("textbox", name="Notat").fill("søsteren på besøk")
    dialog.get_by_role("button", name="Merk som ugyldig").click()
    expect(dialog).to_have_count(0)
    gone = readings.get_by_role("listitem").filter(has_text="82 %")
    expect(gone).to_contain_text("ugyldig")
    expect(gone).to_contain_text("Det var ikke pasienten: søsteren på besøk – Kari Berg")
    assert gone.locator("s").inner_text() == "82 %"
    assert saturations(guest) == [94.0]
    expect(page.locator("figure").filter(has_text="Siste målinger: SpO₂").locator("dl")).to_contain_text("94 %")
    expect(page.locator(".reason").filter(has_text="SpO₂ 82 %")).to_contain_text("Målingen er merket som ugyldig.")
    expect(page.locator(".timeline")).to_contain_text("er ugyldig: det var ikke pasienten – søsteren på besøk")
    assert_accessible(page)
    gone.get_by_role("button", name="Angre … 82 %").click()
    dialog.get_by_role("button", name="La den gjelde").click()
    expect(dialog).to_contain_text("minst tre tegn")
    assert_accessible(page)
    dialog.get_by_role("textbox", name="Hvorfor?").fill("det var henne likevel")
    dialog.get_by_role("button", name="La den gjelde").click()
    expect(dialog).to_have_count(0)
    expect(readings.get_by_role("button", name="Ugyldig … 82 %")).to_be_visible()
    assert saturations(guest) == [94.0, 82.0]


def test_where_nothing_is_left_what_was_said_can_still_be_undone(ward: Ward, signed_in: SignIn) -> None:
    ward.take("home-1", "oxi-1", Block("spo2", (ward.clock.now_ns(),), (93.0,)))
    page = signed_in("kari")
    page.goto("/patient/p-1")
    page.get_by_role("button", name="English").click()
    latest(page, "Latest readings: SpO₂").get_by_role("button", name="Invalid … 93 %").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("radio", name="The device was at fault").check()
    dialog.get_by_role("button", name="Mark as invalid").click()
    expect(dialog).to_have_count(0)
    expect(page.locator("figure")).to_have_count(0)
    readings = latest(page, "Latest readings: SpO₂")
    expect(readings).to_contain_text("The device was at fault – Kari Berg")
    assert_accessible(page)
    readings.get_by_role("button", name="Undo … 93 %").click()
    dialog.get_by_role("textbox", name="Why?").fill("it works")
    dialog.get_by_role("button", name="Let it count").click()
    expect(page.locator("figure")).to_have_count(1)
    assert saturations(ward) == [93.0]


def test_the_second_of_two_nurses_is_told_who_was_first(guest: Ward, signed_in: SignIn) -> None:
    kari = signed_in("kari")
    mona = signed_in("mona", lambda context: context.route("**/api/stream", lambda route: route.abort()))
    for page in (kari, mona):
        page.goto("/patient/p-1")
        latest(page).get_by_role("button", name="Ugyldig … 82 %").click()
    for page in (kari, mona):
        page.get_by_role("radio", name="Feil på apparatet").check()
        page.get_by_role("button", name="Merk som ugyldig").click()
        if page is kari:
            expect(page.get_by_role("dialog")).to_have_count(0)
    expect(mona.get_by_role("dialog").get_by_role("alert")).to_contain_text("Kari Berg")
    assert_accessible(mona)


def test_all_of_it_is_done_by_the_keyboard_alone(guest: Ward, signed_in: SignIn) -> None:
    page = signed_in("kari")
    page.goto("/patient/p-1")
    page.get_by_text("Siste målinger: SpO₂").focus()
    page.keyboard.press("Enter")
    button = page.get_by_role("button", name="Ugyldig … 82 %")
    expect(button).to_be_visible()
    page.keyboard.press("Tab")
    expect(button).to_be_focused()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    radio = dialog.get_by_role("radio", name="Det var ikke pasienten")
    for _ in range(4):
        if radio.evaluate("one => one === document.activeElement"):
            break
        page.keyboard.press("Tab")
    expect(radio).to_be_focused()
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    expect(dialog).to_have_count(0)
    expect(page.get_by_role("button", name="Angre … 82 %")).to_be_visible()
    assert saturations(guest) == [94.0]


def test_what_came_late_says_when_it_was_measured_and_when_it_came(ward: Ward, signed_in: SignIn) -> None:
    """The oximeter was read at 09:05; the box got through at 13:40."""
    measured_ns = ward.clock.advance(minutes=65)
    ward.clock.advance(minutes=275)
    ward.beat()
    ward.take("home-1", "oxi-1", Block("spo2", (measured_ns,), (82.0,)))
    ward.take("home-3", "oxi-3", Block("spo2", (measured_ns + NS,), (96.0,)))
    page = signed_in("kari")
    expect(page.get_by_role("listitem", name="Solveig Nilsen")).to_contain_text("målt 09:05, kom 13:40")
    expect(page.get_by_role("listitem", name="Eli Vik")).to_contain_text("(kom 13:40)")
    assert_accessible(page)
    page.goto("/patient/p-1")
    expect(page.locator("figure").first).to_contain_text("målt 09:05, kom 13:40")
    expect(page.locator(".timeline")).to_contain_text("Lagret på serveren, 4 h 35 min etter målingen")
    expect(latest(page)).to_contain_text("målt 09:05, kom 13:40")
    assert_accessible(page)
