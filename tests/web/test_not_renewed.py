"""What could be fetched once and cannot be fetched anew is not shown as how things are, nor to whom it is not shown."""

import pytest
from playwright.sync_api import expect

from server.access.organisations import changed
from server.municipality import DEFAULT_ORGANISATION
from server.patients.store import patients

from .conftest import SignIn, Ward, assert_accessible

pytestmark = pytest.mark.chromium

ASKED = {"/cases": "**/api/cases", "/handover": "**/api/handover/*", "/oncall": "**/api/oncall?*",
         "/reports": "**/api/reports?*", "/patient/p-1": "**/api/patients/p-1/readings?*", "/me": "**/api/me/ways",
         "/me/security": "**/api/me/security", "/phone": "**/api/phone?*"}  # fmt: skip
"""Pages, and what each asks for."""
OF_ADMINISTRATORS = {"/fleet": "**/api/fleet", "/programmes": "**/api/programmes",
                     "/programmes/copd": "**/api/programmes/copd", "/people": "**/api/people"}  # fmt: skip


def move(ward: Ward, patient: str, organisation: str) -> None:
    """The patient is another organisation's from now on."""
    with ward.server.db.write() as tx:
        tx.execute(patients.update().where(patients.c.id == patient).values(organisation=organisation))
        changed(tx)


def test_who_may_see_a_patient_no_longer_does_not_though_the_page_is_open(ward: Ward, signed_in: SignIn) -> None:
    page = signed_in("kari")
    page.goto("/patient/p-1")
    name = page.get_by_role("heading", name="Solveig Nilsen")
    name.wait_for()
    move(ward, "p-1", "elsewhere")
    expect(name).to_have_count(0)
    expect(page.get_by_text("there is no patient 'p-1'")).to_be_visible()
    assert "Solveig" not in page.title()


def test_a_page_that_cannot_be_renewed_says_so_until_it_can(ward: Ward, signed_in: SignIn) -> None:
    page = signed_in("kari")
    page.goto("/patient/p-1")
    page.get_by_role("heading", name="Solveig Nilsen").wait_for()
    page.route("**/api/patients/p-1", lambda route: route.fulfill(status=500, json={"detail": "a mistake"}))
    ward.measure(93, 80, minutes=1)
    old = page.get_by_text("slik det var da det sist lot seg hente")
    expect(old).to_be_visible()
    assert_accessible(page)
    page.unroute("**/api/patients/p-1")
    expect(old).to_have_count(0)


@pytest.mark.parametrize(("who", "pages"), [("kari", ASKED), ("anne", OF_ADMINISTRATORS)])
def test_each_page_says_over_what_it_could_not_fetch_anew_that_it_may_be_old(
    ward: Ward, signed_in: SignIn, who: str, pages: dict[str, str]
) -> None:
    ward.measure(93, 80)
    page = signed_in(who)
    old = page.get_by_text("slik det var da det sist lot seg hente")
    for n, (path, asked) in enumerate(pages.items()):
        page.goto(path)
        page.locator(".uplot" if "patient" in path else ".page h1").first.wait_for()
        expect(page.locator(".loading")).to_have_count(0)
        page.route(asked, lambda route: route.fulfill(status=429, json={"detail": "too many requests"}))
        move(ward, "p-2", DEFAULT_ORGANISATION if n % 2 else "elsewhere")  # the stream has the page ask anew
        expect(old, path).to_have_count(1)
        assert_accessible(page)
        page.unroute(asked)
        page.get_by_role("button", name="Prøv igjen").click()
        expect(old).to_have_count(0)


def test_while_nobody_knows_whose_a_device_is_it_is_not_called_nobody_s(ward: Ward, signed_in: SignIn) -> None:
    ward.measure(93, 80)
    page = signed_in("anne")
    page.route("**/api/fleet/holders", lambda route: route.fulfill(status=429, json={"detail": "too many requests"}))
    page.goto("/fleet")
    page.get_by_role("heading", name="home-1").wait_for()
    expect(page.get_by_role("button", name="Prøv igjen")).to_be_visible()
    expect(page.get_by_text("Ikke tildelt")).to_have_count(0)
    expect(page.get_by_text("Hvem apparatene er tildelt, er ikke hentet ennå.")).to_be_visible()
    expect(page.get_by_role("button", name="Tildel …")).to_have_count(0)
    assert_accessible(page)
    page.unroute("**/api/fleet/holders")
    page.get_by_role("button", name="Prøv igjen").click()
    expect(page.locator(".holder-name", has_text="Solveig Nilsen").first).to_be_visible()
