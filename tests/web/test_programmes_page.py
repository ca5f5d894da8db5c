"""The page of programmes in a real browser: read, compared, written, tried on what was measured, put in force."""

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from server.patients.programmes import OURS, load
from server.programmes import store

from .conftest import SignIn, Ward, assert_accessible

pytestmark = pytest.mark.chromium

COPD = (OURS / "copd.toml").read_text(encoding="utf-8")
VERSION = load(None).of("copd").version
NEXT = (
    COPD.replace(f'version = "{VERSION}"', 'version = "9"')
    .replace("spo2_floor = 90", "spo2_floor = 86")
    .replace('"news2", "pulse_high",', '"pulse_high",')
)


def shown(page: Page, name: str) -> None:
    """axe has nothing to say, on a desk and on a tablet; the picture is kept where somebody asked for pictures."""
    for width, height in ((1024, 768), (1440, 900)):
        page.set_viewport_size({"width": width, "height": height})
        assert_accessible(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing is cut off at the side"
        if folder := os.environ.get("HJEMVAKT_PICTURES"):
            page.screenshot(path=Path(folder) / f"{name}-{width}.png", full_page=True)


def days_of(ward: Ward) -> None:
    """Three days of Solveig, who lives a little below the floor."""
    for value in (91, 88, 88, 92, 89, 88, 91, 84, 84, 91):
        ward.measure(value, 80, minutes=8 * 60)
        ward.measure(value, 80, minutes=5)


def open_copd(page: Page) -> None:
    page.get_by_role("link", name="Programmer", exact=True).click()
    page.get_by_role("link", name="KOLS").click()
    page.get_by_role("heading", name="KOLS").wait_for()


def write(page: Page, text: str) -> None:
    page.get_by_role("button", name="Lag en ny utgave").click()
    page.get_by_role("textbox", name="copd.toml").fill(text)
    page.get_by_role("button", name="Kontroller").click()


def test_every_programme_is_listed_and_one_is_read_whole(ward: Ward, signed_in: SignIn) -> None:
    anne = signed_in("anne")
    anne.get_by_role("link", name="Programmer", exact=True).click()
    row = anne.get_by_role("row", name="KOLS")
    expect(row).to_contain_text(VERSION)
    expect(row.get_by_role("cell").nth(2)).to_have_text("2")
    expect(anne.get_by_role("row")).to_have_count(1 + len(ward.server.programmes.names))
    shown(anne, "list")
    anne.get_by_role("link", name="KOLS").click()
    expect(anne.get_by_role("region", name="Grenser")).to_contain_text("spo2_floor90")
    expect(anne.get_by_role("region", name="Tiltak ved alarm")).to_contain_text(
        "Ring pasienten nå og be om en ny måling."
    )
    shown(anne, "one")


def test_a_version_is_written_tried_and_put_in_force_with_a_reason_and_the_old_one_put_back(
    ward: Ward, signed_in: SignIn
) -> None:
    days_of(ward)
    anne = signed_in("anne")
    open_copd(anne)
    write(anne, NEXT)
    changes = anne.get_by_role("table", name="endringer")
    expect(changes.get_by_role("row", name="spo2_floor")).to_contain_text("9086")
    expect(changes.get_by_role("row", name=re.compile("^NEWS2 "))).to_contain_text("tatt ut")
    shown(anne, "changes")
    anne.get_by_role("button", name="Prøv", exact=True).click()
    found = anne.get_by_role("table", name="pasientdøgn")
    ends = found.get_by_role("row", name="Pasienter med alarm")
    expect(ends).to_contain_text("1", timeout=60_000)  # a process of its own, which leaves the machine to others
    expect(
        anne.get_by_role("region", name="blir borte").get_by_role("link", name="Solveig Nilsen").first
    ).to_be_visible()
    shown(anne, "tried")
    anne.get_by_role("button", name="Ta i bruk").click()
    expect(anne.get_by_text("Skriv hvorfor, med minst tre tegn.")).to_be_visible()
    assert ward.server.programmes.of("copd").version == VERSION, "nothing is in force without a reason"
    anne.get_by_role("textbox", name="Hvorfor?").fill("for mange ringes opp")
    anne.get_by_role("button", name="Ta i bruk").click()
    history = anne.get_by_role("region", name="Hva som har vært gjeldende")
    expect(history).to_contain_text("for mange ringes opp")
    expect(history).to_contain_text("Anne Moen")
    assert ward.server.programmes.limits("copd", {})["spo2_floor"] == 86
    shown(anne, "in-force")
    anne.get_by_role("combobox", name="Vis").select_option(label=f"Utgave {VERSION}")
    anne.get_by_role("combobox", name="Sammenlign med").select_option(label="Utgave 9 (gjelder nå)")
    expect(anne.get_by_role("table", name="endringer").get_by_role("row", name="spo2_floor")).to_contain_text("8690")
    shown(anne, "compared")
    anne.get_by_role("button", name=f"Ta utgave {VERSION} i bruk igjen").click()
    expect(anne.get_by_role("textbox", name="copd.toml")).to_have_count(0)
    shown(anne, "put-back")
    anne.get_by_role("textbox", name="Hvorfor?").fill("den fant ikke alt")
    anne.get_by_role("button", name="Ta i bruk").click()
    expect(history.get_by_role("listitem").first).to_contain_text("den fant ikke alt")
    assert ward.server.programmes.of("copd").version == VERSION


def test_a_slip_is_named_with_the_place_and_the_mend_and_nothing_follows(ward: Ward, signed_in: SignIn) -> None:
    anne = signed_in("anne")
    open_copd(anne)
    write(anne, NEXT.replace("spo2_floor = 86", "spo2_flor = 86"))
    expect(anne.locator(".notice")).to_contain_text("no rule of the programme has a limit 'spo2_flor'")
    expect(anne.locator(".notice")).to_contain_text("did you mean 'spo2_floor'")
    expect(anne.get_by_role("button", name="Ta i bruk")).to_have_count(0)
    shown(anne, "slip")


def test_what_is_changed_after_it_was_checked_must_be_checked_again(ward: Ward, signed_in: SignIn) -> None:
    anne = signed_in("anne")
    open_copd(anne)
    write(anne, NEXT)
    expect(anne.get_by_role("button", name="Ta i bruk")).to_be_visible()
    anne.get_by_role("textbox", name="copd.toml").fill(NEXT.replace("spo2_floor = 86", "spo2_floor = 70"))
    expect(anne.get_by_role("button", name="Ta i bruk")).to_have_count(0)
    expect(anne.get_by_role("table", name="endringer")).to_have_count(0)


def test_whoever_was_first_is_named(ward: Ward, signed_in: SignIn) -> None:
    anne = signed_in("anne")
    open_copd(anne)
    write(anne, NEXT)
    anne.get_by_role("textbox", name="Hvorfor?").fill("for mange ringes opp")
    other = NEXT.replace('version = "9"', 'version = "8"')
    server = ward.server
    with server.db.read() as tx:
        seen = store.newest_of(tx, "copd")
        theirs = store.read(tx, server.programmes, "copd", other)
    assert seen is not None
    store.put(server.db, server.programmes, theirs, other, seen=seen.id, username="berit", name="Berit Aas",
              reason="først", now_ns=server.clock.now_ns())  # fmt: skip
    anne.get_by_role("button", name="Ta i bruk").click()
    expect(anne.locator(".notice")).to_contain_text("Berit Aas tok en annen utgave i bruk før deg")
    shown(anne, "overtaken")
    assert server.programmes.of("copd").version == "8"


def test_a_trial_under_way_shows_how_far_it_has_come_and_one_that_failed_says_why(
    ward: Ward, signed_in: SignIn
) -> None:
    anne = signed_in("anne")
    open_copd(anne)
    write(anne, NEXT)
    anne.get_by_role("button", name="Prøv", exact=True).click()
    expect(anne.locator(".notice")).to_contain_text("there are no readings in the last 14 days of who follows 'copd'")
    shown(anne, "failed")

    theirs = {"state": "running", "done": 42, "of": 100, "by": "Berit Aas", "problem": ""}

    def half_way(route: Route) -> None:
        """What a colleague's long trial looks like: a real one is over before axe has looked."""
        if route.request.method == "POST":
            route.fulfill(status=409, json={"detail": "another what-if is under way", "who": "Berit Aas"})
            return
        found = route.fetch()
        route.fulfill(response=found, json=found.json() | theirs)

    anne.route("**/api/whatif", half_way)
    anne.reload()
    open_copd(anne)
    write(anne, NEXT)
    expect(anne.get_by_role("progressbar", name="Prøvingen")).to_be_visible()
    expect(anne.get_by_text("copd 9, Berit Aas: 42 %")).to_be_visible()
    expect(anne.get_by_role("button", name="Stopp")).to_be_visible()
    shown(anne, "running")
    anne.get_by_role("button", name="Stopp").click()
    theirs["state"] = "stopped"
    expect(anne.get_by_text("Stoppet.", exact=True)).to_be_visible()
    shown(anne, "stopped")
    anne.get_by_role("button", name="Prøv", exact=True).click()
    expect(anne.locator(".notice")).to_contain_text("Berit Aas prøver en utgave nå")
    shown(anne, "another-first")


def test_nobody_but_an_administrator_finds_the_page(ward: Ward, signed_in: SignIn) -> None:
    kari = signed_in("kari")
    expect(kari.get_by_role("link", name="Programmer")).to_have_count(0)
    kari.goto("/programmes")
    expect(kari.locator(".notice")).to_be_visible()
    assert_accessible(kari)
