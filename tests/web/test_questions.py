"""A visitor on the scale: what the nurse sees and answers, and what the one at home does, in real browsers.

axe looks at every state; the page at home is also opened without scripts, as it is made to be.
"""

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from server.notify.phone import messages
from server.readings.store import series
from vitals.block import Block

from .conftest import SignIn, Ward, assert_accessible

pytestmark = pytest.mark.chromium


def weigh(ward: Ward, *kg: float, hours: float = 0) -> None:
    """Somebody steps on Arne's scale, and again a minute later for each further weight."""
    ward.clock.advance(hours=hours)
    for one in kg:
        t_ns = ward.clock.advance(minutes=1)
        ward.beat()
        ward.take("home-2", "scale-2", Block("weight", (t_ns,), (one,), 1), Block("bmi", (t_ns,), (one / 3.2,), 1))
    ward.server.tick(ward.clock.now_ns())


def weights(ward: Ward) -> list[float]:
    with ward.server.db.read() as tx:
        return series(tx, "p-2", "weight", 0, 2**62).value


def link(ward: Ward) -> str:
    with ward.server.db.read() as tx:
        (message,) = [one for one in messages(tx) if one.role == "patient"]
    return message.text.rsplit(" ", 1)[1]


@pytest.fixture
def visited(ward: Ward) -> Ward:
    for _ in range(3):
        weigh(ward, 82.4, hours=1)
    weigh(ward, 54.2)
    return ward


@pytest.fixture
def telephone(chromium: Browser, ward: Ward) -> Callable[..., Page]:
    """A telephone without scripts; makes its page."""
    contexts: list[BrowserContext] = []

    def made(**more: object) -> Page:
        settings = {"locale": "nb-NO", "viewport": {"width": 390, "height": 844}, "java_script_enabled": False} | more
        contexts.append(chromium.new_context(base_url=ward.url, **settings))  # type: ignore[arg-type]
        return contexts[-1].new_page()

    yield made  # type: ignore[misc]
    for context in contexts:
        context.close()


def test_a_question_stands_in_the_list_and_is_answered_on_the_patients_page(visited: Ward, signed_in: SignIn) -> None:
    page, colleague = signed_in("kari"), signed_in("mona")
    asked = page.get_by_role("region", name="Spørsmål")
    expect(asked).to_contain_text("Arne Johansen")
    expect(asked).to_contain_text("54,2 kg målt")
    expect(asked).to_contain_text("Pasienten veier vanligvis 82,4 kg.")
    expect(asked).to_contain_text("spurt på pasientens telefon")
    assert_accessible(page)
    page.get_by_role("link", name="Svar på spørsmål om Arne Johansen").click()
    card = page.get_by_role("article", name="Hvem sin er målingen?")
    expect(card).to_contain_text("Kroppsmasseindeks 16,9 kg/m²")
    assert_accessible(page)
    card.get_by_role("button", name="En annens").click()
    expect(card).to_have_count(0)
    answered = page.get_by_role("list", name="Besvarte spørsmål")
    expect(answered).to_contain_text("En annens – Kari Berg")
    assert_accessible(page)
    assert weights(visited) == [82.4] * 3
    expect(colleague.get_by_role("region", name="Spørsmål")).to_have_count(0)
    expect(colleague.get_by_role("region", name="Uten alarm")).to_contain_text("Arne Johansen")


def test_a_series_is_one_question_and_the_first_weight_is_said_to_be_the_first(ward: Ward, signed_in: SignIn) -> None:
    weigh(ward, 82.4)
    page = signed_in("kari")
    page.goto("/patient/p-2")
    expect(page.get_by_text("Første vekt: 82,4 kg")).to_be_visible()
    assert_accessible(page)
    for kg in (71.0, 70.8, 71.2):
        weigh(ward, kg, hours=24)
    expect(page.get_by_text("3 målinger som ligner hverandre, over 3 dager")).to_be_visible()
    assert_accessible(page)
    page.get_by_role("button", name="English").click()
    card = page.get_by_role("article", name="Whose measurement is this?")
    assert_accessible(page)
    card.get_by_role("button", name="The patient's own").click()
    expect(page.get_by_role("list", name="Answered questions")).to_contain_text("Kari Berg")
    assert weights(ward) == [82.4, 71.0, 70.8, 71.2]


