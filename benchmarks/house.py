"""The server and a real mosquitto as processes of their own, for the benchmarks."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import psutil

from server.broker import mosquitto
from tests.ports import free_port

ROOT = Path(__file__).parents[1]


class House(NamedTuple):
    """Both, and the broker's port and the page's."""

    server: psutil.Process
    broker: psutil.Process
    mqtt_port: int
    web_port: int


@contextlib.contextmanager
def running(
    config: Path, stages: Path | None = None, left_out: Sequence[str] = (), watch: Sequence[str] = ()
) -> Iterator[House | None]:
    """Until the server is ready; None without a mosquitto. Adds to `config` where the two meet.

    `stages`: where the server, once it has stopped, has written down what `benchmarks.stages` asks of it; which of its
    parts are `left_out` that knows, too. `watch`: another module that runs the server, and what it is told beside the
    configuration.
    """
    if stages is not None:
        watch = ("benchmarks.stages", str(stages), *left_out)
    program = mosquitto.find()
    if program is None:
        print("mosquitto is not installed: nothing is measured over MQTT")
        yield None
        return
    mqtt_port, web_port = free_port(), free_port()
    with config.open("a", encoding="utf-8") as file:
        file.write(f'[web]\nport = {web_port}\n[broker]\nkind = "external"\nhost = "127.0.0.1"\n')
        file.write(f'port = {mqtt_port}\nusername = "server"\n')
    rules = config.with_name("mosquitto.conf")
    rules.write_text(
        f"listener {mqtt_port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\nmax_queued_messages 0\n"
        "max_inflight_messages 1000\npersistence false\n",
        encoding="utf-8",
    )
    with _process([program, "-c", str(rules)]) as broker, _serving(config, watch) as server:
        yield House(psutil.Process(server.pid), psutil.Process(broker.pid), mqtt_port, web_port)


def cpu_s(process: psutil.Process) -> float:
    """Seconds of a core that it has taken: neighbours on the machine make these no more."""
    times = process.cpu_times()
    return float(times.user + times.system)


def children_s(process: psutil.Process) -> float:
    """The same of the processes that it has begun and that are there."""
    return sum(cpu_s(one) for one in process.children())


@contextlib.contextmanager
def _process(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield child
    finally:
        child.terminate()
        child.wait()


@contextlib.contextmanager
def _serving(config: Path, watch: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    """The server, once it has said that it is ready."""
    run = [watch[0], str(config), *watch[1:]] if watch else ["server", "run", str(config)]
    command = [sys.executable, "-m", *run]
    child = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert child.stderr is not None
    try:
        for line in child.stderr:
            if "ready http://" in line:
                break
        else:
            raise SystemExit("the server did not start; run it by hand to see why")
        yield child
    finally:
        child.terminate()
        for line in child.stderr:
            print("   ", line.rstrip())
        child.wait()
