"""How a home is spoken to: any command that speaks (`tell = ["espeak-ng", "-v", "nb"]`).

It gets the sentence as its last argument, without a shell between, and so long as it takes to say it, at most SPEAK_S;
two sentences are not said at once. `gateway.home.page` is for those who read.
"""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from typing import Protocol

SPEAK_S = 60.0
MOST_LETTERS = 1_000

log = logging.getLogger(__name__)


class Teller(Protocol):
    """Anything that can say a sentence to the home."""

    async def tell(self, sentence: str) -> None:
        """Say it; returns when it was said. Never raises: what cannot be said is in the log."""


class Voice:
    """A command that speaks."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = tuple(command)
        self._speaking = asyncio.Lock()

    async def tell(self, sentence: str) -> None:
        async with self._speaking:
            try:
                process = await asyncio.create_subprocess_exec(
                    *self._command, speakable(sentence), stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
                )  # fmt: skip
            except OSError as error:
                log.error("the home cannot be spoken to: %s (%s): see [local] tell", self._command[0], error)
                return
            try:
                async with asyncio.timeout(SPEAK_S):
                    code = await process.wait()
                if code:
                    log.error("%s ended with %d: was the home told?", self._command[0], code)
            except TimeoutError:
                log.error("%s did not come to its end in %.0f s and was stopped", self._command[0], SPEAK_S)
            finally:
                if process.returncode is None:
                    with contextlib.suppress(ProcessLookupError):
                        process.kill()
                    await process.wait()


def speakable(sentence: str) -> str:
    """The sentence as an argument: no control characters, not too long, and never taken for an option."""
    plain = "".join(letter if letter.isprintable() else " " for letter in sentence)[:MOST_LETTERS].strip()
    return f" {plain}" if plain.startswith("-") else plain
