"""Worlds are lived for a while; a world that failed once is lived for ever; and planted bugs are found."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.swarm.__main__ import main
from tests.swarm.many import Sum, live
from tests.swarm.planted import PLANTED, Plant, planted
from tests.swarm.world import Failed, run

SECONDS = 40.0
STEPS = 300
ENOUGH = 3
"""Fewer worlds than this prove nothing, however slow the machine is."""
MOST_SEEDS = 48
"""In so many worlds a planted bug must be found."""

ONCE_FAILED = ((107, 112),)
"""Seed and steps of worlds in which something was once broken."""


def test_many_worlds_keep_every_promise() -> None:
    total = Sum()
    for done in live(range(1, 1_000), STEPS, SECONDS, at_least=ENOUGH):
        total.add(done)
    assert min(total.stored, total.verdicts, total.rules.total()) > 100
    print(total.report(SECONDS))


@pytest.mark.parametrize(("seed", "steps"), ONCE_FAILED)
def test_what_was_broken_once_is_not_broken_again(seed: int, steps: int, tmp_path: Path) -> None:
    run(seed, steps, tmp_path)


def test_a_seed_is_the_same_world_in_every_process() -> None:
    """Also where Python orders its sets otherwise, which it does in each process."""
    traces = set()
    for order in ("1", "2"):
        said = subprocess.run(
            [sys.executable, "-m", "tests.swarm", "--seed", "5", "--steps", "80"],
            env={"PYTHONHASHSEED": order}, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=120,
            check=True,
        )  # fmt: skip
        traces.add(said.stdout.splitlines()[0])
    assert len(traces) == 1
    assert "trace" in traces.pop()


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_the_swarm_finds_planted_bugs(plant: Plant, capsys: pytest.CaptureFixture[str]) -> None:
    """And what it says of the world it found it in brings the same to light once more."""
    with planted(plant):
        with pytest.raises(Failed) as found:
            for _ in live(range(100, 100 + MOST_SEEDS), STEPS, 600.0):
                pass
        assert str(found.value.error).split(":")[0] in PLANTED[plant]
        assert main(found.value.again.split()[3:]) == 1
    assert str(found.value) in capsys.readouterr().err
