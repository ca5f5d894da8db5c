"""A home and the server's house, each in a network of its own, and a street between them that can be closed in silence.

Three network namespaces of Linux. The middle one forwards what the others send each other. When it is told to forward
nothing, packets vanish: no refusal, no reset, no cable that is pulled out, for either end to notice.
"""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

_HOME, _HOUSE = "10.77.1", "10.77.2"
_ENDS = ((_HOME, "home"), (_HOUSE, "house"))


def lacks() -> str | None:
    """Why there can be no such street on this machine, or None."""
    if os.geteuid() != 0:
        return "only root may make a network namespace"
    name = f"hv{os.getpid()}-try"
    try:
        tried = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "iproute2 is not installed"
    if tried.returncode:
        return f"no network namespace can be made here ({tried.stderr.strip()})"
    subprocess.run(["ip", "netns", "delete", name], check=True)
    return None


@dataclass(frozen=True)
class Street:
    """The namespaces' names; `house_address` is where the house is reached."""

    home: str
    middle: str
    house: str
    house_address: str = f"{_HOUSE}.1"

    def close(self) -> None:
        """From now on nothing gets through, and nobody is told."""
        self._forward(0)

    def open(self) -> None:
        self._forward(1)

    def _forward(self, on: int) -> None:
        _run("netns", "exec", self.middle, "sh", "-c", f"echo {on} > /proc/sys/net/ipv4/ip_forward")


@contextlib.contextmanager
def street() -> Iterator[Street]:
    """Made, open, and taken away at the end. Raises CalledProcessError where that is not allowed."""
    made = Street(*(f"hv{os.getpid()}-{end}" for end in ("home", "middle", "house")))
    names = {"home": made.home, "house": made.house}
    try:
        for name in (made.home, made.middle, made.house):
            _run("netns", "add", name)
            _run("-n", name, "link", "set", "lo", "up")
        for network, end in _ENDS:
            _join(made.middle, names[end], network, end)
        made.open()
        yield made
    finally:
        for name in (made.home, made.middle, made.house):
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)


def _join(middle: str, name: str, network: str, end: str) -> None:
    """A cable from the end's `out` to the middle."""
    _run("-n", middle, "link", "add", end, "type", "veth", "peer", "name", "out", "netns", name)
    for where, link, address in ((middle, end, f"{network}.2/24"), (name, "out", f"{network}.1/24")):
        _run("-n", where, "address", "add", address, "dev", link)
        _run("-n", where, "link", "set", link, "up")
    _run("-n", name, "route", "add", "default", "via", f"{network}.2")


def _run(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
