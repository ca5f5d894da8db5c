"""mosquitto as a child of the server: its files written, started, watched, started again if it dies, stopped with us.

It runs inside its own folder and its configuration names its files without a path, so it needs no right to walk
through the folders above. Started by root it gives up root for its own account, which then owns that folder.

Beside the door for passwords, which is the server's own, it has one for certificates where the server is given papers
for it. A new list of revoked certificates is read on SIGHUP; it concerns whoever comes in from then on, and those who
are in already stay: `server.identity.keeper` sends them away.

A server that was killed outright leaves its mosquitto behind. The next start knows it by its working folder and
stops it first.
"""

import contextlib
import logging
import os
import pwd
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from server.broker import accounts
from server.config import BrokerTls
from server.identity.authority import Papers
from vitals.errors import LinkError
from vitals.wire import MAX_BYTES

if TYPE_CHECKING:
    from server.broker import Endpoint

log = logging.getLogger(__name__)

START_S = 10.0
STOP_S = 5.0

_TOPIC_ROOM = 1_024
"""A message may be MAX_BYTES long; the packet also holds its topic and properties."""

_CONFIG = """{user}listener {port} {host}
allow_anonymous false
password_file passwords
acl_file acl
use_username_as_clientid true
max_packet_size {max_packet}
max_inflight_messages 1000
max_queued_messages 100000
max_queued_bytes 268435456
set_tcp_nodelay true
persistence true
persistence_location ./
autosave_interval 60
pid_file mosquitto.pid
log_dest stderr
log_type error
log_type warning
connection_messages false
"""

_TLS = """
listener {port} {host}
cafile authority.pem
certfile broker.pem
keyfile broker.key
crlfile crl.pem
tls_version tlsv1.3
require_certificate true
use_identity_as_username true
use_username_as_clientid true
"""


class Tls(NamedTuple):
    """The door for certificates."""

    host: str
    port: int
    papers: Papers


def tls(config: BrokerTls | None, papers: Papers | None) -> Tls | None:
    """The door that `config` asks for, or None; raises LinkError where its papers are missing."""
    if config is None:
        return None
    if papers is None:
        raise LinkError("[broker.tls] without papers", "start the broker through the server")
    return Tls(config.host, config.port, papers)


