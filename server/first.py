"""A colleague was first."""


class Overtaken(Exception):
    """What was changed is not as it was when it was looked at: what to say, what to do, and who was first, by name."""

    def __init__(self, text: str, mend: str, who: str | None) -> None:
        super().__init__(text)
        self.text = text
        self.mend = mend
        self.who = who
