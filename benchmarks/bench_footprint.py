"""What a home hub and a server cost at rest: resident memory and processor, as processes in real time.

A town with four homes is started as the demo starts it, but at the wall's own speed, and left alone: the oximeters
measure three times an hour. Processor time is read from the scheduler's own account, over all threads. The limits are
the project's goals for a hub: 50 MB and 1 % of a core. A bare interpreter beside them says what Python alone takes.
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.asked import asked
from hjemvakt.demo.__main__ import free_port
from hjemvakt.demo.stage import Stage
from hjemvakt.demo.town import Wishes, build

MB = 1_000_000


def cpu_s(pid: int) -> float:
    """Processor seconds of a process and its threads so far."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def resident_mb(pid: int) -> float:
    return psutil.Process(pid).memory_info().rss / MB


async def main() -> None:
    given = asked(homes=(4, 1), settle=(15.0, 0.5), seconds=(30.0, 0.5))
    bare = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=asyncio.subprocess.PIPE)
    with tempfile.TemporaryDirectory(prefix="hjemvakt-") as folder:
        wishes = Wishes(patients=given.homes, speed=1, seed=1, port=free_port(), broker="auto", broker_port=free_port())
        town = build(Path(folder), wishes, time.time_ns())
        stage = Stage(town)
        async with stage.playing(lambda _: None):
            await asyncio.sleep(given.settle)
            pids = {name: process.pid for name, process in stage.processes.items()}
            before = {name: cpu_s(pid) for name, pid in pids.items()}
            await asyncio.sleep(given.seconds)
            used = {name: (cpu_s(pid) - before[name]) / given.seconds for name, pid in pids.items()}
            sizes = {name: resident_mb(pid) for name, pid in pids.items()}
            python_mb = resident_mb(bare.pid)
    await bare.communicate(b"\n")
    print(f"{'part':<12}{'resident MB':>12}{'of 50 MB':>10}{'x Python':>10}{'% of a core':>13}")
    print(f"{'bare Python':<12}{python_mb:>12.1f}{'':>10}{1:>10.1f}{'':>13}")
    for name in sorted(sizes):
        share = f"{sizes[name] / 50:.2f}" if name.startswith("home") else ""
        print(f"{name:<12}{sizes[name]:>12.1f}{share:>10}{sizes[name] / python_mb:>10.1f}{used[name] * 100:>13.2f}")


if __name__ == "__main__":
    asyncio.run(main())
