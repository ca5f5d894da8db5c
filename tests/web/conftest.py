"""A real server with the built page, real browsers, and a clock that a test moves.

Everything runs in this process but Chromium. Readings come in where the broker would hand them over.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import tomli_w
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from server.access.passwords import hash_password
from server.app import Server
from server.broker.accounts import hash_password as hash_gateway_password
from server.config import Broker, BrokerTls, Config, Web
from server.site import build
from tests.ports import free_port
from tests.waiting import until
from vitals.block import Block
from vitals.clock import NS, ManualClock
from vitals.events import Event
from vitals.wire import Batch, DeviceHealth, Health, Row, encode, up

from .laggy import Laggy

ROOT = Path(__file__).parents[2]
expect.set_options(timeout=15_000)  # a busy machine is no bug
START_NS = int(datetime(2026, 11, 21, 7, tzinfo=UTC).timestamp()) * NS
PASSWORD = "rett-passord"  # noqa: S105 - of made-up people in a server that lives for one test
STAFF = {"kari": ("Kari Berg", "nurse"), "mona": ("Mona Dahl", "nurse"), "nils": ("Dr. Nils Haugen", "doctor"),
         "sigrid": ("Sigrid Lie", "specialist"), "anne": ("Anne Moen", "administrator")}  # fmt: skip
PATIENTS = {"p-1": ("Solveig Nilsen", "copd"), "p-2": ("Arne Johansen", "heart-failure"), "p-3": ("Eli Vik", "copd")}


def municipality() -> dict[str, Any]:
    """What `municipality.toml` says, for a test to change."""
    since = datetime(2026, 10, 1, tzinfo=UTC)
    devices = {"p-1": ("oxi-1", "disp-1"), "p-2": ("scale-2",), "p-3": ("oxi-3",)}
    kept = hash_password(PASSWORD)
    return {
        "name": "Salten",
        "patients": [
            {"id": id_, "name": name, "birth_year": 1948, "place": "Rognan", "programme": programme,
             "phone": "+47 755 00 000", "conditions": ["KOLS grad 3"]}
            for id_, (name, programme) in PATIENTS.items()
        ],
        "gateways": [{"id": f"home-{id_[2:]}", "place": "Rognan", "patient": id_,
                      "password_hash": hash_gateway_password("x", iterations=10)} for id_ in PATIENTS],
        "assignments": [{"device": device, "patient": id_, "from": since}
                        for id_, owned in devices.items() for device in owned],
        "staff": [{"id": id_, "name": name, "role": role, "phone": "+47 900 00 000", "password_hash": kept}
                  for id_, (name, role) in STAFF.items()],
    }  # fmt: skip


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--laggy", type=int, default=0, metavar="MS", help="each request waits so long (tests.web.laggy)")


@pytest.fixture(scope="session", autouse=True)
def _laggy(pytestconfig: pytest.Config) -> None:
    Ward.lag_s = pytestconfig.getoption("--laggy", 0) / 1000


class Ward:
    """The server behind the page, and what happens to it."""

    lag_s = 0.0
    """Of every request (`tests.web.laggy`)."""

    def __init__(self, folder: Path, town: dict[str, Any] | None = None, **more: Any) -> None:
        (folder / "municipality.toml").write_text(tomli_w.dumps(town or municipality()), encoding="utf-8")
        self.clock = ManualClock(START_NS)
        ladders = ROOT / "configs" / "ladders.toml"
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        files = (folder / "data", folder / "municipality.toml", ladders)
        broker = Broker(tls=BrokerTls(("hjemvakt.test",)))  # of which the page shows the codes
        config = Config("Salten", *files, demo=True, web=Web(address=self.url), broker=broker, **more)
        self.server = Server(config, self.clock)
        self._seq = 0
        app = Laggy(build(self.server), self.lag_s) if self.lag_s else build(self.server)
        self._web = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", timeout_graceful_shutdown=1))
        self._thread = threading.Thread(target=self._web.run)

    @contextlib.contextmanager
    def open(self) -> Iterator["Ward"]:
        self._thread.start()
        try:
            until(lambda: self._web.started or not self._thread.is_alive())
            self.beat()
            yield self
        finally:
            self._web.should_exit = True
            self._thread.join(timeout=20)
            self.server.close()

    def beat(self) -> None:
        for id_ in PATIENTS:
            home = f"home-{id_[2:]}"
            health = (DeviceHealth(f"oxi-{id_[2:]}", "plx-1822", "idle", self.clock.now_ns(), 88.0),)
            told = Health(home, "e", self.clock.now_ns(), "test", 0, devices=health)
            self.server.receive(up(home, "health"), encode(told))

    def take(self, home: str, device: str, *what: Block | Event) -> None:
        """A gateway's rows arrive."""
        rows = []
        for one in what:
            self._seq += 1
            rows.append(Row(self._seq, device, self.clock.now_ns(), one))
        self.server.receive(up(home, "obs"), encode(Batch(home, "e", self.clock.now_ns(), tuple(rows))))

    def measure(
        self, spo2: float, pulse: float, minutes: float = 0, home: str = "home-1", device: str = "oxi-1"
    ) -> None:
        """A spot measurement after `minutes` more."""
        t_ns = self.clock.advance(minutes=minutes)
        self.beat()
        self.take(home, device, Block("spo2", (t_ns,), (spo2,)), Block("pulse_rate", (t_ns,), (pulse,)))
        self.server.tick(self.clock.now_ns())

    def deteriorate(self) -> None:
        """An hour of readings that end red."""
        for spo2, pulse in ((94, 80), (93, 84), (92, 92), (88, 108), (85, 118)):
            self.measure(spo2, pulse, minutes=15)


