"""Two municipalities, a hospital and a response centre on one server, in real browsers: whose patients are shown, what
is seen in need and how that is looked at afterwards, and what a specialist keeps of a case that is over.

axe looks at every state, in both languages where words make the difference.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from .conftest import SignIn, Ward, assert_accessible, assert_accessible_in_both_languages, municipality

pytestmark = pytest.mark.chromium

ORGANISATIONS = {"salten": ("Saltdal kommune", "municipality"), "bodo": ("Bodø kommune", "municipality"),
                 "nlsh": ("Nordlandssykehuset", "hospital"), "vakt": ("Responssenteret", "response")}  # fmt: skip
WORKS_AT = {"nils": "bodo", "sigrid": "nlsh", "mona": "vakt"}
"""The others work in Saltdal, which keeps the system and has Solveig and Arne; Eli is Bodø's."""
SOLVEIG = "Solveig Nilsen"
NEED = re.compile("Nødtilgang|Emergency access")


@pytest.fixture
def ward(tmp_path: Path) -> Iterator[Ward]:
    town = municipality()
    town["organisations"] = [{"id": id_, "name": name, "kind": kind} for id_, (name, kind) in ORGANISATIONS.items()]
    town["patients"][2]["organisation"] = "bodo"
    for one in town["patients"][:2]:
        one["organisation"] = "salten"
    for one in town["staff"]:
        one["organisation"] = WORKS_AT.get(one["id"], "salten")
    town["relations"] = [{"patient": f"p-{n}", "organisation": "vakt", "purpose": "response"} for n in (1, 2, 3)]
    with Ward(tmp_path, town).open() as ward:
        yield ward


def names(page: Page) -> Locator:
    return page.locator("[data-patient]")


def test_a_nurse_of_two_municipalities_looks_at_one_of_them(ward: Ward, signed_in: SignIn) -> None:
    mona = signed_in("mona")
    expect(names(mona)).to_have_count(3)
    mona.locator("summary", has_text="Organisasjon").click()
    mona.get_by_role("checkbox", name="Bodø kommune").check()
    assert_accessible(mona)
    mona.keyboard.press("Escape")
    expect(names(mona)).to_have_count(1)
    expect(names(mona)).to_contain_text("Eli Vik")
    ward.deteriorate()  # in the municipality that she does not look at
    hides = mona.get_by_role("status").filter(has_text="Filteret skjuler 2 pasienter")
    expect(hides).to_contain_text("1 har alarm som venter, 1 høy")
    assert_accessible_in_both_languages(mona, lambda: None)
    mona.reload()
    expect(names(mona)).to_have_count(1)
    expect(names(mona)).to_contain_text("Eli Vik")


def test_a_nurse_of_one_municipality_is_asked_for_none(ward: Ward, signed_in: SignIn) -> None:
    kari = signed_in("kari")
    expect(names(kari)).to_have_count(2)
    expect(kari.locator("summary", has_text="Program")).to_be_visible()
    expect(kari.locator("summary", has_text="Organisasjon")).to_have_count(0)


def test_who_sees_a_patient_in_need_is_reminded_of_it_and_looked_at_afterwards(ward: Ward, signed_in: SignIn) -> None:
    nils, anne = signed_in("nils"), signed_in("anne")
    nils.goto("/patient/p-1")
    assert_accessible_in_both_languages(nils, nils.get_by_role("button", name=NEED).wait_for)
    nils.get_by_role("button", name="Norsk").click()
    nils.get_by_role("button", name="Nødtilgang").click()
    dialog = nils.get_by_role("dialog", name="Nødtilgang til pasient p-1")
    expect(dialog).to_be_visible()
    assert_accessible(nils)
    dialog.get_by_role("textbox", name="Hvorfor").fill("Falt hos oss, er bevisstløs")
    dialog.get_by_role("button", name="Åpne med nødtilgang").click()
    expect(nils.get_by_role("heading", level=1, name=SOLVEIG)).to_be_visible()
    banner = nils.get_by_role("status").filter(has_text=SOLVEIG)
    expect(banner).to_contain_text("Den varer til 09:00")
    assert_accessible_in_both_languages(nils, lambda: expect(banner).to_be_visible())

    kari = signed_in("kari")
    kari.goto("/patient/p-1")
    in_need = kari.get_by_role("list", name="Nødtilgang nå")
    expect(in_need).to_contain_text("Falt hos oss")
    assert_accessible(kari)

    nils.get_by_role("button", name=re.compile(rf"^(Avslutt nå|End it now)\s*, {SOLVEIG}$")).click()
    expect(banner).to_have_count(0)
    expect(nils.get_by_role("button", name=NEED)).to_be_visible()
    assert_accessible(nils)
    expect(in_need).to_have_count(0)

    expect(anne.get_by_role("link", name="Personer")).to_contain_text("1")
    anne.get_by_role("link", name="Personer").click()
    anne.get_by_role("button", name=f"Gå gjennom {SOLVEIG}").click()
    review = anne.get_by_role("dialog", name=f"Dr. Nils Haugen så {SOLVEIG}")
    review.get_by_role("button", name="Lagre").click()
    expect(review).to_contain_text("Velg ett av de to.")
    assert_accessible(anne)
    review.get_by_role("radio", name="Begrunnet", exact=True).check()
    review.get_by_role("textbox", name="Merknad").fill("Ringte hjem")
    review.get_by_role("button", name="Lagre").click()
    reviewed = anne.get_by_role("region", name="Nødtilganger")
    expect(reviewed).to_contain_text("Begrunnet – Anne Moen")
    assert_accessible_in_both_languages(anne, lambda: None)


