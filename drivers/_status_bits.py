"""Status fields: a bit that is set puts a word of `vitals.block.STATUS` beside the value.

Shared by the drivers of the standard Bluetooth services; each has its own table of bits.
"""

from collections.abc import Mapping


def words(bits: int, table: Mapping[int, str]) -> tuple[str, ...]:
    """The words in `table` (bit number -> word) of the bits that are set, in the table's order, each once."""
    return tuple(dict.fromkeys(word for bit, word in table.items() if bits >> bit & 1))


def user_word(user: int | None) -> tuple[str, ...]:
    """Which of a shared device's own users, as the status word `user_1`; none for None and FF, "not known"."""
    return () if user in (None, 0xFF) else (f"user_{user}",)
