"""How soon the staff page stands on a slow line, what a nurse's browser fetches, and how smoothly 500 rows scroll.

`python -m benchmarks.bench_web` needs Chromium and the built page (`server/web/dist`). The line: 1.6 Mbit/s and
150 ms, the processor four times slower (Chromium's own throttling), as the budgets in the design say. Nothing is
stored: the list is made up on the way to the browser, and the server is real.
"""

import gzip
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from playwright.sync_api import Browser, Page, Request, Route, sync_playwright

from benchmarks.asked import asked
from tests.web.conftest import PASSWORD, Ward

DIST = Path(__file__).parents[1] / "server" / "web" / "dist" / "assets"
LINE = {"offline": False, "latency": 150, "downloadThroughput": 200_000, "uploadThroughput": 200_000}
FRAMES = """(ms) => new Promise((done) => {
  const gaps = []; let before = performance.now(); const end = before + ms;
  const frame = (now) => {
    gaps.push(now - before); before = now; window.scrollBy(0, 60);
    now < end ? requestAnimationFrame(frame) : done(gaps);
  };
  requestAnimationFrame(frame);
})"""


def main() -> None:
    """Measure and print one JSON object."""
    given = asked(times=(5, 1), quiet=(2_000, 200), rows=(500, 20), scroll=(3_000, 500))
    with tempfile.TemporaryDirectory() as folder, Ward(Path(folder)).open() as ward, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        told = {"first_contentful_paint_ms": first_paint(browser, ward, given.times),
                "javascript_fetched_kB": fetched(browser, ward, given.quiet), "javascript_gzip_kB": sizes(),
                **scrolled(browser, ward, given.rows, given.scroll), **acknowledged(browser, ward)}  # fmt: skip
        browser.close()
    print(json.dumps(told, indent=2))


def first_paint(browser: Browser, ward: Ward, times: int) -> float:
    """Median of the first contentful paint in an empty browser on the slow line."""
    found = []
    for _ in range(times):
        context = browser.new_context(base_url=ward.url)
        page = context.new_page()
        wire = context.new_cdp_session(page)
        wire.send("Network.enable")
        wire.send("Network.emulateNetworkConditions", LINE)
        wire.send("Emulation.setCPUThrottlingRate", {"rate": 4})
        page.goto("/")
        page.get_by_role("button", name="Logg inn").wait_for()
        found.append(page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"))
        context.close()
    return round(statistics.median(found))


def fetched(browser: Browser, ward: Ward, quiet_ms: int) -> dict[str, float]:
    """JavaScript as it travelled, in kB: up to the worklist; from there to a patient with an alarm and a chart, all in
    all and without a button pressed; and with what comes when the browser has nothing to do, which are the dialogs."""
    ward.deteriorate()
    context = browser.new_context(base_url=ward.url)
    page = context.new_page()
    page.add_init_script("window.idle = []; window.requestIdleCallback = (call) => window.idle.push(call);")
    came: list[Request] = []
    page.on("requestfinished", lambda one: came.append(one) if one.resource_type == "script" else None)
    found = {}
    come_in(page, "kari")
    found["to_the_worklist"] = _travelled(page, came, quiet_ms)
    page.goto("/patient/p-1")
    page.locator(".alarm-card").first.wait_for()
    page.locator(".uplot").first.wait_for()
    found["to_a_patient"] = _travelled(page, came, quiet_ms)
    page.evaluate("window.idle.splice(0).forEach((call) => call())")
    found["and_when_idle"] = _travelled(page, came, quiet_ms)
    context.close()
    return found


def _travelled(page: Page, came: list[Request], quiet_ms: int) -> float:
    """The bodies of these scripts, each once, when no more have come for a while."""
    page.wait_for_timeout(quiet_ms)
    sizes: dict[str, int] = {}
    for one in came:
        sizes[one.url] = max(sizes.get(one.url, 0), one.sizes()["responseBodySize"])
    return round(sum(sizes.values()) / 1000, 1)


def sizes() -> dict[str, float]:
    """Each JavaScript file, gzipped, in kB."""
    return {one.name: round(len(gzip.compress(one.read_bytes(), 9)) / 1000, 1) for one in sorted(DIST.glob("*.js"))}


def sign_in(browser: Browser, ward: Ward, username: str, rows: int = 0) -> Page:
    page = browser.new_context(base_url=ward.url, viewport={"width": 1440, "height": 900}).new_page()
    if rows:
        page.route("**/api/worklist", lambda route: crowd(route, rows))
    come_in(page, username)
    return page


def come_in(page: Page, username: str) -> None:
    page.goto("/")
    page.get_by_role("textbox", name="Brukernavn").fill(username)
    page.get_by_role("textbox", name="Passord").fill(PASSWORD)
    page.get_by_role("button", name="Logg inn").click()
    page.get_by_role("region", name="Uten alarm").wait_for()


def crowd(route: Route, rows: int) -> None:
    """The worst row, so many times: each with an alarm."""
    answer = route.fetch()
    body: dict[str, Any] = answer.json()
    like = body["rows"][0]
    for number in range(rows):
        patient = {**like["patient"], "id": f"many-{number}", "name": f"Pasient {number:03}"}
        body["rows"].append({**like, "patient": patient})
    route.fulfill(response=answer, json=body)


def scrolled(browser: Browser, ward: Ward, rows: int, ms: int) -> dict[str, float]:
    """So many rows with an alarm, 60 pixels a frame for so long: the time between frames, and how many were late."""
    ward.deteriorate()
    page = sign_in(browser, ward, "kari", rows)
    page.locator('[data-patient="many-3"]').wait_for()
    gaps = page.evaluate(FRAMES, ms)[2:]
    page.context.close()
    late = sum(gap > 25 for gap in gaps)
    ordered = sorted(gaps)
    return {"frame_p99_ms": round(ordered[int(len(gaps) * 0.99) - 1], 1), "frames": len(gaps), "late_frames": late}


def acknowledged(browser: Browser, ward: Ward) -> dict[str, float]:
    """From the click to the sign of it, in one's own browser and in a colleague's."""
    kari, mona = sign_in(browser, ward, "kari"), sign_in(browser, ward, "mona")
    seen = """() => { window.seen = new Promise((done) => new MutationObserver(() => {
      if (document.querySelector('[data-patient="p-1"] .is-taken')) done(Date.now());
    }).observe(document.body, {childList: true, subtree: true, attributes: true})); }"""
    for page in (kari, mona):
        page.locator('[data-patient="p-1"]').wait_for()
        page.evaluate(seen)
    clicked = kari.evaluate(
        """() => { const at = Date.now();
        document.querySelector('[data-patient="p-1"] .alarm > button').click(); return at; }"""
    )
    own, other = (page.evaluate("() => window.seen") - clicked for page in (kari, mona))
    for page in (kari, mona):
        page.context.close()
    return {"own_acknowledge_ms": own, "colleagues_acknowledge_ms": other}


if __name__ == "__main__":
    main()
