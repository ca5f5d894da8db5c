"""Sessions end when they should, and a password cannot be guessed quickly."""

import itertools

import pytest
import sqlalchemy as sa
from argon2 import extract_parameters

from server.access import passwords, sessions, store
from server.access.passwords import TRIES, WINDOW_NS, Turnstile, fits, hash_password
from vitals.clock import NS

HOUR = 3600 * NS


@pytest.fixture
def token(ward):
    with ward.db.write() as tx:
        return sessions.open_session(tx, "kari", 0)


def holder(ward, token, wall_ns):
    with ward.db.read() as tx:
        found = store.holder(tx, token, wall_ns)
    return found and found[0].id


def test_a_session_ends_eight_hours_after_its_last_use(ward, token):
    assert holder(ward, token, 8 * HOUR - 1) == "kari"
    assert holder(ward, token, 8 * HOUR) is None


def test_and_twelve_hours_after_sign_in_however_busy(ward, token):
    for hour in range(1, 12):
        with ward.db.write() as tx:
            sessions.touch(tx, token, hour * HOUR)
    assert holder(ward, token, 12 * HOUR - 1) == "kari"
    assert holder(ward, token, 12 * HOUR) is None


def test_and_with_the_account_even_if_the_account_comes_back(ward, words, token):
    ward.staffed(words.staff[1:])
    assert holder(ward, token, 1) is None
    ward.staffed(words.staff)
    assert holder(ward, token, 1) is None


@pytest.mark.parametrize("change", [{"password_hash": "another"}, {"role": "doctor"}])
def test_and_when_the_password_or_the_role_changes(ward, words, token, change):
    kari, *others = words.staff
    ward.staffed((words.replace(kari, **change), *others))
    assert holder(ward, token, 1) is None


def test_but_not_when_the_same_file_is_applied_again(ward, token):
    ward.staffed()
    assert holder(ward, token, 1) == "kari"


def test_the_database_does_not_know_the_token(ward, token):
    with ward.db.read() as tx:
        kept = tx.execute(sa.select(sessions.sessions)).one()
    assert token.encode() not in b"".join(str(part).encode() for part in kept)
    assert len(token) >= 43, "256 bits"


def test_passwords():
    known = hash_password("correct horse battery")
    assert known.startswith("$argon2id$")
    assert fits("correct horse battery", known)
    assert not fits("wrong", known)
    assert not fits("anything", "not a hash")


def test_an_unknown_user_costs_the_same_work_as_a_known_one(monkeypatch):
    verified = []

    class Counting:
        def verify(self, password_hash, password):
            verified.append(password_hash.split("$")[1:4])
            return True

    known = hash_password("a")
    monkeypatch.setattr(passwords, "_hasher", Counting())
    assert fits("a", known)
    assert not fits("nobody has this password", None)
    assert verified[0] == verified[1], "the same algorithm with the same cost"


def test_a_turnstile_lets_five_failures_through_and_then_waits():
    turnstile = Turnstile()
    for second in range(TRIES):
        assert turnstile.wait_s("kari", "10.0.0.1", second * NS) == 0
        turnstile.failed("kari", "10.0.0.1", second * NS)
    assert turnstile.wait_s("kari", "10.0.0.1", 10 * NS) == pytest.approx(290)
    assert turnstile.wait_s("kari", "10.0.0.2", 10 * NS) == 0
    assert turnstile.wait_s("per", "10.0.0.1", 10 * NS) == 0
    assert turnstile.wait_s("kari", "10.0.0.1", WINDOW_NS) == 0


def test_a_turnstile_forgets_who_came_in_and_does_not_grow_without_end(monkeypatch):
    turnstile = Turnstile()
    for _ in range(TRIES):
        turnstile.failed("kari", "10.0.0.1", 0)
    turnstile.passed("kari", "10.0.0.1")
    assert turnstile.wait_s("kari", "10.0.0.1", 1) == 0
    monkeypatch.setattr(passwords, "_REMEMBERED", 100)
    for number in range(1000):
        turnstile.failed(f"user{number}", "10.0.0.1", 0)
    assert len(turnstile._failures) == 100


def test_accounts_that_leave_are_kept_by_name_but_told_nothing(ward, words):
    ward.staffed(words.staff[:1])
    with ward.db.read() as tx:
        assert [one.id for one in store.people(tx)] == ["kari"]
        assert store.account(tx, "ingrid") is None
        assert tx.scalar(sa.select(sa.func.count()).select_from(store.staff)) == 4


def test_tokens_do_not_repeat(ward):
    with ward.db.write() as tx:
        tokens = [sessions.open_session(tx, "kari", 0) for _ in range(20)]
    assert all(one != other for one, other in itertools.combinations(tokens, 2))


def test_a_user_who_does_not_exist_costs_the_same_from_the_first_try_on_and_nothing_before():
    """The hash of nobody is written, not computed, and argon2 reads it as one of its own."""
    assert extract_parameters(passwords._nobody) == extract_parameters(passwords.hash_password("any"))
    assert passwords._nobodys() != passwords._nobody
    assert not fits("nobody has this password", None)
