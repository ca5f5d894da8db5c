"""What a text message can hold (3GPP TS 23.038): 160 letters of GSM's own alphabet, or 70 of any other.

æ, ø and å are in GSM's alphabet; a subscript or a dash is not, and one of them would more than halve the room. So they
are written with the nearest letters that are, and only what is still left makes the whole message UCS-2.

What is too long goes in numbered parts. A modem's text mode has no way to join them, and a number is understood by
every telephone. What is longer than the parts that are allowed is cut in the middle: its beginning says what it is
about, and its end has the link.
"""

from typing import NamedTuple

_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_DOUBLE = "^{}\\[~]|€"
_FOLDED = str.maketrans(
    {
        "₂": "2", "–": "-", "—": "-", "−": "-", "…": "...", "«": '"', "»": '"', "“": '"', "”": '"', "’": "'",
        "‘": "'", "→": "->", "≥": ">=", "≤": "<=", "\u00a0": " ", "\u202f": " ", "\t": " ",
    }
)  # fmt: skip
ROOM, ROOM_UCS2 = 160, 70


class Parts(NamedTuple):
    """What to send, one message each; `ucs2`: some letter is in no other alphabet."""

    texts: tuple[str, ...]
    ucs2: bool


def size(text: str) -> int | None:
    """How many septets it takes; None where GSM's alphabet lacks a letter of it."""
    total = 0
    for letter in text:
        if letter in _BASIC:
            total += 1
        elif letter in _DOUBLE:
            total += 2
        else:
            return None
    return total


def parts(text: str, most: int) -> Parts:
    """The text in at most so many messages, whole where it fits."""
    text = text.translate(_FOLDED)
    ucs2 = size(text) is None
    room = ROOM_UCS2 if ucs2 else ROOM
    if _taken(text, ucs2) <= room:
        return Parts((text,), ucs2)
    inside = room - len("1/9 ")
    pieces = _pieces(text, inside, ucs2)
    if len(pieces) > most:
        pieces = _pieces(_cut(text, most, inside, ucs2), inside, ucs2)[:most]
    if len(pieces) == 1:
        return Parts(tuple(pieces), ucs2)
    return Parts(tuple(f"{number}/{len(pieces)} {piece}" for number, piece in enumerate(pieces, 1)), ucs2)


def _cut(text: str, most: int, room: int, ucs2: bool) -> str:
    """Without so much of its middle that the last word, which may be a link, has a part of its own end."""
    head, _, last = text.rpartition(" ")
    while head and len(_pieces(f"{head} ... {last}", room, ucs2)) > most:
        head = head[: max(0, len(head) - 8)]
    return f"{head.rstrip()} ... {last}"


def _pieces(text: str, room: int, ucs2: bool) -> list[str]:
    """Cut between words where there are words short enough."""
    pieces, piece = [], ""
    for word in text.split(" "):
        joined = f"{piece} {word}" if piece else word
        if _taken(joined, ucs2) <= room:
            piece = joined
            continue
        if piece:
            pieces.append(piece)
        while _taken(word, ucs2) > room:  # a word longer than a message: by letters
            fits = next(n for n in range(room, 0, -1) if _taken(word[:n], ucs2) <= room)
            pieces.append(word[:fits])
            word = word[fits:]
        piece = word
    return [*pieces, piece] if piece else pieces


def _taken(text: str, ucs2: bool) -> int:
    return len(text.encode("utf-16-be")) // 2 if ucs2 else size(text) or 0


def to_hex(text: str) -> str:
    """As a modem with the character set UCS2 is told it."""
    return text.encode("utf-16-be").hex().upper()


def from_hex(text: str) -> str:
    """What a modem with the character set UCS2 said. One that says it plainly all the same is believed."""
    try:
        raw = bytes.fromhex(text)
        return raw.decode("utf-16-be") if len(raw) % 2 == 0 else text
    except (ValueError, UnicodeDecodeError):
        return text
