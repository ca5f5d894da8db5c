"""One deteriorates, one gains weight, one misses a dose, one falls silent; and one is well and is left in peace."""

from .conftest import Build

PEOPLE = (
    ("Solveig", "copd", "copd-exacerbation", {"spo2_expected_s": 3600.0}),
    ("Arne", "heart-failure", "heart-failure-weight-gain", {}),
    ("Marit", "general", "missed-dose", {}),
    ("Odd", "copd", "falls-silent", {"spo2_expected_s": 1800.0}),
    ("Ingrid", "general", "stable", {}),
)


async def test_each_is_found_for_their_own_reason_and_the_one_who_is_well_for_none(build: Build) -> None:
    town = await build(*PEOPLE)
    await town.spend(hours=5)
    assert "spo2_floor" in town.rules("Solveig")
    assert "weight_gain" in town.rules("Arne")
    assert town.rules("Marit") == {"missed_dose"}
    assert "device_silent" in town.rules("Odd")
    assert town.rules("Ingrid") == set()
    for home, (name, *_) in zip(town.homes, PEOPLE, strict=True):
        assert town.stored(name, "spo2") == home.measured("spo2"), f"{name}: every reading, once, in order"
        assert home.spool.status.queued == 0
    assert town.quarantined() == []


async def test_a_silent_home_is_one_finding_not_one_for_each_device(build: Build) -> None:
    town = await build(("Odd", "copd", "stable", {"spo2_expected_s": 1800.0}))
    await town.spend(hours=1)
    town.homes[0].on = False
    await town.until(lambda: town.alarms("Odd"), hours=6)
    await town.spend(hours=3)
    assert town.rules("Odd") == {"gateway_silent"}
    town.homes[0].on = True
    await town.spend(minutes=10)
    assert town.stored("Odd", "spo2") == town.homes[0].measured("spo2"), "the oximeter kept what the hub missed"
