"""What a screen reads: a piece of the live stream taken apart."""


def told(piece: bytes) -> list[dict[str, str]]:
    """The events in what goes out at once, each by its fields."""
    return [dict(line.split(": ", 1) for line in one.split("\r\n")) for one in piece.decode().split("\r\n\r\n")[:-1]]
