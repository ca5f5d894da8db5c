"""The parameters of scores in words, for the sentence that names what was not measured."""

from collections.abc import Iterable

from vitals.channels import CHANNELS

_SHORT = {
    "oxygen_flow": {"nb": "oksygen", "en": "oxygen"},
    "bp_sys": {"nb": "blodtrykk", "en": "blood pressure"},
    "consciousness": {"nb": "bevissthet", "en": "consciousness"},
}
"""Where the channel's own name says more than is wanted."""


def unmeasured(channels: Iterable[str], language: str) -> str:
    """One clause of a rule's text for each channel, which names it if it is missing."""
    return "".join(f"[ {_word(name, language)}{{{name}:!}},]" for name in channels)


def _word(name: str, language: str) -> str:
    if name in _SHORT:
        return _SHORT[name][language]
    word = CHANNELS[name].nb if language == "nb" else CHANNELS[name].en
    return word if word.startswith("SpO") else word.lower()
