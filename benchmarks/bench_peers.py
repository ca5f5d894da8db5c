"""What others who carry readings over MQTT get through on the same machine, in the same run.

The same readings for everybody, one to a message, QoS 1, over one mosquitto. A peer hears them and publishes them
again, and that is all it does: neither keeps them on disk, checks whose they are or looks at them. ThingsBoard's
gateway turns them into its telemetry (several to a message), Node-RED passes them on by one `mqtt in` and one `mqtt
out` node. Beside them stands what the broker gives back with nobody between, which none can surpass. The rate is that
of readings that came out, from the first published to the last heard.

The peers are installed from their registries, at the versions below, into a folder of their own under the user's cache.
One that cannot be installed is left out by name, and all of them with `--quick`.
"""

import contextlib
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.asked import asked
from benchmarks.bench_ingest import MESSAGES, PEOPLE, over_mqtt
from hjemvakt.demo.__main__ import free_port
from server.broker import mosquitto

THINGSBOARD = "3.8.5"
NODE_RED = "4.1.8"
WARM = 200
WAIT_S = 60.0
IN, PASSED_ON, TELEMETRY = "readings/oximeter", "passed/on", "v1/gateway/telemetry"
ASKED, ANSWERED = "v1/devices/me/rpc/request/", "v1/devices/me/rpc/response/"
_LIMITS = {
    "rateLimits": {"messages": "", "telemetryMessages": "", "telemetryDataPoints": ""},
    "maxInflightMessages": 1000,
}
"""ThingsBoard's gateway sends nothing before its platform has told it its limits: none."""
_ACL = f"""topic readwrite #
user token
topic write #
topic read {ANSWERED}+
"""
_MOMENTS = itertools.count(1_790_000_000_000)
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hjemvakt" / "peers"


class Peer(NamedTuple):
    """`starts`: its process, in a folder, for a broker on a port. `counts`: the readings in a message of `topic`."""

    name: str
    topic: str
    starts: Callable[[Path, int], "subprocess.Popen[bytes]"]
    counts: Callable[[bytes], int]


def main() -> None:
    given = asked(readings=(20_000, 200))
    found = mosquitto.find()
    if found is None:
        print("LEFT OUT: mosquitto is not installed")
        return
    print(f"{'peer':<28}{'readings/s':>12}{'of those sent':>15}")
    for peer in _NOBODY if given.quick else _NOBODY + _PEERS:
        with tempfile.TemporaryDirectory(prefix="peer-") as folder:
            try:
                rate, share = measure(peer, Path(folder), str(found), given.readings)
            except (OSError, subprocess.CalledProcessError, TimeoutError) as error:
                print(f"{peer.name:<28}LEFT OUT: {error}")
                continue
        print(f"{peer.name:<28}{rate:>12,.0f}{share:>15.0%}", flush=True)
    if given.quick:
        print("LEFT OUT: the peers, which would be installed first, and Hjemvakt itself, which bench_ingest tries")
        return
    print("\nHjemvakt, stored, triaged and acknowledged, 200 to a message as a hub sends a backlog:")
    with tempfile.TemporaryDirectory() as folder:
        over_mqtt(Path(folder), PEOPLE[0], MESSAGES)


def measure(peer: Peer, folder: Path, broker: str, readings: int) -> tuple[float, float]:
    """So many readings: how many a second came through, and which share of them; raises TimeoutError where none do."""
    with _mosquitto(broker, folder) as port, _ended(peer.starts(folder, port)), _client(port) as client:
        heard = _Count(peer, client)
        _until(lambda: heard.came(client, WARM), "it passes nothing on")
        heard.none()
        began_s = time.monotonic()
        for _ in range(readings):
            client.publish(IN, _reading(), qos=1)
        with contextlib.suppress(TimeoutError):
            _until(lambda: heard.many >= readings, "")
        return heard.many / (heard.last_s - began_s), heard.many / readings


