"""The exception tree. Every error of ours says what is wrong and what to do about it.

    HjemvaktError
    ├── ConfigError      a configuration that cannot be used; names the file, the key and the mend
    ├── WireError        a message that does not parse, or claims what it may not
    ├── StoreError       a store that cannot take what it was given (full, damaged, of another version)
    └── LinkError        a device, port, radio or broker that cannot be reached

A device's damaged bytes are not an exception: they are a `vitals.events.Fault`, which is data.
"""


class HjemvaktError(Exception):
    """What went wrong (`text`) and what the reader can do (`mend`)."""

    def __init__(self, text: str, mend: str = "") -> None:
        super().__init__(f"{text}: {mend}" if mend else text)
        self.text = text
        self.mend = mend


class ConfigError(HjemvaktError):
    """A configuration that cannot be used."""


class WireError(HjemvaktError):
    """A message that does not parse or claims what it may not. `reason` is a short machine-readable word."""

    def __init__(self, reason: str, text: str, mend: str = "") -> None:
        super().__init__(text, mend)
        self.reason = reason


class StoreError(HjemvaktError):
    """A store that cannot take what it was given."""


class LinkError(HjemvaktError):
    """A device, port, radio or broker that cannot be reached."""


def reason(error: OSError | ValueError) -> str:
    """What the system says of a file, without the path: the sentence that tells it names that already."""
    return (isinstance(error, OSError) and error.strerror) or str(error)
