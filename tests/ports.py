"""Ports for servers that live for one test.

They are drawn below those that the kernel gives to clients: between the moment a port was found free and the moment
its server takes it, a client on a busy machine may have been given it.
"""

import contextlib
import random
import socket

_OURS = range(12_000, 32_000)
_TRIES = 1_000


def free_port() -> int:
    """A TCP port of the loopback that was free a moment ago."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """So many, each another."""
    found: set[int] = set()
    draw = random.SystemRandom()  # a test that sets the seed must not set the port
    for _ in range(_TRIES):
        if len(found) == count:
            break
        port = draw.choice(_OURS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found.add(port)
    assert len(found) == count, "there is hardly a free port on this machine"
    return list(found)