class _Count:
    """What comes out of a peer."""

    def __init__(self, peer: Peer, client: mqtt.Client) -> None:
        self._counts = peer.counts
        self.many, self.last_s = 0, 0.0
        client.on_message = self._on_message
        client.subscribe([(peer.topic, 1), (ASKED + "+", 1)])

    def came(self, client: mqtt.Client, wanted: int) -> bool:
        """Send one more; whether so many have come: the peer is up, and warm."""
        client.publish(IN, _reading(), qos=1)
        return self.many >= wanted

    def none(self) -> None:
        """Begin again, once what was sent to warm it is through."""
        before = -1
        while before != self.many:
            before = self.many
            time.sleep(1)
        self.many = 0

    def _on_message(self, client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        if message.topic.startswith(ASKED):
            client.publish(ANSWERED + message.topic.removeprefix(ASKED), json.dumps(_LIMITS).encode(), qos=1)
            return
        self.many += self._counts(bytes(message.payload))
        self.last_s = time.monotonic()


def _reading() -> bytes:
    """A reading a millisecond after the one before: ThingsBoard's gateway makes one of two of the same millisecond."""
    return json.dumps({"device": "oximeter", "spo2": 97, "ts": next(_MOMENTS)}).encode()


def _until(holds: Callable[[], bool], what: str) -> None:
    until_s = time.monotonic() + WAIT_S
    while not holds():
        if time.monotonic() > until_s:
            raise TimeoutError(what)
        time.sleep(0.02)


@contextlib.contextmanager
def _mosquitto(found: str, folder: Path) -> Iterator[int]:
    port = free_port()
    (folder / "acl").write_text(_ACL)  # the platform would not give its own questions back to the gateway
    settings = (
        f"listener {port} 127.0.0.1", "allow_anonymous true", f"acl_file {folder / 'acl'}", "user root",
        "max_queued_messages 0", "max_inflight_messages 1000", "set_tcp_nodelay true",
    )  # fmt: skip
    (folder / "broker.conf").write_text("\n".join(settings))
    with _ended(subprocess.Popen([found, "-c", str(folder / "broker.conf")], stderr=subprocess.DEVNULL)):
        yield port


@contextlib.contextmanager
def _ended(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    try:
        yield
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def _client(port: int) -> Iterator[mqtt.Client]:
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv311)
    client.max_inflight_messages_set(1_000)
    listening = threading.Event()
    client.on_connect = lambda *_: listening.set()
    for _ in range(50):
        with contextlib.suppress(OSError):
            client.connect("127.0.0.1", port)
            break
        time.sleep(0.1)
    client.loop_start()
    listening.wait(WAIT_S)
    try:
        yield client
    finally:
        client.disconnect()
        client.loop_stop()


def _thingsboard(folder: Path, port: int) -> "subprocess.Popen[bytes]":
    home = CACHE / f"thingsboard-gateway-{THINGSBOARD}"
    if not home.exists():
        making = Path(tempfile.mkdtemp(prefix="making-", dir=_cache()))
        subprocess.run([sys.executable, "-m", "venv", str(making / "env")], check=True)
        pip = [str(making / "env" / "bin" / "pip"), "--quiet", "install", f"thingsboard-gateway=={THINGSBOARD}"]
        subprocess.run(pip, check=True)
        making.rename(home)
    config = folder / "config"
    shutil.copytree(next(home.glob("env/lib/*/site-packages/thingsboard_gateway/config")), config)
    _edit(config / "tb_gateway.json", lambda whole: _tb(whole, port))
    _edit(config / "mqtt.json", lambda whole: _tb_connector(whole, port))
    environment = {**os.environ, "TB_GW_CONFIG_DIR": str(config)}
    command = [str(home / "env" / "bin" / "python"), "-c", "from thingsboard_gateway.tb_gateway import main; main()"]
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )  # fmt: skip


def _tb(whole: dict[str, Any], port: int) -> None:
    whole["thingsboard"] |= {"host": "127.0.0.1", "port": port, "remoteConfiguration": False}
    whole["thingsboard"]["statistics"]["enable"] = False
    whole["thingsboard"]["security"]["accessToken"] = "token"
    whole["connectors"] = [{"type": "mqtt", "name": "readings", "configuration": "mqtt.json"}]


def _tb_connector(whole: dict[str, Any], port: int) -> None:
    whole["broker"] |= {"port": port, "version": 3}
    converter = {
        "type": "json",
        "deviceInfo": {
            "deviceNameExpressionSource": "message", "deviceNameExpression": "${device}",
            "deviceProfileExpressionSource": "constant", "deviceProfileExpression": "oximeter",
        },
        "timeout": 60_000, "attributes": [], "timeseries": [{"type": "double", "key": "spo2", "value": "${spo2}"}],
    }  # fmt: skip
    whole["mapping"] = [{"topicFilter": IN, "subscriptionQos": 1, "converter": converter}]


def _edit(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    whole = json.loads(path.read_text())
    change(whole)
    path.write_text(json.dumps(whole))


def _node_red(folder: Path, port: int) -> "subprocess.Popen[bytes]":
    home = CACHE / f"node-red-{NODE_RED}"
    if not home.exists():
        making = Path(tempfile.mkdtemp(prefix="making-", dir=_cache()))
        npm = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(making), f"node-red@{NODE_RED}"]
        subprocess.run(npm, check=True)
        making.rename(home)
    broker = {"id": "broker", "type": "mqtt-broker", "broker": "127.0.0.1", "port": str(port), "protocolVersion": "4"}
    hear = {
        "id": "in",
        "type": "mqtt in",
        "z": "flow",
        "topic": IN,
        "qos": "1",
        "broker": "broker",
        "datatype": "buffer",
    }
    rename = {
        "id": "to", "type": "change", "z": "flow",
        "rules": [{"t": "set", "p": "topic", "pt": "msg", "to": PASSED_ON, "tot": "str"}], "wires": [["out"]],
    }  # fmt: skip
    say = {"id": "out", "type": "mqtt out", "z": "flow", "qos": "1", "broker": "broker"}
    flow = [{"id": "flow", "type": "tab", "label": "readings"}, broker, hear | {"wires": [["to"]]}, rename, say]
    (folder / "flows.json").write_text(json.dumps(flow))
    (folder / "settings.js").write_text("module.exports = {httpAdminRoot: false, logging: {console: {level: 'off'}}}\n")
    command = [
        str(home / "node_modules" / ".bin" / "node-red"), "-u", str(folder), "-p", str(free_port()), "flows.json",
    ]  # fmt: skip
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _cache() -> Path:
    CACHE.mkdir(parents=True, exist_ok=True)
    return CACHE


def _telemetry(payload: bytes) -> int:
    """ThingsBoard's form: device → samples, each with values."""
    told: Mapping[str, list[Mapping[str, Any]]] = json.loads(payload)
    return sum("spo2" in sample.get("values", ()) for samples in told.values() for sample in samples)


_NOBODY = (Peer("nobody between", IN, lambda folder, port: subprocess.Popen(["sleep", "infinity"]), lambda payload: 1),)
_PEERS = (
    Peer(f"thingsboard-gateway {THINGSBOARD}", TELEMETRY, _thingsboard, _telemetry),
    Peer(f"Node-RED {NODE_RED}", PASSED_ON, _node_red, lambda payload: 1),
)


if __name__ == "__main__":
    main()
