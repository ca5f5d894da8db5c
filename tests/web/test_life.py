"""The life of an alarm in real browsers: what a nurse does with letters and dialogs, and what her colleagues see of it.

axe looks at every state, not only at the one the page loads in.
"""

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from .conftest import SignIn, Ward, assert_accessible

pytestmark = pytest.mark.chromium

KVITTER = "Kvitter klinisk alarm for Solveig Nilsen"


def row(page: Page) -> Locator:
    return page.locator('li[data-patient="p-1"]')


def on_row(page: Page, *letters: str) -> None:
    """Press letters with the focus on her row."""
    row(page).focus()
    for letter in letters:
        page.keyboard.press(letter)


def taken(ward: Ward, signed_in: SignIn, username: str = "kari") -> Page:
    """A page with the worklist on which she has the alarm."""
    ward.deteriorate()
    page = signed_in(username)
    page.get_by_role("button", name=KVITTER).click()
    expect(row(page)).to_contain_text("gjelder til")
    return page


def unanswered(page: Page) -> Route:
    """She acknowledges the alarm, and the request is held back before the server has it."""
    held: list[Route] = []
    page.route("**/api/alarms/*/acknowledge", lambda route: held.append(route))
    with page.expect_request("**/acknowledge"):
        page.get_by_role("button", name=KVITTER).click()
    [route] = held
    return route


def test_an_acknowledgement_is_seen_before_the_server_answers_and_live_in_a_colleagues_browser(
    ward: Ward, signed_in: SignIn
) -> None:
    ward.deteriorate()
    kari, mona = signed_in("kari"), signed_in("mona")
    route = unanswered(kari)
    expect(row(kari)).to_contain_text("Tatt av Kari Berg")  # while the request is still held back
    expect(row(mona).get_by_role("button", name=KVITTER)).to_be_visible()
    route.continue_()
    expect(row(mona)).to_contain_text("Tatt av Kari Berg")
    for page in (kari, mona):
        assert_accessible(page)


def test_an_alarm_that_came_while_an_acknowledgement_got_no_answer_stays_on_the_list(
    ward: Ward, signed_in: SignIn
) -> None:
    ward.deteriorate()
    kari = signed_in("kari")
    route = unanswered(kari)
    expect(row(kari)).to_contain_text("Tatt av Kari Berg")
    for _ in range(2):
        ward.measure(84, 80, minutes=5, home="home-3", device="oxi-3")
    new = kari.get_by_role("button", name="1 ny: Eli Vik")
    expect(new).to_be_visible()
    kari.route("**/api/worklist", lambda route: route.abort())  # nothing is heard but the stream
    route.abort()
    expect(kari.get_by_role("button", name=KVITTER)).to_be_visible()
    new.click()
    expect(kari.get_by_role("button", name="Kvitter klinisk alarm for Eli Vik")).to_be_visible()


def test_an_answer_that_comes_late_does_not_cover_what_the_stream_has_told_since(ward: Ward, signed_in: SignIn) -> None:
    ward.deteriorate()
    kari = signed_in("kari")
    route = unanswered(kari)
    answer = route.fetch()  # the server has done it, and she is not told yet
    expect(row(kari)).to_contain_text("gjelder til")
    ward.server.tick(ward.clock.advance(minutes=61))
    expect(row(kari).get_by_role("button", name=KVITTER)).to_be_visible()
    route.fulfill(response=answer)
    expect(kari.get_by_text("Du har tatt alarmen for Solveig Nilsen.")).to_have_count(1)
    expect(row(kari)).not_to_contain_text("Tatt av")
    expect(row(kari).get_by_role("button", name=KVITTER)).to_be_visible()


def test_behaviour_08_a_conflict_names_the_colleague_and_shows_how_it_is(ward: Ward, signed_in: SignIn) -> None:
    mona = taken(ward, signed_in, "mona")
    kari = signed_in("kari", lambda context: context.route("**/api/stream", lambda route: route.abort()))
    on_row(mona, "v")
    dialog = mona.get_by_role("dialog", name="Vurder alarm for Solveig Nilsen")
    expect(dialog).to_be_visible()  # it is fetched when it is first wanted
    assert_accessible(mona)
    dialog.get_by_role("radio", name="Medisinen").check()
    dialog.get_by_role("button", name="Lagre vurderingen").click()
    expect(row(mona)).to_contain_text("vurdert: medisinen")
    on_row(kari, "c")  # her page has heard nothing: to her it is only acknowledged
    dialog = kari.get_by_role("dialog", name="Avslutt alarm for Solveig Nilsen")
    dialog.get_by_role("combobox", name="Hva gjorde du?").select_option(index=1)
    dialog.get_by_role("combobox", name="Hvordan gikk det?").select_option(index=1)
    dialog.get_by_role("radio", name="5").check()
    dialog.get_by_role("button", name="Avslutt alarmen").click()
    expect(dialog.get_by_role("alert")).to_contain_text("Mona Dahl kom deg i forkjøpet")
    assert_accessible(kari)
    dialog.get_by_role("button", name="Avbryt").click()
    expect(row(kari)).to_contain_text("vurdert: medisinen")


