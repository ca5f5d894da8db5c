"""Every page where there is nothing to show, and where what it would show cannot be had, in both languages, as axe sees
it; and the door where there is a provider of identities.
"""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from server.config import Oidc

from .conftest import SignIn, Ward, assert_accessible, assert_accessible_in_both_languages

pytestmark = pytest.mark.chromium

PAGES = {
    "kari": (
        "/",
        "/patient/p-1",
        "/cases",
        "/handover",
        "/oncall",
        "/fleet",
        "/reports",
        "/phone",
        "/me",
        "/me/security",
    ),
    "anne": ("/", "/people", "/ladders", "/oncall/new/edit", "/fleet", "/reports"),
}
LANGUAGES = {"nb": "Norsk", "en": "English"}


def at(page: Page, path: str) -> None:
    """The page is there, and has loaded."""
    page.goto(path)
    page.get_by_role("heading", level=1).wait_for()
    expect(page.locator(".loading")).to_have_count(0)


@pytest.mark.parametrize("username", PAGES)
def test_every_page_with_nothing_to_tell_in_both_languages(ward: Ward, signed_in: SignIn, username: str) -> None:
    page = signed_in(username)
    for language, name in LANGUAGES.items():
        page.get_by_role("button", name=name).click()
        for path in PAGES[username]:
            at(page, path)
            expect(page.locator("html")).to_have_attribute("lang", language)
            assert_accessible(page)


def test_what_is_not_there_or_not_for_one_is_said_in_words(ward: Ward, signed_in: SignIn) -> None:
    kari = signed_in("kari")
    kari.goto("/no-such-page")
    no_page = kari.get_by_role("heading", name=re.compile("Siden finnes ikke|No such page"))
    assert_accessible_in_both_languages(kari, lambda: expect(no_page).to_be_visible())
    kari.goto("/people")
    not_yours = kari.get_by_text(re.compile("Du har ikke tilgang til dette|You do not have access to this"))
    assert_accessible_in_both_languages(kari, lambda: expect(not_yours).to_be_visible())


def test_a_server_that_does_not_answer_is_said_on_the_page_and_it_can_be_tried_again(
    ward: Ward, fresh: Callable[[], BrowserContext], signed_in: SignIn
) -> None:
    kari = signed_in("kari")
    kari.route("**/api/cases", lambda route: route.abort())
    kari.goto("/cases")
    again = kari.get_by_role("button", name=re.compile("Prøv igjen|Try again"))
    assert_accessible_in_both_languages(kari, lambda: expect(again).to_be_visible())
    kari.unroute("**/api/cases")
    again.click()
    expect(kari.get_by_role("region", name="Sent to you")).to_be_visible()
    kari.route("**/api/patients/p-1", lambda route: route.fulfill(status=503, json={"detail": "the disk is full"}))
    kari.goto("/patient/p-1")
    expect(again).to_be_visible()
    assert_accessible(kari)

    stranger = fresh().new_page()
    stranger.route("**/api/about", lambda route: route.abort())
    stranger.goto("/")
    expect(stranger.get_by_role("button", name="Prøv igjen")).to_be_visible()
    assert_accessible(stranger)


def test_a_page_that_cannot_be_fetched_leaves_the_others_and_the_alarms_standing(ward: Ward, signed_in: SignIn) -> None:
    kari = signed_in("kari")
    kari.route("**/assets/*.js", lambda route: route.fulfill(status=404))  # a newer server has other files
    kari.get_by_role("link", name="Rapporter").click()
    expect(kari.get_by_role("heading", level=1)).to_have_text("Siden kunne ikke vises")
    assert_accessible(kari)
    ward.deteriorate()
    expect(kari.get_by_role("link", name=re.compile("Arbeidsliste.*1"))).to_be_visible()
    kari.get_by_role("link", name=re.compile("Arbeidsliste")).click()
    expect(kari.locator("[data-patient='p-1']")).to_contain_text("SpO₂")
    kari.unroute("**/assets/*.js")
    kari.goto("/reports")
    expect(kari.get_by_role("heading", level=1)).to_have_text("Rapporter")


class TestWithAProvider:
    """The municipality has a provider of identities."""

    @pytest.fixture
    def ward(self, tmp_path: Path):
        secret = tmp_path / "secret"
        secret.write_text("of the provider's\n", encoding="utf-8")
        oidc = Oidc("https://provider.test", "hjemvakt", "HelseID", secret_file=secret)
        with Ward(tmp_path, oidc=oidc).open() as ward:
            yield ward

    def test_there_are_two_doors_and_who_is_turned_away_is_told_why(
        self, ward: Ward, fresh: Callable[[], BrowserContext]
    ) -> None:
        page = fresh().new_page()
        page.goto("/")
        other = page.get_by_role("button", name=re.compile("Logg inn med HelseID|Sign in with HelseID"))
        assert_accessible_in_both_languages(page, lambda: expect(other).to_be_visible())
        expect(other).to_have_attribute("href", "/api/session/oidc")
        page.goto("/?sign-in=unknown")
        why = page.get_by_text(re.compile("ingen konto her er din|no account here is yours"))
        assert_accessible_in_both_languages(page, lambda: expect(why).to_be_visible())