@pytest.fixture
def ward(tmp_path: Path) -> Iterator[Ward]:
    with Ward(tmp_path).open() as ward:
        yield ward


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
        )
        yield browser
        browser.close()


SignIn = Callable[..., Page]


@pytest.fixture
def fresh(chromium: Browser, ward: Ward) -> Iterator[Callable[[], BrowserContext]]:
    """Makes browsers that share nothing. A request to another origin, or an error on the page, fails the test."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def made() -> BrowserContext:
        context = chromium.new_context(
            base_url=ward.url, locale="nb-NO", timezone_id="Europe/Oslo", viewport={"width": 1440, "height": 900}
        )
        context.on("request", lambda asked: asked.url.startswith((ward.url, "data:")) or complaints.append(asked.url))
        context.on("weberror", lambda error: complaints.append(str(error.error)))
        contexts.append(context)
        return context

    yield made
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def signed_in(fresh: Callable[[], BrowserContext]) -> SignIn:
    """Signs somebody in, in a browser of their own, and waits for the worklist."""

    def sign_in(username: str, before: Callable[[BrowserContext], None] = lambda context: None) -> Page:
        context = fresh()
        before(context)
        page = context.new_page()
        page.goto("/")
        page.get_by_role("textbox", name="Brukernavn").fill(username)
        page.get_by_role("textbox", name="Passord").fill(PASSWORD)
        page.get_by_role("button", name="Logg inn").click()
        page.get_by_role("region", name="Uten alarm").wait_for()
        return page

    return sign_in


SETTLED = """async () => {
  const idle = () => new Promise((nothing) => requestIdleCallback(nothing, { timeout: 1000 }));
  const frame = () => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
  for (let still = 0; still < 2; ) { // once is not enough: what was pressed may only now become a dialog
    await idle();
    await frame(); // what has just come begins to move with the next
    const coming = document.querySelector("[data-coming]"); // a dialog is being fetched
    const moving = document.getAnimations();
    await Promise.allSettled(moving.map((one) => one.finished));
    still = coming || moving.length ? 0 : still + 1;
  }
  return true;
}"""


def assert_accessible(page: Page) -> None:
    """axe finds nothing against WCAG 2.2 A and AA in the page as it is now."""
    page.get_by_role("heading", level=1).first.wait_for()
    assert page.evaluate(SETTLED), "colours are no longer on their way"
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    found = Axe().run(page, options={"runOnly": {"type": "tag", "values": tags}})
    assert found.violations_count == 0, found.generate_report()


def assert_accessible_in_both_languages(page: Page, state: Callable[[], None]) -> None:
    """axe finds nothing in Bokmål nor in English. `state` brings the page to what is looked at, in either."""
    for language, name in (("nb", "Norsk"), ("en", "English")):
        page.get_by_role("button", name=name).click()
        page.wait_for_function("language => document.documentElement.lang === language", arg=language)
        state()
        assert_accessible(page)
