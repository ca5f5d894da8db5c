"""What a nurse expects of the screens, one story each, numbered as in the list of twenty that they are held to.

8 to 12 (conflict, snooze, expiry, undo, escalation) are in `test_life.py`, 13 (hand-over) in `test_rota_pages.py`, 20
(audit) in `test_access_pages.py`. `pytest tests/web -k behaviour` runs the twenty; `test_the_twenty.py` sees to it that
none is lost.
"""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from .conftest import SignIn, Ward, assert_accessible

pytestmark = pytest.mark.chromium


def row(page: Page, patient: str) -> Locator:
    return page.locator(f'li[data-patient="{patient}"]')


def ids(page: Page, region: str) -> list[str | None]:
    rows = page.get_by_role("region", name=region).locator("[data-patient]")
    return [one.get_attribute("data-patient") for one in rows.all()]


def ill(ward: Ward, patient: int, spo2: float) -> None:
    """Two readings as low as that: red below the floor by two, one alone asks for another."""
    for _ in range(2):
        ward.measure(spo2, 80, minutes=5, home=f"home-{patient}", device=f"oxi-{patient}")


def test_behaviour_01_order_by_priority_then_longest_waiting_and_new_rows_never_move_the_focused_row(
    ward: Ward, signed_in: SignIn
) -> None:
    page = signed_in("kari")
    ill(ward, 3, 85)
    expect(row(page, "p-3")).to_contain_text("SpO₂")
    page.keyboard.press("j")
    expect(row(page, "p-3")).to_be_focused()
    ill(ward, 1, 85)
    expect(page.get_by_role("button", name="1 ny: Solveig Nilsen")).to_be_visible()
    expect(row(page, "p-3")).to_be_focused()
    assert ids(page, "Kliniske alarmer") == ["p-3"]
    assert_accessible(page)
    page.get_by_role("button", name="1 ny: Solveig Nilsen").click()
    expect(row(page, "p-1")).to_be_focused()
    assert ids(page, "Kliniske alarmer") == ["p-3", "p-1"], "as urgent, and has waited longer"


def test_who_turns_red_while_the_list_is_held_still_is_told_over_it_and_moves_when_asked(
    ward: Ward, signed_in: SignIn
) -> None:
    page = signed_in("kari")
    ill(ward, 3, 85)
    ward.measure(89, 80, minutes=5)  # just below the floor: yellow
    expect(row(page, "p-1")).to_contain_text("Middels")
    page.keyboard.press("j")
    expect(row(page, "p-3")).to_be_focused()
    ill(ward, 1, 84)
    worse = page.get_by_role("button", name="1 verre: Solveig Nilsen")
    expect(worse).to_be_visible()
    expect(row(page, "p-3")).to_be_focused()
    assert_accessible(page)
    worse.click()
    expect(row(page, "p-1")).to_be_focused()
    expect(worse).to_have_count(0)


def test_behaviour_02_one_row_per_patient_with_the_reasons_stacked(ward: Ward, signed_in: SignIn) -> None:
    ward.deteriorate()
    page = signed_in("kari")
    expect(row(page, "p-1")).to_have_count(1)
    expect(row(page, "p-1").locator(".reasons li").nth(1)).to_be_visible()
    assert row(page, "p-1").locator(".reasons li").count() >= 2


def test_behaviour_03_clinical_and_technical_alarms_stand_apart(ward: Ward, signed_in: SignIn) -> None:
    ill(ward, 1, 85)
    page = signed_in("kari")
    ward.clock.advance(minutes=3)
    ward.server.tick(ward.clock.now_ns())  # no gateway has said a word for three minutes
    technical = page.get_by_role("region", name="Tekniske alarmer")
    expect(technical.locator('[data-patient="p-2"]')).to_contain_text("Teknisk")
    assert "p-2" not in ids(page, "Kliniske alarmer")
    expect(page.get_by_role("region", name="Kliniske alarmer")).to_contain_text("Solveig Nilsen")
    assert_accessible(page)


