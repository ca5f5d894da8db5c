"""What is wrong with the store, in words that may be logged and shown to anyone: without what was to be stored."""

import logging

_WORDS = {
    "SQLITE_FULL": "the disk is full: make room on it",
    "SQLITE_BUSY": "another program holds the database: stop it",
    "SQLITE_READONLY": "the database may not be written: see to the folder's rights",
    "SQLITE_CANTOPEN": "the database cannot be opened: see to the folder's rights, and whether its disk is full",
}


def known(error: BaseException) -> str | None:
    """The trouble of the machine that this error tells of, and what to do; None where it is another's or our own."""
    name = code(error)
    if name.startswith("SQLITE_IOERR"):
        return f"the disk fails ({name}): see to it, and whether it is full"
    return _WORDS.get(name)


def code(error: BaseException) -> str:
    """What SQLite calls it (`SQLITE_FULL`); empty for another's error."""
    cause = getattr(error, "orig", None) or error
    return str(getattr(cause, "sqlite_errorname", ""))


def report(log: logging.Logger, before: str | None, error: BaseException, what: str) -> str:
    """Log once that `what` fails, `before` being how it failed the last time; returns how it fails now.

    A full disk lasts for hours, and is not to be filled with its own story. An error that nobody has foreseen is told
    each time, with the place where it happened.
    """
    trouble = known(error)
    if trouble is None:
        log.error("%s failed, trying again", what, exc_info=error)
    elif trouble != before:
        log.error("%s failed, trying again until it succeeds: %s", what, trouble)
    return trouble or type(error).__name__