def test_a_relation_is_given_and_ended(ward: Ward, signed_in: SignIn) -> None:
    anne, sigrid = signed_in("anne"), signed_in("sigrid")
    expect(names(sigrid)).to_have_count(0)
    assert_accessible_in_both_languages(sigrid, lambda: None)
    anne.goto("/people")
    dialog = anne.get_by_role("dialog")

    anne.get_by_role("button", name="Gi tilgang").click()
    assert_accessible(anne)
    dialog.get_by_role("combobox", name="Hvem").select_option("org/nlsh")
    dialog.get_by_role("button", name="Gi tilgang").click()
    row = anne.get_by_role("row").filter(has_text="Nordlandssykehuset")
    expect(row).to_contain_text("behandling")
    assert_accessible_in_both_languages(anne, lambda: None)
    expect(names(sigrid)).to_have_count(1)
    row.get_by_role("button").click()
    expect(row).to_have_count(0)
    expect(names(sigrid)).to_have_count(0)


def test_a_case_that_a_specialist_reads_closes_before_their_eyes(ward: Ward, signed_in: SignIn) -> None:
    ward.deteriorate()
    kari, sigrid = signed_in("kari"), signed_in("sigrid")
    expect(names(sigrid)).to_have_count(0)
    kari.locator('li[data-patient="p-1"]').focus()
    kari.keyboard.press("e")
    dialog = kari.get_by_role("dialog", name=f"Eskaler alarm for {SOLVEIG}")
    dialog.get_by_role("combobox", name="Til hvem?").select_option("person:sigrid")
    dialog.get_by_role("button", name="Send saken").click()
    expect(dialog).to_be_hidden()
    expect(names(sigrid)).to_have_count(1)
    sigrid.get_by_role("link", name="Saker").click()
    sigrid.get_by_role("link", name=f"Åpne sak 1 om {SOLVEIG}").click()
    expect(sigrid.get_by_role("article", name="Sak 1")).to_contain_text(SOLVEIG)

    kari.goto("/patient/p-1")
    alarm = kari.get_by_role("article", name="Høy, klinisk")
    alarm.get_by_role("button", name="Overta").click()
    alarm.get_by_role("button", name="Avslutt").click()
    closing = kari.get_by_role("dialog", name=f"Avslutt alarm for {SOLVEIG}")
    closing.get_by_role("combobox", name="Hva gjorde du?").select_option(index=1)
    closing.get_by_role("combobox", name="Hvordan gikk det?").select_option(index=1)
    closing.get_by_role("radio", name="5").check()
    closing.get_by_role("button", name="Avslutt alarmen").click()

    expect(sigrid.get_by_role("article", name="Sak 1")).to_have_count(0)
    expect(sigrid.get_by_text("Sak 1 er ikke hos deg lenger")).to_be_visible()
    expect(sigrid.get_by_role("main").get_by_text(SOLVEIG)).to_have_count(0)
    assert_accessible_in_both_languages(sigrid, lambda: None)
    sigrid.goto("/")
    expect(names(sigrid)).to_have_count(0)