def find() -> str | None:
    """The program, also where Debian puts it outside of an ordinary PATH."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin")


class Mosquitto:
    """A mosquitto that answers on `endpoint`; raises LinkError when it does not come up."""

    name = "mosquitto"

    def __init__(
        self,
        program: str,
        endpoint: "Endpoint",
        gateways: Mapping[str, str],
        folder: Path,
        tls: Tls | None = None,
    ) -> None:
        self.endpoint = endpoint
        self._folder = folder
        self._command = [program, "-c", "mosquitto.conf"]
        self._stopping = threading.Event()
        _write_files(folder, endpoint, gateways, tls)
        _stop_orphan(folder)
        self._child = self._launch()
        try:
            self._wait_until_it_answers()
        except LinkError:
            self.stop()
            raise
        self._keeper = threading.Thread(target=self._keep, name="mosquitto-keeper", daemon=True)
        self._keeper.start()

    @property
    def pid(self) -> int:
        return self._child.pid

    def problem(self) -> str | None:
        return None if self._child.poll() is None else "mosquitto is not running"

    def renew(self, papers: Papers) -> None:
        for name, data in _paper_files(papers).items():
            _write_private(self._folder / name, data, _account())
        self._child.send_signal(signal.SIGHUP)

    def stop(self) -> None:
        self._stopping.set()
        _end(self._child)

    def _launch(self) -> subprocess.Popen[bytes]:
        with (self._folder / "mosquitto.log").open("wb") as words:
            child = subprocess.Popen(  # its own session: a Ctrl-C is for us, and we stop it in our own time
                self._command,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=words,
                start_new_session=True,
            )
        _raise_file_limit(child.pid)
        return child

    def _wait_until_it_answers(self) -> None:
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            if self._child.poll() is not None:
                raise LinkError(f"mosquitto stopped at once ({self._last_words()})", "mend that, or use another port")
            with contextlib.suppress(OSError), socket.create_connection((self.endpoint.host, self.endpoint.port), 1):
                # The port may be another program's while ours is still about to find that out.
                if self._child.poll() is None and (self._folder / "mosquitto.pid").exists():
                    return
            self._stopping.wait(0.02)
        raise LinkError(f"mosquitto did not answer within {START_S:.0f} s ({self._last_words()})", "see mosquitto.log")

    def _last_words(self) -> str:
        lines = (self._folder / "mosquitto.log").read_text(errors="replace").strip().splitlines()
        return "; ".join(lines[-2:]) or "it said nothing"

    def _keep(self) -> None:
        """Start it again whenever it dies, more slowly each time it dies young."""
        pause_s = 0.1
        while True:
            started = time.monotonic()
            code = self._child.wait()
            if self._stopping.is_set():
                return
            log.error("mosquitto died (code %s), starting it again: %s", code, self._last_words())
            pause_s = 0.1 if time.monotonic() - started > 30 else min(pause_s * 2, 10.0)
            if self._stopping.wait(pause_s):
                return
            self._child = self._launch()
            if self._stopping.is_set():  # stop() may have ended the child before this one
                _end(self._child)


def _end(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(STOP_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _write_files(folder: Path, endpoint: "Endpoint", gateways: Mapping[str, str], tls: Tls | None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    account = _account()
    passwords = {**gateways, endpoint.username: accounts.hash_password(endpoint.password)}
    config = _CONFIG.format(
        user=f"user {account.pw_name}\n" if account else "",
        port=endpoint.port, host=endpoint.host, max_packet=MAX_BYTES + _TOPIC_ROOM,
    )  # fmt: skip
    files = {
        "passwords": "".join(f"{user}:{kept}\n" for user, kept in passwords.items()).encode(),
        "acl": accounts.mosquitto_acl(endpoint.username).encode(),
        "mosquitto.conf": (config + (_TLS.format(port=tls.port, host=tls.host) if tls else "")).encode(),
    } | (_paper_files(tls.papers) if tls else {})
    for name, data in files.items():
        _write_private(folder / name, data, account)
    folder.chmod(0o700)
    if account:
        for path in (folder, *folder.iterdir()):
            os.chown(path, account.pw_uid, account.pw_gid)


def _paper_files(papers: Papers) -> dict[str, bytes]:
    return {
        "authority.pem": papers.authority,
        "broker.pem": papers.certificate,
        "broker.key": papers.key,
        "crl.pem": papers.revoked,
    }


def _write_private(path: Path, data: bytes, owner: pwd.struct_passwd | None) -> None:
    """Whole or not at all, since mosquitto may start at any moment; never for a moment readable by others."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        if owner:
            os.fchown(file.fileno(), owner.pw_uid, owner.pw_gid)
    new.rename(path)


def _account() -> pwd.struct_passwd | None:
    """The account mosquitto gives up root for; None where we are not root ourselves."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("mosquitto")
    except KeyError:
        return pwd.getpwnam("nobody")


def _stop_orphan(folder: Path) -> None:
    """Stop the mosquitto that a killed server left running in `folder`."""
    file = folder / "mosquitto.pid"
    with contextlib.suppress(OSError, ValueError):
        pid = int(file.read_text())
        if Path(f"/proc/{pid}/cwd").resolve() != folder.resolve():
            return
        log.warning("stopping the mosquitto %s that an earlier server left behind", pid)
        os.kill(pid, signal.SIGTERM)
        until = time.monotonic() + STOP_S
        while Path(f"/proc/{pid}").exists() and time.monotonic() < until:
            time.sleep(0.02)
    file.unlink(missing_ok=True)


def _raise_file_limit(pid: int) -> None:
    """One gateway is one open file; with the usual limit of 1024 mosquitto turns the 1018th away."""
    import resource

    if hasattr(resource, "prlimit"):
        with contextlib.suppress(OSError, ValueError):
            _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (hard, hard))