def test_what_is_found_while_the_form_is_filled_in_is_said_before_the_alarm_is_closed(
    ward: Ward, signed_in: SignIn
) -> None:
    page = taken(ward, signed_in)
    on_row(page, "c")
    dialog = page.get_by_role("dialog", name="Avslutt alarm for Solveig Nilsen")
    dialog.get_by_role("combobox", name="Hva gjorde du?").select_option(index=1)
    dialog.get_by_role("combobox", name="Hvordan gikk det?").select_option(index=1)
    dialog.get_by_role("radio", name="5").check()
    ward.measure(85, 135, minutes=5)
    dialog.get_by_role("button", name="Avslutt alarmen").click()
    expect(dialog.get_by_role("alert")).to_contain_text("Noe nytt er funnet siden du åpnet dette.")
    assert_accessible(page)
    dialog.get_by_role("button", name="Avbryt").click()
    expect(row(page)).to_contain_text("gjelder til")
    expect(row(page)).to_contain_text("Puls 135/min, grense 120/min")


def test_behaviour_09_a_snooze_needs_a_time_and_a_reason_and_a_worse_reading_breaks_it(
    ward: Ward, signed_in: SignIn
) -> None:
    for spo2 in (94, 93, 91, 90):
        ward.measure(spo2, 96, minutes=15)
    kari, mona = signed_in("kari"), signed_in("mona")
    on_row(kari, "z")
    dialog = kari.get_by_role("dialog", name="Utsett alarm for Solveig Nilsen")
    dialog.get_by_role("button", name="Utsett alarmen").click()
    expect(dialog).to_contain_text("Velg ett svar.")
    expect(dialog).to_contain_text("Skriv hvorfor, med minst tre tegn.")
    assert_accessible(kari)
    lengths = dialog.get_by_role("combobox", name="Hvor lenge?").locator("option").all_inner_texts()
    assert lengths[-1].startswith("8 t,"), "eight hours and no more"
    dialog.get_by_role("combobox", name="Hvor lenge?").select_option("60")
    dialog.get_by_role("textbox", name="Hvorfor?").fill("Sover til ti")
    dialog.get_by_role("button", name="Utsett alarmen").click()
    for page in (kari, mona):
        expect(row(page)).to_contain_text("Inaktivert av Kari Berg til")
        expect(row(page)).to_contain_text("Sover til ti")
        assert_accessible(page)
    ward.measure(90, 96, minutes=5)
    expect(row(mona)).to_contain_text("Inaktivert av Kari Berg")
    ward.measure(84, 120, minutes=5)
    ward.measure(84, 121, minutes=2)
    for page in (kari, mona):
        expect(row(page)).not_to_contain_text("Inaktivert")
        expect(row(page).get_by_role("button", name=KVITTER)).to_be_visible()
        assert_accessible(page)


def test_behaviour_10_an_acknowledgement_expires_and_the_row_waits_again(ward: Ward, signed_in: SignIn) -> None:
    page = taken(ward, signed_in)
    expect(row(page)).to_contain_text("gjelder til")
    ward.server.tick(ward.clock.advance(minutes=61))
    expect(row(page).get_by_role("button", name=KVITTER)).to_be_visible()
    expect(row(page)).not_to_contain_text("Tatt av")
    page.goto("/patient/p-1")
    expect(page.get_by_role("article", name="Høy, klinisk")).to_contain_text("Kvittert av Kari Berg")
    assert_accessible(page)


