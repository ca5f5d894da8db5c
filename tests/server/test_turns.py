"""The database's writers take turns: whoever has waited longest is next."""

import signal
import threading

import pytest

from server.turns import Turns
from tests.waiting import until


def test_whoever_waited_is_next_though_the_other_wants_it_again_at_once():
    turns, order, waiting = Turns(), [], threading.Event()

    def reading():
        waiting.set()
        with turns:
            order.append("a reading")

    with turns:
        thread = threading.Thread(target=reading)
        thread.start()
        waiting.wait(10)
        until(lambda: turns._waiting)
        order.append("a look at some")
    with turns:
        order.append("a look at the others")
    thread.join(10)
    assert order == ["a look at some", "a reading", "a look at the others"]


def test_only_one_has_it_however_many_want_it():
    turns, inside, most, rounds = Turns(), [], [], 200

    def work():
        for _ in range(rounds):
            with turns:
                inside.append(None)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(5)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(30)
    assert most == [1] * (5 * rounds)


def test_whoever_has_it_may_take_it_again_and_lets_go_of_it_with_the_last():
    turns = Turns()
    with turns, turns:
        pass
    taken = threading.Event()

    def other():
        with turns:
            taken.set()

    with turns:
        with turns:
            pass
        thread = threading.Thread(target=other)
        thread.start()
        until(lambda: turns._waiting)
        assert not taken.is_set()
    assert taken.wait(10)
    thread.join(10)


def test_an_error_inside_lets_go_of_it():
    turns = Turns()
    with pytest.raises(ZeroDivisionError), turns:
        raise ZeroDivisionError
    assert turns._owner == 0


def test_one_who_is_interrupted_while_he_waits_takes_nobodys_turn():
    turns, holding, release, got = Turns(), threading.Event(), threading.Event(), threading.Event()

    def holds():
        with turns:
            holding.set()
            release.wait(10)

    def interrupts():
        until(lambda: turns._waiting)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)

    def waits_too():
        with turns:
            got.set()

    def stop(*_):
        raise InterruptedError

    before = signal.signal(signal.SIGUSR1, stop)
    threads = [threading.Thread(target=work) for work in (holds, interrupts, waits_too)]
    try:
        threads[0].start()
        holding.wait(10)
        threads[1].start()
        with pytest.raises(InterruptedError), turns:
            pass
        threads[2].start()
        until(lambda: turns._waiting)
    finally:
        signal.signal(signal.SIGUSR1, before)
        release.set()
    assert got.wait(10)
    for one in threads:
        one.join(10)
    with turns:
        pass
