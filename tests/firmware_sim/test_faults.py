"""The path is unkind to the configured degree, and in the same way each time."""

import pytest

from firmware_sim.faults import Faults, Path


def test_a_perfect_path_changes_nothing() -> None:
    path = Path(Faults(), 1)
    assert path.carry(bytes(range(256))) == bytes(range(256))
    assert (path.pause_s(), path.twice(), path.drops()) == (0, False, False)


def test_the_same_seed_spoils_the_same() -> None:
    faults = Faults(flips_per_kb=50, losses_per_kb=20, duplicate=0.3, drop=0.3, delay_s=2)

    def run(seed: int) -> list[object]:
        path = Path(faults, seed)
        return [(path.carry(bytes(100)), path.pause_s(), path.twice(), path.drops()) for _ in range(50)]

    assert run(4) == run(4)
    assert run(4) != run(5)


def test_as_unkind_as_configured() -> None:
    path = Path(Faults(flips_per_kb=100, duplicate=0.25, drop=0.5, delay_s=2), 9)
    flipped = sum(byte.bit_count() for byte in path.carry(bytes(100_000)))
    assert flipped == pytest.approx(10_000, rel=0.05)
    assert len(Path(Faults(losses_per_kb=100), 9).carry(bytes(100_000))) == pytest.approx(90_000, rel=0.02)
    assert sum(path.twice() for _ in range(10_000)) == pytest.approx(2500, rel=0.1)
    assert sum(path.drops() for _ in range(10_000)) == pytest.approx(5000, rel=0.1)
    assert max(path.pause_s() for _ in range(1000)) <= 2


def test_a_damaged_indication_is_too_short_or_too_long_and_never_the_right_one() -> None:
    path, packet = Path(Faults(malformed=0.5), 9), bytes(range(1, 12))
    damaged = [one for _ in range(1000) for one in path.damaged(packet)]
    assert len(damaged) == pytest.approx(500, rel=0.15)
    assert packet not in damaged
    assert {len(one) < len(packet) for one in damaged} == {True, False}
    assert all(one.startswith(packet) or packet.startswith(one) for one in damaged)
    assert Path(Faults(), 9).damaged(packet) == []