def test_the_second_of_two_nurses_is_told_who_was_first(visited: Ward, signed_in: SignIn) -> None:
    kari = signed_in("kari")
    mona = signed_in("mona", lambda context: context.route("**/api/stream", lambda route: route.abort()))
    for page in (kari, mona):
        page.goto("/patient/p-2")
        expect(page.get_by_role("article", name="Hvem sin er målingen?")).to_be_visible()
    kari.get_by_role("button", name="Pasientens egen").click()
    expect(kari.get_by_role("list", name="Besvarte spørsmål")).to_contain_text("Kari Berg")
    # Her page asks anew once it is refused, so what it says is caught before that.
    mona.route("**/api/patients/p-2", lambda route: route.abort())
    mona.get_by_role("button", name="En annens").click()
    expect(mona.get_by_role("alert").filter(has_text="Kari Berg")).to_be_visible()
    assert_accessible(mona)
    assert weights(visited)[-1] == 54.2


def test_a_question_is_seen_beside_an_alarm(visited: Ward, signed_in: SignIn) -> None:
    for _ in range(3):
        weigh(visited, 82.4, hours=12)  # apart: what is weighed again within six hours counts once
    weigh(visited, 86.9, hours=25)
    page = signed_in("kari")
    clinical = page.get_by_role("region", name="Kliniske alarmer")
    expect(clinical).to_contain_text("Arne Johansen")
    expect(clinical).to_contain_text("Pasienten veier vanligvis 82,4 kg.")
    assert_accessible(page)


def test_at_home_it_was_me_and_the_nurse_sees_that_somebody_at_home_said_so(
    visited: Ward, telephone: Callable[..., Page], signed_in: SignIn
) -> None:
    nurse = signed_in("kari")
    nurse.goto("/patient/p-2")
    expect(nurse.get_by_role("article", name="Hvem sin er målingen?")).to_be_visible()
    page = telephone()
    page.goto(link(visited))
    expect(page.get_by_role("heading", level=1)).to_have_text("Et spørsmål om en måling")
    assert "Arne" not in page.content()
    page.get_by_role("button", name="Ja, det var meg").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Takk for svaret")
    assert weights(visited)[-1] == 54.2
    expect(nurse.get_by_role("list", name="Besvarte spørsmål")).to_contain_text("noen hjemme hos pasienten")
    page.goto(link(visited))
    expect(page.get_by_role("heading", level=1)).to_have_text("Lenken virker ikke lenger")


def test_at_home_they_do_not_know_and_the_nurse_is_told(
    visited: Ward, telephone: Callable[..., Page], signed_in: SignIn
) -> None:
    page = telephone()
    page.goto(link(visited))
    page.get_by_role("button", name="Jeg vet ikke").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Takk for svaret")
    nurse = signed_in("kari")
    expect(nurse.get_by_role("region", name="Spørsmål")).to_contain_text("hjemme vet de det ikke")
    assert_accessible(nurse)


def test_the_page_at_home_is_accessible_in_every_state_and_in_both_languages(
    visited: Ward, fresh: Callable[[], BrowserContext]
) -> None:
    page = fresh().new_page()
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(link(visited))
    assert_accessible(page)
    page.get_by_role("link", name="In English").click()
    expect(page.get_by_role("heading", name="Was it you who used the scale?")).to_be_visible()
    assert_accessible(page)
    weigh(visited, 54.4)
    page.get_by_role("button", name="Yes, it was me").click()
    expect(page.get_by_role("alert")).to_contain_text("One more measurement has come")
    assert_accessible(page)
    page.get_by_role("button", name="No, it was somebody else").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Thank you for your answer")
    assert_accessible(page)
    page.goto(link(visited))
    expect(page.get_by_role("heading", level=1)).to_have_text("Lenken virker ikke lenger")
    assert_accessible(page)
    assert weights(visited) == [82.4] * 3


def test_the_page_at_home_is_used_by_the_keyboard_alone(visited: Ward, telephone: Callable[..., Page]) -> None:
    page = telephone()
    page.goto(link(visited))
    for _ in range(3):
        page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Nei, det var noen andre")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Takk for svaret")
    assert weights(visited) == [82.4] * 3
