"""The code that a technician types: what may be typed, and what is found before anybody is asked."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitals.errors import WireError
from vitals.identity import Claim, Code, decode, draw_secret, encode, mark, read_code

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
codes = st.builds(Code, st.text(ALPHABET, min_size=11, max_size=11), st.text(ALPHABET, min_size=16, max_size=16))


@given(codes)
def test_what_is_written_is_what_is_read(code: Code) -> None:
    written = str(code)
    assert [len(part) for part in written.split("-")] == [4] * 7
    assert read_code(written) == code
    assert read_code(written.lower().replace("-", " ")) == code
    assert read_code(written.replace("0", "O").replace("1", "l")) == code


@given(codes, st.integers(0, 27), st.sampled_from(ALPHABET))
def test_a_mistyped_character_is_found(code: Code, place: int, other: str) -> None:
    typed = str(code).replace("-", "")
    wrong = typed[:place] + other + typed[place + 1 :]
    if {typed[place], other} in ({other}, {"0", "Z"}):
        return  # the same, or the one pair that the check cannot tell apart
    with pytest.raises(WireError, match="mistyped"):
        read_code(wrong)


@given(codes, st.integers(0, 26))
def test_two_characters_in_each_others_place_are_found(code: Code, place: int) -> None:
    typed = str(code).replace("-", "")
    one, two = typed[place], typed[place + 1]
    if {one, two} in ({one}, {"0", "Z"}) or place == 26:
        return
    with pytest.raises(WireError, match="mistyped"):
        read_code(typed[:place] + two + one + typed[place + 2 :])


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("", "28 characters, this has 0"),
        ("K7QM-2XWP", "this has 8"),
        ("K7QM-2XWP!", "no code has ! in it"),
        ("é" * 28, "É"),
    ],
)
def test_what_is_no_code_is_said_in_words(typed: str, words: str) -> None:
    with pytest.raises(WireError, match=words):
        read_code(typed)


def test_the_mark_is_the_beginning_of_the_hash() -> None:
    digest = int(hashlib.sha256(b"authority").hexdigest(), 16)
    assert mark(b"authority") == "".join(ALPHABET[(digest >> (251 - 5 * n)) % 32] for n in range(16))


def test_secrets_are_drawn_from_the_whole_alphabet_and_never_twice() -> None:
    drawn = {draw_secret() for _ in range(500)}
    assert len(drawn) == 500
    assert set("".join(drawn)) == set(ALPHABET)


def test_a_message_that_does_not_parse_is_refused() -> None:
    assert decode(encode(Claim("s", "home-1", "r")), Claim) == Claim("s", "home-1", "r")
    for data in (b"", b"{}", b"\xff", b"[" * 99, b'{"secret":1,"name":"x","request":""}', b" " * 20_000):
        with pytest.raises(WireError):
            decode(data, Claim)
