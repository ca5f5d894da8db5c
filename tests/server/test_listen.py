"""The socket of the page."""

import socket

import pytest

from server.serving import listen
from tests.ports import free_port
from vitals.errors import LinkError


def test_an_answer_in_two_parts_does_not_wait_for_the_first_to_be_acknowledged() -> None:
    port = free_port()
    with listen("127.0.0.1", port) as page, socket.create_connection(("127.0.0.1", port)):
        accepted, _ = page.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_port_that_another_has_is_named_with_what_to_do() -> None:
    port = free_port()
    with (
        listen("127.0.0.1", port),
        pytest.raises(LinkError, match=rf"cannot serve on 127\.0\.0\.1:{port}.*another port"),
    ):
        listen("127.0.0.1", port)