def test_behaviour_11_one_takes_ones_own_acknowledgement_back_soon_after(ward: Ward, signed_in: SignIn) -> None:
    page, mona = taken(ward, signed_in), signed_in("mona")
    expect(row(mona)).to_contain_text("Tatt av Kari Berg")
    expect(row(mona).get_by_role("button", name="Angre kvittering for Solveig Nilsen")).to_have_count(0)
    expect(row(page).get_by_role("button", name="Angre kvittering for Solveig Nilsen")).to_be_visible()
    assert_accessible(page)
    on_row(page, "u")
    for one in (page, mona):
        expect(row(one).get_by_role("button", name=KVITTER)).to_be_visible()
    on_row(page, "a")
    expect(row(page)).to_contain_text("gjelder til")
    ward.server.tick(ward.clock.advance(minutes=3))
    page.reload()
    expect(row(page)).to_contain_text("gjelder til")
    expect(row(page).get_by_role("button", name="Angre kvittering for Solveig Nilsen")).to_have_count(0)


def test_behaviour_12_a_case_goes_to_somebody_with_sbar_and_stays_in_sight_until_the_answer_is_read(
    ward: Ward, signed_in: SignIn
) -> None:
    kari, sigrid = taken(ward, signed_in), signed_in("sigrid")
    on_row(kari, "e")
    dialog = kari.get_by_role("dialog", name="Eskaler alarm for Solveig Nilsen")
    situation = _situation(dialog)
    assert "Rød alarm siden" in situation
    assert "SpO₂ 85 %" in situation
    assert "KOLS grad 3" in dialog.get_by_role("textbox", name="Bakgrunn").input_value()
    assert "spo2_floor" in dialog.get_by_role("textbox", name="Vurdering").input_value()
    assert_accessible(kari)
    dialog.get_by_role("combobox", name="Til hvem?").select_option("person:sigrid")
    dialog.get_by_role("textbox", name="Anbefaling").fill("Skal hun inn?")
    dialog.get_by_role("button", name="Send saken").click()
    expect(dialog).to_be_hidden()
    expect(row(kari)).to_contain_text("Sendt av Kari Berg til Sigrid Lie")
    expect(row(kari)).to_contain_text("ikke åpnet")
    kari.get_by_role("link", name="Saker").click()
    mine = kari.get_by_role("region", name="Sendt videre av deg")
    expect(mine).to_contain_text("Ikke åpnet ennå")
    assert_accessible(kari)

    sigrid.get_by_role("link", name="Saker").click()
    expect(sigrid.get_by_role("region", name="Sendt til deg")).to_contain_text("Fra Kari Berg, Salten")
    sigrid.get_by_role("link", name="Åpne sak 1 om Solveig Nilsen").click()
    case = sigrid.get_by_role("article", name="Sak 1")
    expect(case).to_contain_text("Skal hun inn?")
    expect(mine).to_contain_text("Åpnet av Sigrid Lie")  # the read receipt, live
    assert_accessible(sigrid)
    case.get_by_role("button", name="Send svaret").click()
    expect(case).to_contain_text("Velg ett svar.")
    case.get_by_role("radio", name="Gi råd").check()
    case.get_by_role("button", name="Send svaret").click()
    expect(case).to_contain_text("Skriv rådet.")
    assert_accessible(sigrid)
    case.get_by_role("textbox", name="Hva skal avsenderen vite?").fill("Inhaler nå, mål igjen om en time")
    case.get_by_role("button", name="Send svaret").click()
    expect(sigrid.get_by_role("region", name="Besvart i det siste")).to_contain_text("Solveig Nilsen")
    assert_accessible(sigrid)

    expect(mine).to_contain_text("Besvart")
    mine.get_by_role("link", name="Åpne sak 1 om Solveig Nilsen").click()
    case = kari.get_by_role("article", name="Sak 1")
    expect(case).to_contain_text("Inhaler nå, mål igjen om en time")
    assert_accessible(kari)
    case.get_by_role("button", name="Jeg har lest svaret på sak 1").click()
    expect(mine).to_contain_text("Du har ikke sendt noe")
    kari.get_by_role("link", name="Arbeidsliste").click()
    expect(row(kari)).to_contain_text("Tatt av Kari Berg")


def _situation(dialog: Locator) -> str:
    dialog.get_by_role("textbox", name="Situasjon").wait_for()
    return dialog.get_by_role("textbox", name="Situasjon").input_value()


