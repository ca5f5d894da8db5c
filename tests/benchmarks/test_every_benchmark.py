"""Every benchmark runs to its end, in a small size: `make bench` takes an hour, and nobody would know before.

What it measures so says nothing of speed. What the machine lacks, a benchmark leaves out by name; the tests of those
that cannot do without it are left out as all others are (`tests/left_out.py`).
"""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NEEDS = {
    "bench_dashboards": "mosquitto", "bench_drain": "mosquitto", "bench_footprint": "mosquitto",
    "bench_influx": "influx", "bench_ingest": "mosquitto", "bench_page": "mosquitto", "bench_peers": "mosquitto",
    "bench_scope": "mosquitto", "bench_web": "chromium",
}  # fmt: skip
"""What a benchmark cannot do without, as the mark of its test."""
EVERY = [
    pytest.param(path, id=path.stem, marks=[getattr(pytest.mark, NEEDS[path.stem])] if path.stem in NEEDS else [])
    for path in sorted((ROOT / "benchmarks").glob("bench_*.py"))
]


@pytest.mark.processes
@pytest.mark.parametrize("path", EVERY)
def test_a_benchmark_runs_to_its_end(path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(path), "--quick"], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    measured = [line for line in done.stdout.splitlines() if "LEFT OUT" not in line]
    assert any(letter.isdigit() for line in measured for letter in line), "it has measured nothing"