def test_behaviour_04_the_keyboard_is_enough_and_the_next_patient_is_one_key_away(
    ward: Ward, signed_in: SignIn
) -> None:
    page = signed_in("kari")
    ill(ward, 1, 85)
    ill(ward, 3, 85)
    expect(row(page, "p-3")).to_contain_text("Høy")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    expect(row(page, "p-1")).to_be_focused()
    page.keyboard.press("a")
    expect(row(page, "p-1")).to_contain_text("Tatt av Kari Berg")
    page.keyboard.press("e")
    dialog = page.get_by_role("dialog", name="Eskaler alarm for Solveig Nilsen")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(row(page, "p-1")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1, name="Solveig Nilsen")).to_be_visible()
    page.keyboard.press("n")
    expect(page.get_by_role("heading", level=1, name="Eli Vik")).to_be_visible()
    page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Hurtigtaster")
    expect(keys).to_contain_text("neste pasient")
    assert_accessible(page)
    keys.get_by_role("button", name="Lukk").click()
    expect(keys).to_be_hidden()
    page.get_by_role("link", name="Arbeidsliste").click()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Solveig Nilsen")


def test_behaviour_05_filters_are_saved_for_the_person_and_say_what_they_hide(ward: Ward, signed_in: SignIn) -> None:
    ill(ward, 1, 85)
    page = signed_in("kari")
    page.get_by_role("searchbox", name="Søk etter navn").fill("eli")
    expect(row(page, "p-3")).to_be_visible()
    expect(row(page, "p-1")).to_have_count(0)
    hides = page.get_by_role("status").filter(has_text="Filteret skjuler 2 pasienter")
    expect(hides).to_contain_text("1 har alarm som venter, 1 høy")
    assert_accessible(page)
    page.get_by_role("searchbox", name="Søk etter navn").fill("")
    page.get_by_role("group", name="Hvilke pasienter").get_by_role("button", name="Ikke tatt").click()
    expect(row(page, "p-3")).to_have_count(0)
    page.locator("summary", has_text="Program").click()
    page.get_by_role("checkbox", name="KOLS").check()
    assert_accessible(page)
    page.keyboard.press("Escape")
    page.get_by_text("Lagre filteret").click()
    page.get_by_role("textbox", name="Navn på filteret").fill("KOLS, ikke tatt")
    page.get_by_role("button", name="Lagre", exact=True).click()
    expect(
        page.get_by_role("group", name="Lagrede filtre").get_by_role("button", name="KOLS, ikke tatt", exact=True)
    ).to_be_visible()
    page.get_by_role("group", name="Hvilke pasienter").get_by_role("button", name="Mine").click()
    expect(row(page, "p-1")).to_have_count(0)
    row_of_another_browser = signed_in("kari")
    again = row_of_another_browser.get_by_role("group", name="Lagrede filtre")
    again.get_by_role("button", name="KOLS, ikke tatt", exact=True).click()
    expect(row(row_of_another_browser, "p-1")).to_be_visible()
    expect(row(row_of_another_browser, "p-2")).to_have_count(0)
    mona = signed_in("mona")
    expect(mona.get_by_role("group", name="Lagrede filtre")).to_have_count(0)
    expect(row(mona, "p-2")).to_be_visible()


def test_behaviour_06_a_claim_stands_with_name_and_time(ward: Ward, signed_in: SignIn) -> None:
    ill(ward, 1, 85)
    kari, mona = signed_in("kari"), signed_in("mona")
    kari.get_by_role("button", name="Kvitter klinisk alarm for Solveig Nilsen").click()
    for page in (kari, mona):
        expect(row(page, "p-1")).to_contain_text("Tatt av Kari Berg 08:10")
    mona.get_by_role("group", name="Hvilke pasienter").get_by_role("button", name="Mine").click()
    expect(row(mona, "p-1")).to_have_count(0)
    kari.get_by_role("group", name="Hvilke pasienter").get_by_role("button", name="Mine").click()
    expect(row(kari, "p-1")).to_be_visible()


