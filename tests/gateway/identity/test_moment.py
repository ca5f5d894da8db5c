"""A hub whose clock cannot be right still knows what time it is at least."""

import ssl
from datetime import UTC, datetime, timedelta

import pytest

from gateway.identity.moment import Context, newest

BEGAN = datetime(2026, 10, 1, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.mark.parametrize(("told", "at_least"), [(None, BEGAN), (BEGAN - DAY, BEGAN), (BEGAN + DAY, BEGAN + DAY)])
def test_it_is_later_than_our_certificate_began_and_than_the_server_has_told(told, at_least):
    assert newest(BEGAN, told) == at_least


@pytest.mark.parametrize(("left", "good"), [(DAY, True), (timedelta(0), True), (-timedelta(seconds=1), False)])
def test_what_had_ended_by_then_is_refused(left, good):
    context = Context(ssl.PROTOCOL_TLS_CLIENT)
    context.since = BEGAN
    shown = {"notAfter": f"{BEGAN + left:%b %d %H:%M:%S %Y} GMT"}
    if good:
        context.judge(shown)
    else:
        with pytest.raises(ssl.SSLCertVerificationError, match="has ended on Sep 30"):
            context.judge(shown)


@pytest.mark.parametrize("shown", [None, {}, {"notAfter": "tomorrow"}])
def test_one_without_an_end_is_refused(shown):
    context = Context(ssl.PROTOCOL_TLS_CLIENT)
    context.since = BEGAN
    with pytest.raises(ssl.SSLCertVerificationError, match="no end"):
        context.judge(shown)