def test_the_specialist_asks_the_home_for_measurements_takes_over_and_returns(ward: Ward, signed_in: SignIn) -> None:
    ward.deteriorate()
    kari, sigrid = signed_in("kari"), signed_in("sigrid")
    for number, (answer, after) in enumerate(
        (("Be hjemmet om målinger", "Tatt av Kari Berg"), ("Send tilbake", "Tatt av Kari Berg"),
         ("Overta pasienten", "Tatt av Sigrid Lie")), 1,
    ):  # fmt: skip
        kari.goto("/")
        on_row(kari, "e")
        dialog = kari.get_by_role("dialog", name="Eskaler alarm for Solveig Nilsen")
        _situation(dialog)
        dialog.get_by_role("combobox", name="Til hvem?").select_option("role:specialist")
        dialog.get_by_role("button", name="Send saken").click()
        expect(row(kari)).to_contain_text("Sendt av Kari Berg til spesialist")
        sigrid.goto(f"/cases/{number}")
        case = sigrid.get_by_role("article", name=f"Sak {number}")
        case.get_by_role("radio", name=answer).check()
        if answer.startswith("Be"):
            case.get_by_role("checkbox", name="SpO₂").check()
            assert_accessible(sigrid)
        case.get_by_role("button", name="Send svaret").click()
        expect(case.get_by_role("region", name="Svar")).to_contain_text(answer)
        expect(row(kari)).to_contain_text(after)
    assert_accessible(sigrid)
    expect(row(kari).get_by_role("list", name="Bedt om i hjemmet")).to_contain_text("SpO₂")


def test_a_hand_over_is_seen_by_both_until_it_is_taken(ward: Ward, signed_in: SignIn) -> None:
    kari, mona = taken(ward, signed_in), signed_in("mona")
    on_row(kari, "h")
    dialog = kari.get_by_role("dialog", name="Overlever alarm for Solveig Nilsen")
    options = dialog.get_by_role("combobox", name="Til hvem?").locator("option")
    expect(options).to_have_count(6)  # and not Sigrid, who sees nobody but by a case
    assert_accessible(kari)
    dialog.get_by_role("combobox", name="Til hvem?").select_option("person:mona")
    dialog.get_by_role("button", name="Overlever", exact=True).click()
    for page in (kari, mona):
        expect(row(page)).to_contain_text("Overlevert av Kari Berg til Mona Dahl")
        assert_accessible(page)
    mona.get_by_role("link", name="Saker").click()
    mona.get_by_role("region", name="Sendt til deg").get_by_role("button", name="Overta").click()
    expect(row(kari)).to_contain_text("Tatt av Mona Dahl")
    expect(mona.get_by_role("region", name="Sendt til deg")).to_contain_text("Ingen saker venter")
    assert_accessible(mona)


def test_a_closed_alarm_is_opened_again_with_a_reason(ward: Ward, signed_in: SignIn) -> None:
    page = taken(ward, signed_in)
    page.goto("/patient/p-1")
    alarm = page.get_by_role("article", name="Høy, klinisk")
    expect(alarm.get_by_role("button", name="Utsett …")).to_be_visible()
    assert_accessible(page)
    page.keyboard.press("c")
    dialog = page.get_by_role("dialog", name="Avslutt alarm for Solveig Nilsen")
    dialog.get_by_role("combobox", name="Hva gjorde du?").select_option(index=1)
    dialog.get_by_role("combobox", name="Hvordan gikk det?").select_option(index=1)
    dialog.get_by_role("radio", name="2").check()
    dialog.get_by_role("button", name="Avslutt alarmen").click()
    page.get_by_role("button", name="Åpne igjen …").click()
    dialog = page.get_by_role("dialog", name="Åpne alarmen for Solveig Nilsen igjen")
    dialog.get_by_role("button", name="Åpne igjen").click()
    expect(dialog).to_contain_text("Skriv hvorfor")
    assert_accessible(page)
    dialog.get_by_role("textbox", name="Hvorfor?").fill("Hun ringte: verre")
    dialog.get_by_role("button", name="Åpne igjen").click()
    expect(page.get_by_role("article", name="Høy, klinisk")).to_contain_text("Åpnet igjen av Kari Berg")


def test_cases_speak_english_too(ward: Ward, signed_in: SignIn) -> None:
    page = taken(ward, signed_in)
    page.get_by_role("button", name="English").click()
    on_row(page, "e")
    dialog = page.get_by_role("dialog", name="Escalate the alarm for Solveig Nilsen")
    dialog.get_by_role("textbox", name="Situation").wait_for()
    assert dialog.get_by_role("textbox", name="Situation").input_value().startswith("Red alarm since")
    assert_accessible(page)
    dialog.get_by_role("button", name="Send the case").click()
    page.get_by_role("link", name="Cases").click()
    expect(page.get_by_role("region", name="Sent on by you")).to_contain_text("Not opened yet")
    assert_accessible(page)