def test_behaviour_07_being_viewed_by_a_colleague_is_seen_and_over_when_the_tab_is_closed(
    ward: Ward, signed_in: SignIn
) -> None:
    ill(ward, 1, 85)
    kari, mona = signed_in("kari"), signed_in("mona")
    kari.goto("/patient/p-1")
    expect(row(mona, "p-1")).to_contain_text("Ses på av Kari Berg")
    assert_accessible(mona)
    expect(kari.get_by_text("Ses på av")).to_have_count(0)
    mona.goto("/patient/p-1")
    expect(kari.get_by_text("Ses på av Mona Dahl")).to_be_visible()
    assert_accessible(kari)
    kari.close()
    expect(mona.get_by_text("Ses på av Kari Berg")).to_have_count(0)


def test_behaviour_14_the_time_since_the_last_reading_and_the_last_review_is_shown(
    ward: Ward, signed_in: SignIn
) -> None:
    ill(ward, 1, 85)
    ward.clock.advance(minutes=40)
    page = signed_in("kari")
    expect(row(page, "p-1")).to_contain_text("Siste måling for 40 min siden")
    expect(row(page, "p-1")).to_contain_text("Ikke gjennomgått")
    page.goto("/patient/p-1")
    page.get_by_role("button", name="Gjennomgått").click()
    expect(page.get_by_text("Gjennomgått nå nettopp av Kari Berg")).to_be_visible()
    assert_accessible(page)
    page.goto("/")
    expect(row(page, "p-1")).to_contain_text("av Kari Berg")


def test_behaviour_15_stale_values_are_struck_through_and_no_data_is_an_alarm_of_its_own(
    ward: Ward, signed_in: SignIn
) -> None:
    ward.measure(95, 80)
    page = signed_in("kari")
    expect(row(page, "p-1")).to_contain_text("95")
    for _ in range(4):
        ward.clock.advance(hours=12)
        ward.beat()
        ward.server.tick(ward.clock.now_ns())
    page.reload()
    alarm = row(page, "p-1")
    expect(alarm).to_contain_text("Ingen målinger i tide")
    expect(alarm.locator("s").first).to_contain_text("95")
    expect(alarm.locator(".value-note").first).to_contain_text("2 døgn gammel")
    assert_accessible(page)


def test_behaviour_16_a_broken_link_stays_told_with_the_phone_to_fall_back_on(ward: Ward, signed_in: SignIn) -> None:
    page = signed_in("kari", lambda context: context.route("**/api/stream", lambda route: route.abort()))
    banner = page.get_by_role("alert").filter(has_text="Ingen forbindelse med serveren")
    expect(banner).to_be_visible(timeout=20_000)
    expect(banner).to_contain_text("Bruk vakttelefonen")
    page.get_by_role("link", name="Utstyr").click()
    expect(banner).to_be_visible()
    assert_accessible(page)


def test_behaviour_17_the_sound_is_tested_at_log_on_and_sound_off_is_visible(ward: Ward, signed_in: SignIn) -> None:
    page = signed_in("kari")
    strip = page.get_by_role("region", name="Lydprøve")
    expect(strip).to_be_visible()
    assert_accessible(page)
    strip.get_by_role("button", name="Spill av prøve").click()
    strip.get_by_role("button", name="Jeg hører den").click()
    expect(strip).to_have_count(0)
    expect(page.get_by_role("button", name="Lyd på")).to_be_visible()
    page.get_by_role("button", name="Lyd på").click()
    expect(page.get_by_text("Lyden er av: nye alarmer ses bare på skjermen.")).to_be_visible()
    assert_accessible(page)
    page.reload()
    expect(page.get_by_text("Lyden er av")).to_be_visible()
    expect(strip).to_have_count(0)


KEPT = """window.kept = [];
window.AudioContext = class extends AudioContext { constructor() { super(); kept.push(this); } };"""


def test_a_sound_that_is_taken_away_is_not_called_on(signed_in: SignIn) -> None:
    page = signed_in("kari", lambda context: context.add_init_script(KEPT))
    page.get_by_role("button", name="Lyd av").click()
    expect(page.get_by_role("button", name="Lyd på")).to_be_visible()
    page.evaluate("kept[0].suspend()")  # as the system does for a call
    expect(page.get_by_role("button", name="Lyd sperret")).to_be_visible()
    page.evaluate("kept[0].resume()")
    expect(page.get_by_role("button", name="Lyd på")).to_be_visible()


