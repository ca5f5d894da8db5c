"""The explanation through the door: for whoever may see the alarm, without what they may not see, and written down."""

from tests.server.corrections.conftest import Home


async def test_a_nurse_sees_why_and_it_is_written_down(home: Home) -> None:
    home.finger(80.0)
    siri = await home.person("siri")
    answer = await siri.get("/api/alarms/1/explanation")
    assert answer.status_code == 200, answer.text
    (decision,) = answer.json()["decisions"]
    assert (decision["what"], decision["same"]) == ("opened", True)
    assert [seen["value"] for one in decision["findings"] for seen in one["readings"] if seen["channel"] == "spo2"]
    assert [who for who, _ in home.audited("see explanation")] == ["siri"]


async def test_who_may_not_see_the_alarm_may_not_see_why(home: Home) -> None:
    home.finger(80.0)
    anne = await home.person("anne")
    assert (await anne.get("/api/alarms/1/explanation")).status_code == 403
    assert (await (await home.person("siri")).get("/api/alarms/99/explanation")).status_code == 404