def test_behaviour_18_value_with_unit_that_patients_limit_and_trend(ward: Ward, signed_in: SignIn) -> None:
    ward.measure(95, 70)
    ward.clock.advance(hours=24)
    ward.measure(88, 80, minutes=10)
    ward.measure(88, 80, minutes=10)
    page = signed_in("kari")
    values = row(page, "p-1").locator(".values")
    expect(values).to_contain_text("88 %")
    expect(values).to_contain_text("under 90")
    expect(values).to_contain_text("ned 7 % siste døgn")
    expect(values).to_contain_text("grense ≤ 120")


def test_behaviour_19_print_is_not_cut_off_by_the_list(
    ward: Ward, fresh: Callable[[], BrowserContext], signed_in: SignIn
) -> None:
    page = signed_in("kari", crowded)
    calm = page.get_by_role("region", name="Uten alarm")
    expect(calm.get_by_role("heading")).to_contain_text("503")
    assert calm.locator("[data-patient]").count() < 100, "only what is near the screen is drawn"
    assert_accessible(page)
    page.emulate_media(media="print")
    expect(calm.locator("[data-patient]")).to_have_count(503)
    expect(page.get_by_text("av Kari Berg", exact=False).first).to_be_visible()
    page.emulate_media(media="screen")
    expect(calm.locator("[data-patient]").nth(200)).to_have_count(0)
    page.keyboard.press("Control+f")
    expect(calm.locator("[data-patient]")).to_have_count(503)


def test_a_long_list_keeps_the_focused_row_however_far_it_is_scrolled(ward: Ward, signed_in: SignIn) -> None:
    page = signed_in("kari", crowded)
    for _ in range(3):
        page.keyboard.press("j")
    held = page.evaluate("document.activeElement.dataset.patient")
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    expect(page.get_by_text("Pasient 499", exact=True)).to_be_in_viewport()
    assert page.evaluate("document.activeElement.dataset.patient") == held
    page.keyboard.press("j")
    page.wait_for_function("held => document.activeElement.dataset.patient !== held", arg=held)
    expect(page.locator("[data-patient]:focus")).to_be_in_viewport()


def crowded(context: BrowserContext) -> None:
    """500 more patients without an alarm come with the list."""

    def with_many(route) -> None:
        answer = route.fetch()
        body = answer.json()
        like = {**body["rows"][-1], "latest": []}
        for number in range(500):
            patient = {**like["patient"], "id": f"many-{number}", "name": f"Pasient {number:03}"}
            body["rows"].append({**like, "patient": patient})
        route.fulfill(response=answer, json=body)

    context.route("**/api/worklist", with_many)


def test_why_now_with_the_numbers_the_plans_action_and_the_procedure_beside_the_close_form(
    ward: Ward, signed_in: SignIn
) -> None:
    ill(ward, 1, 85)
    page = signed_in("kari")
    page.goto("/patient/p-1")
    alarm = page.get_by_role("article", name="Høy, klinisk")
    expect(alarm).to_contain_text("Regel spo2_floor, versjon")
    todo = alarm.get_by_role("region", name="Dette skal gjøres")
    expect(todo).to_contain_text("be om en ny måling")
    expect(todo.get_by_role("list", name="Framgangsmåte").get_by_role("listitem").first).to_contain_text("Varm finger")
    expect(todo).to_contain_text("Program copd, versjon 3")
    expect(todo).to_contain_text("Må bekreftes av kliniker")
    expect(page.get_by_text("Ikke et NEWS2-skjema")).to_be_visible()
    page.get_by_text("SpO₂: siste 20 verdier som tabell").click()
    points = page.get_by_role("table").filter(has_text="NEWS2-poeng for målingen alene")
    expect(points.get_by_role("row").nth(1).get_by_role("cell").last).to_have_text("3")
    assert_accessible(page)
    page.emulate_media(media="print")
    expect(page.get_by_text("Skrevet ut 21.11.2026")).to_be_visible()
    expect(todo).to_be_visible()
